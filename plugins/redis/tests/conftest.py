"""Real servers for the tests: one Redis, one with Sentinel, a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from flask_cache_core_redis import RedisBackend, flask_cache_backend
from flask_cache_core_redis.testing import RedisCluster, RedisSentinel, RedisServer

from flask_cache_core.testing import CountingProxy

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
    with CountingProxy(server.port) as proxy:
        yield proxy


@pytest.fixture(name="until", scope="session")
def _until() -> Callable[..., None]:
    return until


@pytest.fixture(scope="session")
def sentinel_type() -> type[RedisSentinel]:
    return RedisSentinel


@pytest.fixture(scope="session")
def cluster_type() -> type[ClusterServers]:
    return ClusterServers
