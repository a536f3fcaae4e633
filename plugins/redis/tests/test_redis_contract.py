"""The contract of a backend, on a real server, a real Sentinel and a real cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_cache_core import BaseCache
from flask_cache_core.testing import BackendContract


class TestRedis(BackendContract):
    @pytest.fixture
    def make_backend(self, build: Any, server: Any) -> Callable[[str], BaseCache]:
        return lambda prefix: build("redis", key_prefix=prefix, CACHE_REDIS_URL=server.url)


class TestSentinel(BackendContract):
    @pytest.fixture
    def make_backend(self, build: Any, sentinel_server: Any) -> Callable[[str], BaseCache]:
        sentinels = f"127.0.0.1:{sentinel_server.port}"
        return lambda prefix: build(
            "redissentinel", key_prefix=prefix, CACHE_REDIS_SENTINELS=sentinels
        )


class TestCluster(BackendContract):
    @pytest.fixture
    def make_backend(self, build: Any, cluster_servers: Any) -> Callable[[str], BaseCache]:
        nodes = cluster_servers.addresses
        return lambda prefix: build("rediscluster", key_prefix=prefix, CACHE_REDIS_CLUSTER=nodes)
