"""Settings: what is taken, and what is told at set-up."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_cache_core_memcached import MemcachedCache
from flask_cache_core_memcached.servers import Server, parse_servers
from flask_cache_core_memcached.testing import MemcachedServer

from flask_cache_core.errors import ConfigError
from flask_cache_core.plugins import registry


def resolve(name: str, **config: Any) -> MemcachedCache:
    kwargs = {"default_timeout": 60, "threshold": 500, **config.get("CACHE_OPTIONS", {})}
    backend = registry.resolve(name, Flask("app"), config, (), kwargs)
    assert isinstance(backend, MemcachedCache)
    return backend


@pytest.mark.parametrize(
    ("value", "servers"),
    [
        (None, [Server("127.0.0.1", 11211)]),
        ("10.0.0.1", [Server("10.0.0.1", 11211)]),
        ("a:1, b:2", [Server("a", 1), Server("b", 2)]),
        (["a:1:3"], [Server("a", 1, 3)]),
        (("a", 7), [Server("a", 7)]),
        ([("a", 7), ("b:8", 2)], [Server("a", 7), Server("b", 8, 2)]),
        (["[::1]:7", "[::1]"], [Server("::1", 7), Server("::1", 11211)]),
        (("/run/m.sock", "unix:/run/n.sock"), [Server("/run/m.sock", 0), Server("/run/n.sock", 0)]),
    ],
)
def test_addresses(value: object, servers: list[Server]) -> None:
    assert parse_servers(value) == servers


@pytest.mark.parametrize(
    "value",
    [[], 5, b"a:1", ["a b"], ["a:port"], ["a:0"], ["a:70000"], [None], ["::1"], ["a", "a:11211"],
     ["redis://a:1"], ["a:1:0"], [""]],
)  # fmt: skip
def test_an_address_that_does_not_parse_is_told_at_set_up(value: object) -> None:
    with pytest.raises(ConfigError, match="CACHE_MEMCACHED_SERVERS"):
        resolve("memcached", CACHE_MEMCACHED_SERVERS=value)


@pytest.mark.parametrize("name", ["memcached", "MemcachedCache", "gaememcached"])
def test_short_names(memcached_servers: list[MemcachedServer], name: str) -> None:
    backend = resolve(
        name,
        CACHE_MEMCACHED_SERVERS=[memcached_servers[0].address],
        CACHE_BACKEND_TIMEOUT="5",
        CACHE_OPTIONS={"key_prefix": "short", "client": "pymemcache"},
    )
    assert backend.set("key", name) is True
    assert backend.get("key") == name
    assert backend.default_timeout == 60
    assert memcached_servers[0].address in backend.where()


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"CACHE_MEMCACHED_CLIENT": "libmc"}, "CACHE_MEMCACHED_CLIENT='libmc'.*pylibmc"),
        ({"CACHE_MEMCACHED_CLIENT": "appengine"}, "pip install appengine-python-standard"),
        ({"CACHE_OPTIONS": {"pool": 3}}, "'pool'.*pool_size"),
        ({"CACHE_OPTIONS": {"pool_size": 0}}, "pool_size"),
    ],
)
def test_a_wrong_setting_is_told_at_set_up(config: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        resolve("memcached", **config)
