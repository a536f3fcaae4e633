"""What the server sees: round trips, expiries, counters, and how a prefix is cleared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask
from flask_cache_core_redis.testing import RedisServer

from flask_cache_core import Cache
from flask_cache_core.backend import Batch
from flask_cache_core.errors import CacheWarning


@pytest.fixture
def backend(build: Any, counting_proxy: Any, client: redis.Redis) -> Any:
    """One behind the proxy, connected."""
    client.flushall()
    made = build("redis", CACHE_REDIS_PORT=counting_proxy.port, key_prefix="shop")
    made.get("warm")
    return made


def test_every_operation_is_one_round_trip(backend: Any, counting_proxy: Any) -> None:
    """Of 10,000 writes, the first replies would come before the last is sent."""
    many = {f"key {n}": n for n in range(100)}
    operations: dict[str, Callable[[], object]] = {
        "set": lambda: backend.set("key", "value", 60),
        "set_many": lambda: backend.set_many(many, 60),
        "get": lambda: backend.get("key"),
        "get_many": lambda: backend.get_many(*many),
        "get_many of 10,000": lambda: backend.get_many(*map(str, range(10_000))),
        "add": lambda: backend.add("added", 1, 60),
        "has": lambda: backend.has("key"),
        "inc": lambda: backend.inc("counter"),
        "store": lambda: backend.store(
            Batch({"a": 1}, 60, {"b": "c", "d": "e"}, 90, ("lock", "x"))
        ),
        "renew_lock": lambda: backend.renew_lock("lock", "token", 60),
        "release_lock": lambda: backend.release_lock("lock", "token"),
        "delete_many": lambda: backend.delete_many(*many),
    }
    counting_proxy.count()
    trips = {}
    for name, operation in operations.items():
        operation()
        trips[name] = counting_proxy.count()
    assert trips == dict.fromkeys(operations, 1)


def test_batches_have_no_limit(backend: Any) -> None:
    many = {str(n): n for n in range(25_000)}
    assert len(backend.set_many(many, 60)) == 25_000
    assert backend.get_many(*many) == list(many.values())
    assert len(backend.delete_many(*many)) == 25_000


def test_a_hit_is_one_round_trip_and_a_miss_two(counting_proxy: Any) -> None:
    app = Flask(__name__)
    app.config |= {
        "CACHE_TYPE": "redis",
        "CACHE_REDIS_PORT": counting_proxy.port,
        "CACHE_BACKEND_TIMEOUT": 10,
        "CACHE_KEY_PREFIX": "trips",
    }
    cache = Cache(app)

    @cache.memoize(60, tags=("one", "two", "three"))
    def double(number: int) -> int:
        return 2 * number

    with app.app_context():
        double(1)
        counting_proxy.count()
        trips = []
        for number in (2, 2):
            assert double(number) == 4
            trips.append(counting_proxy.count())
    assert trips == [2, 1]


def test_expiries(backend: Any, client: redis.Redis) -> None:
    backend.set("short", 1, 0.0001)
    backend.set("fraction", 1, 30.25)
    backend.set("huge", 1, 1e300)
    backend.set("ever", 1, 0)
    assert 30_000 < client.pttl("shop:fraction") <= 30_250
    assert client.pttl("shop:huge") > 10**14
    assert client.pttl("shop:ever") == -1


def test_a_counter_gets_the_default_timeout_and_keeps_its_own(
    backend: Any, client: redis.Redis
) -> None:
    assert backend.inc("new") == 1
    assert 200_000 < client.pttl("shop:new") <= 300_000
    backend.set("old", 2**62, 50)
    assert backend.inc("old", 7) == 2**62 + 7
    assert 0 < client.pttl("shop:old") <= 50_000


def test_what_is_no_counter_stays_as_it_is(backend: Any, client: redis.Redis) -> None:
    backend.set("text", "abc", 60)
    backend.set("large", 2**70, 60)
    client.rpush("shop:list", 1)
    assert [backend.inc(key) for key in ("text", "large", "list")] == [None, None, None]
    assert backend.inc("fresh", 2**70) is None
    assert backend.get_many("text", "large", "fresh") == ["abc", 2**70, None]


def test_a_foreign_type_under_a_key_is_a_miss(backend: Any, client: redis.Redis) -> None:
    client.rpush("shop:list", 1)
    assert backend.get_many("list", "other") == [None, None]
    assert backend.set("list", 1, 60) is True
    assert backend.get("list") == 1


@pytest.mark.parametrize("prefix", ["shop", "s*p", "s?p", "[s]hop", "sh\\op", "é\ud800 \r\n{x}"])
def test_clear_matches_its_prefix_literally(
    build: Any, server: RedisServer, client: redis.Redis, prefix: str
) -> None:
    client.flushall()
    names = [prefix, prefix + "_admin", "shop:x", "soap", "sap", "s", "h", "shopp"]
    backends = [build("redis", CACHE_REDIS_PORT=server.port, key_prefix=name) for name in names]
    for backend in backends:
        backend.set("key", "kept", 60)
    assert backends[0].clear() is True
    assert [backend.get("key") for backend in backends] == [None, *["kept"] * (len(names) - 1)]


def test_clear_scans_in_small_steps_and_never_lists_or_flushes(backend: Any, client: Any) -> None:
    count = 20_000
    client.execute_command("DEBUG", "POPULATE", count, "shop")
    client.set("foreign", 1)
    client.config_resetstat()
    assert backend.clear() is True
    calls = {name: stat["calls"] for name, stat in client.info("commandstats").items()}
    assert calls.keys() <= {"cmdstat_scan", "cmdstat_unlink", "cmdstat_config|resetstat"}
    assert calls["cmdstat_scan"] >= count / 200
    assert client.keys() == [b"foreign"]


def test_an_empty_prefix_is_cleared_only_where_that_is_asked_for(
    backend: Any, build: Any, server: RedisServer, client: redis.Redis
) -> None:
    unprefixed = build("redis", CACHE_REDIS_PORT=server.port, key_prefix="")
    unprefixed.set("key", 1, 60)
    assert client.exists("key")
    with pytest.warns(CacheWarning, match="CACHE_CLEAR_ALL"):
        assert unprefixed.clear() is False
    assert client.exists("key")
    unprefixed.clear_all = True
    assert unprefixed.clear() is True
    assert client.dbsize() == 0
