"""The client libraries behind one narrow protocol, and which of them is taken.

One module for each library; a module is imported only when its library is. No adapter knows
prefixes, generations, pools or several servers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar, Final, Protocol

from flask_cache_core.errors import ConfigError

from ..servers import Server

#: What `Client.incr` answers where the stored bytes are no number that the server can add to.
NOT_NUMERIC: Final = "not numeric"


class Client(Protocol):
    """One connection to one server, which values pass through as bytes, unchanged.

    Used by one thread at a time. Keys are valid for the protocol; *expire* is in the server's
    own terms. Methods raise one of ``errors`` when the server or the connection fails; the
    connection is not used again after that, or once it is ``broken``. A connection that failed
    is never replaced behind the caller's back, and nothing is sent twice.

    Only what reads (`get_multi`, `gets`) may answer as if nothing were there instead of raising:
    not all libraries tell. What comes back is what is there.
    """

    errors: ClassVar[tuple[type[Exception], ...]]
    #: Those of them that mean a connection that was closed, rather than a server that is late.
    closed: ClassVar[tuple[type[Exception], ...]]
    broken: bool

    def get_multi(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """What is there of *keys*, in one round trip, answered in the order of *keys*."""
        ...

    def set_multi(self, items: Mapping[str, bytes], expire: int) -> list[str]:
        """Store all *items*; the keys that the server refused."""
        ...

    def store(
        self,
        versions: Mapping[str, bytes],
        versions_expire: int,
        items: Mapping[str, bytes],
        expire: int,
    ) -> list[str]:
        """Add all *versions*, then `set_multi`, in one round trip where the library can."""
        ...

    def add(self, key: str, data: bytes, expire: int) -> bool: ...

    def delete(self, key: str) -> bool:
        """Whether it was there."""
        ...

    def incr(self, key: str, delta: int) -> int | str | None:
        """Add *delta*; the server stops at 0.

        The new value; ``None`` where nothing is there; or `NOT_NUMERIC`.
        """

    def gets(self, key: str) -> tuple[bytes, Any] | None:
        """The bytes and the token for `cas`."""

    def cas(self, key: str, data: bytes, expire: int, token: Any) -> bool: ...

    def flush_all(self) -> None: ...


@dataclass(frozen=True)
class Link:
    """How to reach one server. *timeout* is in seconds; credentials are for SASL."""

    server: Server
    timeout: float
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    behaviors: Mapping[str, Any] = field(default_factory=dict)


Connect = Callable[[Link], Client]

#: The libraries in the order of preference, by the name of what is imported; the name that the
#: package index has for it; and the module of the adapter.
LIBRARIES: Final = {
    "pylibmc": ("pylibmc", "through_pylibmc"),
    "pymemcache": ("pymemcache", "through_pymemcache"),
    "memcache": ("python-memcached", "through_memcache"),
    "google.appengine.api.memcache": ("appengine-python-standard", "through_appengine"),
}
_OTHER_NAMES: Final = {
    "python-memcached": "memcache",
    "appengine": "google.appengine.api.memcache",
    "gae": "google.appengine.api.memcache",
}


def choose(wanted: str | None, setting: str = "CACHE_MEMCACHED_CLIENT") -> Connect:
    """The adapter of the library *wanted*, or of the first that is installed.

    Raises `ConfigError` for an unknown name and for a library that is not installed.
    """
    if wanted is None:
        return _first_installed()
    name = _OTHER_NAMES.get(wanted, wanted) if isinstance(wanted, str) else wanted
    if name not in LIBRARIES:
        known = ", ".join(map(repr, LIBRARIES))
        raise ConfigError(f"{setting}={wanted!r} is no client that is known here: {known}.")
    try:
        return _adapter(name)
    except ImportError as error:
        raise ConfigError(
            f"{setting}={wanted!r} is not installed ({error}): pip install {LIBRARIES[name][0]}"
        ) from error


def _first_installed() -> Connect:
    for name in LIBRARIES:
        try:
            return _adapter(name)
        except ImportError:
            continue
    raise ConfigError(
        "CACHE_TYPE='memcached' needs a client library: pip install pylibmc, or pymemcache."
    )


def _adapter(name: str) -> Connect:
    connect: Connect = import_module(f".{LIBRARIES[name][1]}", __name__).connect
    return connect
