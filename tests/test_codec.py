"""Values as bytes: typed, signed where they have to be, and never trusted."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import importlib.util
import json
import math
import os
import pickle
import sys
import types
import uuid
import zoneinfo
from typing import Any, NamedTuple

import pytest
from flask import Response as FlaskResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from werkzeug.wrappers import Response

from flask_cache_core.errors import CacheError, ConfigError, DecodeError, SerializationError
from flask_cache_core.storage.codec import COMPRESSIONS, Codec
from flask_cache_core.storage.entry import Entry, Variants
from flask_cache_core.web.stored import StoredAbort, StoredResponse


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class User:
    name: str
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frozen:
    name: str
    size: int = dataclasses.field(default=5, init=False)


@dataclasses.dataclass(slots=True)
class Slotted:
    name: str


class Plain:
    """Needs a pickle."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is Plain and other.value == self.value

    __hash__ = None  # type: ignore[assignment]


class Boobytrap:
    """Executes code when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["BOOBYTRAP"],)


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
MOMENT = datetime.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=datetime.UTC)

TYPED: list[Any] = [
    None, True, False, 0.5, -0.0, math.inf, 1j, "", "text", "ü\x00", "\udc80", b"", b"\x00\xff",
    bytearray(b"a"), [], [1, [2]], (), (1,), (1, (2, [3])), {}, {"a": 1}, {1: "a", None: b"b"},
    {(1, 2): (3, 4)}, {b"k": 1, 1.5: 2, True: 3}, set(), {1, "a"}, frozenset({(1, 2)}), {"k": {1}},
    0, 1, -1, 2**31, 2**63, 2**64, -(2**64), 10**100, 10**6000,
    -(10**6000), [10**6000], [2**64, 10**100], {2**70: -(2**70)},
    MOMENT, MOMENT.replace(tzinfo=None), MOMENT.astimezone(BERLIN), MOMENT.replace(fold=1),
    MOMENT.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30))),
    MOMENT.astimezone(datetime.timezone(datetime.timedelta(hours=1), "CET")),
    datetime.date(1, 1, 1), datetime.date.max, datetime.time(1, 2, 3, 4),
    datetime.time(1, tzinfo=datetime.UTC), datetime.timedelta(-1, 5, 7), datetime.timedelta.max,
    decimal.Decimal("1.10"), decimal.Decimal("-Infinity"), fractions.Fraction(1, 3),
    uuid.UUID(int=5), Markup("<b>"), range(1, 9, 2), collections.OrderedDict(b=1, a=2),
    collections.deque([1, 2], 5), collections.deque([1]), collections.Counter("aab"),
    Color.RED, Level.LOW, Right.READ, Right.READ | Right.WRITE, Point(1, [2]), Point("a", None),
    User("a", ["b"]), Frozen("a"), Slotted("a"), [User("a"), {"u": User("b")}],
    Entry([1, (2,)], 1.5, math.inf, 0.1, ("s", "t"), ("x", "y"), "b", "m"),
    Entry(None, 0, 0, 0), Entry(5, 0, 0, 0), Variants(("a", "b"), "t"),
    Entry("x", 0, 0, 0, ("k",), (Variants(("a",), "t"),)),
    Entry(bytearray(b"x"), 0, 0, 0),
    StoredResponse("200 OK", (("A", "b"),), b"body"), StoredAbort(404, None), StoredAbort(403, "x"),
]  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Equal, and of equal types all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return repr(one) == repr(other)
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=True)
        return len(one) == len(other) and all(same(a, b) for a, b in pairs)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (datetime.datetime, datetime.time)):
        return (one, one.fold, one.tzname(), one.tzinfo) == (
            other, other.fold, other.tzname(), other.tzinfo,
        )  # fmt: skip
    if isinstance(one, collections.deque) and one.maxlen != other.maxlen:
        return False
    return bool(one == other)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_typed_values_come_back_as_they_were_without_a_key(compression: str | None) -> None:
    codec = Codec(compression=compression, compress_min=0)
    for value in TYPED:
        data = codec.encode("k", value)
        assert same(codec.decode("k", data), value), value
        assert data[:1] != b"P"


def test_bytearrays_inside_of_containers_come_back_as_equal_bytes() -> None:
    codec = Codec()
    for value in ([bytearray(b"a")], {"k": bytearray(b"a")}):
        assert codec.decode("k", codec.encode("k", value)) == value


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.datetimes() | st.decimals(allow_nan=False) | st.uuids() | st.timedeltas(),
    lambda inner: st.lists(inner, max_size=3)
    | st.tuples(inner, inner)
    | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(values)
def test_whatever_is_made_of_typed_values_comes_back(value: Any) -> None:
    codec = Codec()
    assert same(codec.decode("k", codec.encode("k", value)), value)


@settings(max_examples=60, deadline=None)
@given(st.binary())
def test_whatever_bytes_are_stored_they_decode_or_are_refused(data: bytes) -> None:
    codec = Codec(secrets=[b"s"])
    for stored in (data, b"V-" + data, b"Vz" + data, b"P-" + data, b"-" + data):
        try:
            codec.decode("k", stored)
        except DecodeError:
            continue


@pytest.mark.parametrize("kind", [Response, FlaskResponse])
def test_responses(kind: type[Response]) -> None:
    codec = Codec()
    response = kind("ü", status="299 Fine", headers=[("X-A", "1"), ("X-A", "2")])
    back = codec.decode("k", codec.encode("k", response))
    assert type(back) is kind
    assert isinstance(back, Response)
    assert back.get_data() == response.get_data()
    assert (back.status, list(back.headers)) == (response.status, list(response.headers))


def test_integers_are_plain_decimals() -> None:
    codec = Codec(compression="zlib", compress_min=0)
    assert [codec.encode("k", n) for n in (0, 5, -5, 10**30)] == [
        b"0",
        b"5",
        b"-5",
        b"1" + b"0" * 30,
    ]
    assert codec.decode("k", b"42") == 42
    assert codec.encode("k", True) != b"1"


def test_what_needs_a_pickle_is_signed() -> None:
    codec = Codec(secrets=[b"secret"])
    for value in (Plain([1]), [Plain(1)], Entry(Plain(1), 0, 0, 0), int, print):
        data = codec.encode("k", value)
        assert data[:1] == b"P"
        assert codec.decode("k", data) == value


def test_without_a_key_there_is_no_pickle() -> None:
    with pytest.raises(
        SerializationError, match=r"Plain.*SECRET_KEY or CACHE_SECRET_KEYS"
    ) as caught:
        Codec().encode("k", Plain(1))
    assert isinstance(caught.value, CacheError)


def test_what_cannot_be_pickled_either_is_told() -> None:
    with pytest.raises(SerializationError, match="cannot be pickled"):
        Codec(secrets=[b"s"]).encode("k", lambda: 1)


def test_values_that_contain_themselves_are_an_error_of_our_own_or_come_back() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(SerializationError):
        Codec().encode("k", endless)
    codec = Codec(secrets=[b"s"])
    back = codec.decode("k", codec.encode("k", endless))
    assert isinstance(back, list)
    assert back[0] is back


def test_every_changed_byte_of_a_signed_value_is_noticed() -> None:
    codec = Codec(secrets=[b"s"])
    data = codec.encode("k", Plain([1, 2]))
    for index in range(1, len(data)):
        changed = bytearray(data)
        changed[index] ^= 1
        with pytest.raises(DecodeError):
            codec.decode("k", bytes(changed))
    for length in range(1, len(data)):
        with pytest.raises(DecodeError):
            codec.decode("k", data[:length])


def test_a_signed_value_belongs_to_its_key() -> None:
    codec = Codec(secrets=[b"s"])
    data = codec.encode("user:1", Plain(1))
    for key in ("user:2", "user:1 ", "", "user:1P"):
        with pytest.raises(DecodeError, match="not signed"):
            codec.decode(key, data)


def test_a_pickle_that_is_not_ours_is_never_opened(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOBYTRAP", str(tmp_path / "sprung"))
    codec = Codec(secrets=[b"s"])
    trap = pickle.dumps(Boobytrap())
    theirs = Codec(secrets=[b"other"]).encode("k", Boobytrap())
    for data in (
        trap,
        b"P-" + trap,
        b"P-" + b"\x00" * 32 + trap,
        theirs,
        b"V-" + trap,
        b"!" + trap,
    ):
        with pytest.raises(DecodeError):
            codec.decode("k", data)
    assert not list(tmp_path.iterdir())


def test_stored_bytes_cause_no_import_and_build_no_other_class() -> None:
    codec = Codec()
    data = codec.encode("k", User("a"))
    assert b"User" in data
    with pytest.raises(DecodeError, match="loaded here"):
        codec.decode("k", data.replace(b"User", b"Usar"))
    module = sys.modules["vanishing"] = types.ModuleType("vanishing")
    exec("import dataclasses\n@dataclasses.dataclass\nclass Gone:\n    a: int", vars(module))
    gone = codec.encode("k", module.Gone(1))
    del sys.modules["vanishing"]
    with pytest.raises(DecodeError, match="vanishing:Gone"):
        codec.decode("k", gone)


def test_a_dataclass_whose_fields_changed_is_a_miss() -> None:
    module = types.ModuleType("changing")
    sys.modules["changing"] = module
    text = "import dataclasses\n@dataclasses.dataclass\nclass Kind:\n    {}: int"
    codec = Codec()
    try:
        vars(module)["__name__"] = "changing"
        exec(text.format("a"), vars(module))
        data = codec.encode("k", module.Kind(1))
        exec(text.format("b"), vars(module))
        with pytest.raises(DecodeError, match="other fields"):
            codec.decode("k", data)
    finally:
        del sys.modules["changing"]


def test_local_classes_need_a_pickle_and_so_are_refused() -> None:
    class Local(enum.Enum):
        A = 1

    for codec in (Codec(), Codec(secrets=[b"s"])):
        with pytest.raises(SerializationError):
            codec.encode("k", Local.A)


def test_keys_rotate() -> None:
    old, both, new = Codec([b"old"]), Codec([b"new", b"old"]), Codec([b"new"])
    before = old.encode("k", Plain(1))
    assert both.decode("k", before) == Plain(1)
    after = both.encode("k", Plain(2))
    assert new.decode("k", after) == Plain(2)
    for codec, data in ((old, after), (new, before), (Codec(), before)):
        with pytest.raises(DecodeError, match="CACHE_SECRET_KEYS"):
            codec.decode("k", data)


def test_a_signature_says_nothing_of_the_secret() -> None:
    data = Codec([b"hunter2"]).encode("k", Plain(1))
    assert b"hunter2" not in data


@pytest.mark.parametrize("data", [b"", b"-", b"x", b"V", b"V-", b"V?a", b"P", b"1a", b"\x80\x04."])
def test_what_cannot_be_decoded_is_an_error_of_one_kind(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Codec(secrets=[b"s"]).decode("k", data)


def test_zlib_makes_what_is_long_shorter_and_leaves_the_rest() -> None:
    codec = Codec(secrets=[b"s"], compression="zlib", compress_min=100)
    plain = Codec(secrets=[b"s"])
    for value in ("a" * 10_000, Plain("a" * 10_000), Entry("a" * 10_000, 0, 0, 0)):
        data = codec.encode("k", value)
        assert len(data) < 200
        assert codec.decode("k", data) == value
        assert plain.decode("k", data) == value  # whatever is configured, what is stored is read
        assert codec.decode("k", plain.encode("k", value)) == value
    assert codec.encode("k", "short") == plain.encode("k", "short")
    noise = os.urandom(500)
    assert codec.encode("k", noise) == plain.encode("k", noise)


def installed(name: str) -> bool:
    return importlib.util.find_spec(COMPRESSIONS[name].module.partition(".")[0]) is not None


@pytest.mark.parametrize("name", ["zstd", "lz4"])
def test_other_compressions_work_or_come_with_the_command(name: str) -> None:
    package = COMPRESSIONS[name].module.partition(".")[0]
    if installed(name):
        codec = Codec(compression=name, compress_min=0)
        assert codec.decode("k", codec.encode("k", "a" * 1000)) == "a" * 1000
        return
    with pytest.raises(ConfigError, match=f"CACHE_COMPRESSION.*pip install {package}"):
        Codec(compression=name)


class Json:
    def dumps(self, value: object) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> object:
        return json.loads(data)


def test_a_serializer_replaces_the_format_for_values_and_not_for_bookkeeping() -> None:
    codec = Codec(serializer=Json())
    for value, back in [({"a": [1]}, {"a": [1]}), ((1, 2), [1, 2]), (None, None)]:
        data = codec.encode("k", value)
        assert json.dumps(value).encode() in data
        assert codec.decode("k", data) == back
        entry = Entry(value, 1, 2, 3, ("s",), ("t",))
        assert codec.decode("k", codec.encode("k", entry)) == entry._replace(value=back)
    assert codec.decode("k", codec.encode("k", "token")) == "token"
    assert codec.encode("k", 5) == b"5"
    variants = Variants(("a",), "token")
    assert codec.decode("k", codec.encode("k", variants)) == variants


def test_without_the_serializer_that_wrote_it_a_value_is_a_miss() -> None:
    data = Codec(serializer=Json()).encode("k", [1])
    with pytest.raises(DecodeError, match="CACHE_SERIALIZER"):
        Codec().decode("k", data)


def test_an_error_of_a_serializer_is_one_of_decoding() -> None:
    codec = Codec(serializer=Json())
    data = codec.encode("k", ["abc"])
    with pytest.raises(DecodeError):
        codec.decode("k", data.replace(b'"', b"'"))


@pytest.mark.parametrize(
    "forged",
    [
        Entry("x", 0, "soon", 0),  # type: ignore[arg-type]
        Entry("x", None, 1, 0),  # type: ignore[arg-type]
        Entry("x", 0, 1, 0, ("stamp",), ()),
        Entry("x", 0, 1, 0, ("stamp",), (1,)),  # type: ignore[arg-type]
        Entry("x", 0, 1, 0, barrier=5),  # type: ignore[arg-type]
        Entry("x", 0, 1, 0, source=None),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_an_entry_that_is_not_made_as_entries_are_is_undecodable(forged: Entry) -> None:
    codec = Codec()
    with pytest.raises(DecodeError):
        codec.decode("key", codec.encode("key", forged))
