"""The part of the contract about stores of bytes: what cannot be read, and what is too large."""

from __future__ import annotations

import os
import pickle
import warnings
from typing import Any

import pytest

from ..errors import CacheWarning
from ..storage.base import Batch
from ..storage.bytestore import ByteStore
from ._base import Contract

explosions: list[str] = []


def explode(text: str) -> None:
    """Leave a trace of having been called."""
    explosions.append(text)


class Bomb:
    """Unpickling it calls a function: what an attacker would store."""

    def __reduce__(self) -> tuple[Any, ...]:
        return explode, ("code was executed",)


_BOMB = pickle.dumps(Bomb())

GARBAGE: dict[str, bytes] = {
    "empty": b"",
    "noise": b"\xff\xfe\x00 not ours",
    "not-a-number": b"12x",
    "minus": b"-",
    "header-only": b"V",
    "no-payload": b"V-",
    "truncated": b"V-\xa5abc",
    "trailing": b"V-\x01\x01",
    "unknown-compression": b"V?\x01",
    "broken-compression": b"Vz\x01\x02",
    "unknown-type": b"V-\xc7\x01\x63a",
    "pickle": _BOMB,
    "unsigned-pickle": b"P-" + _BOMB,
    "badly-signed-pickle": b"P-" + bytes(32) + _BOMB,
}


def plant(store: ByteStore, key: str, data: bytes) -> None:
    """Put raw bytes where the value of *key* is."""
    assert not store.write_bytes({store.address(key): data}, 60)


class UndecodableContract(Contract):
    """Bytes that nobody can read are a miss."""

    @pytest.mark.parametrize("name", GARBAGE)
    def test_undecodable_bytes_are_a_counted_miss(self, byte_store: ByteStore, name: str) -> None:
        explosions.clear()
        plant(byte_store, "key", GARBAGE[name])
        byte_store.set("other", 1, 60)
        before = byte_store.counters()["decode_failures"]
        assert byte_store.get_many("other", "key", "other") == [1, None, 1]
        assert byte_store.counters()["decode_failures"] == before + 1
        assert explosions == []

    def test_undecodable_bytes_are_overwritten(self, byte_store: ByteStore) -> None:
        """By `set` at once; by `add`, once they were met."""
        for key in ("set", "set_many", "store"):
            plant(byte_store, key, GARBAGE["noise"])
        byte_store.set("set", 1, 60)
        byte_store.set_many({"set_many": 2}, 60)
        assert byte_store.store(Batch({"store": 3}, 60, {}, 60)) is True
        assert byte_store.get_many("set", "set_many", "store") == [1, 2, 3]
        plant(byte_store, "add", GARBAGE["noise"])
        assert byte_store.get("add") is None
        assert byte_store.add("add", 4, 60) is True
        assert byte_store.get("add") == 4

    def test_undecodable_bytes_are_no_counter(self, byte_store: ByteStore) -> None:
        plant(byte_store, "key", GARBAGE["noise"])
        assert byte_store.inc("key") is None


class OversizeContract(Contract):
    """A value that is too large is refused, with one warning."""

    @pytest.fixture
    def limited(self, byte_store: ByteStore) -> ByteStore:
        if byte_store.max_value_bytes is None:
            pytest.skip("the backend takes values of any size")
        return byte_store

    def test_too_large_a_value_is_refused_with_one_warning(self, limited: ByteStore) -> None:
        assert limited.max_value_bytes is not None
        large = os.urandom(limited.max_value_bytes + 1)
        limited.set_many({"set": "old", "set_many": "old", "store": "old"}, 60)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert limited.set("set", large, 60) is False
            assert limited.set_many({"set_many": large, "small": 1}, 60) == ["small"]
            assert limited.add("add", large, 60) is False
            assert limited.store(Batch({"store": large}, 60, {"version": "token"}, 60)) is False
        assert [warning.category for warning in caught] == [CacheWarning]
        assert limited.counters()["rejected"] == 4
        keys = ("set", "set_many", "add", "store", "small", "version")
        assert limited.get_many(*keys) == [None, None, None, None, 1, "token"]

    def test_the_largest_value_is_taken(self, limited: ByteStore) -> None:
        """What the backend says that it takes, the store takes."""
        assert limited.max_value_bytes is not None
        overhead = len(limited.codec.encode("key", bytes(limited.max_value_bytes)))
        value = os.urandom(2 * limited.max_value_bytes - overhead)
        assert limited.set("key", value, 60) is True
        assert limited.get("key") == value
