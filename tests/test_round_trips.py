"""What a lookup costs, counted between the app and a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask, render_template_string
from flask_cache_core_memcached.testing import MemcachedServer
from flask_cache_core_redis.testing import RedisServer

from flask_cache_core import Cache
from flask_cache_core.testing import CountingProxy


@pytest.fixture(params=["redis", "memcached"])
def proxy(request: pytest.FixtureRequest) -> Iterator[tuple[str, CountingProxy]]:
    server = RedisServer() if request.param == "redis" else MemcachedServer()
    with server, CountingProxy(server.port) as proxy:
        yield request.param, proxy


class Counted:
    """An app on a server behind a counting proxy."""

    def __init__(self, kind: str, proxy: CountingProxy) -> None:
        self.app = Flask(__name__)
        self.app.secret_key = "of the tests"
        self.app.config["CACHE_BACKEND_TIMEOUT"] = 10  # on a busy machine, too
        address = f"127.0.0.1:{proxy.port}"
        self.cache = Cache(
            self.app,
            config={"CACHE_TYPE": "redis", "CACHE_REDIS_URL": f"redis://{address}/0"}
            if kind == "redis"
            else {"CACHE_TYPE": "memcached", "CACHE_MEMCACHED_SERVERS": [address]},
        )
        self._proxy = proxy
        #: On memcached, a write after a pause of a second first reads the generation of `clear`.
        self.generation = 1 if kind == "memcached" else 0

    def trips(self, function: Callable[[], Any]) -> int:
        with self.app.app_context():
            self.cache.get("connect")
        self._proxy.count()
        with self.app.app_context():
            function()
        return self._proxy.count()


@pytest.fixture
def counted(proxy: tuple[str, CountingProxy]) -> Counted:
    return Counted(*proxy)


def test_a_hit_costs_one_round_trip_and_a_miss_two(counted: Counted) -> None:
    cache = counted.cache

    class Thing:
        def __repr__(self) -> str:
            return "Thing()"

        @cache.memoize()
        def method(self) -> int:
            return 1

    plain = cache.memoize()(lambda x: x)
    tagged = cache.memoize(tags=("a", "b", "c"))(lambda x: [x])
    five = cache.memoize(tags=tuple("vwxyz"))(lambda: 1)
    counted.app.add_url_rule("/", "view", cache.cached()(lambda: "page"))
    client = counted.app.test_client()
    made = lambda: cache.get_or_set("made", lambda: 1, tags=("d",))  # noqa: E731
    fragment = lambda: render_template_string("{% cache 60, 'f' %}x{% endcache %}")  # noqa: E731
    for call in (
        lambda: plain(1),
        Thing().method,
        lambda: tagged(1),
        five,
        lambda: client.get("/"),
        made,
        fragment,
    ):
        assert counted.trips(call) == 2, "a miss while its versions are new"
        assert counted.trips(call) == 1, "a hit"
    assert counted.trips(lambda: plain(2)) == 2, "a miss while its versions are known"
    assert counted.trips(lambda: tagged(2)) == 2


def test_inherited_tags_cost_nothing_once_they_are_known(counted: Counted) -> None:
    cache = counted.cache
    inner = cache.memoize(tags=("inner",))(lambda: 1)
    outer = cache.memoize()(inner)
    assert counted.trips(outer) == 4  # two misses
    assert counted.trips(outer) == 1


def test_a_miss_under_a_distributed_lock_costs_at_most_four(
    counted: Counted, proxy: tuple[str, CountingProxy]
) -> None:
    once = counted.cache.memoize(lock="distributed")(lambda x: x)
    most = 4 if proxy[0] == "redis" else 6  # memcached has no conditional delete in a batch
    assert counted.trips(lambda: once(1)) <= most
    assert counted.trips(lambda: once(1)) == 1


def test_an_invalidation_is_one_write(counted: Counted) -> None:
    function = counted.cache.memoize()(lambda: 1)
    for invalidate in (
        lambda: counted.cache.invalidate_tags("a"),
        lambda: counted.cache.delete_memoized(function),
    ):
        assert counted.trips(invalidate) <= 1 + counted.generation


def test_coroutines_cost_the_same(counted: Counted) -> None:
    @counted.cache.memoize(tags=("a", "b"))
    async def compute() -> int:
        return 1

    assert counted.trips(lambda: asyncio.run(compute())) == 2
    assert counted.trips(lambda: asyncio.run(compute())) == 1


def test_plain_values_cost_one(counted: Counted) -> None:
    cache = counted.cache
    assert counted.trips(lambda: cache.set("key", "value")) <= 1 + counted.generation
    assert counted.trips(lambda: cache.get("key")) == 1
    assert counted.trips(lambda: cache.get_many(*(f"key {n}" for n in range(100)))) == 1
    assert counted.trips(lambda: cache.add("key", "value")) <= 1 + counted.generation


def test_reading_by_key_costs_one_whatever_is_stored(counted: Counted) -> None:
    cache = counted.cache
    with counted.app.app_context():
        cache.set("tagged", "value", tags=("a", "b"))
        for number in range(5):
            cache.get_or_set(f"made {number}", partial(int, number), tags=(f"tag {number}",))
        function = cache.memoize(tags=("c",))(lambda: "memoized")
        function()
        memoized = function.make_cache_key(function.uncached)
        assert cache.get(memoized) == "memoized"  # from now on it is known what it depends on
    keys = ["tagged", memoized, *(f"made {number}" for number in range(5))]
    assert counted.trips(lambda: cache.get("tagged")) == 1
    assert counted.trips(lambda: cache.get("made 0")) == 1
    assert counted.trips(lambda: cache.get_many(*keys)) == 1
    assert counted.trips(lambda: cache.get("missing", "default")) == 1
    with counted.app.app_context():
        assert cache.get_many(*keys) == ["value", "memoized", 0, 1, 2, 3, 4]
        assert cache.get("missing", "default") == "default"
        cache.invalidate_tags("a", "tag 3")
        assert cache.get_many(*keys) == [None, "memoized", 0, 1, 2, None, 4]
        cache.set("none", None)
        assert cache.get("none", "default") is None


def test_another_process_learns_once_what_values_depend_on(
    counted: Counted, proxy: tuple[str, CountingProxy]
) -> None:
    with counted.app.app_context():
        keys = [f"tagged {number}" for number in range(5)]
        for key in keys:
            counted.cache.set(key, key, tags=("a", key))
    other = Counted(*proxy)
    assert other.trips(lambda: other.cache.get_many(*keys)) == 2
    assert other.trips(lambda: other.cache.get_many(*keys)) == 1
    with counted.app.app_context():
        counted.cache.invalidate_tags("a")
    with other.app.app_context():
        assert other.cache.get_many(*keys) == [None] * 5
