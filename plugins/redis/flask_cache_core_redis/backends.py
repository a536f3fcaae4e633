"""The backends: what `ByteStore` asks for, as commands, one round trip for each operation.

Must not know settings beyond their names, nor whether a server is one or many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from redis.exceptions import RedisError

from flask_cache_core.backend import Batch, ByteStore
from flask_cache_core.errors import BackendError
from flask_cache_core.settings import Options, Settings

from . import connect, scripts
from .options import ClusterOptions, RedisOptions, SentinelOptions
from .wire import Command, exchange, receive, send

if TYPE_CHECKING:
    from flask import Flask

    from flask_cache_core.typing import Timeout

    from .connect import Connected
    from .connections import Connections

#: Keys that one SCAN looks at and one UNLINK names: a server does nothing else meanwhile.
_CLEARED: Final = 200
#: Keys that one MGET names (some 3 ms of a server), and commands sent before reading.
_TURN: Final = 10_000
_LONGEST: Final = 1e12
_PASSES: Final = 3


class RedisBackend(ByteStore):
    """One Redis or Valkey server.

    :param connected: where commands go, and how to speak of it; made by `connect`.
    """

    shared = True
    atomic_add = True
    #: Far below what a server takes (512 MB), and about what passes within a time budget.
    max_value_bytes = 64 * 1024 * 1024
    options: ClassVar[type[Options] | None] = RedisOptions

    def __init__(
        self,
        connected: Connected,
        *,
        key_prefix: str | None = None,
        default_timeout: Timeout | None = None,
    ) -> None:
        super().__init__(key_prefix=key_prefix, default_timeout=default_timeout)
        self._nodes = connected.nodes
        self._place = connected.place

    @classmethod
    def factory(
        cls, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
    ) -> Self:
        """Build it from the settings. Raises `ConfigError`; connects to nothing."""
        given = connect.sort(config, args, kwargs)
        return cls(cls._connected(given), **given.of_store)

    @classmethod
    def around(cls, client: Any, config: Mapping[str, Any]) -> Self:
        """Build it around a client, whose address, credentials and TLS it takes over."""
        return cls(
            cls._connected_as(client, Settings.backend_timeout.read(config)),
            default_timeout=Settings.default_timeout.read(config),
        )

    @classmethod
    def _connected(cls, given: connect.Given) -> Connected:
        return connect.single(RedisOptions(given.config), given.of_client)

    @classmethod
    def _connected_as(cls, client: Any, timeout: float) -> Connected:
        return connect.single_as(client, timeout, "the redis.Redis that CACHE_TYPE gave")

    def where(self) -> str:
        return self._place.name

    # -- primitives -----------------------------------------------------------------------

    def read_bytes(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        found: list[bytes | None] = []
        for values in self._run(self._naming("MGET", _encoded(addresses), _TURN)):
            found += values
        return found

    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        self._run(_sets(items, timeout))
        return ()

    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        return self._run(_adds({address: data}, timeout))[0] is not None

    def remove_bytes(self, addresses: Sequence[str]) -> Sequence[str]:
        removed = self._run([("UNLINK", key) for key in _encoded(addresses)])
        return [address for address, count in zip(addresses, removed, strict=True) if count]

    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        arguments = (delta, _milliseconds(timeout))
        counted = self._run([("EVAL", scripts.INCREMENT, 1, _key(address), *arguments)])[0]
        return None if counted is None else int(counted)

    def replace_bytes_if(self, address: str, expected: bytes, data: bytes, timeout: float) -> bool:
        arguments = (expected, data, _milliseconds(timeout))
        return bool(self._run([("EVAL", scripts.REPLACE, 1, _key(address), *arguments)])[0])

    def remove_bytes_if(self, address: str, expected: bytes) -> bool:
        return bool(self._run([_release(address, expected)])[0])

    def write_batch(self, batch: Batch[bytes]) -> Sequence[str]:
        self._run(
            [
                *_adds(batch.versions, batch.versions_timeout),
                *_sets(batch.items, batch.timeout),
                *([_release(*batch.release)] if batch.release else ()),
            ]
        )
        return ()

    def has(self, key: str) -> bool:
        return bool(self._run([("EXISTS", _key(self.address(key)))])[0])

    # -- clear ----------------------------------------------------------------------------

    def clear_prefix(self) -> bool:
        try:
            return self._clear_all() if not self.delimited_prefix else self._clear_prefix()
        except (RedisError, OSError) as error:
            raise self._failure(error) from error

    def _clear_all(self) -> bool:
        for node in self._nodes.primaries():
            _raise_first(exchange(node, [("FLUSHDB", "ASYNC")]))
        return True

    def _clear_prefix(self) -> bool:
        """Whether it is sure to have seen every key: they may move between nodes meanwhile."""
        for _ in range(_PASSES):
            before = self._nodes.layout()
            for node in self._nodes.primaries():
                for keys in _matching(node, _pattern(self.delimited_prefix)):
                    _raise_first(self._nodes.run(self._naming("UNLINK", keys, _CLEARED)))
            if before is not None and before == self._nodes.layout():
                return True
        return False

    # -- commands -------------------------------------------------------------------------

    def _naming(self, command: str, keys: Sequence[bytes], most: int) -> list[Command]:
        """*command* for all *keys*, *most* in each, or one where they live on several nodes."""
        step = most if self._nodes.multi_key else 1
        return [(command, *keys[at : at + step]) for at in range(0, len(keys), step)]

    def _run(self, commands: Sequence[Command]) -> list[Any]:
        """Reply to each. So many that their replies would pile up unread go in several turns."""
        replies: list[Any] = []
        try:
            for at in range(0, len(commands), _TURN):
                replies += _raise_first(self._nodes.run(commands[at : at + _TURN]))
        except (RedisError, OSError) as error:
            raise self._failure(error) from error
        return replies

    def _failure(self, error: Exception) -> BackendError:
        return BackendError(f"{self.where()}: {error}{self._place.advice(error)}")


class RedisSentinelBackend(RedisBackend):
    """The master that Redis Sentinel names."""

    options = SentinelOptions

    @classmethod
    def _connected(cls, given: connect.Given) -> Connected:
        return connect.sentinel(SentinelOptions(given.config), given.of_client)


class RedisClusterBackend(RedisBackend):
    """The primaries of a Redis Cluster."""

    options = ClusterOptions

    @classmethod
    def _connected(cls, given: connect.Given) -> Connected:
        return connect.cluster(ClusterOptions(given.config), given.of_client)

    @classmethod
    def _connected_as(cls, client: Any, timeout: float) -> Connected:
        return connect.cluster_as(client, timeout)

    def write_batch(self, batch: Batch[bytes]) -> Sequence[str]:
        """The lock may live on another node than what it guards, so it is released after it."""
        super().write_batch(batch._replace(release=None))
        if batch.release is not None:
            self.remove_bytes_if(*batch.release)
        return ()


def _key(address: str) -> bytes:
    return address.encode("utf-8", "surrogatepass")


def _encoded(addresses: Sequence[str]) -> list[bytes]:
    return [_key(address) for address in addresses]


def _milliseconds(timeout: float) -> int:
    """0 for never; an expiry that is too short for a millisecond gets one."""
    return max(1, round(min(timeout, _LONGEST) * 1000)) if timeout else 0


def _expiry(timeout: float) -> tuple[str | int, ...]:
    return ("PX", _milliseconds(timeout)) if timeout else ()


def _sets(items: Mapping[str, bytes], timeout: float) -> list[Command]:
    expiry = _expiry(timeout)
    return [("SET", _key(address), data, *expiry) for address, data in items.items()]


def _adds(items: Mapping[str, bytes], timeout: float) -> list[Command]:
    return [(*command, "NX") for command in _sets(items, timeout)]


def _release(address: str, expected: bytes) -> Command:
    return ("EVAL", scripts.REMOVE, 1, _key(address), expected)


def _raise_first(replies: list[Any]) -> list[Any]:
    for reply in replies:
        if isinstance(reply, RedisError):
            raise reply
    return replies


def _pattern(prefix: str) -> bytes:
    """Matches what starts with *prefix*, whatever characters it has."""
    special = str.maketrans({char: "\\" + char for char in "\\*?[]"})
    return _key(prefix.translate(special)) + b"*"


def _matching(node: Connections, pattern: bytes) -> Iterator[list[bytes]]:
    """The keys of one server, in batches.

    A cursor means nothing to another server, or to this one after a restart, so that all of the
    scan takes one connection, or fails.
    """
    with node.lease() as connection:
        cursor = b"0"
        while True:
            send(connection, [("SCAN", cursor, "MATCH", pattern, "COUNT", _CLEARED)])
            cursor, keys = _raise_first(receive(connection, 1))[0]
            if keys:
                yield keys
            if cursor == b"0":
                return
