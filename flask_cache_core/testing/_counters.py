"""The part of the contract about counters."""

from __future__ import annotations

from typing import Any

import pytest

from ..storage.base import BaseCache
from ..storage.bytestore import ByteStore
from ._base import Contract


def stored(store: ByteStore, key: str) -> bytes | None:
    """What the store holds for *key*."""
    return store.read_bytes([store.address(key)])[0]


class CountersContract(Contract):
    """`inc` and `dec`."""

    def test_a_counter_begins_at_zero(self, backend: BaseCache) -> None:
        assert backend.inc("counter") == 1
        assert backend.inc("counter", 4) == 5
        assert backend.dec("counter") == 4
        assert backend.dec("counter", 4) == 0
        assert backend.inc("counter") == 1
        assert backend.inc("other", 7) == 7

    def test_a_counter_is_an_int(self, backend: BaseCache) -> None:
        backend.set("counter", 41, 60)
        backend.inc("counter")
        assert backend.get("counter") == 42
        assert type(backend.get("counter")) is int

    def test_a_counter_gets_longer_and_shorter(self, backend: BaseCache) -> None:
        """A server that pads what became shorter must not spoil the number."""
        backend.set("counter", 9, 60)
        assert backend.inc("counter") == 10
        assert backend.dec("counter") == 9
        assert backend.get("counter") == 9
        assert backend.inc("counter", 10**12) == 10**12 + 9
        assert backend.get("counter") == 10**12 + 9

    def test_a_counter_goes_below_zero(self, backend: BaseCache) -> None:
        self.require(self.negative_counters, "counters of this backend stay at or above zero")
        assert backend.dec("counter", 3) == -3
        assert backend.get("counter") == -3
        assert backend.inc("counter") == -2
        assert backend.inc("counter", 5) == 3
        assert backend.dec("counter", 5) == -2
        assert backend.inc("counter", -1) == -3

    @pytest.mark.parametrize("value", ["5", 1.5, True, [1], b"5"])
    def test_what_is_no_counter_is_left_alone(self, backend: BaseCache, value: Any) -> None:
        backend.set("key", value, 60)
        assert backend.inc("key") is None
        assert backend.dec("key") is None
        assert backend.get("key") == value
        assert type(backend.get("key")) is type(value)

    def test_counters_are_stored_as_plain_decimals(self, byte_store: ByteStore) -> None:
        """So that the store's own increment works on a value that was set, and on its own."""
        byte_store.set("set", 41, 60)
        byte_store.inc("counted", 41)
        for key in ("set", "counted"):
            assert stored(byte_store, key) == b"41"
            assert byte_store.inc(key) == 42
            assert stored(byte_store, key) == b"42"
