"""Real servers for the tests: one Redis, one with Sentinel, a cluster; and a proxy that counts."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import pytest
import redis
from flask_cache_core_redis import RedisBackend, flask_cache_backend

from flask_cache_core.testing.servers import RedisServer, Server, free_port, program

#: Long enough for a busy machine; tests of the budget itself set their own.
PATIENCE = 10.0


class SentinelServer(Server):
    """One redis-sentinel that watches *master* under the name ``mymaster``."""

    def __init__(self, master: RedisServer, *directives: str) -> None:
        super().__init__()
        self._config = self.directory / "sentinel.conf"
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.directory}",
            f"sentinel monitor mymaster 127.0.0.1 {master.port} 1",
            "sentinel down-after-milliseconds mymaster 300",
            "sentinel failover-timeout mymaster 2000",
            *directives,
        ]
        self._config.write_text("\n".join(lines) + "\n")

    def command(self) -> list[str]:
        return [program("redis-server"), str(self._config), "--sentinel"]


class ClusterServers:
    """Primaries that share all slots; *replicas* follow the first one."""

    def __init__(self, primaries: int = 3, replicas: int = 0, node_timeout: int = 5_000) -> None:
        self._node_timeout = str(node_timeout)
        self.primaries = [self._node() for _ in range(primaries)]
        self.replicas = [self._node() for _ in range(replicas)]
        self._stack = ExitStack()

    def _node(self) -> RedisServer:
        return RedisServer(
            cluster_enabled="yes",
            cluster_port=str(free_port()),
            cluster_node_timeout=self._node_timeout,
            repl_diskless_sync_delay="0",
        )

    @property
    def nodes(self) -> list[RedisServer]:
        return [*self.primaries, *self.replicas]

    @property
    def addresses(self) -> str:
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def client(self, node: RedisServer) -> Any:
        return self._stack.enter_context(redis.Redis(port=node.port, decode_responses=True))

    def __enter__(self) -> Self:
        for node in self.nodes:
            self._stack.enter_context(node)
        clients = [self.client(node) for node in self.nodes]
        step = 16384 // len(self.primaries) + 1
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            bus = self.nodes[0].options["cluster_port"]
            client.execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port, bus)
        for number, _ in enumerate(self.primaries):
            last = min((number + 1) * step, 16384) - 1
            clients[number].execute_command("CLUSTER ADDSLOTSRANGE", number * step, last)
        until(lambda: all(_sees(client, len(clients)) for client in clients))
        first = clients[0].execute_command("CLUSTER MYID")
        for client in clients[len(self.primaries) :]:
            client.execute_command("CLUSTER REPLICATE", first)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


def _sees(client: Any, count: int) -> bool:
    info = client.execute_command("CLUSTER INFO")
    return bool(info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == count)


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
def sentinel_server() -> Iterator[SentinelServer]:
    with RedisServer() as master, SentinelServer(master) as running:
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
def sentinel_type() -> type[SentinelServer]:
    return SentinelServer


@pytest.fixture(scope="session")
def cluster_type() -> type[ClusterServers]:
    return ClusterServers
