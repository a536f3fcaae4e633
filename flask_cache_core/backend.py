"""What a backend is: `BaseCache` over Python values, and `ByteStore` for stores of bytes.

A third party subclasses one of the two. `BaseCache` wants three methods and offers slower or
weaker defaults for all others; `ByteStore` does encoding, key hygiene, timeouts and counters
once for everybody and wants the primitives of the store only. Neither knows Flask, decorators
or what an entry means.
"""

from __future__ import annotations

import logging
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from .entry import to_seconds
from .errors import CacheWarning, DecodeError
from .typing import Timeout

if TYPE_CHECKING:
    from flask import Flask

    from .codec import Codec
    from .settings import Settings

__all__ = ["BaseCache", "ByteStore", "Factory", "to_seconds"]

logger = logging.getLogger(__name__)


class BaseCache(ABC):
    """The werkzeug cache API over Python values.

    Subclasses implement `get`, `set` and `delete`, and override of the rest what their store
    can do better. Class attributes declare what the store can do:

    :cvar shared: processes see each other's values.
    :cvar atomic_add: `add` is atomic across threads and processes (locks stand on it).
    :cvar in_process: no operation can block or fail; such a backend needs no guard.
    :cvar settings: the ``CACHE_*`` names that it reads; ``None`` where it does not say.
    """

    shared: ClassVar[bool] = False
    atomic_add: ClassVar[bool] = False
    in_process: ClassVar[bool] = False
    settings: ClassVar[frozenset[str] | None] = None

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

    def get_dict(self, *keys: str) -> dict[str, Any]:
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
        return self.inc(key, -delta)

    def clear(self) -> bool:
        """Forget everything under this prefix; whether that was done. Here: ``False``."""
        return False

    def store(
        self,
        items: Mapping[str, Any],
        timeout: float,
        stamps: Mapping[str, str],
        stamp_timeout: float,
        unlock: tuple[str, str] | None = None,
    ) -> bool:
        """What a computation writes, in as few round trips as the store allows.

        `add` every stamp for *stamp_timeout* seconds, set all *items* for *timeout* seconds,
        then release the lock (key, token) in *unlock*. Answers whether the items are stored.
        """
        for key, token in stamps.items():
            self.add(key, token, stamp_timeout)
        stored = self.set_many(items, timeout)
        if unlock is not None:
            self.release_lock(*unlock)
        return len(stored) == len(items)

    def renew_lock(self, key: str, token: str, lease: float) -> bool:
        """Let the lock live *lease* seconds more if *token* holds it. Here: not atomic."""
        return self.get(key) == token and self.set(key, token, lease) is not False

    def release_lock(self, key: str, token: str) -> bool:
        """Delete the lock if *token* holds it. Here: not atomic."""
        return self.get(key) == token and self.delete(key)

    def counters(self) -> dict[str, int]:
        """What the backend itself counts: ``rejected`` values and ``decode_failures``."""
        return {"rejected": 0, "decode_failures": 0}


class Adapted(BaseCache):
    """A foreign object with the werkzeug cache API (a cachelib cache, a duck type).

    Attributes of the object itself stay reachable through this one.
    """

    shared = True

    def __init__(self, cache: Any, default_timeout: Timeout | None = None) -> None:
        super().__init__(default_timeout)
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        if name == "_cache":
            raise AttributeError(name)
        return getattr(self._cache, name)

    def get(self, key: str) -> Any:
        return self._cache.get(key)

    def set(self, key: str, value: Any, timeout: Timeout | None = None) -> bool | None:
        stored: bool | None = self._cache.set(key, value, timeout=self._whole(timeout))
        return stored

    def delete(self, key: str) -> bool:
        return bool(self._cache.delete(key))

    def get_many(self, *keys: str) -> list[Any]:
        if not hasattr(self._cache, "get_many"):
            return super().get_many(*keys)
        return list(self._cache.get_many(*keys))

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        if not hasattr(self._cache, "add"):
            return super().add(key, value, timeout)
        return bool(self._cache.add(key, value, timeout=self._whole(timeout)))

    def has(self, key: str) -> bool:
        if not hasattr(self._cache, "has"):
            return super().has(key)
        return bool(self._cache.has(key))

    def inc(self, key: str, delta: int = 1) -> int | None:
        if not hasattr(self._cache, "inc"):
            return super().inc(key, delta)
        value: int | None = self._cache.inc(key, delta)
        return value

    def clear(self) -> bool:
        return bool(self._cache.clear()) if hasattr(self._cache, "clear") else False

    def _whole(self, timeout: Timeout | None) -> int:
        return math.ceil(self.seconds(timeout))


class ByteStore(BaseCache):
    """Base of the stores of bytes: a plug-in writes the primitives, this class does the rest.

    The primitives (``_read`` … ``_clear``) get *addresses*, which are keys with the prefix in
    front, made by `address`. They raise whatever their client raises. Timeouts arrive as
    seconds, 0 for never. A prefix is self-delimiting: what ends it is escaped inside it, so
    that ``shop`` and ``shop_admin`` never meet.

    :param codec: turns values into bytes and back; by default the one of the app's settings.
    :param key_prefix: separates apps in one store; by default ``CACHE_KEY_PREFIX``. Empty: keys
        are stored as they are, and `clear` refuses unless ``CACHE_CLEAR_ALL`` is set.
    """

    shared = True
    settings: ClassVar[frozenset[str]] = frozenset(  # pyright: ignore[reportIncompatibleVariableOverride]
        {"CACHE_KEY_PREFIX", "CACHE_SERIALIZER", "CACHE_COMPRESSION", "CACHE_CLEAR_ALL"}
    )

    #: Bytes that one value may take, or ``None``. Larger ones are refused with one warning.
    max_value_bytes: int | None = None

    def __init__(
        self,
        *,
        codec: Codec | None = None,
        key_prefix: str | None = None,
        default_timeout: Timeout | None = None,
        clear_all: bool = False,
    ) -> None:
        super().__init__(default_timeout)
        self._own_codec = codec
        self._own_prefix = key_prefix
        self._use(codec or _default_codec(), key_prefix or "", clear_all)
        self._rejected = 0
        self._decode_failures = 0

    def configure(self, settings: Settings) -> None:
        self._use(
            self._own_codec or settings.codec(),
            settings.key_prefix if self._own_prefix is None else self._own_prefix,
            settings.clear_all,
        )

    def _use(self, codec: Codec, key_prefix: str, clear_all: bool) -> None:
        self.codec = codec
        self.delimited_prefix = (
            key_prefix.replace("%", "%25").replace(":", "%3A") + ":" if key_prefix else ""
        )
        self.clear_all = clear_all

    def address(self, key: str) -> str:
        """Where *key* is stored. Override it where the store limits its keys."""
        return self.delimited_prefix + key

    # -- primitives -----------------------------------------------------------------------

    @abstractmethod
    def _read(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        """The bytes at each address, in order, ``None`` where there are none."""

    @abstractmethod
    def _write(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        """Store all *items*; the addresses that were refused."""

    @abstractmethod
    def _add(self, address: str, data: bytes, timeout: float) -> bool:
        """Store *data* unless something is there, atomically."""

    @abstractmethod
    def _remove(self, addresses: Sequence[str]) -> Sequence[str]:
        """Delete; the addresses that were there."""

    @abstractmethod
    def _increment(self, address: str, delta: int, timeout: float) -> int | None:
        """Add *delta* atomically, keeping the expiry; *timeout* is for a counter that is new.

        ``None`` where the bytes are no decimal number.
        """

    @abstractmethod
    def _clear(self) -> bool:
        """Delete everything under ``delimited_prefix``; all of the store where that is empty."""

    def _replace_if(self, address: str, held: bytes, data: bytes, timeout: float) -> bool:
        """Store *data* if *held* is there. Here: not atomic."""
        return self._read([address])[0] == held and not self._write({address: data}, timeout)

    def _remove_if(self, address: str, held: bytes) -> bool:
        """Delete if *held* is there. Here: not atomic."""
        return self._read([address])[0] == held and bool(self._remove([address]))

    def _write_batch(
        self,
        items: Mapping[str, bytes],
        timeout: float,
        added: Mapping[str, bytes],
        added_timeout: float,
        unlock: tuple[str, bytes] | None,
    ) -> Sequence[str]:
        """`store` in addresses and bytes. Override it where one round trip can do all."""
        for address, data in added.items():
            self._add(address, data, added_timeout)
        refused = self._write(items, timeout)
        if unlock is not None:
            self._remove_if(*unlock)
        return refused

    # -- the cache API --------------------------------------------------------------------

    def get(self, key: str) -> Any:
        return self.get_many(key)[0]

    def get_many(self, *keys: str) -> list[Any]:
        if not keys:
            return []
        found = self._read([self.address(key) for key in keys])
        return [
            None if data is None else self._decode(key, data)
            for key, data in zip(keys, found, strict=True)
        ]

    def has(self, key: str) -> bool:
        return self._read([self.address(key)])[0] is not None

    def set(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        return bool(self.set_many({key: value}, timeout))

    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout | None = None) -> list[str]:
        seconds = self.seconds(timeout)
        items, sources = self._encode_all(mapping)
        refused = set(self._write(items, seconds)) if items else set()
        return [key for address, key in sources.items() if address not in refused]

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        seconds = self.seconds(timeout)
        items, _ = self._encode_all({key: value})
        return any(self._add(address, data, seconds) for address, data in items.items())

    def delete(self, key: str) -> bool:
        return bool(self.delete_many(key))

    def delete_many(self, *keys: str) -> list[str]:
        if not keys:
            return []
        sources = {self.address(key): key for key in keys}
        return [sources[address] for address in self._remove(list(sources))]

    def inc(self, key: str, delta: int = 1) -> int | None:
        return self._increment(self.address(key), delta, self.default_timeout)

    def clear(self) -> bool:
        if self.delimited_prefix or self.clear_all:
            return self._clear()
        warnings.warn(
            "CACHE_KEY_PREFIX is empty, so clear() would delete everything in the store and was "
            "not done. Set a prefix, or CACHE_CLEAR_ALL=True.",
            CacheWarning,
            stacklevel=2,
        )
        return False

    def store(
        self,
        items: Mapping[str, Any],
        timeout: float,
        stamps: Mapping[str, str],
        stamp_timeout: float,
        unlock: tuple[str, str] | None = None,
    ) -> bool:
        encoded, _ = self._encode_all(items)
        added, _ = self._encode_all(stamps)
        held = (self.address(unlock[0]), self.codec.encode(*unlock)) if unlock else None
        refused = self._write_batch(encoded, timeout, added, stamp_timeout, held)
        return len(encoded) == len(items) and not refused

    def renew_lock(self, key: str, token: str, lease: float) -> bool:
        held = self.codec.encode(key, token)
        return self._replace_if(self.address(key), held, held, lease)

    def release_lock(self, key: str, token: str) -> bool:
        return self._remove_if(self.address(key), self.codec.encode(key, token))

    def counters(self) -> dict[str, int]:
        return {"rejected": self._rejected, "decode_failures": self._decode_failures}

    def _encode_all(self, mapping: Mapping[str, Any]) -> tuple[dict[str, bytes], dict[str, str]]:
        """Bytes by address, and keys by address, without what is too large."""
        items: dict[str, bytes] = {}
        sources: dict[str, str] = {}
        for key, value in mapping.items():
            data = self.codec.encode(key, value)
            address = self.address(key)
            if self.max_value_bytes is not None and len(data) > self.max_value_bytes:
                self._reject(address, len(data))
                continue
            items[address] = data
            sources[address] = key
        return items, sources

    def _reject(self, address: str, size: int) -> None:
        """Refuse a value; what was stored before must not pass for it."""
        self._rejected += 1
        if self._rejected == 1:
            warnings.warn(
                f"{type(self).__name__} takes values of up to {self.max_value_bytes} bytes; one of "
                f"{size} bytes was not stored. Others are only counted (cache.stats().rejected). "
                "Cache less, set CACHE_COMPRESSION, or choose a backend for large values.",
                CacheWarning,
                stacklevel=2,
            )
        self._remove([address])

    def _decode(self, key: str, data: bytes) -> Any:
        try:
            return self.codec.decode(key, data)
        except DecodeError as error:
            self._decode_failures += 1
            if self._decode_failures == 1:
                logger.warning("A stored value is treated as a miss and removed: %s.", error)
            self._remove([self.address(key)])
            return None


def _default_codec() -> Codec:
    from .codec import Codec  # the in-process backends need none

    return Codec()


#: A factory as ``CACHE_TYPE`` may name it.
Factory = Callable[["Flask", Mapping[str, Any], list[Any], dict[str, Any]], Any]
