"""Servers for the tests of this plug-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask_cache_core_memcached.testing import MemcachedServer

from flask_cache_core.testing import CountingProxy


@pytest.fixture(scope="session")
def memcached_servers() -> Iterator[list[MemcachedServer]]:
    """Three servers, for tests that only store values under prefixes of their own."""
    with MemcachedServer() as one, MemcachedServer() as two, MemcachedServer() as three:
        yield [one, two, three]


@pytest.fixture
def memcached_proxy(memcached_servers: list[MemcachedServer]) -> Iterator[CountingProxy]:
    with CountingProxy(memcached_servers[0].port) as proxy:
        yield proxy
