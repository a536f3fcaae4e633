"""One server: its idle connections, the time budget, and errors that say where.

Safe across threads and after a fork. Must not know prefixes, generations or other servers.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final, TypeVar

from flask_cache_core.errors import BackendError

from .clients import Client, Connect, Link

T = TypeVar("T")

#: Connections that another process opened. They are never closed from here: closing one tells
#: the server to hang up on the process that uses it, and one that was in use when the process
#: forked must not be touched at all.
_inherited: Final[list[object]] = []


class Node:
    """One server and its connections.

    :param pool_size: connections that are kept when nobody uses them.
    :param pool_blocking: never open more than ``pool_size``; wait for one, up to the timeout.
    :param explain: what an error of the client library means, for the message.
    """

    def __init__(
        self,
        link: Link,
        connect: Connect,
        *,
        pool_size: int,
        pool_blocking: bool,
        setting: str,
        explain: Callable[[Link, Exception], str],
    ) -> None:
        self.name = link.server.name
        self._link = link
        self._connect = connect
        self._pool_size = pool_size
        self._pool_blocking = pool_blocking
        self._setting = setting
        self._explain = explain
        self._begin()

    def _begin(self) -> None:
        self._idle: deque[Client] = deque(maxlen=self._pool_size)
        self._busy: set[Client] = set()
        self._free = threading.BoundedSemaphore(self._pool_size) if self._pool_blocking else None
        self._pid = os.getpid()

    def run(self, operation: Callable[[Client], T]) -> T:
        """Run *operation* on a connection. Raises `BackendError` when the server fails it.

        A connection that the server had closed while nobody used it is replaced, once.
        """
        if self._pid != os.getpid():
            _inherited.append((self._idle, self._busy))
            self._begin()
        free = self._free
        if free is None:
            return self._run(operation)
        if not free.acquire(timeout=self._link.timeout):
            raise self._failure(f"all {self._pool_size} connections (pool_size) are in use")
        try:
            return self._run(operation)
        finally:
            free.release()

    def _run(self, operation: Callable[[Client], T]) -> T:
        try:
            client = self._idle.pop()
        except IndexError:
            return self._attempt(operation)
        started = monotonic()
        try:
            return self._used(client, operation)
        except client.errors as error:
            if monotonic() - started >= self._link.timeout * 0.9:
                raise self._failure(self._explain(self._link, error)) from error
        self._idle.clear()
        return self._attempt(operation)

    def _attempt(self, operation: Callable[[Client], T]) -> T:
        """Run *operation* on a new connection, and on another one if nothing came to be sent."""
        started = monotonic()
        client = self._connect(self._link)
        try:
            return self._used(client, operation)
        except client.unsent as error:
            if monotonic() - started >= self._link.timeout * 0.9:
                raise self._failure(self._explain(self._link, error)) from error
        except client.errors as error:
            raise self._failure(self._explain(self._link, error)) from error
        client = self._connect(self._link)
        try:
            return self._used(client, operation)
        except client.errors as error:
            raise self._failure(self._explain(self._link, error)) from error

    def _used(self, client: Client, operation: Callable[[Client], T]) -> T:
        self._busy.add(client)
        try:
            result = operation(client)
        finally:
            self._busy.discard(client)
        if not client.broken:
            self._idle.append(client)
        return result

    def _failure(self, cause: str) -> BackendError:
        return BackendError(f"memcached at {self.name} ({self._setting}): {cause}")
