"""Old values: while somebody computes the new one, instead of an error, and not all at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from flask_cache_core import Cache


class Clock:
    """The time that entries are judged by, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000.0
        monkeypatch.setattr("flask_cache_core.engine.lookup.time.time", lambda: self.now)
        monkeypatch.setattr("flask_cache_core.backends.simple.monotonic", lambda: self.now)
        monkeypatch.setattr("flask_cache_core.engine.memory.monotonic", lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config["CACHE_TYPE"] = "simple"
    return app


@pytest.fixture
def cache(app: Flask) -> Iterator[Cache]:
    cache = Cache(app)
    with app.app_context():
        yield cache


class Source:
    """A computation that can be made to fail, or to wait."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails = False
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()

    def read(self) -> int:
        self.calls += 1
        number = self.calls
        self.begun.set()
        assert self.may_end.wait(10)
        if self.fails:
            raise LookupError(number)
        return number


def test_one_caller_recomputes_while_others_get_the_old_value_at_once(
    cache: Cache, clock: Clock, app: Flask
) -> None:
    source = Source()
    read = cache.memoize(10, stale_while_revalidate=30)(source.read)
    assert read() == 1
    clock.sleep(15)
    source.may_end.clear()
    source.begun.clear()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(read)
        assert source.begun.wait(10)
        assert [read() for _ in range(5)] == [1] * 5  # would wait for ever if they waited
        source.may_end.set()
        assert leader.result(10) == 2
    assert read() == 2
    assert cache.stats().stale == 5


def test_beyond_its_grace_an_old_value_is_not_served(cache: Cache, clock: Clock) -> None:
    source = Source()
    read = cache.memoize(10, stale_while_revalidate=30, stale_if_error=30)(source.read)
    assert read() == 1
    clock.sleep(41)
    source.fails = True
    with pytest.raises(LookupError):
        read()


def test_an_old_value_answers_for_an_error_and_the_next_try_backs_off(
    cache: Cache, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source()
    read = cache.memoize(10, stale_if_error=1000)(source.read)
    assert read() == 1
    clock.sleep(11)
    source.fails = True
    assert [read() for _ in range(5)] == [1] * 5
    assert source.calls == 2
    clock.sleep(1.1)
    assert [read() for _ in range(5)] == [1] * 5
    assert source.calls == 3
    clock.sleep(1.1)  # the second pause is twice as long
    assert read() == 1
    assert source.calls == 3
    clock.sleep(1.1)
    source.fails = False
    assert read() == 4
    assert read() == 4
    assert sum("its computation failed" in r.getMessage() for r in caplog.records) == 2


def test_without_an_old_value_the_error_is_the_callers(cache: Cache, clock: Clock) -> None:
    source = Source()
    source.fails = True
    read = cache.memoize(10, stale_if_error=1000)(source.read)
    with pytest.raises(LookupError):
        read()


def test_an_invalidated_value_is_no_answer_for_an_error(cache: Cache, clock: Clock) -> None:
    source = Source()
    read = cache.memoize(10, stale_if_error=1000, tags=("tag",))(source.read)
    assert read() == 1
    cache.invalidate_tags("tag")
    source.fails = True
    with pytest.raises(LookupError):
        read()


def test_a_view_that_answers_500_serves_its_old_page(
    app: Flask, cache: Cache, clock: Clock
) -> None:
    status = 200

    @app.route("/")
    @cache.cached(10, stale_if_error=1000)
    def index() -> tuple[str, int]:
        return f"status {status}", status

    client = app.test_client()
    assert client.get("/").text == "status 200"
    clock.sleep(11)
    status = 503
    assert client.get("/").text == "status 200"
    clock.sleep(1000)
    assert client.get("/").status_code == 503


def test_jitter_spreads_the_expiry_of_what_was_stored_together(cache: Cache, clock: Clock) -> None:
    calls = []

    @cache.memoize(100, jitter=0.5)
    def compute(number: int) -> int:
        calls.append(number)
        return number

    for number in range(100):
        compute(number)
    calls.clear()
    clock.sleep(75)
    for number in range(100):
        compute(number)
    assert 20 < len(calls) < 80
    clock.sleep(-75)
    clock.sleep(49)
    calls.clear()
    for number in range(100):
        compute(number)
    assert calls == []


def test_beta_recomputes_early_the_likelier_the_nearer_the_end(
    cache: Cache, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A computation of ten seconds, *left* before its end: with a chance of exp(-left / 10)."""
    spent = 0.0
    monkeypatch.setattr("flask_cache_core.engine.computation.monotonic", lambda: spent)
    calls = 0

    @cache.memoize(100, beta=1.0)
    def takes_ten_seconds(number: int) -> int:
        nonlocal calls, spent
        calls += 1
        spent += 10
        return number

    def recomputed() -> int:
        nonlocal calls
        calls = 0
        for number in range(200):
            takes_ten_seconds(number)
        return calls

    assert recomputed() == 200
    clock.sleep(20)
    assert recomputed() < 10  # exp(-8) of 200
    clock.sleep(75)
    assert 80 < recomputed() < 165  # exp(-0.5) of 200


def test_refresh_computes_now_and_keeps_the_old_value_until_then(
    cache: Cache, clock: Clock
) -> None:
    source = Source()
    read = cache.memoize()(source.read)
    assert read() == 1
    source.may_end.clear()
    source.begun.clear()
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(read.refresh)
        assert source.begun.wait(10)
        assert read() == 1
        source.may_end.set()
        assert refreshing.result(10) == 2
    assert read() == 2


def test_refresh_beats_an_older_computation_that_ends_later(cache: Cache, clock: Clock) -> None:
    held, may_end = threading.Event(), threading.Event()
    value = "old"
    slow = True

    @cache.memoize()
    def compute() -> str:
        read = value
        if slow:
            held.set()
            assert may_end.wait(10)
        return read

    with ThreadPoolExecutor(1) as pool:
        older = pool.submit(compute)
        assert held.wait(10)
        value, slow = "new", False
        assert compute.refresh() == "new"
        may_end.set()
        assert older.result(10) == "old"
    assert compute() == "new"


def test_invalidate_takes_the_arguments_of_the_function(cache: Cache) -> None:
    calls = []

    class Thing:
        def __repr__(self) -> str:
            return "Thing()"

        @cache.memoize()
        def method(self, a: int, b: int = 2) -> int:
            calls.append((a, b))
            return a + b

    thing = Thing()
    thing.method(1)
    thing.method(1, b=3)
    thing.method.invalidate(1, b=2)
    thing.method(1)
    thing.method(1, 3)
    assert calls == [(1, 2), (1, 3), (1, 2)]
    assert thing.method.refresh(1, 3) == 4
    assert len(calls) == 4


def test_an_answer_that_the_app_calls_stale_is_computed_anew(cache: Cache) -> None:
    calls = []

    @cache.memoize(is_stale=lambda value: value < 3, stale_while_revalidate=100)
    def compute() -> int:
        calls.append(1)
        return len(calls)

    assert [compute() for _ in range(5)] == [1, 2, 3, 3, 3]


def test_forced_update_computes_and_stores(cache: Cache) -> None:
    calls = []
    force = False

    @cache.memoize(forced_update=lambda: force)
    def compute() -> int:
        calls.append(1)
        return len(calls)

    assert [compute(), compute()] == [1, 1]
    force = True
    assert [compute(), compute()] == [2, 3]
    force = False
    assert compute() == 3


def test_coroutines_serve_old_values_too(cache: Cache, clock: Clock) -> None:
    calls = 0

    @cache.memoize(10, stale_while_revalidate=30)
    async def compute() -> int:
        nonlocal calls
        calls += 1
        number = calls
        await asyncio.sleep(0)
        return number

    async def main() -> list[int]:
        assert await compute() == 1
        clock.sleep(15)
        return sorted(await asyncio.gather(*(compute() for _ in range(4))))

    assert asyncio.run(main()) == [1, 1, 1, 2]
