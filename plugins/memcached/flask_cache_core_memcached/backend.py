"""`MemcachedCache`: memcached as a store of bytes.

Translates timeouts and keys into what the protocol takes. Must not know any client library.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from flask_cache_core.backend import Batch, ByteStore
from flask_cache_core.errors import ConfigError
from flask_cache_core.typing import Timeout

from .clients import Connect, Link, choose
from .cluster import Cluster
from .node import Node
from .options import MemcachedOptions
from .servers import parse_servers
from .share import TOKEN_LENGTH

#: What the protocol takes as a key.
KEY_BYTES: Final = 250

#: Of the 1 MiB that a server gives to an item by default, this is for the key and the header.
_OVERHEAD: Final = 512

#: The server takes longer ones for a date.
_RELATIVE: Final = 30 * 24 * 3600
_LAST_DATE: Final = 2**31 - 1

#: A date that is over: what is stored with it is gone at once.
_PAST: Final = _RELATIVE + 1

#: Marks a key that is a digest. No key that is stored as it is begins so.
_HASHED: Final = "#"


class MemcachedCache(ByteStore):
    """One memcached server or several, through whichever client library is installed.

    :param servers: as ``CACHE_MEMCACHED_SERVERS``.
    :param client: as ``CACHE_MEMCACHED_CLIENT``; by default the first one installed.
    :param timeout: seconds that connecting, sending or waiting for an answer may take.
    :param pool_size: idle connections that are kept, for each server.
    :param pool_blocking: wait for a connection instead of opening more than ``pool_size``.
    :param max_value_bytes: what the server takes; raise it together with memcached's ``-I``.
    :param retry_after: seconds that a dead server is left alone, where there are several.
    :param behaviors: for pylibmc, over those that are set here.
    """

    options = MemcachedOptions
    atomic_add: ClassVar[bool] = True

    max_value_bytes: int | None = 1024 * 1024 - _OVERHEAD

    def __init__(
        self,
        servers: object = None,
        *,
        client: str | None = None,
        timeout: float = 0.25,
        pool_size: int = 16,
        pool_blocking: bool = False,
        max_value_bytes: int | None = None,
        retry_after: float = 5,
        behaviors: Mapping[str, Any] | None = None,
        username: str | None = None,
        password: str | None = None,
        default_timeout: Timeout | None = None,
        **options: Any,
    ) -> None:
        if not isinstance(pool_size, int) or pool_size < 1:
            raise ConfigError(f"CACHE_OPTIONS['pool_size'] must be 1 or more, not {pool_size!r}.")
        self._servers = parse_servers(servers)
        self._retry_after = retry_after
        connect = self._connector(client)
        self._nodes = [
            Node(
                Link(server, timeout, username, password, dict(behaviors or {})),
                connect,
                pool_size=pool_size,
                pool_blocking=pool_blocking,
                setting="CACHE_MEMCACHED_SERVERS",
                explain=self._explain,
            )
            for server in self._servers
        ]
        if max_value_bytes is not None:
            self.max_value_bytes = max_value_bytes
        super().__init__(default_timeout=default_timeout, **options)

    def _connector(self, client: str | None) -> Connect:
        return choose(client)

    @classmethod
    def _explain(cls, link: Link, error: Exception) -> str:
        """What an error of the client library means to whoever set up the app."""
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

    def where(self) -> str:
        names = ", ".join(server.name for server in self._servers)
        return f"memcached {names} (CACHE_MEMCACHED_SERVERS)"

    def prefix_changed(self) -> None:
        prefix = _valid_prefix(self.delimited_prefix)
        generation = TOKEN_LENGTH + 1 if prefix else 0
        self._longest = KEY_BYTES - len(prefix) - generation
        self._cluster = Cluster(self._servers, self._nodes, prefix, self._retry_after)

    def address(self, key: str) -> str:
        """*key* where the protocol takes it; else its digest. Prefix and generation come later."""
        if (
            key.isascii()
            and key.isprintable()
            and " " not in key
            and 0 < len(key) <= self._longest
            and key[0] != _HASHED
        ):
            return key
        return _HASHED + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

    # -- primitives -----------------------------------------------------------------------

    def read_bytes(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        return self._cluster.read(addresses)

    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        expire = expiry(timeout)
        parts = self._cluster.each(
            list(items), lambda share, some: share.write(_part(items, some), expire)
        )
        return self._refused(items, [address for part in parts for address in part])

    def _refused(self, items: Mapping[str, bytes], refused: Sequence[str]) -> Sequence[str]:
        """The server takes less than ``max_value_bytes``."""
        for address in refused:
            self.reject(address, len(items[address]))
        return refused

    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        expire = expiry(timeout)
        return self._cluster.one(address, lambda share: share.add(address, data, expire))

    def remove_bytes(self, addresses: Sequence[str]) -> Sequence[str]:
        parts = self._cluster.each(addresses, lambda share, some: share.remove(some))
        return [address for part in parts for address in part]

    def write_batch(self, batch: Batch[bytes]) -> Sequence[str]:
        expire, versions_expire = expiry(batch.timeout), expiry(batch.versions_timeout)
        parts = self._cluster.each(
            [*batch.versions, *batch.items],
            lambda share, some: share.store(
                _part(batch.items, some), expire, _part(batch.versions, some), versions_expire
            ),
        )
        if batch.release is not None:
            self.remove_bytes_if(*batch.release)
        return self._refused(batch.items, [address for part in parts for address in part])

    def replace_bytes_if(self, address: str, expected: bytes, data: bytes, timeout: float) -> bool:
        expire = expiry(timeout)
        return self._cluster.one(address, lambda share: share.swap(address, expected, data, expire))

    def remove_bytes_if(self, address: str, expected: bytes) -> bool:
        return self._cluster.one(address, lambda share: share.swap(address, expected, b"", _PAST))

    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        """Two round trips: the first shows that the connection is open, so that none is repeated.

        No server stands in for the one that keeps the counter: it would count from the start.
        """
        expire = expiry(timeout)
        return self._cluster.owner(address, lambda share: share.count(address, delta, expire))

    def clear_prefix(self) -> bool:
        if self.delimited_prefix:
            return self._cluster.start_over()
        return self._cluster.flush_all()


def expiry(seconds: float) -> int:
    """*seconds* in the server's terms: whole, never 0 by rounding, a date where they are many."""
    whole = math.ceil(seconds)
    if whole <= _RELATIVE:
        return whole
    date = int(time.time()) + whole
    return date if date <= _LAST_DATE else 0


def _valid_prefix(delimited: str) -> str:
    """A prefix that the protocol takes and that leaves room for keys; a digest of any other."""
    valid = delimited.isascii() and delimited.isprintable() and " " not in delimited
    if valid and len(delimited) <= 100 and not delimited.startswith(_HASHED):
        return delimited
    digest = hashlib.sha256(delimited.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{_HASHED}{digest[:40]}:"


def _part(items: Mapping[str, bytes], addresses: Sequence[str]) -> dict[str, bytes]:
    return {address: items[address] for address in addresses if address in items}
