"""The backend that stores nothing: everything works, and is simply called."""

from __future__ import annotations

import asyncio
import itertools
import warnings

import pytest
from flask import Flask, render_template_string

from flask_cache_core import Cache, CacheWarning
from flask_cache_core.backends import NullCache, SimpleCache
from flask_cache_core.errors import InvalidTimeoutError


@pytest.fixture
def null(app: Flask) -> Cache:
    return Cache(app, config={"CACHE_TYPE": "null", "CACHE_NO_NULL_WARNING": True})


def test_the_key_value_methods_answer_as_an_empty_cache(null: Cache) -> None:
    assert null.set("k", 1) is True
    assert null.get("k") is None
    assert null.get("k", "default") == "default"
    assert null.get_many("k", "l") == [None, None]
    assert null.get_dict("k") == {"k": None}
    assert null.has("k") is False
    assert null.add("k", 1) is True
    assert null.set_many({"k": 1}) == ["k"]
    assert null.delete("k") is False
    assert null.delete_many("k", "l") == []
    assert null.unlink("k") == []
    assert null.inc("n", 3) == 3
    assert null.dec("n", 3) == -3
    assert null.clear() is True
    assert null.get_or_set("k", lambda: 5) == 5
    null.set("k", 1, tags=["t"])
    null.invalidate_tags("t")
    with null.lock("name"):
        assert null.get("k") is None


def test_a_wrong_timeout_is_still_told(null: Cache) -> None:
    for write in (null.set, null.add):
        with pytest.raises(InvalidTimeoutError):
            write("k", 1, -1)


def test_decorated_functions_are_called_each_time(app: Flask, null: Cache) -> None:
    numbers = itertools.count(1)

    @null.memoize()
    def f(a: int) -> int:
        return next(numbers)

    @null.memoize()
    async def g(a: int) -> int:
        return next(numbers)

    @app.route("/")
    @null.cached()
    def view() -> str:
        return f"{next(numbers)}"

    assert (f(1), f(1), f.refresh(1)) == (1, 2, 3)
    assert [asyncio.run(g(1)), asyncio.run(g(1))] == [4, 5]
    assert [app.test_client().get("/").text for _ in range(2)] == ["6", "7"]
    null.delete_memoized(f)
    null.delete_memoized(f, 1)
    null.delete_cached(view, "/")
    with app.test_request_context():
        text = "{% cache 60, 'k' %}{{ value }}{% endcache %}"
        assert [render_template_string(text, value=n) for n in (1, 2)] == ["1", "2"]


def test_a_cache_that_caches_nothing_says_so(app: Flask) -> None:
    with pytest.warns(CacheWarning, match=r"CACHE_TYPE.*CACHE_NO_NULL_WARNING") as caught:
        Cache(app)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "cache_type", ["null", "Null", "NullCache", "flask_caching.backends.NullCache"]
)
def test_the_warning_is_given_for_every_spelling_and_can_be_switched_off(
    app: Flask, cache_type: str
) -> None:
    with pytest.warns(CacheWarning, match="nothing is cached"):
        Cache(app, config={"CACHE_TYPE": cache_type})
    cache = Cache(app, config={"CACHE_TYPE": cache_type, "CACHE_NO_NULL_WARNING": True})
    assert isinstance(cache.cache, NullCache)


def test_under_test_nothing_is_cached_and_nothing_is_said(app: Flask) -> None:
    app.config["TESTING"] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cache_type in ("simple", "null"):
            cache = Cache(app, config={"CACHE_TYPE": cache_type, "CACHE_THRESHOLD": 5})
            assert isinstance(cache.cache, NullCache)


def test_under_test_a_backend_that_is_not_installed_does_no_harm(app: Flask) -> None:
    app.config.update(TESTING=True, CACHE_TYPE="redis", CACHE_REDIS_URL="redis://nowhere")
    assert isinstance(Cache(app).cache, NullCache)


def test_the_configured_backend_can_be_kept_under_test(app: Flask) -> None:
    app.config.update(TESTING=True, CACHE_TYPE="simple", CACHE_NULL_WHEN_TESTING=False)
    cache = Cache(app)
    assert isinstance(cache.cache, SimpleCache)
    cache.set("k", 1)
    assert cache.get("k") == 1
