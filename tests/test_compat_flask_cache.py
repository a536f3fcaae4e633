# mypy: disable-error-code="attr-defined, no-untyped-call, call-arg"
"""What Flask-Cache 0.13 documents, after changing the import line.

Its names, parameters and results, one test for each promise of its manual.
"""

from __future__ import annotations

import inspect
import itertools
import time
from pathlib import Path
from typing import Any

import jinja2
import pytest
from flask import Flask, render_template, render_template_string

import flask_cache_core
from flask_cache_core import BaseCache, Cache, CacheWarning, make_template_fragment_key
from flask_cache_core.backends import NullCache, SimpleCache

numbers = itertools.count(1)


class Box(BaseCache):
    """A custom cache object, as the manual has it: no threshold."""

    def __init__(self, servers: Any, default_timeout: float = 500) -> None:
        super().__init__(default_timeout)
        self.servers = servers
        self.data: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.data.get(key)

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        self.data[key] = value
        return True

    def delete(self, key: str) -> bool:
        return self.data.pop(key, None) is not None


def box(app: Flask, config: Any, args: list[Any], kwargs: dict[str, Any]) -> Box:
    """A custom function, as the manual has it."""
    args.append(app.config["BOX_SERVERS"])
    return Box(*args, **kwargs)


def threshold_of(app: Flask, config: Any, args: list[Any], kwargs: dict[str, Any]) -> SimpleCache:
    """The manual promises that threshold is in there."""
    return SimpleCache(kwargs["threshold"], kwargs["default_timeout"])


# -- set-up ------------------------------------------------------------------------------------


def test_the_public_names() -> None:
    assert {"Cache", "make_template_fragment_key"} <= set(flask_cache_core.__all__)
    assert list(inspect.signature(Cache).parameters) == ["app", "with_jinja2_ext", "config"]
    assert list(inspect.signature(Cache.init_app).parameters) == ["self", "app", "config"]


@pytest.mark.parametrize(
    ("method", "first"),
    [
        ("cached", ["timeout", "key_prefix", "unless"]),
        ("memoize", ["timeout", "make_name", "unless"]),
        ("delete_memoized", ["f", "args", "kwargs"]),
        ("delete_memoized_verhash", ["f", "args"]),
        ("get", ["key"]),
        ("set", ["key", "value", "timeout"]),
        ("add", ["key", "value", "timeout"]),
        ("delete", ["key"]),
        ("get_many", ["keys"]),
        ("set_many", ["mapping", "timeout"]),
        ("delete_many", ["keys"]),
        ("clear", []),
    ],
)
def test_methods_take_their_parameters_in_the_old_order(method: str, first: list[str]) -> None:
    parameters = list(inspect.signature(getattr(Cache, method)).parameters)[1:]
    assert parameters[: len(first)] == first


def test_set_up_at_once_later_and_both(app: Flask) -> None:
    at_once = Cache(app, config={"CACHE_TYPE": "simple"})
    later = Cache(config={"CACHE_TYPE": "simple"})
    later.init_app(app)
    at_init = Cache()
    at_init.init_app(app, config={"CACHE_TYPE": "simple"})
    both = Cache(config={"CACHE_TYPE": "null"})
    both.init_app(app, config={"CACHE_TYPE": "simple"})
    for cache in (at_once, later, at_init, both):
        assert isinstance(app.extensions["cache"][cache], SimpleCache)
        assert app.extensions["cache"][cache] is cache.cache
    assert later.config is not None
    assert later.config["CACHE_TYPE"] == "simple"


def test_the_app_configures_it(app: Flask) -> None:
    app.config["CACHE_TYPE"] = "simple"
    assert isinstance(Cache(app).cache, SimpleCache)


def test_by_default_nothing_is_cached_and_that_is_said(app: Flask) -> None:
    with pytest.warns(CacheWarning, match="CACHE_TYPE"):
        cache = Cache(app)
    assert isinstance(cache.cache, NullCache)
    app.config["CACHE_NO_NULL_WARNING"] = True
    assert isinstance(Cache(app).cache, NullCache)


def test_under_test_nothing_is_cached(app: Flask) -> None:
    app.config.update(TESTING=True, CACHE_TYPE="simple")
    assert isinstance(Cache(app).cache, NullCache)


@pytest.mark.parametrize("name", ["simple", "null"])
def test_short_names(app: Flask, name: str) -> None:
    app.config.update(CACHE_TYPE=name, CACHE_NO_NULL_WARNING=True)
    assert type(Cache(app).cache) is {"simple": SimpleCache, "null": NullCache}[name]


def test_custom_caches(app: Flask) -> None:
    app.config.update(BOX_SERVERS=["one"], CACHE_DEFAULT_TIMEOUT=7)
    cache = Cache(app, config={"CACHE_TYPE": f"{__name__}.box"})
    assert (cache.cache.servers, cache.cache.default_timeout) == (["one"], 7)
    cache.set("k", 1)
    assert cache.get("k") == 1
    config = {"CACHE_TYPE": f"{__name__}.threshold_of", "CACHE_THRESHOLD": 2}
    small = Cache(app, config=config)
    small.set_many({"a": 1, "b": 2, "c": 3})
    assert small.get_many("a", "b", "c") == [None, 2, 3]


def test_args_and_options(app: Flask) -> None:
    config = {
        "CACHE_TYPE": f"{__name__}.Box",
        "CACHE_ARGS": ["one"],
        "CACHE_OPTIONS": {"default_timeout": 9},
    }
    cache = Cache(app, config=config)
    assert (cache.cache.servers, cache.cache.default_timeout) == ("one", 9)


# -- plain values ------------------------------------------------------------------------------


def test_plain_values(cache: Cache) -> None:
    cache.set("hi", "hello")
    assert cache.get("hi") == "hello"
    cache.add("hi", "other")
    assert cache.get("hi") == "hello"
    cache.delete("hi")
    assert cache.get("hi") is None
    cache.add("hi", "again")
    assert cache.get("hi") == "again"
    cache.set_many({"a": 1, "b": 2})
    assert cache.get_many("a", "b", "c") == [1, 2, None]
    cache.delete_many("a", "b")
    assert cache.get_many("a", "b") == [None, None]
    cache.clear()
    assert cache.get("hi") is None


def test_the_default_timeout(app: Flask) -> None:
    cache = Cache(app, config={"CACHE_TYPE": "simple", "CACHE_DEFAULT_TIMEOUT": 0.02})
    cache.set("short", 1)
    cache.set("long", 1, timeout=60)
    time.sleep(0.03)
    assert cache.get_many("short", "long") == [None, 1]


# -- views -------------------------------------------------------------------------------------


def test_a_cached_view(app: Flask, cache: Cache) -> None:
    @app.route("/")
    @cache.cached(0.05)
    def view() -> str:
        return str(next(numbers))

    client = app.test_client()
    before = client.get("/").text
    time.sleep(0.06)
    assert client.get("/").text != before

    @cache.cached(50)
    def other() -> str:
        return str(next(numbers))

    assert callable(other.make_cache_key)


def test_unless(app: Flask, cache: Cache) -> None:
    @app.route("/a")
    @cache.cached(5, unless=lambda: True)
    def never() -> str:
        return str(next(numbers))

    @app.route("/b")
    @cache.cached(5, unless=lambda: False)
    def always() -> str:
        return str(next(numbers))

    client = app.test_client()
    assert client.get("/a").text != client.get("/a").text
    assert client.get("/b").text == client.get("/b").text


def test_a_cached_function(app: Flask, cache: Cache) -> None:
    @cache.cached(timeout=50, key_prefix="all_comments")
    def comments() -> list[int]:
        return [next(numbers)]

    with app.test_request_context():
        assert comments() == comments() == cache.get("all_comments")
        cache.delete("all_comments")
        assert cache.get("all_comments") is None


def test_a_views_key_finds_its_value(app: Flask, cache: Cache) -> None:
    @app.route("/")
    @cache.cached(5)
    def view() -> str:
        return str(next(numbers))

    shown = app.test_client().get("/").text
    with app.test_request_context():
        assert cache.get(view.make_cache_key()) == shown


def test_a_key_of_the_apps_own(app: Flask, cache: Cache) -> None:
    @app.route("/<x>")
    @cache.cached(5, key_prefix="mine/%s")
    def view(x: str) -> str:
        return f"{x}{next(numbers)}"

    @app.route("/called/<x>")
    @cache.cached(5, key_prefix=lambda: "called")
    def called(x: str) -> str:
        return f"{x}{next(numbers)}"

    client = app.test_client()
    assert client.get("/a").text == client.get("/a").text != client.get("/b").text
    assert client.get("/called/a").text == client.get("/called/b").text == cache.get("called")


# -- memoize -----------------------------------------------------------------------------------


def test_memoize(cache: Cache) -> None:
    @cache.memoize(0.05)
    def add(a: int, b: int) -> int:
        return a + b + 1000 * next(numbers)

    result, other = add(5, 2), add(5, 3)
    assert result != other
    time.sleep(0.06)
    assert add(5, 2) != result
    assert add(5, 3) != other


def test_delete_memoized(cache: Cache) -> None:
    @cache.memoize(5)
    def add(a: Any, b: Any = None) -> int:
        return next(numbers)

    for forget in (
        lambda: cache.delete_memoized(add),
        lambda: cache.delete_memoized("add"),
        lambda: cache.delete_memoized_verhash(add),
    ):
        old = add(5, 2), add(5, 3)
        assert (add(5, 2), add(5, 3)) == old
        forget()
        new = add(5, 2), add(5, 3)
        assert not set(old) & set(new)
    kept = add(5, 1)
    for args, kwargs in [
        (([5, 3, 2], [1]), {}),
        ((1, {"one": 1, "two": 2}), {}),
        ((5, 2), {}),
        ((5,), {"b": 2}),
        ((), {"b": 2, "a": 5}),
    ]:
        for name in (add, "add"):
            before = add(*args, **kwargs)
            cache.delete_memoized(name, *args, **kwargs)
            assert add(*args, **kwargs) != before
    assert add(5, 1) == kept


def test_arguments_of_every_kind(cache: Cache) -> None:
    @cache.memoize()
    def f(a: Any, b: Any, c: Any = (1, 1), d: Any = (1, 1)) -> int:
        return next(numbers)

    result = f([5, 3, 2], [1], c=[3, 3], d=[3, 3])
    assert f([5, 3, 2], [1], d=[3, 3], c=[3, 3]) == result
    assert f(b=[1], a=[5, 3, 2], c=[3, 3], d=[3, 3]) == result
    assert f([5, 3, 2], [1], [3, 3], [3, 3]) == result
    assert f(1, 2) == f(1, 2, (1, 1)) == f(1, 2, d=(1, 1)) != f(1, 2, 3)
    with pytest.raises(TypeError):
        f(1)


def test_objects_as_arguments_are_known_by_their_repr(cache: Cache) -> None:
    class Person:
        def __init__(self, number: int) -> None:
            self.number = number

        def __repr__(self) -> str:
            return f"{type(self).__name__}({self.number})"

        @cache.memoize(50)
        def has_membership(self, role: int) -> int:
            return next(numbers)

    @cache.memoize()
    def role_of(person: Person) -> int:
        return next(numbers)

    assert role_of(Person(1)) == role_of(Person(1)) != role_of(Person(2))
    one, same, other = Person(1), Person(1), Person(2)
    first, second = one.has_membership(3), other.has_membership(3)
    assert one.has_membership(3) == same.has_membership(3) != second
    cache.delete_memoized(one.has_membership)
    assert one.has_membership(3) != first
    assert other.has_membership(3) == second
    cache.delete_memoized(Person.has_membership)
    assert other.has_membership(3) != second


def test_a_class_method(cache: Cache) -> None:
    class Mock:
        @classmethod
        @cache.memoize(5)
        def add(cls, a: int, b: int) -> int:
            return next(numbers)

    result = Mock.add(5, 2)
    assert Mock.add(5, 2) == result != Mock.add(5, 3)
    cache.delete_memoized(Mock.add)
    assert Mock.add(5, 2) != result


def test_make_name(cache: Cache) -> None:
    given: list[str] = []

    def make_name(name: str) -> str:
        given.append(name)
        return "one name"

    @cache.memoize(make_name=make_name)
    def f() -> int:
        return next(numbers)

    assert f() == f()
    assert "f" in given[0]


def test_attributes(app: Flask, cache: Cache) -> None:
    @app.route("/<foo>/<bar>")
    @cache.memoize(5)
    def view(foo: str, bar: str) -> str:
        return f"{foo}{bar}{next(numbers)}"

    shown = app.test_client().get("/a/b").text
    assert cache.get(view.make_cache_key(view.uncached, foo="a", bar="b")) == shown
    assert cache.get(view.make_cache_key(view.uncached, foo="b", bar="a")) != shown
    assert view.cache_timeout == 5
    view.cache_timeout = 15
    assert view.cache_timeout == 15
    assert view.uncached("a", "b") != shown


# -- templates ---------------------------------------------------------------------------------


def test_fragments(app: Flask, cache: Cache, tmp_path: Path) -> None:
    app.jinja_loader = jinja2.FileSystemLoader(tmp_path)
    (tmp_path / "page.html").write_text(
        '{% cache 60, "one" %}{{ x }}{% endcache %}'
        '{% cache 60, "one", "key1" %}{{ x }}{% endcache %}'
        '{% cache 60, "one", "key1", x %}{{ x }}{% endcache %}'
        '{% cache timeout, "two" %}{{ x }}{% endcache %}'
    )
    keys = [
        make_template_fragment_key("one"),
        make_template_fragment_key("one", vary_on=["key1"]),
        make_template_fragment_key("one", vary_on=["key1", "text"]),
    ]
    two = make_template_fragment_key("two")
    with app.test_request_context():
        render_template("page.html", x="text", timeout=60)
        assert cache.get_many(*keys, two) == ["text"] * 4
        render_template("page.html", x="text", timeout="del")
        assert cache.get_many(*keys, two) == ["text", "text", "text", None]
        assert render_template_string("{% cache 30 %}{{ x }}{% endcache %}", x="y") == "y"
        assert cache.get(make_template_fragment_key("None1")) == "y"
        cache.delete(keys[0])
        assert cache.get(keys[0]) is None
