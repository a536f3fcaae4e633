"""Real servers for the tests: one Redis, one with Sentinel, a cluster; and a proxy that counts."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from flask_cache_core_redis import RedisBackend, flask_cache_backend

from flask_cache_core.testing import RedisCluster, RedisSentinel, RedisServer

#: Long enough for a busy machine; tests of the budget itself set their own.
PATIENCE = 10.0


class ClusterServers(RedisCluster):
    """With clients that talk to one node, whoever owns a key."""

    def client(self, node: RedisServer) -> Any:
        return self._running.enter_context(redis.Redis(port=node.port, decode_responses=True))


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for *condition*, and fail after *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


class CountingProxy:
    """Forwards to a port, and counts the turns: what clients send after a reply, or at first."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.turns = 0
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            asking = threading.Event()
            for pair in ((client, server, asking.set), (server, client, asking.clear)):
                threading.Thread(target=self._pump, args=(*pair, asking), daemon=True).start()

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        mark: Callable[[], None],
        asking: threading.Event,
    ) -> None:
        try:
            while data := source.recv(1 << 16):
                self.turns += mark == asking.set and not asking.is_set()
                mark()
                sink.sendall(data)
        except OSError:
            pass

    def close(self) -> None:
        for each in self._sockets:
            each.close()


Build = Callable[..., RedisBackend]


@pytest.fixture(scope="session")
def build() -> Build:
    """``build(name, key_prefix=..., CACHE_...=...)``: a backend, as the registry has it built."""

    def make(name: str, **given: Any) -> RedisBackend:
        settings = {key: value for key, value in given.items() if key.startswith("CACHE_")}
        options = {key: value for key, value in given.items() if key not in settings}
        config = {
            "CACHE_DEFAULT_TIMEOUT": 300,
            "CACHE_BACKEND_TIMEOUT": PATIENCE,
            "CACHE_OPTIONS": options,
            **settings,
        }
        kwargs = {"default_timeout": 300, "threshold": 500, **options}
        backend = flask_cache_backend(name, None, config, [], kwargs)  # type: ignore[arg-type]
        assert isinstance(backend, RedisBackend)
        backend.max_value_bytes = 1 << 20
        return backend

    return make


@pytest.fixture(scope="session")
def server() -> Iterator[RedisServer]:
    with RedisServer(unixsocketperm="700", enable_debug_command="yes") as running:
        yield running


@pytest.fixture(scope="session")
def client(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis(port=server.port) as connected:
        yield connected


@pytest.fixture(scope="session")
def sentinel_server() -> Iterator[RedisSentinel]:
    with RedisServer() as master, RedisSentinel(master) as running:
        yield running


@pytest.fixture(scope="session")
def cluster_servers() -> Iterator[ClusterServers]:
    with ClusterServers() as running:
        yield running


@pytest.fixture
def counting_proxy(server: RedisServer) -> Iterator[CountingProxy]:
    proxy = CountingProxy(server.port)
    yield proxy
    proxy.close()


@pytest.fixture(name="until", scope="session")
def _until() -> Callable[..., None]:
    return until


@pytest.fixture(scope="session")
def sentinel_type() -> type[RedisSentinel]:
    return RedisSentinel


@pytest.fixture(scope="session")
def cluster_type() -> type[ClusterServers]:
    return ClusterServers
