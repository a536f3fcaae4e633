"""`pylibmc` as a `Client`.

A read that fails may look like a miss here: libmemcached's error is lost where pylibmc fetches
results (its issues 301 and 302). Whoever reads must know by a key that has to be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from . import NOT_NUMERIC, Link
from .mechanisms import pylibmc

#: Seconds. A client never connects again by itself: what went without a reply may have been lost.
_NEVER: Final = 100_000


class _Raw(pylibmc.Client):  # type: ignore[misc]
    """Bytes in, bytes out: never unpickles what somebody else flagged as a pickle."""

    def serialize(self, value: bytes) -> tuple[bytes, int]:
        return value, 0

    def deserialize(self, value: bytes | None, flags: int) -> bytes:
        return value or b""  # it is called with None for what is empty


class PylibmcClient:
    """Text protocol without credentials, binary with them."""

    errors: ClassVar[tuple[type[Exception], ...]] = (pylibmc.Error,)
    #: A timeout has no class of its own: it is a plain `pylibmc.Error`.
    closed: ClassVar[tuple[type[Exception], ...]] = (
        pylibmc.ConnectionError,
        pylibmc.ReadError,
        pylibmc.ServerDown,
        pylibmc.SomeErrors,
        pylibmc.UnknownReadFailure,
        pylibmc.WriteError,
    )

    def __init__(self, link: Link, raw: Any = None) -> None:
        self.broken = False
        self._binary = link.username is not None
        self._client = raw or _Raw(
            [link.server.name],
            binary=self._binary,
            username=link.username,
            password=link.password,
            behaviors=_behaviors(link),
        )
        self._client.behaviors = {"retry_timeout": _NEVER}

    def get_multi(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        if len(keys) > 1:
            found: Mapping[str, bytes] = self._client.get_multi(keys)
            return found
        data = self._client.get(_encoded(keys[0]))  # tells more often why it failed
        return {} if data is None else {keys[0]: data}

    def set_multi(self, items: Mapping[str, bytes], expire: int) -> list[str]:
        return self.store({}, 0, items, expire)

    def store(
        self,
        versions: Mapping[str, bytes],
        versions_expire: int,
        items: Mapping[str, bytes],
        expire: int,
    ) -> list[str]:
        """All but the last command go without a reply, so that none is waited for.

        Not in the binary protocol, whose quiet commands do answer when they fail.
        """
        commands = [(self.add, key, data, versions_expire) for key, data in versions.items()]
        commands += [(self._set, key, data, expire) for key, data in items.items()]
        if len(commands) > 1 and not self._binary:
            self._client.behaviors = {"_noreply": 1}
        refused = []
        for number, (command, key, data, seconds) in enumerate(commands, 1):
            if 1 < number == len(commands) and not self._binary:
                self._client.behaviors = {"_noreply": 0}
            if not command(key, data, seconds) and key in items:
                refused.append(key)
        return refused

    def _set(self, key: str, data: bytes, expire: int) -> bool:
        try:
            return bool(self._client.set(_encoded(key), data, expire))
        except pylibmc.TooBig:
            return False

    def add(self, key: str, data: bytes, expire: int) -> bool:
        try:
            return bool(self._client.add(_encoded(key), data, expire))
        except pylibmc.TooBig:
            return False

    def delete(self, key: str) -> bool:
        return bool(self._client.delete(_encoded(key)))

    def incr(self, key: str, delta: int) -> int | str | None:
        command = self._client.incr if delta >= 0 else self._client.decr
        try:
            value: int = command(_encoded(key), abs(delta))
        except pylibmc.NotFound:
            return None
        except (pylibmc.ClientError, OverflowError):
            return NOT_NUMERIC
        except pylibmc.UnknownReadFailure:
            if not self._binary:
                raise
            self.broken = True
            return NOT_NUMERIC
        return value

    def gets(self, key: str) -> tuple[bytes, Any] | None:
        """While the end of the answer is awaited, pylibmc keeps the GIL."""
        encoded = _encoded(key)
        data, token = self._client.gets(encoded)
        return None if data is None else (data, token)

    def cas(self, key: str, data: bytes, expire: int, token: Any) -> bool:
        try:
            return bool(self._client.cas(_encoded(key), data, token, expire))
        except (pylibmc.NotFound, pylibmc.TooBig):
            return False

    def flush_all(self) -> None:
        self._client.flush_all()


def _encoded(key: str) -> bytes:
    """Bytes, which the caller holds during the call.

    From text, pylibmc makes bytes of its own, and `gets` lets go of them before they are sent
    (its issue 300): under load, another key was asked for.
    """
    return key.encode()


def _behaviors(link: Link) -> dict[str, Any]:
    """Connecting and polling in ms, sending and receiving in µs: so libmemcached takes them."""
    milliseconds = max(1, round(link.timeout * 1000))
    return {
        "cas": True,
        "tcp_nodelay": bool(link.server.port),
        "connect_timeout": milliseconds,
        "_poll_timeout": milliseconds,
        "send_timeout": milliseconds * 1000,
        "receive_timeout": milliseconds * 1000,
        **link.behaviors,
    }


connect = PylibmcClient
