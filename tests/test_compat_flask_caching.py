# mypy: disable-error-code="attr-defined, no-untyped-call, var-annotated"
# mypy: disable-error-code="comparison-overlap, call-arg"
"""What Flask-Caching 2.5 documents beyond Flask-Cache, after changing the import line.

Where we differ on purpose, the test says so, and how to have it the old way.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import itertools
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, abort, make_response, request
from flask.views import View

import flask_cache_core
from flask_cache_core import BaseCache, Cache, CachedResponse
from flask_cache_core.backends import SimpleCache
from flask_cache_core.errors import ConfigError

PARAMETERS = {
    "cached": [
        "timeout", "key_prefix", "unless", "forced_update", "is_stale", "response_filter",
        "query_string", "hash_method", "cache_none", "make_cache_key", "source_check",
        "response_hit_indication",
    ],
    "memoize": [
        "timeout", "make_name", "unless", "forced_update", "is_stale", "response_filter",
        "hash_method", "cache_none", "source_check", "args_to_ignore",
    ],
    "delete_cached": ["view", "path", "query_args"],
    "has": ["key"],
    "unlink": ["keys"],
    "get_dict": ["keys"],
    "inc": ["key", "delta"],
    "dec": ["key", "delta"],
}  # fmt: skip

numbers = itertools.count(1)


@pytest.fixture
def permissive(app: Flask) -> Cache:
    """With the setting that brings Flask-Caching's ways with views."""
    config = {"CACHE_TYPE": "SimpleCache", "CACHE_RESPONSE_POLICY": "permissive"}
    return Cache(app, config=config)


@pytest.mark.parametrize("method", PARAMETERS)
def test_parameters_keep_their_names(method: str) -> None:
    assert set(PARAMETERS[method]) <= set(inspect.signature(getattr(Cache, method)).parameters)


def test_the_public_names() -> None:
    names = {
        "Cache", "CachedResponse", "make_template_fragment_key", "cache_view_hit",
        "cache_view_miss", "cache_memoize_hit", "cache_memoize_miss",
    }  # fmt: skip
    assert names <= set(flask_cache_core.__all__)


# -- backends ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["SimpleCache", "flask_caching.backends.SimpleCache", "flask_caching.backends.simple"]
)
def test_backends_by_the_names_of_their_classes(app: Flask, name: str) -> None:
    app.config["CACHE_TYPE"] = name
    assert isinstance(Cache(app).cache, SimpleCache)


class Custom(BaseCache):
    """Builds itself, as the manual has it."""

    def __init__(self, servers: Any, default_timeout: float = 500) -> None:
        super().__init__(default_timeout)
        self.servers = servers

    @classmethod
    def factory(cls, app: Flask, config: Any, args: list[Any], kwargs: dict[str, Any]) -> Custom:
        args.append(app.config["SERVERS"])
        return cls(*args)

    def get(self, key: str) -> Any:
        return None

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        return True

    def delete(self, key: str) -> bool:
        return False


def test_a_custom_class_builds_itself(app: Flask) -> None:
    app.config["SERVERS"] = ["one"]
    assert Cache(app, config={"CACHE_TYPE": f"{__name__}.Custom"}).cache.servers == ["one"]


def test_a_cachelib_class(app: Flask) -> None:
    config = {
        "CACHE_TYPE": "cachelib.simple.SimpleCache",
        "CACHE_OPTIONS": {"threshold": 3},
        "CACHE_DEFAULT_TIMEOUT": 9,
    }
    cache = Cache(app, config=config)
    cache.set("k", [1])
    assert cache.get("k") == [1]
    assert (cache.cache._threshold, cache.cache.default_timeout) == (3, 9)


# -- plain values ------------------------------------------------------------------------------


def test_further_methods(cache: Cache) -> None:
    cache.set("a", 1)
    assert (cache.has("a"), cache.has("b")) == (True, False)
    assert cache.get_dict("a", "b") == {"a": 1, "b": None}
    assert (cache.inc("a"), cache.inc("a", 5), cache.dec("a", 2)) == (2, 7, 5)
    cache.delete_many("absent", "a")
    assert not cache.has("a")
    cache.set_many({"a": 1, "b": 2}, timeout=timedelta(minutes=1))
    cache.unlink("a", "b")
    assert cache.get_many("a", "b") == [None, None]


def test_timedeltas(app: Flask) -> None:
    config = {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": timedelta(milliseconds=20)}
    cache = Cache(app, config=config)
    cache.set("short", 1)
    cache.set("long", 1, timedelta(hours=1))
    f = cache.memoize(timedelta(milliseconds=20))(lambda: next(numbers))
    old = f()
    time.sleep(0.03)
    assert cache.get_many("short", "long") == [None, 1]
    assert f() != old


# -- views -------------------------------------------------------------------------------------


def test_query_strings(app: Flask, cache: Cache) -> None:
    @app.route("/works")
    @cache.cached(query_string=True)
    def works() -> str:
        return str(next(numbers))

    client = app.test_client()
    first = client.get("/works?mock=true&offset=20&limit=15").text
    assert client.get("/works?limit=15&mock=true&offset=20").text == first
    assert client.get("/works?limit=20&mock=true&offset=60").text != first


def test_keys_of_its_default(app: Flask, permissive: Cache) -> None:
    """Under the safe policy, keys hold host and function too."""

    @app.route("/works")
    @permissive.cached(query_string=True)
    def works() -> str:
        return "works"

    @app.route("/user/<name>")
    @permissive.cached(key_prefix="custom/%s")
    def user(name: str) -> str:
        return name

    digest = hashlib.sha256(str((("a", "1"), ("b", "2"))).encode()).hexdigest()
    with app.test_request_context("/works?b=2&a=1"):
        assert works.make_cache_key() == f"view//works{digest}"
    with app.test_request_context("/user/bob"):
        assert user.make_cache_key(name="bob") == "custom//user/bob"


def test_hash_methods(app: Flask) -> None:
    config = {
        "CACHE_TYPE": "SimpleCache",
        "CACHE_HASH_METHOD": hashlib.md5,
        "CACHE_RESPONSE_POLICY": "permissive",
    }
    cache = Cache()

    @cache.cached(query_string=True)
    def default() -> str:
        return ""

    @cache.cached(query_string=True, hash_method=hashlib.sha512)
    def own() -> str:
        return ""

    cache.init_app(app, config)
    pairs = str((("a", "1"),)).encode()
    with app.test_request_context("/works?a=1"):
        assert default.make_cache_key() == "view//works" + hashlib.md5(pairs).hexdigest()
        assert own.make_cache_key() == "view//works" + hashlib.sha512(pairs).hexdigest()
    with pytest.raises(ConfigError, match="CACHE_HASH_METHOD"):
        Cache(app, config={"CACHE_HASH_METHOD": "sha256"})


def test_keys_from_request_bodies(app: Flask, cache: Cache) -> None:
    def key(argument: str) -> str:
        return request.path + hashlib.sha256(request.get_data()).hexdigest()

    @app.route("/works/<argument>", methods=["POST"])
    @cache.cached(make_cache_key=key)
    def works(argument: str) -> str:
        return f"{next(numbers)}{request.form['value']}"

    client = app.test_client()
    first = client.post("/works/x", data={"value": 1}).text
    assert client.post("/works/x", data={"value": 1}).text == first
    assert client.post("/works/x", data={"value": 2}).text != first


def test_a_key_by_method(app: Flask, cache: Cache) -> None:
    @app.route("/foo", methods=["GET", "POST"])
    @cache.cached(
        key_prefix=lambda: f"view/{request.method}{request.path}", methods=["GET", "POST"]
    )
    def foo() -> str:
        return f"{request.method}{next(numbers)}"

    client = app.test_client()
    got, posted = client.get("/foo").text, client.post("/foo").text
    assert (client.get("/foo").text, client.post("/foo").text) == (got, posted)
    assert cache.get("view/POST/foo") == posted
    with app.test_request_context("/foo", method="POST"):
        cache.delete_cached(foo)
    assert client.post("/foo").text != posted
    assert client.get("/foo").text == got


def test_one_entry_for_all_methods_with_the_permissive_policy(
    app: Flask, permissive: Cache
) -> None:
    @app.route("/foo", methods=["GET", "POST"])
    @permissive.cached()
    def foo() -> str:
        return f"{request.method}{next(numbers)}"

    client = app.test_client()
    assert client.post("/foo").text == client.get("/foo").text == permissive.get("view//foo")


def test_delete_cached(app: Flask, cache: Cache) -> None:
    @app.route("/user/<name>")
    @cache.cached()
    def user(name: str) -> str:
        return str(next(numbers))

    @app.route("/works")
    @cache.cached(query_string=True)
    def works() -> str:
        return str(next(numbers))

    client = app.test_client()
    for forget in (
        lambda: cache.delete_cached(user, "/user/Fred"),
        lambda: cache.delete_cached(user, path="/user/Fred"),
        lambda: cache.delete_cached(user, name="Fred"),
    ):
        old = client.get("/user/Fred").text
        with app.app_context():
            assert forget()
        assert client.get("/user/Fred").text != old
    for query in ("limit=15&mock=true", {"limit": 15, "mock": "true"},
                  [("mock", "true"), ("limit", "15")]):  # fmt: skip
        old = client.get("/works?limit=15&mock=true").text
        with app.app_context():
            assert cache.delete_cached(works, "/works", query)
        assert client.get("/works?limit=15&mock=true").text != old


def test_keys_outside_of_a_request(app: Flask, cache: Cache) -> None:
    app.config["SERVER_NAME"] = "localhost"

    @app.route("/works")
    @cache.cached(query_string=True)
    def works() -> str:
        return "works"

    @app.route("/user/<name>")
    @cache.cached()
    def user(name: str) -> str:
        return name

    with app.test_request_context("/works?mock=true&limit=15"):
        inside = works.make_cache_key()
    with app.test_request_context("/user/bob"):
        inside_user = user.make_cache_key(name="bob")
    with app.app_context():
        assert works.make_cache_key(path="/works", query_args="limit=15&mock=true") == inside
        assert user.make_cache_key(name="bob") == inside_user


def test_a_key_of_another_view(app: Flask, cache: Cache) -> None:
    keys = []

    @app.route("/cake/<flavor>")
    @cache.cached()
    def cake(flavor: str) -> str:
        keys.append(cake.make_cache_key("apple"))
        return flavor

    @app.route("/pie/<flavor>")
    @cache.cached()
    def pie(flavor: str) -> str:
        keys.append(cake.make_cache_key("apple"))
        return flavor

    for path in ("/cake/plum", "/pie/plum"):
        app.test_client().get(path)
    assert keys[0] == keys[1]


def test_a_written_key_maker(app: Flask, cache: Cache) -> None:
    @app.route("/")
    @cache.cached(5)
    def view() -> str:
        return str(next(numbers))

    view.make_cache_key = lambda *args, **kwargs: request.args["foo"]
    client = app.test_client()
    one, two = client.get("/?foo=a").text, client.get("/?foo=b").text
    assert one != two
    assert [client.get("/?foo=a").text, client.get("/?foo=b").text] == [one, two]


def test_cached_responses(app: Flask, cache: Cache) -> None:
    @app.route("/")
    @cache.cached(timeout=60)
    def view() -> CachedResponse:
        return CachedResponse(response=make_response(str(next(numbers))), timeout=0.02)

    client = app.test_client()
    old = client.get("/").text
    time.sleep(0.03)
    assert client.get("/").text != old


def test_response_filters(app: Flask, cache: Cache) -> None:
    seen = []

    @app.route("/<int:code>")
    @cache.cached(response_filter=lambda answer: answer[1] < 400)
    def view(code: int) -> tuple[str, int]:
        return str(next(numbers)), code

    @app.route("/down")
    @cache.cached(response_filter=lambda answer: seen.append(answer.status_code))
    def down() -> str:
        abort(404)

    client = app.test_client()
    assert client.get("/404").text != client.get("/404").text
    assert client.get("/200").text == client.get("/200").text
    assert [client.get("/down").status_code for _ in range(2)] == [404, 404]
    assert seen == [404, 404]


def test_aborts_are_raised_again(app: Flask, cache: Cache) -> None:
    calls = []

    @app.errorhandler(404)
    def handle(error: Any) -> tuple[str, int]:
        return f"handled {error.description}", 404

    @app.route("/missing")
    @cache.cached()
    def view() -> str:
        calls.append(1)
        abort(404, "no such thing")

    client = app.test_client()
    assert [client.get("/missing").text for _ in range(2)] == ["handled no such thing"] * 2
    assert len(calls) == 1


def test_hit_indication(app: Flask, cache: Cache) -> None:
    @app.route("/")
    @cache.cached(response_hit_indication=True)
    def view() -> dict[str, str]:
        return {"a": "b"}

    told = [app.test_client().get("/").headers.get("hit_cache") for _ in range(3)]
    assert told == [None, "True", "True"]


def test_forced_updates_and_staleness(app: Flask, cache: Cache) -> None:
    force, stale = [False], [False]

    @app.route("/")
    @cache.cached(forced_update=lambda: force[0], is_stale=lambda response: stale[0])
    def view() -> str:
        return str(next(numbers))

    client = app.test_client()
    first = client.get("/").text
    assert client.get("/").text == first
    for switch in (force, stale):
        switch[0] = True
        second = client.get("/").text
        assert second != first
        switch[0] = False
        assert client.get("/").text == second
        first = second


def test_view_classes_and_async_views(app: Flask, cache: Cache) -> None:
    class Shown(View):
        @cache.cached()
        def dispatch_request(self) -> str:
            return str(next(numbers))

    @app.route("/async")
    @cache.cached()
    async def later() -> str:
        await asyncio.sleep(0)
        return str(next(numbers))

    app.add_url_rule("/class", view_func=Shown.as_view("shown"))
    client = app.test_client()
    for path in ("/class", "/async"):
        assert client.get(path).text == client.get(path).text


def test_view_arguments_with_the_names_of_parameters(app: Flask, cache: Cache) -> None:
    @app.route("/summary/<path:path>")
    @cache.cached()
    def summary(path: str) -> str:
        return f"{path}{next(numbers)}"

    @app.route("/works/<query_args>")
    @cache.cached(query_string=True)
    def works(query_args: str) -> str:
        return f"{query_args}{next(numbers)}"

    client = app.test_client()
    paths = ["/summary/a/b", "/summary/a", "/works/a?limit=15", "/works/a?limit=20"]
    old = [client.get(path).text for path in paths]
    assert len(set(old)) == 4
    assert [client.get(path).text for path in paths] == old


# -- functions ---------------------------------------------------------------------------------


def test_a_constant_key_and_the_source(app: Flask, cache: Cache) -> None:
    made = {}
    for checked in (True, False):
        for number in (1, 2, 1):
            namespace: dict[str, Any] = {"cache": cache, "__name__": "sources"}
            decorator = f"@cache.cached(key_prefix='bits{checked}', source_check={checked})"
            exec(f"{decorator}\ndef bits(): return {number}", namespace)
            with app.test_request_context():
                made.setdefault(checked, []).append(namespace["bits"]())
    assert made == {True: [1, 2, 1], False: [1, 1, 1]}


def test_the_source_by_configuration(app: Flask) -> None:
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache", "CACHE_SOURCE_CHECK": True})

    @cache.cached(key_prefix="bits")
    def bits() -> int:
        return next(numbers)

    @cache.memoize()
    def f(a: int) -> int:
        return next(numbers)

    with app.test_request_context():
        key = bits.make_cache_key()
        bits()
        assert bits.make_cache_key() == key != "bits"
        old = f(1)
        cache.delete_memoized(f, 1)
        assert f(1) != old


def test_generators(app: Flask, cache: Cache) -> None:
    @cache.cached()
    def page() -> Iterator[str]:
        yield from ("<p>", "hello", "</p>")

    @cache.memoize()
    def joined(prefix: Any) -> Iterator[Any]:
        yield prefix
        yield prefix

    with app.test_request_context():
        assert page() == page() == "<p>hello</p>"
    for prefix, whole in (("a", "aa"), (b"a", b"aa"), (1, [1, 1])):
        assert joined(prefix) == joined(prefix) == whole


def test_none(cache: Cache) -> None:
    """`memoize` keeps it by default, unlike there: ``cache_none=False`` is the old way."""
    calls = []

    @cache.memoize()
    def kept(a: int) -> None:
        calls.append(a)

    @cache.memoize(cache_none=False)
    def passed(a: int) -> None:
        calls.append(a)

    for _ in range(2):
        kept(1)
        passed(2)
    assert calls == [1, 2, 2]


def test_ignored_arguments(cache: Cache) -> None:
    class Foo:
        @cache.memoize(50, args_to_ignore=["self", "b"])
        def add(self, a: int, b: int) -> int:
            return next(numbers)

    assert Foo().add(5, 2) == Foo().add(5, 3) == Foo().add(a=5, b=4) != Foo().add(6, 2)


def test_methods_by_caching_id(cache: Cache) -> None:
    class Adder:
        def __init__(self, initial: int) -> None:
            self.initial = initial

        def __repr__(self) -> str:
            return "42"

        def __caching_id__(self) -> int:
            return self.initial

        @cache.memoize()
        def add(self, b: int) -> int:
            return self.initial + b

    assert (Adder(1).add(3), Adder(2).add(3), Adder(1).add(3)) == (4, 5, 4)


def test_how_much_of_a_method_is_forgotten(cache: Cache) -> None:
    class Adder:
        def __init__(self, name: str) -> None:
            self.name = name

        def __repr__(self) -> str:
            return self.name

        @cache.memoize()
        def add(self, b: int) -> int:
            return next(numbers)

    one, two = Adder("one"), Adder("two")

    def values() -> list[int]:
        return [one.add(3), one.add(4), two.add(3)]

    for forget, gone in (
        (lambda: cache.delete_memoized(one.add), 2),
        (lambda: cache.delete_memoized(one.add, 3), 1),
        (lambda: cache.delete_memoized(Adder.add, one, 3), 1),
        (lambda: cache.delete_memoized(Adder.add), 3),
        (lambda: one.add.delete_memoized(), 3),
    ):
        old = values()
        forget()
        assert len(set(values()) - set(old)) == gone


def test_a_class_method_is_forgotten_with_its_class(cache: Cache) -> None:
    class Foobar:
        @classmethod
        @cache.memoize(5)
        def big_foo(cls, a: int, b: int) -> int:
            return next(numbers)

        @staticmethod
        @cache.memoize(5)
        def budget() -> int:
            return next(numbers)

    old, other = Foobar.big_foo(5, 2), Foobar.big_foo(5, 3)
    cache.delete_memoized(Foobar.big_foo, Foobar, 5, 2)
    assert Foobar.big_foo(5, 2) != old
    assert Foobar.big_foo(5, 3) == other
    assert Foobar.budget() == Foobar.budget()


def test_unless_and_forced_update_get_arguments(cache: Cache) -> None:
    @cache.memoize(unless=lambda f, a: a == 1, forced_update=lambda a: a == 2)
    def f(a: int) -> int:
        return next(numbers)

    assert f(1) != f(1)
    assert f(2) != f(2)
    assert f(3) == f(3)


def test_an_annotated_function_may_change_its_annotations(cache: Cache) -> None:
    @cache.memoize(50)
    def f(a: int, b: int) -> int:
        return next(numbers)

    f.__annotations__ = {"a": int, "b": int, "return": int}
    assert f(5, 2) == f(5, 2)
    cache.delete_memoized_verhash(f)
