"""`memcache` (python-memcached) as a `Client`.

The library answers as if nothing were there when a server fails; whether it did is read off the
state that it keeps of the server. Its clients open a connection for each thread that they meet;
here they are given one, so that there are as many as the pool says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final, NoReturn

import memcache

from . import NOT_NUMERIC, Link

#: Seconds. A client never connects again by itself, and so sends nothing twice.
_NEVER: Final = 100_000


class ServerFailedError(Exception):
    """The server failed or did not answer in time."""


class ClosedError(ServerFailedError):
    """The server had closed the connection."""


class _NeverUnpickles:
    def __init__(self, file: Any) -> None: ...

    def load(self) -> NoReturn:
        raise ValueError("a value that is flagged as a pickle is not read")


class MemcacheClient:
    errors: ClassVar[tuple[type[Exception], ...]] = (ServerFailedError, OSError)
    closed: ClassVar[tuple[type[Exception], ...]] = (ClosedError, ConnectionError)

    def __init__(self, link: Link) -> None:
        self.broken = False
        self._kept = memcache.Client(
            [_address(link)],
            unpickler=_NeverUnpickles,
            decompressor=bytes,
            socket_timeout=link.timeout,
            dead_retry=_NEVER,
            cache_cas=True,
            server_max_value_length=0,
        )
        self._hosts = self._kept.servers
        self._reasons: list[object] = []
        host = self._hosts[0]
        host.mark_dead = partial(_mark_dead, host.mark_dead, self._reasons)

    def __del__(self) -> None:
        for host in self._hosts:
            host.close_socket()

    @property
    def _client(self) -> Any:
        client = self._kept
        client.servers = client.buckets = self._hosts
        return client

    def get_multi(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        found = self._read(self._client.get_multi, keys)
        return {key: _bytes(value) for key, value in found.items() if value is not None}

    def set_multi(self, items: Mapping[str, bytes], expire: int) -> list[str]:
        if not items:
            return []
        refused: list[str] = self._checked(self._client.set_multi(items, expire))
        return refused

    def store(
        self,
        versions: Mapping[str, bytes],
        versions_expire: int,
        items: Mapping[str, bytes],
        expire: int,
    ) -> list[str]:
        for number, (key, data) in enumerate(versions.items(), 1):
            waits = not items and number == len(versions)
            self._checked(self._client.add(key, data, versions_expire, noreply=not waits))
        return self.set_multi(items, expire)

    def add(self, key: str, data: bytes, expire: int) -> bool:
        return bool(self._checked(self._client.add(key, data, expire)))

    def delete(self, key: str) -> bool:
        """The library's own ``delete`` calls what was not there deleted."""
        there = bool(self.get_multi([key]))
        self._checked(self._client.delete(key))
        return there

    def incr(self, key: str, delta: int) -> int | str | None:
        command = self._client.incr if delta >= 0 else self._client.decr
        try:
            value: int | None = self._checked(command(key, abs(delta)))
        except ValueError:  # also where the answer was cut off
            self._checked(None)
            return NOT_NUMERIC
        return value

    def gets(self, key: str) -> tuple[bytes, Any] | None:
        self._client.reset_cas()
        data = self._read(self._client.gets, key)
        return None if data is None else (_bytes(data), self._client.cas_ids[key.encode()])

    def cas(self, key: str, data: bytes, expire: int, token: Any) -> bool:
        self._client.reset_cas()
        self._client.cas_ids[key.encode()] = token
        return bool(self._checked(self._client.cas(key, data, expire)))

    def flush_all(self) -> None:
        self._client.flush_all()
        self._checked(None)

    def _read(self, command: Callable[[Any], Any], asked: str | Sequence[str]) -> Any:
        """A value that the library cannot read leaves it in the middle of the answer."""
        try:
            return self._checked(command(asked))
        except ValueError as error:
            self._client.disconnect_all()
            raise ServerFailedError(str(error)) from error

    def _checked(self, answer: Any) -> Any:
        if not self._hosts[0].deaduntil:
            return answer
        reason = self._reasons[0] if self._reasons else "the server failed"
        hung_up = isinstance(reason, ConnectionError) or "closed" in str(reason)
        raise (ClosedError if hung_up else ServerFailedError)(str(reason))


def _mark_dead(library: Callable[[object], None], reasons: list[object], reason: object) -> None:
    """What the library calls when a server fails: with an exception, or a text."""
    reasons.append(reason)
    library(reason)


def _address(link: Link) -> str:
    server = link.server
    if not server.port:
        return f"unix:{server.host}"
    return f"inet6:{server.name}" if ":" in server.host else server.name


def _bytes(value: Any) -> bytes:
    """What others stored as text or a number."""
    return value if isinstance(value, bytes) else str(value).encode()


connect = MemcacheClient
