"""What a backend is: the werkzeug cache API over Python values.

A third party subclasses `BaseCache`, which wants three methods and offers slower or weaker
defaults for all others, or `ByteStore` (in ``bytestore``). Must not know Flask, decorators or
what an entry means.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from ..options import to_seconds
from ..typing import MISSING, Timeout

if TYPE_CHECKING:
    from flask import Flask

    from ..config import Settings
    from ..options import Options

__all__ = ["BaseCache", "Batch", "Factory"]

V = TypeVar("V")


class Batch(NamedTuple, Generic[V]):
    """What one computation writes. A store that can do all of it in one round trip should.

    In `BaseCache.store`, keys and values; in `ByteStore.write_batch`, addresses and bytes.
    Since 1.0.
    """

    items: Mapping[str, V]
    """To be set."""
    timeout: float
    """Seconds that the items live, 0 for never expiring."""
    versions: Mapping[str, V]
    """To be added where they are absent, before the items are set."""
    versions_timeout: float
    """Seconds that the versions live, 0 for never expiring."""
    release: tuple[str, V] | None = None
    """A lock and the token that holds it: to be deleted last, if it is still held so."""


class BaseCache(ABC):
    """The werkzeug cache API over Python values.

    Subclasses implement `get`, `set` and `delete`, and override of the rest what their store
    can do better. Class attributes declare what the store can do:

    :cvar shared: processes see each other's values.
    :cvar atomic_add: `add` is atomic across threads and processes (locks stand on it).
    :cvar multi_get: `get_many` takes one round trip, whatever the number of keys.
    :cvar stores: it holds what is put into it; where it does not, nothing is ever looked up.
    :cvar in_process: no operation can block or fail; such a backend needs no guard.
    :cvar options: the table of the settings that it reads; ``None`` where it does not say.
    """

    shared: ClassVar[bool] = False
    atomic_add: ClassVar[bool] = False
    multi_get: ClassVar[bool] = False
    stores: ClassVar[bool] = True
    in_process: ClassVar[bool] = False
    options: ClassVar[type[Options] | None] = None

    default_timeout: float = 300

    def __init__(self, default_timeout: Timeout | None = None) -> None:
        self.default_timeout = to_seconds(default_timeout, 300)

    @classmethod
    def factory(
        cls, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
    ) -> BaseCache:
        """Build the backend for *app*. Override it to read settings."""
        return cls(*args, **kwargs)

    def configure(self, settings: Settings) -> None:  # noqa: B027 - optional
        """Called once at the end of set-up, however the backend was built. Here: nothing."""

    def where(self) -> str:
        """The store's address and the setting that gave it, for messages. Never a secret."""
        return type(self).__name__

    def seconds(self, timeout: Timeout | None) -> float:
        """*timeout* in seconds, the default where it is ``None``, 0 where it never expires."""
        return to_seconds(timeout, self.default_timeout)

    @abstractmethod
    def get(self, key: str) -> Any:
        """A copy of the value, or ``None`` where there is none."""

    @abstractmethod
    def set(self, key: str, value: Any, timeout: Timeout | None = None) -> bool | None:
        """Store *value*. ``False`` where it was refused."""

    @abstractmethod
    def delete(self, key: str) -> bool:
        """Forget *key*; whether it was there."""

    def get_many(self, *keys: str) -> list[Any]:
        """The values in the order of *keys*. Here: one `get` for each."""
        return [self.get(key) for key in keys]

    def find_many(self, keys: Sequence[str]) -> list[Any]:
        """Like `get_many`, with `MISSING` for what is absent. Here: one `has` for each ``None``."""
        return [
            MISSING if value is None and not self.has(key) else value
            for key, value in zip(keys, self.get_many(*keys), strict=True)
        ]

    def get_dict(self, *keys: str) -> dict[str, Any]:
        """The values by *keys*, ``None`` where there is none."""
        return dict(zip(keys, self.get_many(*keys), strict=True))

    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout | None = None) -> list[str]:
        """Store all of *mapping*; the keys that were stored. Here: one `set` for each."""
        return [key for key, value in mapping.items() if self.set(key, value, timeout) is not False]

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        """Store *value* unless *key* is there. Here: not atomic."""
        return not self.has(key) and self.set(key, value, timeout) is not False

    def has(self, key: str) -> bool:
        """Whether *key* is there. Here: a stored ``None`` is not seen."""
        return self.get(key) is not None

    def delete_many(self, *keys: str) -> list[str]:
        """Forget all *keys*; those that were there. Here: one `delete` for each."""
        return [key for key in keys if self.delete(key)]

    def unlink(self, *keys: str) -> list[str]:
        """`delete_many`, where the store can do so without waiting for the memory."""
        return self.delete_many(*keys)

    def inc(self, key: str, delta: int = 1) -> int | None:
        """Add to a counter; the new value, ``None`` if it is none. Here: not atomic."""
        value = self.get(key)
        if value is not None and type(value) is not int:
            return None
        value = (value or 0) + delta
        return value if self.set(key, value) is not False else None

    def dec(self, key: str, delta: int = 1) -> int | None:
        """Subtract from a counter. Here: `inc` of the negative."""
        return self.inc(key, -delta)

    def clear(self) -> bool:
        """Forget everything under this prefix; whether that was done. Here: ``False``."""
        return False

    def store(self, batch: Batch[Any]) -> bool:
        """Write *batch*, in as few round trips as the store allows; whether all items are stored.

        Here: one `add` for each version, then `set_many`, then `release_lock`.
        """
        for key, version in batch.versions.items():
            self.add(key, version, batch.versions_timeout)
        stored = self.set_many(batch.items, batch.timeout)
        if batch.release is not None:
            self.release_lock(*batch.release)
        return len(stored) == len(batch.items)

    def renew_lock(self, key: str, token: str, lease: float) -> bool:
        """Let the lock live *lease* seconds more if *token* holds it. Here: not atomic."""
        return self.get(key) == token and self.set(key, token, lease) is not False

    def release_lock(self, key: str, token: str) -> bool:
        """Delete the lock if *token* holds it. Here: not atomic."""
        return self.get(key) == token and self.delete(key)

    def counters(self) -> dict[str, int]:
        """What the backend itself counts: ``rejected`` values and ``decode_failures``."""
        return {"rejected": 0, "decode_failures": 0}


#: A factory as ``CACHE_TYPE`` may name it.
Factory = Callable[["Flask", Mapping[str, Any], list[Any], dict[str, Any]], Any]
