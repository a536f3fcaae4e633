"""The contract of backends, for every client library and for one and three servers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask_cache_core_memcached import MemcachedCache
from flask_cache_core_memcached.testing import MemcachedServer

from flask_cache_core.testing import BackendContract


class OnMemcached(BackendContract):
    exact_timeouts = False
    client: str
    count: int = 1

    @pytest.fixture
    def make_backend(
        self, memcached_servers: list[MemcachedServer]
    ) -> Callable[[str], MemcachedCache]:
        pytest.importorskip(self.client)
        addresses = [server.address for server in memcached_servers[: self.count]]
        return lambda prefix: MemcachedCache(
            addresses, client=self.client, key_prefix=prefix, timeout=5
        )


class TestPylibmc(OnMemcached):
    client = "pylibmc"


class TestPylibmcOnThreeServers(OnMemcached):
    client = "pylibmc"
    count = 3


class TestPymemcache(OnMemcached):
    client = "pymemcache"


class TestPythonMemcached(OnMemcached):
    client = "memcache"
