"""Servers for the tests of this plug-in, and a proxy that counts round trips."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator

import pytest

from flask_cache_core.testing.servers import MemcachedServer


class CountingProxy:
    """Forwards to a server; counts how often the client spoke after the server had answered."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self._trips: list[int] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def trips(self) -> int:
        return sum(self._trips)

    def close(self) -> None:
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._upstream))
            self._sockets += [client, server]
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        """One thread for both directions, so that they are seen in their order."""
        number = len(self._trips)
        self._trips.append(0)
        client_spoke = False
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    try:
                        data = key.fileobj.recv(1 << 20)  # type: ignore[union-attr]
                        if key.fileobj is server and client_spoke:
                            self._trips[number] += 1
                        client_spoke = key.fileobj is client
                        (server if client_spoke else client).sendall(data)
                    except OSError:
                        return
                    if not data:
                        return


@pytest.fixture(scope="session")
def memcached_servers() -> Iterator[list[MemcachedServer]]:
    """Three servers, for tests that only store values under prefixes of their own."""
    with MemcachedServer() as one, MemcachedServer() as two, MemcachedServer() as three:
        yield [one, two, three]


@pytest.fixture
def memcached_proxy(memcached_servers: list[MemcachedServer]) -> Iterator[CountingProxy]:
    proxy = CountingProxy(memcached_servers[0].port)
    yield proxy
    proxy.close()
