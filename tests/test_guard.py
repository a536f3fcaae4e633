"""Outages of a real server: bounded, logged once, and nothing outdated is served afterwards."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
from flask import Flask
from flask_cache_core_redis.testing import RedisServer

from flask_cache_core import Cache
from flask_cache_core.backends import SimpleCache
from flask_cache_core.errors import BackendError
from flask_cache_core.testing import free_port

TIMEOUT = 0.2


class Silent:
    """A listener that accepts connections, counts them, and never answers."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections.append(connection)

    def close(self) -> None:
        self._socket.close()
        for connection in self.connections:
            connection.close()


class Site:
    """An app on redis with a cached view, a memoized function and a fragment in each answer."""

    def __init__(self, port: int, **config: Any) -> None:
        self.app = Flask(__name__)
        self.app.config.update(
            CACHE_TYPE="redis",
            CACHE_REDIS_URL=f"redis://:secret-password@127.0.0.1:{port}/0",
            CACHE_BACKEND_TIMEOUT=TIMEOUT,
            SECRET_KEY="of the tests",
        )
        self.app.config.update(config)
        self.cache = Cache(self.app)
        self.source = "old"
        self.calls = 0
        self.app.add_url_rule("/", "index", self.cache.cached()(self.index))
        self.name = self.cache.memoize(tags=("names",))(self.name)  # type: ignore[method-assign]
        self.client = self.app.test_client()

    def index(self) -> str:
        return f"page of {self.name()}"

    def name(self) -> str:
        self.calls += 1
        return self.source


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def site_of(redis: RedisServer, **config: Any) -> Site:
    return Site(redis.port, CACHE_REDIS_URL=redis.url, **config)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "flask_cache_core"]


def test_an_unreachable_server_is_told_once_and_every_request_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site(port=free_port())
    assert {site.client.get("/").status_code for _ in range(50)} == {200}
    assert site.calls == 50
    (line,) = lines(caplog)
    assert f"127.0.0.1:{site.app.config['CACHE_REDIS_URL'].split(':')[-1].split('/')[0]}" in line
    assert "CACHE_REDIS_URL" in line
    assert "secret-password" not in line


def test_a_server_that_never_answers_costs_one_timeout_not_fifty(
    caplog: pytest.LogCaptureFixture,
) -> None:
    silent = Silent()
    site = Site(silent.port, CACHE_BREAKER_DURATION=60)
    before = monotonic()
    assert {site.client.get("/").status_code for _ in range(50)} == {200}
    spent = monotonic() - before
    connections = len(silent.connections)
    silent.close()
    assert connections == 1
    assert spent < 50 * TIMEOUT / 2  # a sanity bound, not a measurement
    assert len(lines(caplog)) == 1


def test_a_paused_server_is_left_alone_and_used_again_when_it_answers(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    site = site_of(redis, CACHE_BREAKER_DURATION=0.3)
    assert site.client.get("/").text == "page of old"
    redis.pause()
    assert {site.client.get("/").text for _ in range(50)} == {"page of old"}
    assert len(lines(caplog)) == 1
    redis.resume()
    until_answered(site)
    assert len(lines(caplog)) == 2
    assert "answers again" in lines(caplog)[1]


def until_answered(site: Site) -> None:
    """Ask until the breaker has closed again."""
    for _ in range(200):
        hits = site.cache.stats().hits
        site.client.get("/")
        if site.cache.stats().hits > hits:
            return
        threading.Event().wait(0.02)
    raise AssertionError("the server is not used again")


@pytest.mark.parametrize("how", ["tag", "function", "view", "key", "set", "clear"])
def test_an_invalidation_during_the_outage_is_delivered_before_anything_is_trusted(
    redis: RedisServer, how: str
) -> None:
    site = site_of(redis, CACHE_BREAKER_DURATION=0.3, CACHE_IGNORE_ERRORS=True)
    cache = site.cache
    with site.app.app_context():
        site.client.get("/")
        cache.set("key", "old")
        redis.pause()
        site.source = "new"
        invalidate: dict[str, Callable[[], object]] = {
            "tag": lambda: cache.invalidate_tags("names"),
            "function": lambda: cache.delete_memoized(site.name),
            "view": lambda: cache.delete_cached(site.app.view_functions["index"], "/"),
            "key": lambda: cache.delete("key"),
            "set": lambda: cache.set("key", "new"),
            "clear": cache.clear,
        }
        invalidate[how]()
        redis.resume()
        until_answered(site)
        if how in ("tag", "clear"):
            assert site.client.get("/").text == "page of new"
        if how in ("tag", "function", "clear"):
            assert site.name() == "new"
        if how in ("key", "set", "clear"):
            assert cache.get("key") is None


def test_too_many_undelivered_invalidations_forget_everything(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_cache_core.storage.outbox.CAPACITY", 10)
    site = site_of(redis, CACHE_BREAKER_DURATION=0.2, CACHE_IGNORE_ERRORS=True)
    cache = site.cache
    with site.app.app_context():
        for number in range(20):
            cache.set(f"key {number}", "old")
        redis.pause()
        for number in range(20):
            cache.delete(f"key {number}")
        redis.resume()
        until_answered(site)
        assert cache.get_many(*(f"key {number}" for number in range(20))) == [None] * 20


def test_one_caller_probes_while_the_others_go_on_without(redis: RedisServer) -> None:
    """Half-open: of many callers, one waits for the server that may be back."""
    silent = Silent()
    site = Site(silent.port, CACHE_BREAKER_DURATION=0.1)
    site.client.get("/")
    threading.Event().wait(0.15)  # the breaker may be probed again from here on
    before = len(silent.connections)
    threads = [threading.Thread(target=site.app.test_client().get, args=("/",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(silent.connections) - before == 1
    silent.close()


def test_the_key_value_methods_raise_or_answer_like_an_empty_cache(redis: RedisServer) -> None:
    port = free_port()
    sites = Site(port), Site(port, CACHE_IGNORE_ERRORS=True)
    strict, lenient = (site.cache for site in sites)
    operations: list[Callable[[Cache], object]] = [
        lambda cache: cache.get("key"),
        lambda cache: cache.get_many("key", "other"),
        lambda cache: cache.set("key", 1),
        lambda cache: cache.set_many({"key": 1}),
        lambda cache: cache.add("key", 1),
        lambda cache: cache.has("key"),
        lambda cache: cache.inc("key"),
        lambda cache: cache.delete("key"),
        lambda cache: cache.delete_many("key"),
        lambda cache: cache.clear(),
    ]
    for operation in operations:
        with pytest.raises(BackendError, match="CACHE_REDIS_URL") as raised:
            operation(strict)
        assert "secret-password" not in str(raised.value)
        assert operation(lenient) in (None, False, [], [None, None])
    assert lenient.get("key", "default") == "default"


def test_decorators_raise_in_debug_mode_as_documented() -> None:
    site = Site(free_port())
    site.app.debug = True
    cache = Cache(site.app)

    @cache.memoize()
    def compute() -> int:
        return 1

    with pytest.raises(BackendError), site.app.app_context():
        compute()


def test_a_value_that_cannot_be_stored_is_returned_and_told_of_once(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    site = site_of(redis)

    @site.cache.memoize()
    def make() -> Callable[[], int]:
        return lambda: 1

    with site.app.app_context():
        assert make()() == 1
        assert make()() == 1
    (line,) = lines(caplog)
    assert "not cached" in line
    assert caplog.records[0].levelno == logging.WARNING
    assert site.cache.stats().errors == 0


def test_a_restarted_server_is_simply_empty(redis: RedisServer) -> None:
    site = site_of(redis, CACHE_BREAKER_DURATION=0.1)
    assert site.client.get("/").text == "page of old"
    redis.kill()
    redis.start()
    site.source = "new"
    assert site.client.get("/").text == "page of new"


def test_an_outage_that_a_direct_write_finds_is_told_once_too(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    site = site_of(redis, CACHE_BREAKER_DURATION=0.1, CACHE_IGNORE_ERRORS=True)
    with site.app.app_context():
        site.cache.set("key", "old")
        redis.pause()
        assert [site.cache.set("key", "new") for _ in range(5)] == [False] * 5
        assert len(lines(caplog)) == 1
        redis.resume()
        until_answered(site)
        assert len(lines(caplog)) == 2
        assert site.cache.get("key") is None


class Liar(SimpleCache):
    """A backend that answers fewer values than it was asked for."""

    in_process = False

    def get_many(self, *keys: str) -> list[Any]:
        return super().get_many(*keys)[:-1]


def test_a_backend_that_answers_too_little_is_taken_for_one_that_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Flask(__name__)
    cache = Cache(app, config={"CACHE_TYPE": f"{__name__}:Liar"})
    double = cache.memoize()(lambda x: x * 2)
    with app.app_context():
        assert [double(2), double(2)] == [4, 4]
    (line,) = lines(caplog)
    assert "values for" in line


def test_an_old_value_answers_when_neither_the_backend_nor_the_computation_does(
    redis: RedisServer,
) -> None:
    site = site_of(redis, CACHE_BREAKER_DURATION=60)
    fails = False
    calls = 0

    @site.cache.memoize(stale_if_error=300, tags=("tag",))
    def compute(number: int) -> list[int]:
        nonlocal calls
        calls += 1
        if fails:
            raise LookupError
        return [calls]

    with site.app.app_context():
        assert [compute(1), compute(2)] == [[1], [2]]
        redis.kill()
        assert compute(1) == [3]  # what can be computed is better than what is old
        fails = True
        assert [compute(1), compute(1)] == [[1], [1]]
        assert calls == 4  # the second one backs off
        site.cache.invalidate_tags("tag")
        with pytest.raises(LookupError):
            compute(2)
