"""The part of the contract about values and answers: types, copies, absence, order, batches."""

from __future__ import annotations

import copy
import datetime as dt
import enum
import fractions
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from markupsafe import Markup
from werkzeug.wrappers import Response

from ..storage.base import BaseCache, Batch
from ..storage.entry import Entry, Variants
from ._base import Contract, MakeBackend


class Point(NamedTuple):
    """A named tuple of an app."""

    x: int
    y: int


class Colour(enum.Enum):
    """An enum of an app."""

    RED = "red"


@dataclass(frozen=True)
class Product:
    """A dataclass of an app."""

    name: str
    prices: tuple[Decimal, ...]


_MOMENT = dt.datetime(2024, 10, 27, 2, 30, 0, 123456)  # noqa: DTZ001 - the naive one

VALUES: dict[str, Any] = {
    "none": None,
    "true": True,
    "false": False,
    "zero": 0,
    "one": 1,
    "negative": -17,
    "huge-int": 2**70,
    "float": 1.0,
    "infinity": inf,
    "complex": 1 + 2j,
    "empty-text": "",
    "text": "żółw 🐢 \x00 \r\n",
    "digits": "42",
    "surrogate": "\ud800",
    "long-text": "x" * 100_000,
    "empty-bytes": b"",
    "bytes": bytes(range(256)),
    "digit-bytes": b"42",
    "bytearray": bytearray(b"abc"),
    "list": [1, "1", True, None, [2.0]],
    "tuple": (1, ("1", (True,)), ()),
    "dict": {"a": [1], 2: "two", (3, 4): {"b": None}, None: {}},
    "set": {1, "1", (2,)},
    "frozenset": frozenset({1, 2}),
    "datetime": _MOMENT,
    "aware-datetime": _MOMENT.replace(tzinfo=dt.timezone(dt.timedelta(hours=5))),
    "date": dt.date(2024, 2, 29),
    "time": dt.time(23, 59, 59, 1),
    "timedelta": dt.timedelta(days=-1, microseconds=1),
    "decimal": Decimal("1.10"),
    "fraction": fractions.Fraction(1, 3),
    "uuid": UUID(int=7),
    "markup": Markup("<b>&amp;</b>"),
    "range": range(1, 10, 2),
    "ordered-dict": OrderedDict([("b", 1), ("a", 2)]),
    "deque": deque([1, 2], maxlen=3),
    "counter": Counter("abba"),
    "named-tuple": Point(1, 2),
    "enum": Colour.RED,
    "dataclass": Product("tea", (Decimal("1.50"),)),
    "entry": Entry({"page": [1]}, 1.5, inf, 0.25, ("~tag|a",), ("token",), None, "maker"),
    "variants": Variants(("Accept-Language",), "token"),
}


def typed(value: Any) -> Any:
    """*value* in a form in which ``1``, ``True`` and ``1.0``, or a list and a tuple, differ."""
    kind = type(value)
    if isinstance(value, dict):
        return kind, [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, (set, frozenset)):
        return kind, sorted((typed(item) for item in value), key=repr)
    if isinstance(value, (list, tuple, deque)):
        return kind, [typed(item) for item in value]
    if isinstance(value, dt.datetime):
        return kind, value.isoformat(), str(value.tzinfo)
    return kind, value


class ValuesContract(Contract):
    """Values come back as they were given."""

    @pytest.mark.parametrize("name", VALUES)
    def test_a_value_comes_back_equal_and_of_the_same_type(
        self, backend: BaseCache, name: str
    ) -> None:
        value = VALUES[name]
        assert backend.set("key", copy.deepcopy(value), 60) is not False
        assert typed(backend.get("key")) == typed(value)

    def test_a_response_comes_back_whole(self, backend: BaseCache) -> None:
        response = Response(b"tea\x00", status="418 Short", headers=[("X-A", "1"), ("X-A", "2")])
        backend.set("key", response, 60)
        found = backend.get("key")
        assert type(found) is Response
        assert found.get_data() == b"tea\x00"
        assert found.status == "418 Short"
        assert found.headers.getlist("X-A") == ["1", "2"]

    def test_what_is_absent_reads_as_none(self, backend: BaseCache) -> None:
        assert backend.get("key") is None
        assert backend.has("key") is False
        assert backend.get_many("key", "other") == [None, None]

    def test_a_stored_none_is_there(self, backend: BaseCache) -> None:
        """`has` and `add` tell a stored ``None`` from nothing, though `get` cannot."""
        backend.set("key", None, 60)
        assert backend.has("key") is True
        assert backend.add("key", 1, 60) is False
        assert backend.get("key") is None
        assert backend.delete("key") is True
        assert backend.has("key") is False

    def test_set_replaces(self, backend: BaseCache) -> None:
        backend.set("key", "a longer value than the next one", 60)
        assert backend.set("key", 2, 60) is not False
        assert backend.get("key") == 2

    def test_delete_says_whether_it_was_there(self, backend: BaseCache) -> None:
        backend.set("key", 1, 60)
        backend.set("other", 2, 60)
        assert backend.delete("key") is True
        assert backend.get("key") is None
        assert backend.has("key") is False
        assert backend.delete("key") is False
        assert backend.get("other") == 2

    def test_add_stores_only_what_is_not_there(self, backend: BaseCache) -> None:
        assert backend.add("key", [1], 60) is True
        assert backend.add("key", [2], 60) is False
        assert backend.get("key") == [1]
        backend.delete("key")
        assert backend.add("key", [3], 60) is True
        assert backend.get("key") == [3]

    def test_a_new_backend_has_counted_nothing(self, backend: BaseCache) -> None:
        assert backend.counters() == {"rejected": 0, "decode_failures": 0}


class CopiesContract(Contract):
    """Nobody changes what is stored by changing an object."""

    def test_changing_what_was_given_changes_nothing_stored(self, backend: BaseCache) -> None:
        value = {"rows": [1]}
        backend.set("set", value, 60)
        backend.set_many({"set_many": value}, 60)
        backend.add("add", value, 60)
        backend.store(Batch({"store": value}, 60, {}, 60))
        value["rows"].append(2)
        found = backend.get_dict("set", "set_many", "add", "store")
        assert {way for way, kept in found.items() if kept != {"rows": [1]}} == set()

    def test_changing_what_was_read_changes_nothing_stored(self, backend: BaseCache) -> None:
        backend.set("key", {"rows": [1]}, 60)
        backend.get("key")["rows"].append(2)
        backend.get_many("key")[0]["rows"].append(3)
        backend.get_dict("key")["key"]["rows"].append(4)
        assert backend.get("key") == {"rows": [1]}

    def test_two_readings_are_two_objects(self, backend: BaseCache) -> None:
        backend.set("key", [1], 60)
        first, second = backend.get_many("key", "key")
        first.append(2)
        assert second == [1]


class BatchesContract(Contract):
    """Batches keep order and say what they did."""

    def test_get_many_keeps_the_order_of_its_keys(self, backend: BaseCache) -> None:
        backend.set_many({"a": 1, "b": 2, "c": 3}, 60)
        assert backend.get_many("c", "absent", "a", "c", "b", "absent") == [3, None, 1, 3, 2, None]
        assert backend.get_many("b", "b") == [2, 2]

    def test_get_dict_has_every_key(self, backend: BaseCache) -> None:
        backend.set_many({"a": 1, "b": 2}, 60)
        assert backend.get_dict("b", "absent", "a") == {"b": 2, "absent": None, "a": 1}

    def test_set_many_names_what_it_stored(self, backend: BaseCache) -> None:
        backend.set("a", 0, 60)
        assert sorted(backend.set_many({"a": 1, "b": None}, 60)) == ["a", "b"]
        assert backend.get("a") == 1
        assert backend.has("b") is True

    @pytest.mark.parametrize("method", ["delete_many", "unlink"])
    def test_delete_many_names_what_was_there(self, backend: BaseCache, method: str) -> None:
        backend.set_many({"a": 1, "b": None, "c": 3}, 60)
        assert sorted(getattr(backend, method)("b", "absent", "a")) == ["a", "b"]
        assert backend.get_many("a", "b", "c") == [None, None, 3]
        assert backend.has("b") is False

    @pytest.mark.parametrize("size", [0, 1, 10_000])
    def test_a_batch_of_any_size(self, backend: BaseCache, size: int) -> None:
        """The store that you test must take 10,000 small values."""
        mapping = {f"key {number}": number for number in range(size)}
        assert sorted(backend.set_many(mapping, 60)) == sorted(mapping)
        assert backend.get_many(*mapping) == list(mapping.values())
        assert backend.get_dict(*mapping) == mapping
        assert sorted(backend.delete_many(*mapping)) == sorted(mapping)
        assert backend.get_many(*mapping) == [None] * size


class NothingContract(Contract):
    """A backend that holds nothing takes everything."""

    def test_it_takes_everything_and_holds_nothing(self, make_backend: MakeBackend) -> None:
        self.require(not self.stores, "the backend stores values")
        backend = make_backend("shop")
        assert backend.set("key", 1, 60) is not False
        assert backend.set_many({"key": 1, "other": 2}, 60) == ["key", "other"]
        assert backend.add("key", 1, 60) is True
        assert backend.add("key", 2, 60) is True
        assert backend.store(Batch({"key": 1}, 60, {"version": "token"}, 60)) is True
        assert backend.inc("key", 3) == 3
        assert backend.dec("key", 3) == -3
        assert backend.get("key") is None
        assert backend.has("key") is False
        assert backend.get_many("key", "version") == [None, None]
        assert backend.delete("key") is False
        assert backend.delete_many("key") == []
        assert backend.clear() is True
