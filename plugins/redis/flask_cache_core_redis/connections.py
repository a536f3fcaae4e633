"""Connections to one server: made, kept while idle, renewed, and never shared with a fork.

redis-py brings the connection; its pools are not used, because one that is forked while a thread
holds its lock hangs in the child. Knows no settings, commands or caches.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Self, TypeAlias

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool, SSLConnection
from redis.exceptions import ConnectionError, RedisError  # noqa: A004 - redis-py's own, on purpose
from redis.retry import Retry
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

#: Host and port.
Address: TypeAlias = tuple[str, int]

#: From so many on, the limit of a redis-py pool means that there is none.
_UNLIMITED: Final = 2**31
#: What belongs to a pool or a client, not to a connection of ours.
_FOREIGN: Final = frozenset(
    {"retry", "retry_on_error", "retry_on_timeout", "decode_responses", "protocol"}
    | {"connection_pool", "redis_connect_func", "himport_registry"}
)
_FOREIGN_PREFIXES: Final = ("maint", "orig_", "oss_cluster_")
_PLAIN: Final[dict[Any, Any]] = {
    SentinelManagedConnection: Connection,
    SentinelManagedSSLConnection: SSLConnection,
}


def limits(timeout: float) -> dict[str, Any]:
    """Arguments of a connection that waits *timeout* seconds at most, and tries once.

    Every server speaks RESP2, and it needs no greeting.
    """
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


@dataclass(frozen=True)
class Recipe:
    """How to make a connection, and how many there may be (``None``: as many as threads)."""

    kind: Any
    arguments: Mapping[str, Any]
    most: int | None

    @classmethod
    def of(cls, **arguments: Any) -> Self:
        """What ``redis.Redis`` would make of its arguments: it knows TLS and sockets."""
        arguments.setdefault("max_connections", _UNLIMITED)
        arguments.pop("single_connection_client", None)  # it would connect at once
        return cls._of_pool(Redis(**arguments).connection_pool)

    @classmethod
    def of_url(cls, url: str, **arguments: Any) -> Self:
        arguments.setdefault("max_connections", _UNLIMITED)
        return cls._of_pool(ConnectionPool.from_url(url, **arguments))

    @classmethod
    def like(cls, pool: ConnectionPool, timeout: float) -> Self:
        """To the same server with the same credentials, within *timeout* seconds."""
        given = {
            name: value
            for name, value in pool.connection_kwargs.items()
            if name not in _FOREIGN and not name.startswith(_FOREIGN_PREFIXES)
        }
        shorter = {
            name: min(given.get(name) or timeout, timeout)
            for name in ("socket_timeout", "socket_connect_timeout")
        }
        made = cls._of_pool(pool)
        kind = _PLAIN.get(made.kind, made.kind)
        return replace(made, kind=kind, arguments={**given, **limits(timeout), **shorter})

    @classmethod
    def _of_pool(cls, pool: ConnectionPool) -> Self:
        most = pool.max_connections
        arguments = dict(pool.connection_kwargs)
        return cls(pool.connection_class, arguments, most if most < _UNLIMITED else None)

    def at(self, address: Address) -> Self:
        host, port = address
        return replace(self, arguments={**self.arguments, "host": host, "port": port})

    def make(self) -> Any:
        """A connection that is not connected yet."""
        return self.kind(**self.arguments)

    @property
    def timeout(self) -> float | None:
        timeout: float | None = self.arguments.get("socket_timeout")
        return timeout


class Connections:
    """Those to one server. No lock of its own: a fork could leave it locked for ever."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._forget()

    def _forget(self) -> None:
        """Begin anew; in a child, what the parent had is closed without a word to the server."""
        most = self._recipe.most
        self._idle: deque[Any] = deque()
        self._room = None if most is None else threading.Semaphore(most)
        self._pid = os.getpid()

    @contextmanager
    def lease(self) -> Iterator[Any]:
        """A connection for the time of the block.

        What ends the block early may leave replies unread, so the connection is closed then.
        """
        if os.getpid() != self._pid:
            self._forget()
        idle, room = self._idle, self._room
        if room is not None and not room.acquire(timeout=self._recipe.timeout):
            raise ConnectionError(f"all {self._recipe.most} connections (max_connections) are busy")
        connection = self._taken(idle)
        try:
            _ready(connection)
            yield connection
        except BaseException:
            connection.disconnect()
            raise
        finally:
            idle.append(connection)
            if room is not None:
                room.release()

    def _taken(self, idle: deque[Any]) -> Any:
        try:
            return idle.pop()
        except IndexError:
            return self._recipe.make()


def _ready(connection: Any) -> None:
    """Connect, or connect again where the server has closed the connection meanwhile."""
    connection.connect()
    try:
        closed = connection.can_read(timeout=0)
    except (RedisError, OSError):
        closed = True
    if closed:
        connection.disconnect()
        connection.connect()
