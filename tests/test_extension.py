"""``Cache``: its set-up, its apps, and the key/value methods."""

from __future__ import annotations

import gc
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, current_app

from flask_cache_core import Cache, CacheStats, CacheWarning, hookimpl
from flask_cache_core.backends import NullCache, SimpleCache
from flask_cache_core.errors import ConfigError, InvalidTimeoutError, NotInitializedError
from flask_cache_core.plugins import registry

SIMPLE = {"CACHE_TYPE": "simple"}


# -- set-up ------------------------------------------------------------------------------------


def test_configuration_at_three_levels(app: Flask) -> None:
    app.config.update(CACHE_TYPE="simple", CACHE_DEFAULT_TIMEOUT=1, CACHE_LOCK_TIMEOUT=1)
    cache = Cache(config={"CACHE_DEFAULT_TIMEOUT": 2, "CACHE_LOCK_TIMEOUT": 2})
    cache.init_app(app, config={"CACHE_DEFAULT_TIMEOUT": 3})
    settings = cache.state().settings
    assert (settings.type, settings.lock_timeout, settings.default_timeout) == ("simple", 2, 3)
    assert cache.config == {"CACHE_DEFAULT_TIMEOUT": 2, "CACHE_LOCK_TIMEOUT": 2}


def test_set_up_changes_no_configuration(app: Flask) -> None:
    before, own = dict(app.config), dict(SIMPLE)
    Cache(config=own).init_app(app, config=own)
    assert dict(app.config) == before
    assert own == SIMPLE


@pytest.mark.parametrize("config", [["CACHE_TYPE"], "simple", 5])
def test_a_config_that_is_no_dict_is_told(app: Flask, config: Any) -> None:
    with pytest.raises(ConfigError, match="config must be a dict"):
        Cache(config=config)
    with pytest.raises(ConfigError, match="config must be a dict"):
        Cache().init_app(app, config=config)
    assert not app.extensions


def test_the_backend_is_found_in_the_extensions_too(app: Flask) -> None:
    cache = Cache(app, config=SIMPLE)
    assert app.extensions["cache"][cache] is cache.cache
    assert isinstance(cache.cache, SimpleCache)


def test_several_caches_on_one_app_have_values_of_their_own(app: Flask) -> None:
    one, two = Cache(app, config=SIMPLE), Cache(app, config=SIMPLE)
    null = Cache(app, config={"CACHE_TYPE": "null", "CACHE_NO_NULL_WARNING": True})
    one.set("k", 1)
    two.set("k", 2)
    null.set("k", 3)
    assert [cache.get("k") for cache in (one, two, null)] == [1, 2, None]
    f = one.memoize()(lambda: 1)
    with pytest.raises(LookupError):
        two.delete_memoized("<lambda>")
    two.clear()
    assert (one.get("k"), f()) == (1, 1)


def test_one_cache_on_several_apps_has_values_for_each() -> None:
    cache = Cache(config=SIMPLE)
    apps = [Flask(name) for name in "ab"]
    for app in apps:
        cache.init_app(app)

    @cache.memoize()
    def name() -> str:
        return current_app.name

    @cache.cached(key_prefix="constant")
    def constant() -> str:
        return current_app.name

    for _ in range(2):
        for app in apps:
            with app.app_context():
                assert (name(), constant()) == (app.name, app.name)
                cache.set("k", app.name)
                assert cache.get("k") == app.name
    with apps[0].app_context():
        cache.delete_memoized(name)
        cache.clear()
        assert cache.get("k") is None
    with apps[1].app_context():
        assert cache.get("k") == "b"
    with pytest.raises(NotInitializedError, match="app_context"):
        cache.get("k")


def test_apps_may_have_different_settings() -> None:
    cache = Cache()
    simple, null = Flask("simple"), Flask("null")
    cache.init_app(simple, SIMPLE)
    cache.init_app(null, {"CACHE_TYPE": "null", "CACHE_NO_NULL_WARNING": True})
    numbers = iter(range(10))
    f = cache.memoize()(lambda: next(numbers))
    with simple.app_context():
        assert (f(), f()) == (0, 0)
    with null.app_context():
        assert (f(), f()) == (1, 2)
        assert isinstance(cache.cache, NullCache)


def test_with_one_app_no_context_is_needed(app: Flask) -> None:
    cache = Cache(app, config=SIMPLE)
    cache.set("k", 1)
    assert cache.get("k") == 1
    assert cache.memoize()(lambda: 5)() == 5
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(cache.get("k")))
    thread.start()
    thread.join()
    assert seen == [1]


def test_without_an_app_the_error_says_what_to_call() -> None:
    cache = Cache(config=SIMPLE)
    f = cache.memoize()(lambda: 1)
    for use in (lambda: cache.get("k"), lambda: cache.cache, f, f.delete_memoized, cache.stats):
        with pytest.raises(NotInitializedError, match=r"cache\.init_app\(app\)") as caught:
            use()
        assert isinstance(caught.value, RuntimeError)


def test_within_an_app_that_it_was_not_set_up_for_the_error_names_it(app: Flask) -> None:
    cache = Cache(app, config=SIMPLE)
    with Flask("stranger").app_context(), pytest.raises(NotInitializedError, match="'stranger'"):
        cache.get("k")


def test_functions_may_be_decorated_before_there_is_an_app(app: Flask) -> None:
    cache = Cache()
    numbers = iter(range(10))

    @cache.memoize()
    def f() -> int:
        return next(numbers)

    cache.init_app(app, SIMPLE)
    assert (f(), f()) == (0, 0)


def test_set_up_again_begins_anew(app: Flask) -> None:
    cache = Cache(app, config=SIMPLE)
    f: Any = cache.memoize()(list)
    f().append(1)
    cache.set("k", 1)
    cache.init_app(app)
    assert cache.get("k") is None
    assert f() == []


def test_a_cache_lets_go_of_an_app_that_is_gone() -> None:
    cache = Cache(config=SIMPLE)
    f = cache.memoize()(lambda: current_app.name)

    def use(app: Flask) -> weakref.ref[Flask]:
        cache.init_app(app)
        with app.app_context():
            assert f() == app.name
        return weakref.ref(app)

    gone = use(Flask("gone"))
    stays = Flask("stays")
    use(stays)
    gc.collect()
    assert gone() is None
    assert f() == "stays"


class Configured:
    """A plug-in that wants to know of every app."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    @hookimpl
    def flask_cache_configured(self, app: Flask, cache: Cache, settings: Any) -> None:
        with app.app_context():
            cache.set("from the hook", 1)
        self.told.append((app.name, settings.default_timeout))


def test_plug_ins_are_told_of_an_app_that_is_set_up(app: Flask) -> None:
    plugin = Configured()
    registry.register(plugin)
    try:
        cache = Cache(app, config={**SIMPLE, "CACHE_DEFAULT_TIMEOUT": 7})
        with pytest.raises(ConfigError):
            Cache(Flask("failed"), config={"CACHE_TYPE": "nothing"})
    finally:
        registry._manager.unregister(plugin)
    assert plugin.told == [("tested", 7)]
    assert cache.get("from the hook") == 1


class Refusing:
    """A plug-in that fails."""

    @hookimpl
    def flask_cache_configured(self, app: Flask, cache: Cache, settings: Any) -> None:
        raise LookupError("no licence")


def test_a_plug_in_that_fails_leaves_everything_as_it_was(app: Flask) -> None:
    cache = Cache(app, config=SIMPLE)
    cache.set("k", 1)
    before = {name: dict(app.extensions[name]) for name in ("cache", "flask_cache_core")}
    plugin, other = Refusing(), Flask("other")
    registry.register(plugin)
    try:
        for failing in (app, other):
            with pytest.raises(LookupError, match="no licence"):
                cache.init_app(failing)
    finally:
        registry._manager.unregister(plugin)
    assert {name: dict(app.extensions[name]) for name in before} == before
    assert not other.extensions
    assert cache.get("k") == 1, "it serves one app, so that no context is needed"


def test_a_warning_that_is_an_error_leaves_the_app_as_it_was(app: Flask) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CacheWarning):
            Cache(app)
    assert not app.extensions


# -- key/value ---------------------------------------------------------------------------------


def test_get_and_set(cache: Cache) -> None:
    assert cache.set("k", {"a": (1, None)}) is True
    assert cache.get("k") == {"a": (1, None)}
    assert cache.get("absent") is None
    assert cache.get("absent", "default") == "default"
    assert cache.get("k", "default") == {"a": (1, None)}


def test_none_is_a_value(cache: Cache) -> None:
    cache.set("k", None)
    assert cache.has("k")
    assert cache.get("k", "default") is None
    assert not cache.add("k", 1)


def test_many_at_once(cache: Cache) -> None:
    assert cache.set_many({"a": 1, "b": [2]}) == ["a", "b"]
    assert cache.get_many("b", "absent", "a", "b") == [[2], None, 1, [2]]
    assert cache.get_dict("a", "absent") == {"a": 1, "absent": None}
    assert cache.delete_many("a", "absent", "b") == ["a", "b"]
    assert (cache.get_many(), cache.get_dict(), cache.set_many({})) == ([], {}, [])
    assert cache.delete_many() == []


def test_add_has_delete_unlink_clear(cache: Cache) -> None:
    assert cache.add("k", 1)
    assert not cache.add("k", 2)
    assert (cache.get("k"), cache.has("k"), cache.has("absent")) == (1, True, False)
    assert cache.delete("k")
    assert not cache.delete("k")
    cache.set_many({"a": 1, "b": 2})
    assert cache.unlink("a", "absent") == ["a"]
    assert cache.clear()
    assert cache.get("b") is None


def test_counters(cache: Cache) -> None:
    assert [cache.inc("n"), cache.inc("n", 5), cache.dec("n"), cache.dec("n", 10)] == [1, 6, 5, -5]
    assert cache.get("n") == -5
    cache.set("text", "x")
    assert cache.inc("text") is None
    assert cache.dec("fresh", 3) == -3


def test_timeouts(cache: Cache) -> None:
    short, long = timedelta(milliseconds=20), timedelta(days=1)
    cache.set("set", 1, 0.02)
    cache.set("delta", 1, timeout=short)
    cache.add("add", 1, 0.02)
    cache.set_many({"many": 1}, 0.02)
    cache.get_or_set("made", lambda: 1, 0.02)
    cache.set("tagged", 1, 0.02, tags=["t"])
    cache.set("forever", 1, 0)
    cache.set("long", 1, long)
    time.sleep(0.03)
    keys = ["set", "delta", "add", "many", "made", "tagged", "forever", "long"]
    assert [key for key in keys if cache.get(key)] == ["forever", "long"]
    assert [key for key in keys if cache.has(key)] == ["forever", "long"]


@pytest.mark.parametrize("timeout", [-1, timedelta(-1), "5", float("nan"), float("inf"), [1]])
def test_a_wrong_timeout_stores_nothing(cache: Cache, timeout: Any) -> None:
    writes: list[Callable[[], object]] = [
        lambda: cache.set("k", 1, timeout),
        lambda: cache.set("k", 1, timeout, tags=["t"]),
        lambda: cache.add("k", 1, timeout),
        lambda: cache.set_many({"k": 1}, timeout),
        lambda: cache.get_or_set("k", lambda: 1, timeout),
        lambda: cache.memoize(timeout),
        lambda: cache.cached(timeout),
    ]
    for write in writes:
        with pytest.raises(InvalidTimeoutError):
            write()
    assert cache.get("k") is None


def test_get_or_set(cache: Cache) -> None:
    numbers = iter(range(10))

    def make() -> int:
        return next(numbers)

    assert [cache.get_or_set("k", make) for _ in range(3)] == [0, 0, 0]
    assert cache.get("k") == 0
    cache.set("given", "x")
    assert cache.get_or_set("given", make) == "x"  # type: ignore[comparison-overlap]
    assert cache.delete("k")
    assert cache.get_or_set("k", make) == 1
    nothing: list[int] = []
    for _ in range(2):
        assert cache.get_or_set("none", lambda: nothing.append(1)) is None
    assert nothing == [1]
    with pytest.raises(TypeError, match="unexpected keyword"):
        cache.get_or_set("k", make, jiter=1)  # type: ignore[call-arg]


def test_tags_of_plain_values(cache: Cache) -> None:
    cache.set("a", 1, tags=["x", "y"])
    cache.set("b", 2, tags=("y",))
    cache.set("c", 3)
    assert cache.get_or_set("d", lambda: 4, tags={"x"}) == 4
    assert cache.get_many(*"abcd") == [1, 2, 3, 4]
    cache.invalidate_tags("x")
    assert cache.get_many(*"abcd") == [None, 2, 3, None]
    cache.invalidate_tags("y", "unknown")
    assert cache.get_many(*"abcd") == [None, None, 3, None]
    with pytest.raises(TypeError, match=r"tags=\('xy',\)"):
        cache.set("k", 1, tags="xy")


def test_a_default_for_what_was_invalidated(cache: Cache) -> None:
    cache.set("k", 1, tags=["t"])
    cache.invalidate_tags("t")
    assert cache.get("k", "default") == "default"


def test_stats_count_what_happened(cache: Cache) -> None:
    f = cache.memoize()(lambda a: a)
    f(1)
    f(1)
    f(2)
    stats = cache.stats()
    assert isinstance(stats, CacheStats)
    assert (stats.hits, stats.misses, stats.stores) == (1, 2, 2)
    assert (stats.errors, stats.stale, stats.waits, stats.rejected) == (0, 0, 0, 0)


def test_the_backend_can_be_used_itself(cache: Cache) -> None:
    cache.cache.set("k", [1])
    assert cache.get("k") == [1]
    cache.set("other", (1,))
    assert cache.cache.get("other") == (1,)


def test_a_value_that_cannot_be_stored_is_an_error_for_set_and_none_for_decorators(
    cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match="function"):
        cache.set("k", lambda: 1)
    numbers = iter(range(10))

    @cache.memoize()
    def f() -> Any:
        number = next(numbers)
        return lambda: number

    assert [f()(), f()(), f()()] == [0, 1, 2]
    assert caplog.text.count("is not cached") == 1


def test_a_subclass_may_add_to_it(app: Flask) -> None:
    class Named(Cache):
        def get(self, key: str, default: Any = None, **options: Any) -> Any:
            return super().get(f"mine:{key}", default, **options)

    cache = Named(app, config=SIMPLE)
    cache.set("mine:k", 1)
    assert cache.get("k") == 1
