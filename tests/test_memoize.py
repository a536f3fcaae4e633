# mypy: disable-error-code="call-arg, arg-type, no-untyped-call, comparison-overlap, misc"
"""``@memoize``: values by arguments, and every way to forget them."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import inspect
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, request

from flask_cache_core import Cache, CacheError
from flask_cache_core.errors import (
    AmbiguousNameError,
    ConfigError,
    InvalidTimeoutError,
    UnknownNameError,
)


class Counting:
    """Counts what was really computed."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __call__(self, *call: Any) -> int:
        self.calls.append(call)
        return len(self.calls)


@pytest.fixture
def counted() -> Counting:
    return Counting()


# -- what is one call --------------------------------------------------------------------------


def test_types_of_arguments_count(cache: Cache) -> None:
    @cache.memoize()
    def shown(a: Any, b: Any = None) -> str:
        return f"{a!r} {b!r}"

    calls: list[Any] = [
        (1, None), ("1", None), (True, None), (1.0, None), (b"1", None), (None, None),
        ("a b", "c"), ("a", "b c"), ((1, 2), 3), (1, (2, 3)),
    ]  # fmt: skip
    for _ in range(2):
        assert [shown(*args) for args in calls] == [f"{a!r} {b!r}" for a, b in calls]


def test_every_way_to_write_a_call_is_one_entry(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    def f(a: int, b: int = 2, *, c: int = 3) -> int:
        return counted(a, b, c)

    assert {f(1), f(1, 2), f(a=1), f(b=2, a=1), f(1, c=3), f(1, b=2, c=3)} == {1}
    assert (f(1, c=4), f(2)) == (2, 3)


def test_surplus_arguments_count(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    def f(a: int, *args: int, **kwargs: int) -> int:
        return counted(a, args, kwargs)

    assert f(1, 2, x=1, y=2) == f(1, 2, y=2, x=1) == 1
    assert [f(1, 2, x=1), f(1, 2, 3), f(1, x=2), f(1)] == [2, 3, 4, 5]


def test_a_wrong_call_fails_like_the_function_itself(cache: Cache) -> None:
    @cache.memoize()
    def f(a: int) -> int:
        return a

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        f()
    with pytest.raises(TypeError, match="takes 1 positional argument"):
        f(1, 2)


def test_none_is_a_value(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    def nothing() -> None:
        counted()

    @cache.memoize(cache_none=False)
    def never() -> None:
        counted()

    nothing()
    nothing()
    assert len(counted.calls) == 1
    never()
    never()
    assert len(counted.calls) == 3


def test_falsy_values_are_values(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    def same(value: Any) -> Any:
        counted(value)
        return value

    values: list[Any] = [0, "", [], {}, False, 0.0, ()]
    for value in values:
        assert same(value) == same(value) == value
    assert len(counted.calls) == 7


def test_what_is_returned_is_the_callers_to_change(cache: Cache) -> None:
    @cache.memoize()
    def numbers() -> list[int]:
        return [1]

    numbers().append(2)
    numbers().append(3)
    assert numbers() == [1]


def test_a_failing_function_is_not_remembered(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    def fragile() -> int:
        if counted() == 1:
            raise LookupError("first")
        return 5

    with pytest.raises(LookupError, match="first"):
        fragile()
    assert fragile() == fragile() == 5
    assert len(counted.calls) == 2


def test_recursion_uses_the_cache(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    def fibonacci(n: int) -> int:
        counted(n)
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(60) == 1548008755920
    assert len(counted.calls) == 61


# -- options -----------------------------------------------------------------------------------


def test_a_value_expires(cache: Cache, counted: Counting) -> None:
    @cache.memoize(timeout=0.02)
    def short() -> int:
        return counted()

    @cache.memoize(timeout=timedelta(milliseconds=20))
    def delta() -> int:
        return counted()

    @cache.memoize(timeout=0)
    def forever() -> int:
        return counted()

    before = [short(), delta(), forever()]
    time.sleep(0.03)
    assert [short(), delta(), forever()] == [4, 5, before[2]]


def test_the_default_timeout_counts_where_none_is_given(app: Flask, counted: Counting) -> None:
    cache = Cache(app, config={"CACHE_TYPE": "simple", "CACHE_DEFAULT_TIMEOUT": 0.02})

    @cache.memoize()
    def short() -> int:
        return counted()

    @cache.memoize(50)
    def long() -> int:
        return counted()

    assert (short(), long()) == (1, 2)
    time.sleep(0.03)
    assert (short(), long()) == (3, 2)


@pytest.mark.parametrize("timeout", [-1, -0.5, timedelta(seconds=-1), float("nan"), "5", [1]])
def test_a_wrong_timeout_is_refused_where_it_is_written(cache: Cache, timeout: Any) -> None:
    with pytest.raises(InvalidTimeoutError, match="seconds >= 0") as caught:
        cache.memoize(timeout)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, CacheError)


def test_without_parentheses_the_error_says_so(cache: Cache) -> None:
    with pytest.raises(TypeError, match=r"@cache.memoize\(\)"):
        cache.memoize(lambda: 1)


def test_unless_bypasses_the_cache(cache: Cache, counted: Counting) -> None:
    seen: list[Any] = []

    def unless(f: Any, a: int) -> bool:
        seen.append((f, a))
        return a < 0

    @cache.memoize(unless=unless)
    def f(a: int) -> int:
        return counted(a)

    @cache.memoize(unless=lambda: True)
    def never() -> int:
        return counted()

    assert [f(1), f(1), f(-1), f(-1)] == [1, 1, 2, 3]
    assert seen == [(f.uncached, 1), (f.uncached, 1), (f.uncached, -1), (f.uncached, -1)]
    assert never() != never()


def test_forced_update_computes_and_stores(cache: Cache, counted: Counting) -> None:
    force: list[int] = []

    @cache.memoize(forced_update=lambda: bool(force))
    def f() -> int:
        return counted()

    assert (f(), f()) == (1, 1)
    force.append(1)
    assert (f(), f()) == (2, 3)
    force.clear()
    assert f() == 3


def test_forced_update_gets_the_arguments(cache: Cache, counted: Counting) -> None:
    @cache.memoize(forced_update=lambda a, b=0: a == b)
    def f(a: int, b: int = 0) -> int:
        return counted(a)

    assert [f(1), f(1), f(1, b=1), f(1, b=1)] == [1, 1, 2, 3]


def test_is_stale_sees_the_stored_value_and_the_arguments(cache: Cache, counted: Counting) -> None:
    seen: list[Any] = []

    def is_stale(stored: int, a: int) -> bool:
        seen.append((stored, a))
        return stored == 1

    @cache.memoize(is_stale=is_stale)
    def f(a: int) -> int:
        return counted(a)

    assert f(7) == 1
    assert seen == []
    assert (f(7), f(7)) == (2, 2)
    assert (1, 7) in seen
    assert (2, 7) in seen


def test_response_filter_decides_what_is_stored(cache: Cache, counted: Counting) -> None:
    @cache.memoize(response_filter=lambda value: value != 1)
    def f() -> int:
        return counted()

    assert [f(), f(), f()] == [1, 2, 2]


def test_ignored_arguments_make_no_difference(cache: Cache, counted: Counting) -> None:
    @cache.memoize(args_to_ignore=["connection", "extra"])
    def f(connection: object, a: int, *rest: int, **options: int) -> int:
        return counted(a)

    assert f(object(), 1) == f(object(), a=1) == f(None, 1, extra=5) == 1
    assert f(None, 2) == 2

    class Reader:
        @cache.memoize(args_to_ignore=["self"])
        def read(self, a: int) -> int:
            return counted(a)

    assert Reader().read(1) == Reader().read(1) == 3
    with pytest.raises(ConfigError, match=r"\['connection'\]"):
        cache.memoize(args_to_ignore="connection")


def test_hash_method_makes_the_key(cache: Cache) -> None:
    @cache.memoize(hash_method=hashlib.md5)
    def short(a: str) -> str:
        return a

    @cache.memoize(hash_method=hashlib.sha512)
    def long(a: str) -> str:
        return a

    keys = [f.make_cache_key(f.uncached, "x" * 1000) for f in (short, long)]
    assert [len(key.rpartition("|")[2]) for key in keys] == [32, 128]
    assert short("a" * 1000) != short("b" * 1000)


def test_make_name_names_the_key(cache: Cache, counted: Counting) -> None:
    @cache.memoize(make_name=lambda name: "v2.f" if "f" in name else "nothing")
    def f(a: int) -> int:
        return counted(a)

    assert "v2.f|" in f.make_cache_key(f.uncached, 1)
    assert (f(1), f(1), f(2)) == (1, 1, 2)
    cache.delete_memoized(f)
    assert f(1) == 3


def test_source_check_distinguishes_versions_of_one_function(cache: Cache) -> None:
    namespace: dict[str, Any] = {"cache": cache, "__name__": "versions"}
    text = "@cache.memoize(source_check=True)\ndef f(): return {}"
    exec(text.format(1), namespace)
    first = namespace["f"]
    exec(text.format(2), namespace)
    assert first.make_cache_key(first.uncached) != namespace["f"].make_cache_key(first.uncached)
    assert [first(), namespace["f"](), first()] == [1, 2, 1]


@pytest.mark.parametrize(("checked", "same"), [(True, False), (False, True)])
def test_source_check_makes_keys_that_change_with_a_release(
    app: Flask, checked: bool, same: bool
) -> None:
    keys = []
    for number in (1, 2):  # each time as in a new process
        cache = Cache(app, config={"CACHE_TYPE": "simple"})
        namespace: dict[str, Any] = {"cache": cache, "__name__": "released"}
        exec(f"@cache.memoize(source_check={checked})\ndef f(): return {number}", namespace)
        keys.append(namespace["f"].make_cache_key(namespace["f"].uncached))
    assert (keys[0] == keys[1]) is same


def test_unknown_options_are_refused(cache: Cache) -> None:
    with pytest.raises(TypeError, match="stale_while_validate"):
        cache.memoize(stale_while_validate=1)
    with pytest.raises(ConfigError, match="lock must be"):
        cache.memoize(lock="global")


# -- methods -----------------------------------------------------------------------------------


class Person:
    """Known by its repr."""

    def __init__(self, name: str, counted: Counting) -> None:
        self.name = name
        self.counted = counted

    def __repr__(self) -> str:
        return f"Person({self.name})"


def person_class(cache: Cache) -> Any:
    class Memoizing(Person):
        @cache.memoize()
        def age(self, year: int = 0) -> int:
            """The age."""
            return self.counted(self.name, year)

        @classmethod
        @cache.memoize()
        def of_class(cls, counted: Counting) -> int:
            return counted(cls)

        @staticmethod
        @cache.memoize()
        def of_nobody(counted: Counting) -> int:
            return counted()

    return Memoizing


@pytest.fixture
def memoizing(cache: Cache) -> Any:
    cache.register_key(Counting, lambda counted: "counted")
    return person_class(cache)


def test_methods_are_remembered_by_the_repr_of_self(memoizing: Any, counted: Counting) -> None:
    ann, same, bob = (memoizing(name, counted) for name in ("ann", "ann", "bob"))
    assert [ann.age(1), same.age(1), bob.age(1), ann.age(2)] == [1, 1, 2, 3]
    assert memoizing.age(ann, 1) == 1


def test_class_and_static_methods(memoizing: Any, counted: Counting) -> None:
    assert memoizing.of_class(counted) == memoizing("x", counted).of_class(counted) == 1
    assert memoizing.of_nobody(counted) == memoizing("x", counted).of_nobody(counted) == 2


def test_decorators_may_stand_in_either_order(cache: Cache, counted: Counting) -> None:
    class Outside:
        @cache.memoize()
        @classmethod
        def of_class(cls, a: int) -> int:
            return counted(a)

        @cache.memoize()
        @staticmethod
        def of_nobody(a: int) -> int:
            return counted(a)

    class Below(Outside):
        pass

    assert [Outside.of_class(1), Outside.of_class(1), Outside().of_class(1)] == [1, 1, 1]
    assert [Outside.of_nobody(1), Outside().of_nobody(1)] == [2, 2]
    assert Below.of_class(1) == 3
    cache.delete_memoized(Outside.of_class)
    assert Outside.of_class(1) == 4
    cache.delete_memoized(Outside.of_nobody, 1)
    assert Outside.of_nobody(1) == 5


def test_a_memoized_property(cache: Cache, counted: Counting) -> None:
    class Thing:
        def __repr__(self) -> str:
            return "Thing"

        @property
        @cache.memoize()
        def size(self) -> int:
            return counted()

    assert (Thing().size, Thing().size) == (1, 1)


def test_a_decorated_function_looks_like_itself(memoizing: Any, counted: Counting) -> None:
    ann = memoizing("ann", counted)
    assert memoizing.age.__name__ == "age"
    assert memoizing.age.__doc__ == "The age."
    assert list(inspect.signature(memoizing.age).parameters) == ["self", "year"]
    assert memoizing.age.__wrapped__ is memoizing.age.uncached
    assert "age" in repr(memoizing.age)
    assert "ann" in repr(ann.age)
    assert ann.age.__self__ is ann


# -- generators and coroutines -----------------------------------------------------------------


def test_a_generator_is_remembered_by_its_items(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    def items(values: tuple[Any, ...]) -> Iterator[Any]:
        counted(values)
        yield from values

    for values, joined in [
        (("a", "b"), "ab"),
        ((b"a", b"b"), b"ab"),
        ((1, 2), [1, 2]),
        (("a", 1), ["a", 1]),
        ((), []),
    ]:
        assert items(values) == items(values) == joined
    assert len(counted.calls) == 5


def test_coroutine_functions_stay_coroutine_functions(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    async def f(a: int) -> int:
        await asyncio.sleep(0)
        return counted(a)

    async def main() -> list[int]:
        return [await f(1), await f(1), await f(2), *await asyncio.gather(f(3), f(3), f(3))]

    assert inspect.iscoroutinefunction(f)
    assert asyncio.run(main()) == [1, 1, 2, 3, 3, 3]
    assert asyncio.run(main()) == [1, 1, 2, 3, 3, 3]


def test_coroutine_methods(cache: Cache, counted: Counting) -> None:
    class Reader:
        def __init__(self, name: str) -> None:
            self.name = name

        def __repr__(self) -> str:
            return self.name

        @cache.memoize()
        async def read(self, a: int) -> int:
            return counted(a)

        @classmethod
        @cache.memoize()
        async def of_class(cls) -> int:
            return counted()

        @staticmethod
        @cache.memoize()
        async def of_nobody() -> int:
            return counted()

    async def main() -> list[int]:
        one, other = Reader("one"), Reader("other")
        first = [await one.read(1), await other.read(1), await one.read(1)]
        cache.delete_memoized(one.read)
        return [
            *first, await one.read(1), await other.read(1),
            await Reader.of_class(), await one.of_class(),
            await Reader.of_nobody(), await one.of_nobody(),
            await one.read.refresh(1), await one.read(1),
        ]  # fmt: skip

    assert inspect.iscoroutinefunction(Reader("x").read)
    assert asyncio.run(main()) == [1, 2, 1, 3, 2, 4, 4, 5, 5, 6, 6]


def test_memoized_coroutines_in_async_views(app: Flask, cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    async def slow(name: str) -> str:
        await asyncio.sleep(0)
        return f"{name}{counted()}"

    @app.route("/<name>")
    async def view(name: str) -> str:
        return await slow(name)

    @app.route("/itself/<name>")
    @cache.memoize()
    async def itself(name: str) -> str:
        await asyncio.sleep(0)
        return f"{name}{counted()}"

    client = app.test_client()
    pages = ["/a", "/b", "/a", "/itself/a", "/itself/a"]
    assert [client.get(page).text for page in pages] == ["a1", "b2", "a1", "a3", "a3"]


def test_an_async_generator_passes_through(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    async def numbers() -> AsyncIterator[int]:
        yield counted()

    async def main() -> list[int]:
        return [number for _ in range(2) async for number in numbers()]

    assert asyncio.run(main()) == [1, 2]


def test_a_failing_coroutine_is_not_remembered(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    async def fragile() -> int:
        if counted() == 1:
            raise LookupError("first")
        return 5

    async def main() -> tuple[int, int]:
        with pytest.raises(LookupError, match="first"):
            await fragile()
        return await fragile(), await fragile()

    assert asyncio.run(main()) == (5, 5)
    assert len(counted.calls) == 2


# -- forgetting --------------------------------------------------------------------------------


def answers(f: Any, *calls: int) -> list[Any]:
    return [f(call) for call in calls]


def test_forgetting_all_of_a_function(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    def f(a: int) -> int:
        return counted(a)

    @cache.memoize()
    def bystander(a: int) -> int:
        return counted(a)

    forget = [
        lambda: cache.delete_memoized(f),
        lambda: f.delete_memoized(),
        lambda: cache.delete_memoized_verhash(f),
        lambda: cache.delete_memoized(f.uncached.__qualname__),
        lambda: cache.delete_memoized(f"{f.uncached.__module__}.{f.uncached.__qualname__}"),
        lambda: cache.delete_memoized("f"),
        lambda: cache.delete_memoized_verhash("f"),
    ]
    other = bystander(1)
    for call in forget:
        old = answers(f, 1, 2)
        assert answers(f, 1, 2) == old
        call()
        new = answers(f, 1, 2)
        assert not set(old) & set(new)
        assert answers(f, 1, 2) == new
    assert bystander(1) == other


def test_forgetting_one_argument_list(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    def f(a: int, b: int = 2) -> int:
        return counted(a, b)

    forget = [
        lambda: cache.delete_memoized(f, 1),
        lambda: cache.delete_memoized(f, 1, 2),
        lambda: cache.delete_memoized(f, a=1, b=2),
        lambda: cache.delete_memoized("f", 1),
        lambda: cache.delete_memoized(f"{__name__}.{f.uncached.__qualname__}", 1, b=2),
        lambda: f.invalidate(1),
        lambda: f.invalidate(b=2, a=1),
    ]
    kept = f(2)
    for call in forget:
        old = f(1)
        call()
        assert f(1) != old
        assert f(2) == kept


def test_forgetting_arguments_that_do_not_fit_is_an_error(cache: Cache) -> None:
    @cache.memoize()
    def f(a: int) -> int:
        return a

    with pytest.raises(TypeError, match="unexpected keyword arguments b"):
        cache.delete_memoized(f, 1, b=2)


def test_forgetting_a_method(memoizing: Any, cache: Cache, counted: Counting) -> None:
    ann, bob = memoizing("ann", counted), memoizing("bob", counted)

    def ages() -> list[int]:
        return [ann.age(1), ann.age(2), bob.age(1)]

    for call, gone in [
        (lambda: cache.delete_memoized(ann.age), (0, 1)),
        (lambda: cache.delete_memoized(ann.age, 1), (0,)),
        (lambda: cache.delete_memoized(ann.age, ann, 1), (0,)),
        (lambda: cache.delete_memoized(ann.age, year=2), (1,)),
        (lambda: cache.delete_memoized(memoizing.age, ann, 1), (0,)),
        (lambda: cache.delete_memoized(memoizing.age), (0, 1, 2)),
        (lambda: cache.delete_memoized("age"), (0, 1, 2)),
        (lambda: cache.delete_memoized("age", bob, 1), (2,)),
        (lambda: ann.age.delete_memoized(), (0, 1, 2)),
        (lambda: cache.delete_memoized_verhash(memoizing.age), (0, 1, 2)),
        (lambda: ann.age.invalidate(2), (1,)),
    ]:
        old = ages()
        call()
        new = ages()
        assert tuple(index for index in range(3) if new[index] != old[index]) == gone
        assert ages() == new


def test_forgetting_a_method_whose_instance_has_another_name(
    cache: Cache, counted: Counting
) -> None:
    class Odd(Person):
        @cache.memoize()
        def age(this, year: int = 0) -> int:
            return counted(this.name, year)

    ann, bob = Odd("ann", counted), Odd("bob", counted)
    assert [ann.age(), bob.age(), ann.age()] == [1, 2, 1]
    cache.delete_memoized(ann.age)
    assert ann.age() == 3
    old = ann.age(), bob.age()
    cache.delete_memoized(ann.age, 0)
    assert ann.age() != old[0]
    assert bob.age() == old[1]


def test_forgetting_a_class_method(memoizing: Any, cache: Cache, counted: Counting) -> None:
    class Below(memoizing):
        pass

    def values() -> list[int]:
        return [memoizing.of_class(counted), Below.of_class(counted)]

    for call, gone in [
        (lambda: cache.delete_memoized(memoizing.of_class), (0, 1)),
        (lambda: cache.delete_memoized(memoizing.of_class, memoizing, counted), (0,)),
        (lambda: cache.delete_memoized(memoizing.of_class, counted), (0,)),
        (lambda: cache.delete_memoized(Below.of_class, Below, counted), (1,)),
        (lambda: cache.delete_memoized(memoizing("x", counted).of_class), (0, 1)),
        (lambda: cache.delete_memoized_verhash(memoizing.of_class), (0, 1)),
    ]:
        old = values()
        call()
        new = values()
        assert tuple(index for index in range(2) if new[index] != old[index]) == gone


def test_forgetting_by_a_wrapped_function(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    def inner(a: int) -> int:
        return counted(a)

    @functools.wraps(inner)
    def outer(a: int) -> int:
        return inner(a)

    old = outer(1)
    cache.delete_memoized(outer)
    assert outer(1) != old


def test_an_unknown_name_lists_the_known_ones(cache: Cache) -> None:
    with pytest.raises(UnknownNameError, match="No memoized function is called 'x'") as caught:
        cache.delete_memoized("x")
    assert "none" in str(caught.value)

    @cache.memoize()
    def known() -> None:
        """Nothing."""

    with pytest.raises(UnknownNameError, match="known"):
        cache.delete_memoized("x")
    with pytest.raises(UnknownNameError, match=r"'other\.known'"):
        cache.delete_memoized("other.known")


def test_an_ambiguous_name_is_an_error_and_forgets_nothing(cache: Cache, counted: Counting) -> None:
    class One:
        @staticmethod
        @cache.memoize()
        def read() -> int:
            return counted()

    class Two:
        @staticmethod
        @cache.memoize()
        def read() -> int:
            return counted()

    old = [One.read(), Two.read()]
    with pytest.raises(AmbiguousNameError, match=r"One\.read.*Two\.read") as caught:
        cache.delete_memoized("read")
    assert isinstance(caught.value, CacheError)
    with pytest.raises(AmbiguousNameError):
        cache.delete_memoized_verhash("read")
    assert [One.read(), Two.read()] == old
    cache.delete_memoized(f"{__name__}.{Two.read.uncached.__qualname__}")
    assert [One.read(), Two.read()] == [old[0], 3]


def test_a_class_and_its_method_are_a_name(memoizing: Any, cache: Cache, counted: Counting) -> None:
    ann = memoizing("ann", counted)
    old = ann.age()
    cache.delete_memoized("Memoizing.age")
    assert ann.age() != old


def test_names_that_an_error_lists_can_be_used(cache: Cache, counted: Counting) -> None:
    def make(held: list[int]) -> Any:
        @cache.memoize()
        def f() -> int:
            return counted(held)

        return f

    one, two = make([1]), make([2])
    old = [one(), two()]
    with pytest.raises(AmbiguousNameError) as caught:
        cache.delete_memoized("f")
    assert one.name in str(caught.value)
    assert two.name in str(caught.value)
    cache.delete_memoized(two.name)
    assert [one(), two()] == [old[0], 3]


def test_a_name_means_a_function_as_long_as_one_of_its_kind_lives(
    cache: Cache, counted: Counting
) -> None:
    def make() -> Any:
        @cache.memoize()
        def f() -> int:
            return counted()

        return f

    first = make()
    assert first() == 1
    make()  # and gone at once
    cache.delete_memoized("f")
    assert first() == 2


@pytest.mark.parametrize("function", [len, lambda: 1, None, 5, object()])
def test_what_is_not_memoized_cannot_be_forgotten(cache: Cache, function: Any) -> None:
    with pytest.raises(TypeError, match="not memoized by this cache"):
        cache.delete_memoized(function)


# -- attributes --------------------------------------------------------------------------------


def test_attributes_can_be_read_and_written(cache: Cache, counted: Counting) -> None:
    @cache.memoize(50)
    def f(a: int) -> int:
        return counted(a)

    assert f.cache_timeout == 50
    assert f.uncached(1) == 1
    f.cache_timeout = 0.02
    assert (f(1), f(1)) == (2, 2)
    time.sleep(0.03)
    assert f(1) == 3
    f.make_cache_key = lambda function, a: f"mine-{a % 2}"
    f.cache_timeout = 50
    assert f(1) == f(3) == 4
    assert f.make_cache_key(f.uncached, 5) == "mine-1"
    assert cache.get("mine-1") == 4


def test_a_value_can_be_read_under_its_key(cache: Cache) -> None:
    @cache.memoize()
    def shown(foo: str, bar: str) -> dict[str, str]:
        return {foo: bar}

    shown("a", "b")
    assert cache.get(shown.make_cache_key(shown.uncached, foo="a", bar="b")) == {"a": "b"}
    assert cache.get(shown.make_cache_key(shown.uncached, "a", bar="b")) == {"a": "b"}
    assert cache.get(shown.make_cache_key(shown.uncached, "b", "a")) is None
    cache.delete_memoized(shown)
    assert cache.get(shown.make_cache_key(shown.uncached, "a", "b")) is None


def test_a_value_can_be_deleted_under_its_key(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    def f(a: int) -> int:
        return counted(a)

    old = [f(1), f(2)]
    assert cache.delete(f.make_cache_key(f.uncached, 1)) is True
    assert [f(1), f(2)] == [3, old[1]]


def test_refresh_computes_now(cache: Cache, counted: Counting) -> None:
    @cache.memoize()
    def f(a: int) -> int:
        return counted(a)

    assert (f(1), f.refresh(1), f(1)) == (1, 2, 2)


def test_a_memoized_view_uses_its_arguments(app: Flask, cache: Cache, counted: Counting) -> None:
    @app.route("/<name>")
    @cache.memoize()
    def view(name: str) -> str:
        return f"{name}{counted()}{request.args.get('q', '')}"

    client = app.test_client()
    assert [client.get(path).text for path in ("/a", "/b", "/a?q=1")] == ["a1", "b2", "a1"]
    cache.delete_memoized(view, "a")
    assert [client.get(path).text for path in ("/a", "/b")] == ["a3", "b2"]
