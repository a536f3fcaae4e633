"""One server: its idle connections, the time budget, and errors that say where.

Safe across threads and after a fork. Must not know prefixes, generations or other servers.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from flask_cache_core.errors import BackendError

from .clients import Client, Connect, Link

P = TypeVar("P")
T = TypeVar("T")

#: Connections that another process opened. They are never closed from here: closing one tells
#: the server to hang up on the process that uses it, and one that was in use when the process
#: forked must not be touched at all.
_inherited: Final[list[object]] = []


class _SentError(Exception):
    """What must not be sent again failed. Its cause is the error of the client library."""


class Node:
    """One server and its connections.

    :param pool_size: connections that are kept when nobody uses them.
    :param pool_blocking: never open more than ``pool_size``; wait for one, up to the timeout.
    :param explain: what an error of the client library means, for the message.
    :ivar replaced: how often a connection that was kept turned out to be closed.
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
        self.replaced = 0
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
        """Run *operation* on a connection. Raise `BackendError` when the server fails it.

        A connection that was kept and that the server has closed is replaced, once: so
        *operation* is one that may be carried out twice.
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

    def run_once(self, proof: Callable[[Client], P], operation: Callable[[Client, P], T]) -> T:
        """Run *proof*, which reads and shows that a connection is open, then *operation* on it.

        *operation* is never repeated: a request whose answer got lost may have been served.
        """

        def both(client: Client) -> T:
            proved = proof(client)
            try:
                return operation(client, proved)
            except client.errors as error:
                raise _SentError from error

        try:
            return self.run(both)
        except _SentError as sent:
            raise self._explained(sent.__cause__) from sent.__cause__

    def _run(self, operation: Callable[[Client], T]) -> T:
        try:
            client = self._idle.pop()
        except IndexError:
            return self._run_on(self._connect(self._link), operation)
        try:
            return self._used(client, operation)
        except client.closed:
            self._idle.clear()  # the others are older
            self.replaced += 1
        except client.errors as error:
            raise self._explained(error) from error
        return self._run_on(self._connect(self._link), operation)

    def _run_on(self, client: Client, operation: Callable[[Client], T]) -> T:
        try:
            return self._used(client, operation)
        except client.errors as error:
            raise self._explained(error) from error

    def _used(self, client: Client, operation: Callable[[Client], T]) -> T:
        self._busy.add(client)
        try:
            result = operation(client)
        finally:
            self._busy.discard(client)
        if not client.broken:
            self._idle.append(client)
        return result

    def _explained(self, error: BaseException | None) -> BackendError:
        assert isinstance(error, Exception)
        return self._failure(self._explain(self._link, error))

    def _failure(self, cause: str) -> BackendError:
        return BackendError(f"memcached at {self.name} ({self._setting}): {cause}")
