# mypy: disable-error-code="call-arg"
"""Names: two functions share one only where nobody could tell them apart."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_cache_core import Cache
from flask_cache_core.keys.arguments import Identities
from flask_cache_core.keys.functions import Names, source_digest


@pytest.fixture
def names() -> Names:
    return Names(Identities())


def module_function() -> None:
    """Something with a plain name."""


def test_a_function_is_named_by_where_it_is(names: Names) -> None:
    assert names.name(module_function) == f"{__name__}:module_function"
    assert names.name(module_function) == f"{__name__}:module_function"


def test_two_closures_of_one_factory_never_share(cache: Cache) -> None:
    def make(number: int) -> Any:
        @cache.memoize()
        def add(value: int) -> int:
            return value + number

        return add

    one, ten = make(1), make(10)
    assert (one(1), ten(1), one(1)) == (2, 11, 2)


@pytest.mark.parametrize("wrap", [lambda n: [n], lambda n: {"n": n}, lambda n: lambda: n])
def test_closures_over_what_is_no_plain_data_never_share(
    cache: Cache, wrap: Callable[[int], Any]
) -> None:
    def make(held: Any) -> Any:
        @cache.memoize()
        def shown() -> Any:
            return held() if callable(held) else held

        return shown

    kept = [make(wrap(number)) for number in range(5)]
    answers = [shown() for shown in kept]
    assert len({repr(answer) for answer in answers}) == 5
    assert [shown() for shown in kept] == answers


def test_a_closure_never_answers_for_one_that_is_gone(cache: Cache) -> None:
    """The values of a function outlive it."""

    def make(held: dict[str, int]) -> Any:
        @cache.memoize()
        def shown() -> int:
            return held["n"]

        return shown

    answers = []
    for number in range(10):
        answers.append(make({"n": number})())
        gc.collect()
    assert answers == list(range(10))


def test_a_view_of_an_app_that_is_gone_never_answers_for_another(cache: Cache, app: Flask) -> None:
    def make(held: list[str]) -> Any:
        @cache.cached(key_prefix="view/%s")
        def shown() -> str:
            return held[0]

        return shown

    with app.test_request_context("/"):
        assert [make([text])() for text in "abc"] == list("abc")


def test_equal_closures_over_plain_data_share(cache: Cache) -> None:
    calls = []

    def make(number: int, names: tuple[str, ...]) -> Any:
        @cache.memoize()
        def shown() -> str:
            """*calls* is the same list for all."""
            calls.append(number)
            return f"{number}{names}"

        return shown

    kept = [make(1, ("a",)), make(1, ("a",)), make(True, ("a",)), make(1, ("b",))]
    assert [shown() for shown in kept] == ["1('a',)", "1('a',)", "True('a',)", "1('b',)"]
    assert len(calls) == 3


def test_lambdas_of_one_line_never_share(cache: Cache) -> None:
    pair = [cache.memoize()(lambda x: x + 1), cache.memoize()(lambda x: x + 2)]
    assert [f(1) for f in pair] == [2, 3]
    made = [cache.memoize()(lambda x, n=n: x + n) for n in range(3)]
    assert [f(1) for f in made] == [1, 2, 3]
    assert [cache.memoize()(f)(1) for f in (lambda x: 1, lambda x: True)] == [1, True]


def test_functions_of_one_name_in_two_scopes_never_share(cache: Cache) -> None:
    def define(which: str) -> Any:
        if which == "first":

            @cache.memoize()
            def f() -> str:
                return "first"
        else:

            @cache.memoize()
            def f() -> str:
                return "second"

        return f

    first, second = define("first"), define("second")
    assert (first(), second(), first()) == ("first", "second", "first")
    del first
    gc.collect()
    assert define("second")() == "second"
    assert define("first")() == "first"


def test_a_function_that_is_redefined_does_not_answer_with_old_values(cache: Cache) -> None:
    namespace: dict[str, Any] = {"cache": cache, "__name__": "redefined"}
    for number in (1, 2):
        exec(f"@cache.memoize()\ndef f():\n    return {number}", namespace)
        assert namespace["f"]() == number
    exec("@cache.memoize()\ndef f():\n    return 1", namespace)
    assert namespace["f"]() == 1


def test_modules_of_one_name_never_share(cache: Cache) -> None:
    functions = []
    for number in (1, 2):
        module = types.ModuleType("handlers")
        vars(module).update(cache=cache, LIMIT=number)
        exec("@cache.memoize()\ndef limit():\n    return LIMIT", vars(module))
        functions.append(module.limit)
    assert [f() for f in functions] == [1, 2]


def test_methods_of_one_name_in_two_classes_never_share(cache: Cache) -> None:
    class One:
        def __repr__(self) -> str:
            return "same"

        @cache.memoize()
        def value(self) -> str:
            return "one"

    class Two:
        def __repr__(self) -> str:
            return "same"

        @cache.memoize()
        def value(self) -> str:
            return "two"

    assert (One().value(), Two().value(), One().value()) == ("one", "two", "one")


def test_subclasses_that_inherit_a_memoized_method_never_share(cache: Cache) -> None:
    class Base:
        label = "base"

        def __repr__(self) -> str:
            return "same"

        @cache.memoize()
        def value(self) -> str:
            return self.label

        @classmethod
        @cache.memoize()
        def of_class(cls) -> str:
            return cls.label

    class Left(Base):
        label = "left"

    class Right(Base):
        label = "right"

    kinds = [Base, Left, Right]
    for _ in range(2):
        assert [kind().value() for kind in kinds] == ["base", "left", "right"]
        assert [kind.of_class() for kind in kinds] == ["base", "left", "right"]
    assert [kind().of_class() for kind in kinds] == ["base", "left", "right"]


def test_recursive_closures_never_share(cache: Cache) -> None:
    def make(base: int) -> Any:
        @cache.memoize()
        def power(exponent: int) -> int:
            return 1 if exponent == 0 else base * power(exponent - 1)

        return power

    assert [make(base)(5) for base in (2, 3, 4)] == [32, 243, 1024]


IN_A_PROCESS = """
import sys
from flask import Flask
from flask_cache_core import Cache
app = Flask("named")
cache = Cache(app, config={"CACHE_TYPE": "simple"})
def first(): ...
def second(): ...
def make(f):
    @cache.memoize()
    def inner(): return f
    return inner
class Database: ...
def create_app(db):
    @cache.memoize()
    def query(): return db
    return query
order = [first, second] if sys.argv[1] == "1" else [second, first]
made = {f.__name__: make(f).name for f in order}
print(sorted(made.items()))
print(create_app(Database()).name)
print(cache.memoize()(lambda x: x in {"a", "b", "c"}).name)
"""


def test_names_are_the_same_in_every_process_whatever_the_order() -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", IN_A_PROCESS, number],
            env={**os.environ, "PYTHONHASHSEED": number},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in ("1", "2")
    ]
    one, other = (run.communicate(timeout=60)[0] for run in runs)
    assert len(one.splitlines()) == 3
    assert one == other


def test_a_source_has_a_digest_of_its_own() -> None:
    def one() -> int:
        return 1

    def two() -> int:
        return 2

    assert source_digest(one) == source_digest(one) != source_digest(two)


def test_without_a_source_the_code_counts() -> None:
    namespace: dict[str, Any] = {}
    exec("def a(): return 1\ndef b(): return 2\ndef c(): return 1", namespace)
    a, b, c = (source_digest(namespace[name]) for name in "abc")
    assert a == c != b
    assert source_digest(len) == ""
