"""The four signals: sent where they are enabled, with what a listener needs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from flask import Flask

from flask_cache_core import (
    Cache,
    cache_memoize_hit,
    cache_memoize_miss,
    cache_view_hit,
    cache_view_miss,
)

SIGNALS = {
    "view hit": cache_view_hit,
    "view miss": cache_view_miss,
    "memoize hit": cache_memoize_hit,
    "memoize miss": cache_memoize_miss,
}


class Heard:
    """Listens to one signal."""

    def __init__(self, name: str, told: list[tuple[str, dict[str, Any]]]) -> None:
        self.name = name
        self.told = told

    def __call__(self, sender: Any, **what: Any) -> None:
        self.told.append((self.name, what))


@contextmanager
def listening() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    told: list[tuple[str, dict[str, Any]]] = []
    with ExitStack() as stack:
        heard = [Heard(name, told) for name in SIGNALS]
        for listener in heard:
            stack.enter_context(SIGNALS[listener.name].connected_to(listener))
        yield told


@pytest.fixture
def telling(app: Flask) -> Cache:
    return Cache(app, config={"CACHE_TYPE": "simple", "CACHE_ENABLE_SIGNALS": True})


def test_by_default_nothing_is_sent(app: Flask, cache: Cache) -> None:
    app.add_url_rule("/", view_func=cache.cached()(lambda: "x"), endpoint="x")
    f = cache.memoize()(lambda: 1)
    with listening() as told:
        for _ in range(2):
            app.test_client().get("/")
            f()
    assert told == []


def test_a_view_is_a_miss_and_then_a_hit(app: Flask, telling: Cache) -> None:
    @app.route("/<name>")
    @telling.cached()
    def view(name: str) -> str:
        return name

    with listening() as told:
        for path in ("/a", "/a", "/b", "/a"):
            app.test_client().get(path)
    assert [name for name, _ in told] == ["view miss", "view hit", "view miss", "view hit"]
    assert all(what["cache"] is telling for _, what in told)
    assert [what["kwargs"] for _, what in told] == [{"name": n} for n in ("a", "a", "b", "a")]
    assert all(what["args"] == () for _, what in told)
    keys = [what["cache_key"] for _, what in told]
    assert keys[0] == keys[1] == keys[3] != keys[2]
    assert telling.get(keys[0]) == "a"


def test_a_function_is_a_miss_and_then_a_hit(telling: Cache) -> None:
    @telling.memoize()
    def add(a: int, b: int = 0) -> int:
        return a + b

    with listening() as told:
        assert [add(1, 2), add(1, b=2), add(2)] == [3, 3, 2]
    assert [name for name, _ in told] == ["memoize miss", "memoize hit", "memoize miss"]
    first = told[0][1]
    assert first["f"] is add.uncached
    assert (first["args"], first["kwargs"]) == ((1, 2), {})
    assert (told[1][1]["args"], told[1][1]["kwargs"]) == ((1,), {"b": 2})
    assert first["cache_key"] == add.make_cache_key(add.uncached, 1, 2)
    assert set(first) == {"cache", "cache_key", "f", "args", "kwargs"}


def test_what_is_computed_anew_is_a_miss(telling: Cache) -> None:
    numbers = itertools.count()
    forced, stale = [False], [False]

    @telling.memoize(0.05, forced_update=lambda: forced[0], is_stale=lambda stored: stale[0])
    def f() -> int:
        return next(numbers)

    f()
    with listening() as told:
        forced[0] = True
        f()
        forced[0], stale[0] = False, True
        f()
        stale[0] = False
        time.sleep(0.06)
        f()
    assert [name for name, _ in told] == ["memoize miss"] * 3


def test_what_bypasses_the_cache_is_neither(telling: Cache) -> None:
    f = telling.memoize(unless=lambda: True)(lambda: 1)
    with listening() as told:
        f()
    assert told == []


def test_they_can_be_enabled_on_the_app(app: Flask) -> None:
    app.config["CACHE_ENABLE_SIGNALS"] = True
    f = Cache(app, config={"CACHE_TYPE": "simple"}).memoize()(lambda: 1)
    with listening() as told:
        f()
    assert [name for name, _ in told] == ["memoize miss"]
