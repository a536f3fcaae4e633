# mypy: disable-error-code="call-arg, arg-type, var-annotated"
"""A call's identity: equal text only for equal arguments."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import gc
import ipaddress
import logging
import os
import pathlib
import re
import subprocess
import sys
import types
import uuid
import warnings
import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from flask import Flask, g, session
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import CombinedMultiDict, ImmutableMultiDict, MultiDict
from werkzeug.local import LocalProxy

from flask_cache_core import Cache, CacheWarning
from flask_cache_core.errors import UnkeyableError
from flask_cache_core.keys.arguments import CallShape, Identities


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Shade(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: Any
    y: Any


class Vector(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class User:
    name: str
    secret: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass
class Admin:
    name: str
    secret: str = dataclasses.field(default="", repr=False)


class Text(str):
    __slots__ = ()


class Rounded(float):
    def __repr__(self) -> str:
        return f"{self:.1f}"


class Words(list[Any]):
    pass


class Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Named({self.name})"

    def method(self) -> None:
        """Nothing."""


class Other(Named):
    pass


class Plain:
    """Only the default repr."""


def text(*arguments: object) -> str:
    return Identities().text(arguments)


def function() -> None:
    """Something importable."""


NAIVE = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC).replace(tzinfo=None)

#: No two of these are the same argument.
DISTINCT: list[Any] = [
    None, True, False, 0, 1, -1, 2, 10**5000, 10**5000 + 1, 0.0, -0.0, 1.0, float("inf"),
    1j, "", "1", "True", "None", "1.0", "a", "a b", "(1,)", b"", b"1", b"a", bytearray(b"a"), ...,
    (), (1,), (1, 2), ((1,), 2), (1, (2,)), [], [1], ["1"], [1, 2], [[1], 2], (True,), ("1",),
    set(), {1}, {"1"}, frozenset(), frozenset({1}), {}, {1: 1}, {"1": 1}, {1: "1"}, {1: {}},
    {(1, 2): 3}, {1: (2, 3)}, "{1: 1}", "{1}", "[1]",
    collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), {"a": 1, "b": 2},
    collections.Counter("ab"), collections.defaultdict(int, {"a": 1}), types.MappingProxyType({}),
    collections.deque([1]), collections.deque([1], 5),
    range(3), range(4), slice(1), slice(1, 2), slice((1, 2)),
    datetime.date(2020, 1, 1), NAIVE, datetime.time(1),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    NAIVE.replace(fold=1), datetime.timedelta(1), datetime.timedelta(2),
    decimal.Decimal(1), decimal.Decimal("1.0"), fractions.Fraction(1), fractions.Fraction(1, 2),
    uuid.UUID(int=1), uuid.UUID(int=2), pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"),
    ipaddress.ip_address("1.1.1.1"), ipaddress.ip_network("1.1.1.1"),
    re.compile("a"), re.compile("a", re.IGNORECASE), re.compile(b"a"), re.compile("a" * 500),
    re.compile("a" * 501),
    Color.RED, Color.BLUE, Shade.RED, Level.LOW, Right.READ, Right.WRITE, Right.READ | Right.WRITE,
    Point(1, 2), Point(1, "2"), Vector(1, 2), Words([1]), Text("a"), Rounded(1.04), Rounded(1.01),
    User("a"), User("a", "x"), Admin("a"), Named("a"), Named("b"), Other("a"),
    int, str, Named, Other, len, function, text, Named("a").method, Named("b").method,
    functools.partial(function), functools.partial(function, 1), functools.partial(function, a=1),
    array.array("i", [1]), array.array("l", [1]), memoryview(b"a"),
    np.int32(1), np.int64(1), np.float64(1), np.str_("a"), np.bool_(True),
    np.array([1], "i4"), np.array([1], "i8"), np.array([[1]], "i4"), np.array(1, "i4"),
    np.array([1], ">i4"), np.array([True]), np.array(["a"]), np.array([None], object),
    np.array([1], object), np.array(["1"], object), np.array([[1]], object),
    np.array(["2020-01-01"], "datetime64[D]"), np.array(["2020-01-02"], "datetime64[D]"),
    np.array([(1, 2)], [("O", "i4"), ("b", "i4")]), np.array([(1, 2)], [("O", "i8"), ("b", "i4")]),
    np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0]),
    MultiDict([("a", "1")]), MultiDict([("a", "1"), ("a", "2")]), ImmutableMultiDict([("a", "1")]),
    CombinedMultiDict([MultiDict([("a", "1")])]), CombinedMultiDict([MultiDict([("a", "2")])]),
    sys, os,
]  # fmt: skip


def test_different_arguments_have_different_texts() -> None:
    known: dict[str, Any] = {}
    for value in DISTINCT:
        said = text(value)
        assert said not in known, f"{value!r:.200} and {known[said]!r:.200}"
        known[said] = value


def test_what_differs_inside_a_container_differs() -> None:
    for wrap in (lambda v: [v], lambda v: {"k": v}, lambda v: Point(v, 1), lambda v: Words([v])):
        assert len({text(wrap(value)) for value in DISTINCT}) == len(DISTINCT)


def test_the_borders_between_arguments_count() -> None:
    assert text("a b", "c") != text("a", "b c")
    assert text("a, b") != text("a", "b")
    assert text("a", ("b",)) != text(("a",), "b")
    assert text("a', 'b") != text("a", "b")
    assert text([1], 2) != text([1, 2])


def test_equal_values_made_apart_have_one_text() -> None:
    made: list[Callable[[], Any]] = [
        lambda: {"b": 1, "a": {2, 3}},
        lambda: User("a", "x"),
        lambda: Named("a"),
        lambda: np.arange(2000),
        lambda: np.array([{"a": 1}, "x"], object),
        lambda: Point((1,), [2]),
        lambda: functools.partial(function, 1, b={1: 2}),
        lambda: Named("a").method,
        lambda: MultiDict([("a", "1"), ("b", "2")]),
        lambda: re.compile("a+"),
    ]
    for make in made:
        assert text(make()) == text(make())


def test_order_does_not_count_where_it_has_no_meaning() -> None:
    assert text({"a": 1, "b": 2}) == text({"b": 2, "a": 1})
    assert text({"x", "y", "z"}) == text({"z", "y", "x"})
    assert text(MultiDict([("a", "1"), ("b", "2")])) == text(MultiDict([("b", "2"), ("a", "1")]))
    assert text(MultiDict([("a", "1"), ("a", "2")])) != text(MultiDict([("a", "2"), ("a", "1")]))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.tuples(inner, inner)
    | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def typed(value: Any) -> Any:
    """Compares like *value*, but never equal across types."""
    if isinstance(value, (list, tuple)):
        return type(value), [typed(item) for item in value]
    if isinstance(value, dict):
        return dict, {key: typed(item) for key, item in value.items()}
    return type(value), repr(value)


@settings(max_examples=60, deadline=None)
@given(st.lists(values, max_size=3), st.lists(values, max_size=3))
def test_texts_are_equal_exactly_for_equal_arguments(one: list[Any], other: list[Any]) -> None:
    assert (text(*one) == text(*other)) == (typed(one) == typed(other))


def test_arrays_that_differ_past_the_truncation_of_their_repr_differ(cache: Cache) -> None:
    @cache.memoize()
    def total(values: Any) -> float:
        return float(values.sum())

    one, other = np.zeros(100_000), np.zeros(100_000)
    other[50_000] = 1
    assert repr(one) == repr(other)
    assert (total(one), total(other), total(one)) == (0.0, 1.0, 0.0)
    assert total(one.astype("f4")) == 0.0


def test_an_array_that_is_changed_in_place_is_another_argument(cache: Cache) -> None:
    @cache.memoize()
    def total(values: Any) -> float:
        return float(values.sum())

    values = np.zeros(5000)
    assert total(values) == 0
    values[2500] = 7
    assert total(values) == 7


class Frame:
    """Like a pandas object: an array inside, and a repr that is cut off."""

    def __init__(self, values: Any, index: list[str]) -> None:
        self.values = values
        self.index = index

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.values

    def __repr__(self) -> str:
        return "Frame(...)"


def test_what_offers_an_array_is_known_by_all_of_its_content() -> None:
    long, longer = np.zeros(3000), np.zeros(3000)
    longer[1500] = 1
    frames = [Frame(long, ["a"]), Frame(longer, ["a"]), Frame(long, ["b"])]
    assert len({text(frame) for frame in frames}) == 3
    assert text(Frame(long, ["a"])) == text(frames[0])


def test_object_arrays_are_known_by_their_objects() -> None:
    deep = np.empty(2000, object)
    deep[:] = [{"n": n} for n in range(2000)]
    changed = deep.copy()
    changed[1000] = {"n": -1}
    assert text(deep) != text(changed)


def test_non_contiguous_arrays_are_known_by_what_they_show() -> None:
    base = np.arange(12).reshape(3, 4)
    assert text(base[:, ::2]) == text(base[:, ::2].copy())
    assert text(base.T) != text(base.reshape(4, 3))


def test_short_lived_objects_are_never_taken_for_each_other(cache: Cache) -> None:
    class Thing:
        def __init__(self, number: int) -> None:
            self.number = number

    @cache.memoize()
    def number_of(thing: Thing) -> int:
        return thing.number

    with pytest.warns(CacheWarning, match=r"Thing .*__cache_key__.*register_key\(Thing"):
        assert [number_of(Thing(number)) for number in range(50)] == list(range(50))


def test_an_object_that_lives_keeps_its_identity_and_warns_once(cache: Cache) -> None:
    class Living:
        pass

    calls = []

    @cache.memoize()
    def seen(thing: Living) -> int:
        calls.append(thing)
        return len(calls)

    living = Living()
    with pytest.warns(CacheWarning, match="Living"):
        assert seen(living) == 1
    assert [seen(living), seen(Living())] == [1, 2]  # a further warning would be an error
    gc.collect()
    assert seen(living) == 1


def test_objects_without_weak_references_are_never_taken_for_each_other(cache: Cache) -> None:
    class Slotted:
        __slots__ = ("number",)

        def __init__(self, number: int) -> None:
            self.number = number

    @cache.memoize()
    def number_of(thing: Slotted) -> int:
        return thing.number

    with pytest.warns(CacheWarning, match="Slotted"):
        assert [number_of(Slotted(number)) for number in range(50)] == list(range(50))


def test_a_repr_that_holds_an_address_is_not_trusted(cache: Cache) -> None:
    class Angle:
        def __init__(self, number: int) -> None:
            self.number = number

        def __repr__(self) -> str:
            return f"<Angle at {hex(id(self))}>"

    class Hash(Angle):
        def __repr__(self) -> str:
            return f"Hash#{id(self)}"

    class Bare(Angle):
        def __repr__(self) -> str:
            return f"<Bare 0x{id(self):012x}>"

    class Holder:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __repr__(self) -> str:
            return f"Holder({self.inner!r})"

    @cache.memoize()
    def number_of(thing: Any) -> int:
        return int(getattr(thing, "inner", thing).number)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        for kind in (Angle, Hash, Bare):
            assert [number_of(kind(number)) for number in range(50)] == list(range(50))
            held = (Holder(Angle(number)) for number in range(50))
            assert [number_of(thing) for thing in held] == list(range(50))


def test_a_repr_of_hexadecimal_digits_that_are_no_address_is_trusted() -> None:
    class Paint:
        def __init__(self, rgb: int) -> None:
            self.rgb = rgb

        def __repr__(self) -> str:
            return f"Paint(0x{self.rgb:06X}, at=0, tx=0x{self.rgb:064x})"

    assert text(Paint(0xFF0000)) == text(Paint(0xFF0000)) != text(Paint(0x00FF00))


def test_classes_of_one_name_are_told_apart() -> None:
    def make() -> type[Any]:
        return type("Same", (), {"__repr__": lambda self: "same"})

    one, other = make(), make()
    assert text(one) != text(other)
    assert text(one()) != text(other())
    pair, triple = (collections.namedtuple("Row", names) for names in ("a b", "b a"))
    assert text(pair(1, 2)) != text(triple(1, 2))


def test_local_classes_and_functions_can_be_arguments_without_a_warning() -> None:
    class Local:
        def __repr__(self) -> str:
            return "Local()"

    def inner() -> None:
        """Nothing."""

    assert text(Local) == text(Local)
    assert text(Local()) == text(Local())
    assert text(inner) == text(inner)
    assert text(lambda: 1) != text(lambda: 1)


def test_closures_as_arguments_are_told_apart(cache: Cache) -> None:
    def adder(number: int) -> Callable[[int], int]:
        return lambda value: value + number

    @cache.memoize()
    def apply(f: Callable[[int], int], value: int) -> int:
        return f(value)

    assert [apply(adder(number), 1) for number in range(20)] == list(range(1, 21))


def test_a_proxy_stands_for_what_is_behind_it_now(cache: Cache) -> None:
    current: list[Any] = []
    proxy: Any = LocalProxy(lambda: current[-1])

    @cache.memoize()
    def seen(thing: Any) -> str:
        return repr(getattr(thing, "name", thing))

    people = [types.SimpleNamespace(name=name) for name in "abc"]
    answers = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        for person in (*people, Named("n"), {"k": 1}, "text", 5):
            current.append(person)
            answers.append(seen(proxy))
    assert answers == ["'a'", "'b'", "'c'", "'n'", "{'k': 1}", "'text'", "5"]
    assert Identities().of(proxy) == Identities().of(5)


def test_users_behind_a_proxy_never_share_an_answer(cache: Cache) -> None:
    class Member:
        def __init__(self, name: str) -> None:
            self.name = name

    current: list[Member] = []
    current_user: Any = LocalProxy(lambda: current[-1])

    @cache.memoize()
    def greeting(member: Member) -> str:
        return f"Hello {member.name}"

    current.append(Member("ann"))
    with pytest.warns(CacheWarning, match="Member"):
        assert greeting(current_user) == "Hello ann"
    current.append(Member("bob"))
    assert greeting(current_user) == "Hello bob"


def test_an_unbound_proxy_bypasses_the_cache(
    cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    stack: list[str] = []

    def behind() -> str:
        if not stack:
            raise RuntimeError("not bound")
        return stack[-1]

    proxy: Any = LocalProxy(behind)

    @cache.memoize()
    def seen(thing: Any) -> str:
        return f"{len(stack)}"

    with caplog.at_level(logging.CRITICAL):
        assert seen(proxy) == "0"
    stack.append("a")
    assert seen(proxy) == "1"


def test_the_session_is_known_by_its_content(app: Flask, cache: Cache) -> None:
    @cache.memoize()
    def name_in(store: Any) -> Any:
        return store.get("name")

    for name in ("ann", "bob"):
        with app.test_request_context():
            session["name"] = name
            g.name = name
            assert name_in(session) == name


# -- what a class says of itself ---------------------------------------------------------------


class Keyed:
    def __init__(self, key: Any, caching_id: Any = None) -> None:
        self.key = key
        self.caching_id = caching_id

    def __cache_key__(self) -> Any:
        return self.key

    def __caching_id__(self) -> Any:
        return self.caching_id


class OldKeyed:
    def __init__(self, key: Any) -> None:
        self.key = key

    def __caching_id__(self) -> Any:
        return self.key

    def __repr__(self) -> str:
        return "always the same"


class Older(OldKeyed):
    pass


def test_a_class_can_say_what_identifies_its_instances() -> None:
    assert text(Keyed(1, "a")) == text(Keyed(1, "b"))
    assert text(Keyed(1)) != text(Keyed("1"))
    assert text(Keyed({"a": {1, 2}})) == text(Keyed({"a": {2, 1}}))
    assert text(OldKeyed(1)) != text(OldKeyed(2))
    assert text(OldKeyed(1)) != text(Older(1))
    assert text(OldKeyed(1)) != text(1)


def test_a_registered_type_is_identified_by_its_function(cache: Cache) -> None:
    class Account:
        def __init__(self, number: int, balance: int) -> None:
            self.number = number
            self.balance = balance

    class Savings(Account):
        pass

    cache.register_key(Account, lambda account: account.number)
    calls = []

    @cache.memoize()
    def kind(account: Account) -> str:
        calls.append(account)
        return type(account).__name__

    assert [kind(Account(1, 5)), kind(Account(1, 9)), kind(Savings(1, 5))] == [
        "Account",
        "Account",
        "Savings",
    ]
    assert len(calls) == 2
    cache.register_key(Account, lambda account: account.balance)
    kind(Account(1, 5))
    kind(Account(2, 5))
    assert len(calls) == 3


def test_the_order_of_identities() -> None:
    identities = Identities()
    identities.register(Keyed, lambda value: "registered")
    identities.register(Named, lambda value: "registered")
    assert identities.of(Keyed("own")) != identities.of(Keyed("other"))
    assert identities.of(Named("a")) == identities.of(Named("b"))
    assert identities.of(Other("a")) == identities.of(Other("b")) != identities.of(Named("a"))


def test_an_argument_that_contains_itself_bypasses_the_cache(
    cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    endless: list[Any] = []
    endless.append(endless)
    calls = []

    @cache.memoize()
    def size(values: list[Any]) -> int:
        calls.append(values)
        return len(values)

    assert (size(endless), size(endless)) == (1, 1)
    assert len(calls) == 2
    assert "is not cached: no key" in caplog.text


def test_in_debug_mode_an_argument_without_identity_is_an_error(app: Flask) -> None:
    app.debug = True
    cache = Cache(app, config={"CACHE_TYPE": "simple"})
    endless: dict[str, Any] = {}
    endless["self"] = endless

    @cache.memoize()
    def size(values: dict[str, Any]) -> int:
        return len(values)

    with pytest.raises(UnkeyableError, match="contains itself"):
        size(endless)


def test_unhashable_arguments_are_no_problem(cache: Cache) -> None:
    @cache.memoize()
    def shown(value: Any) -> str:
        return repr(value)

    for value in ([1], {1}, {"a": [1]}, bytearray(b"x"), [[], {}]):
        assert shown(value) == shown(value) == repr(value)


# -- the hash seed -----------------------------------------------------------------------------

SEEDED = """
import enum, decimal, collections
from flask import Flask
from flask_cache_core import Cache
app = Flask("seeded")
cache = Cache(app, config={"CACHE_TYPE": "simple"})
class Color(enum.Enum):
    RED = 1
@cache.memoize()
def f(*args, **kwargs): ...
twice = cache.memoize()(lambda x: x in {"a", "b", "c", "d"})
words = {"alpha", "beta", "gamma", "delta", "epsilon"}
print(f.make_cache_key(f.uncached, words, frozenset(words)))
print(f.make_cache_key(f.uncached, {word: {word} for word in words}))
values = [Color.RED, decimal.Decimal("1.5"), f, Color, len]
print(f.make_cache_key(f.uncached, values, **dict.fromkeys(words)))
counted = collections.Counter(sorted(words))
print(f.make_cache_key(f.uncached, counted, counted.keys()))
print(twice.make_cache_key(twice.uncached, 1))
"""


def test_keys_do_not_depend_on_the_hash_seed() -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SEEDED],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    one, other = (run.communicate(timeout=60)[0] for run in runs)
    assert len(one.splitlines()) == 5
    assert one == other


# -- the signature -----------------------------------------------------------------------------


def shaped(a: Any, /, b: Any, c: Any = 3, *args: Any, d: Any, e: Any = 5, **kwargs: Any) -> None:
    """Every kind of parameter."""


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1, 2), {"d": 4}),
        ((1,), {"b": 2, "d": 4}),
        ((1, 2, 3), {"d": 4, "e": 5}),
        ((1,), {"d": 4, "c": 3, "b": 2}),
    ],
)
def test_every_way_to_write_a_call_has_one_canonical_form(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    assert CallShape(shaped).canonical(args, kwargs) == (1, 2, 3, 4, 5, (), {})


def test_surplus_arguments_keep_their_place() -> None:
    shape = CallShape(shaped)
    assert shape.canonical((1, 2, 3, 6, 7), {"d": 4, "x": 8}) == (1, 2, 3, 4, 5, (6, 7), {"x": 8})
    assert shape.canonical((1, 2), {"d": 4, "a": 9}) == (1, 2, 3, 4, 5, (), {"a": 9})


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing a required argument: 'a'"),
        ((1,), {}, "'b'"),
        ((1, 2, 3), {}, "positional arguments"),
        ((1, 2), {"z": 1}, "unexpected keyword arguments z"),
        ((1,), {"a": 1, "b": 1}, "unexpected keyword arguments a"),
    ],
)
def test_a_wrong_call_is_a_type_error(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        CallShape(lambda a, b: None).canonical(args, kwargs)


def test_ignored_parameters_make_no_difference() -> None:
    shape = CallShape(shaped, ignore=["b", "d", "x"])
    assert shape.canonical((1, 2), {"d": 4, "x": 1}) == shape.canonical((1, 9), {"d": 0, "x": 2})
    assert shape.canonical((1, 2), {"d": 4}) != shape.canonical((2, 2), {"d": 4})


def test_arguments_by_name_for_formatting() -> None:
    assert CallShape(shaped).named((1, 2), {"d": 4}) == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}


def test_a_sentinel_default_is_the_same_in_every_call(cache: Cache) -> None:
    sentinel = object()
    calls: list[Any] = []

    @cache.memoize()
    def f(a: Any = sentinel) -> int:
        calls.append(a)
        return len(calls)

    assert [f(), f(), f(sentinel), f(None)] == [1, 1, 1, 2]


def test_a_generator_argument_is_not_consumed(cache: Cache) -> None:
    @cache.memoize()
    def total(values: Iterator[int]) -> int:
        return sum(values)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        assert total(n for n in (1, 2)) == 3
        assert total(n for n in (3, 4)) == 7
        assert total(iter([5, 6])) == 11
        assert total(iter([7, 8])) == 15
