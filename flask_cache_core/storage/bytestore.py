"""`ByteStore`: encoding, key hygiene, timeouts and counters, once for all stores of bytes.

A plug-in writes the primitives of its store. Must not know Flask, decorators or what an entry
means.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..config import BackendSettings
from ..errors import DecodeError, warn
from ..options import Options
from ..typing import MISSING, Timeout
from .base import BaseCache, Batch

if TYPE_CHECKING:
    from ..config import Settings
    from .codec import Codec

__all__ = ["ByteStore", "ByteStoreOptions"]

logger = logging.getLogger("flask_cache_core")


class ByteStoreOptions(Options):
    """What every store of bytes reads. A backend's own table is a subclass of this one."""

    key_prefix = BackendSettings.key_prefix
    clear_all = BackendSettings.clear_all
    secret_keys = BackendSettings.secret_keys
    serializer = BackendSettings.serializer
    compression = BackendSettings.compression
    compress_min = BackendSettings.compress_min


class ByteStore(BaseCache):
    """Base of the stores of bytes: a plug-in writes the primitives, this class does the rest.

    The primitives (`read_bytes` … `clear_prefix`) get *addresses*, which are keys with the prefix
    in front, made by `address`. They raise whatever their client raises. Timeouts arrive as
    seconds, 0 for never. A prefix is self-delimiting: what ends it is escaped inside it, so
    that ``shop`` and ``shop_admin`` never meet.

    :param codec: turns values into bytes and back; by default the one of the app's settings.
    :param key_prefix: separates apps in one store; by default ``CACHE_KEY_PREFIX``. Empty: keys
        are stored as they are, and `clear` refuses unless ``CACHE_CLEAR_ALL`` is set.
    :ivar codec: the codec in use.
    :ivar delimited_prefix: the prefix in use, with what ends it; ``""`` where there is none.
    :ivar clear_all: whether `clear` may empty a store without a prefix.
    :ivar rejected: values that were too large, so far.
    :ivar decode_failures: stored bytes that could not be decoded, so far.
    """

    shared = True
    multi_get = True
    options: ClassVar[type[Options] | None] = ByteStoreOptions

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
        self.codec = codec or _default_codec()
        self.clear_all = clear_all
        self.rejected = 0
        self.decode_failures = 0
        self._set_prefix(key_prefix or "")

    def configure(self, settings: Settings) -> None:
        """Take codec and prefix from *settings*, where the constructor got none."""
        self.codec = self._own_codec or _codec_of(settings)
        self.clear_all = settings.clear_all
        self._set_prefix(settings.key_prefix if self._own_prefix is None else self._own_prefix)

    def _set_prefix(self, key_prefix: str) -> None:
        escaped = key_prefix.replace("%", "%25").replace(":", "%3A")
        self.delimited_prefix = escaped + ":" if escaped else ""
        self.prefix_changed()

    def prefix_changed(self) -> None:
        """Called by the constructor and by `configure`, when `delimited_prefix` is set.

        Override it where something is made from the prefix. Here: nothing.
        """

    def address(self, key: str) -> str:
        """Where *key* is stored. Override it where the store limits its keys."""
        return self.delimited_prefix + key

    # -- primitives -----------------------------------------------------------------------

    @abstractmethod
    def read_bytes(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        """The bytes at each address, in order, ``None`` where there are none. One round trip."""

    @abstractmethod
    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        """Store all *items* for *timeout* seconds; the addresses that were refused."""

    @abstractmethod
    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        """Store *data* unless something is there, atomically; whether it was stored."""

    @abstractmethod
    def remove_bytes(self, addresses: Sequence[str]) -> Sequence[str]:
        """Delete; the addresses that were there."""

    @abstractmethod
    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        """Add *delta* atomically, keeping the expiry; *timeout* is for a counter that is new.

        Returns the new value, ``None`` where the bytes are no decimal number.
        """

    @abstractmethod
    def clear_prefix(self) -> bool:
        """Delete everything under `delimited_prefix`; all of the store where that is empty.

        Returns whether that was done.
        """

    def replace_bytes_if(self, address: str, expected: bytes, data: bytes, timeout: float) -> bool:
        """Store *data* if *expected* is there. Here: not atomic."""
        found = self.read_bytes([address])[0]
        return found == expected and not self.write_bytes({address: data}, timeout)

    def remove_bytes_if(self, address: str, expected: bytes) -> bool:
        """Delete if *expected* is there. Here: not atomic."""
        found = self.read_bytes([address])[0]
        return found == expected and bool(self.remove_bytes([address]))

    def write_batch(self, batch: Batch[bytes]) -> Sequence[str]:
        """`store` in addresses and bytes; the addresses of items that were refused.

        Here: one call of a primitive after another. Override it where one round trip can do all.
        """
        for address, data in batch.versions.items():
            self.add_bytes(address, data, batch.versions_timeout)
        refused = self.write_bytes(batch.items, batch.timeout)
        if batch.release is not None:
            self.remove_bytes_if(*batch.release)
        return refused

    # -- the cache API --------------------------------------------------------------------

    def get(self, key: str) -> Any:
        return self.get_many(key)[0]

    def get_many(self, *keys: str) -> list[Any]:
        return [None if value is MISSING else value for value in self.find_many(keys)]

    def find_many(self, keys: Sequence[str]) -> list[Any]:
        """The values in the order of *keys*, `MISSING` for what is absent. One round trip."""
        if not keys:
            return []
        found = self.read_bytes([self.address(key) for key in keys])
        return [
            MISSING if data is None else self.decode(key, data)
            for key, data in zip(keys, found, strict=True)
        ]

    def has(self, key: str) -> bool:
        return self.read_bytes([self.address(key)])[0] is not None

    def set(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        return bool(self.set_many({key: value}, timeout))

    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout | None = None) -> list[str]:
        seconds = self.seconds(timeout)
        items, sources = self._encode_all(mapping)
        refused = set(self.write_bytes(items, seconds)) if items else set()
        return [key for address, key in sources.items() if address not in refused]

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        seconds = self.seconds(timeout)
        items, _ = self._encode_all({key: value})
        return any(self.add_bytes(address, data, seconds) for address, data in items.items())

    def delete(self, key: str) -> bool:
        return bool(self.delete_many(key))

    def delete_many(self, *keys: str) -> list[str]:
        if not keys:
            return []
        sources = {self.address(key): key for key in keys}
        return [sources[address] for address in self.remove_bytes(list(sources))]

    def inc(self, key: str, delta: int = 1) -> int | None:
        return self.increment(self.address(key), delta, self.default_timeout)

    def clear(self) -> bool:
        if self.delimited_prefix or self.clear_all:
            return self.clear_prefix()
        warn(
            "CACHE_KEY_PREFIX is empty, so clear() would delete everything in the store and was "
            "not done. Set a prefix, or CACHE_CLEAR_ALL=True."
        )
        return False

    def store(self, batch: Batch[Any]) -> bool:
        items, _ = self._encode_all(batch.items)
        versions, _ = self._encode_all(batch.versions)
        release = None
        if batch.release is not None:
            key, token = batch.release
            release = (self.address(key), self.codec.encode(key, token))
        encoded = Batch(items, batch.timeout, versions, batch.versions_timeout, release)
        refused = self.write_batch(encoded)
        return len(items) == len(batch.items) and not refused

    def renew_lock(self, key: str, token: str, lease: float) -> bool:
        expected = self.codec.encode(key, token)
        return self.replace_bytes_if(self.address(key), expected, expected, lease)

    def release_lock(self, key: str, token: str) -> bool:
        return self.remove_bytes_if(self.address(key), self.codec.encode(key, token))

    def counters(self) -> dict[str, int]:
        return {"rejected": self.rejected, "decode_failures": self.decode_failures}

    def _encode_all(self, mapping: Mapping[str, Any]) -> tuple[dict[str, bytes], dict[str, str]]:
        """Bytes by address, and keys by address, without what is too large."""
        items: dict[str, bytes] = {}
        sources: dict[str, str] = {}
        for key, value in mapping.items():
            data = self.codec.encode(key, value)
            address = self.address(key)
            if self.max_value_bytes is not None and len(data) > self.max_value_bytes:
                self.reject(address, len(data))
                continue
            items[address] = data
            sources[address] = key
        return items, sources

    def reject(self, address: str, size: int) -> None:
        """Count a value of *size* bytes as too large, and remove what was stored before it.

        Warn of the first one. Called for what exceeds `max_value_bytes`; call it for what the
        store itself refused.
        """
        self.rejected += 1
        if self.rejected == 1:
            warn(
                f"{type(self).__name__} takes values of up to {self.max_value_bytes} bytes; one of "
                f"{size} bytes was not stored. Others are only counted (cache.stats().rejected). "
                "Cache less, set CACHE_COMPRESSION, or choose a backend for large values."
            )
        self.remove_bytes([address])

    def decode(self, key: str, data: bytes) -> Any:
        """The value that *data* holds under *key*; `MISSING`, and counted, where it is none."""
        try:
            return self.codec.decode(key, data)
        except DecodeError as error:
            self.decode_failures += 1
            if self.decode_failures == 1:
                logger.warning("A stored value is treated as a miss and removed: %s.", error)
            self.remove_bytes([self.address(key)])
            return MISSING


def _default_codec() -> Codec:
    from .codec import Codec  # the in-process backends need none

    return Codec()


def _codec_of(settings: Settings) -> Codec:
    from .codec import Codec

    return Codec(
        settings.secret_keys, settings.compression, settings.compress_min, settings.serializer
    )
