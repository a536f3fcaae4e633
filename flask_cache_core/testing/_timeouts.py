"""The part of the contract about timeouts. Waits for an end, never for a duration."""

from __future__ import annotations

import time
from datetime import timedelta
from math import inf, nan
from typing import Any

import pytest

from ..errors import InvalidTimeoutError
from ..storage.base import BaseCache, Batch
from ._base import Contract, MakeBackend
from ._parallel import eventually

#: Seconds. A store that counts whole seconds rounds it up.
BRIEF = 0.3

LONG: dict[str, Any] = {
    "never": 0,
    "never-as-float": 0.0,
    "never-as-timedelta": timedelta(),
    "a-minute": 60,
    "a-fraction-more": 60.5,
    "timedelta": timedelta(minutes=1),
    "thirty-days": timedelta(days=30),
    "31-days": 31 * 86_400,
    "a-century": timedelta(days=36_525),
    "the-longest-timedelta": timedelta.max,
}
WRONG: dict[str, Any] = {
    "negative": -1,
    "slightly-negative": -0.001,
    "negative-timedelta": timedelta(seconds=-1),
    "nan": nan,
    "infinity": inf,
    "minus-infinity": -inf,
}


def wait_until_gone(backend: BaseCache, *keys: str) -> None:
    """Wait until none of *keys* is there; fail with those that stay."""
    for key in keys:
        eventually(lambda key=key: not backend.has(key), f"{key!r} expires")  # type: ignore[misc]


class TimeoutsContract(Contract):
    """Values end when their time is over, and not before."""

    def test_a_short_timeout_ends(self, backend: BaseCache) -> None:
        """A fraction of a second is neither "never" nor "at once", whatever wrote the value."""
        begun = time.monotonic()
        backend.set("set", 1, BRIEF)
        backend.set("timedelta", 1, timedelta(seconds=BRIEF))
        backend.set_many({"set_many": 1}, BRIEF)
        backend.add("add", 1, BRIEF)
        backend.store(Batch({"item": 1}, BRIEF, {"version": "token"}, BRIEF))
        keys = ["set", "timedelta", "set_many", "add", "item", "version"]
        found = backend.get_dict(*keys)
        if self.exact_timeouts and time.monotonic() - begun < BRIEF:
            assert [key for key, value in found.items() if value is None] == []
        wait_until_gone(backend, *keys)
        assert backend.get_many(*keys) == [None] * len(keys)

    def test_what_has_expired_can_be_added(self, backend: BaseCache) -> None:
        backend.set_many({"value": 1, "counter": 5, "other": 1}, BRIEF)
        wait_until_gone(backend, "value", "counter", "other")
        assert backend.delete("other") is False
        assert backend.add("value", 2, 60) is True
        assert backend.get("value") == 2
        assert backend.inc("counter") == 1

    def test_the_default_timeout_is_for_none(self, backend: BaseCache) -> None:
        backend.default_timeout = BRIEF
        backend.set("set", 1)
        backend.set_many({"set_many": 1})
        backend.add("add", 1)
        backend.inc("inc")
        backend.set("own", 1, 60)
        wait_until_gone(backend, "set", "set_many", "add", "inc")
        assert backend.get("own") == 1

    def test_inc_keeps_the_end_of_a_counter(self, backend: BaseCache) -> None:
        self.require(self.atomic_counters, "counters of this backend are not atomic")

        def count_in_time() -> bool:
            backend.set_many({"inc": 5, "dec": 5}, BRIEF)
            return (backend.inc("inc"), backend.dec("dec")) == (6, 4)

        eventually(count_in_time, "both are counted before they end")
        wait_until_gone(backend, "inc", "dec")

    def test_a_later_timeout_replaces_an_earlier_one(self, backend: BaseCache) -> None:
        backend.set("longer", 1, BRIEF)
        backend.set("shorter", 1, 60)
        backend.set("longer", 2, 60)
        backend.set("shorter", 2, BRIEF)
        wait_until_gone(backend, "shorter")
        assert backend.get("longer") == 2

    @pytest.mark.parametrize("name", LONG)
    def test_a_long_timeout_keeps_the_value(self, backend: BaseCache, name: str) -> None:
        """Over 30 days too, which some servers take for a date."""
        timeout = LONG[name]
        backend.set("set", 1, timeout)
        backend.set_many({"set_many": 2}, timeout)
        assert backend.add("add", 3, timeout) is True
        assert backend.add("add", 4, timeout) is False
        assert backend.get_many("set", "set_many", "add") == [1, 2, 3]

    @pytest.mark.parametrize("name", WRONG)
    def test_a_wrong_timeout_is_refused(self, backend: BaseCache, name: str) -> None:
        """`InvalidTimeoutError`, and nothing is stored or lost."""
        backend.set("old", 1, 60)
        with pytest.raises(InvalidTimeoutError):
            backend.set("old", 2, WRONG[name])
        with pytest.raises(InvalidTimeoutError):
            backend.set_many({"old": 2, "new": 2}, WRONG[name])
        with pytest.raises(InvalidTimeoutError):
            backend.add("new", 2, WRONG[name])
        assert backend.get_many("old", "new") == [1, None]

    def test_a_backend_that_stores_nothing_checks_too(self, make_backend: MakeBackend) -> None:
        self.require(not self.stores, "the backend stores values")
        with pytest.raises(InvalidTimeoutError):
            make_backend("shop").set("key", 1, -1)

    def test_store_has_two_timeouts(self, backend: BaseCache) -> None:
        """One for the items, one for the versions."""
        backend.store(Batch({"short item": 1}, BRIEF, {"long version": "token"}, 60))
        backend.store(Batch({"long item": 1}, 60, {"short version": "token"}, BRIEF))
        wait_until_gone(backend, "short item", "short version")
        assert backend.get_many("long item", "long version") == [1, "token"]

    def test_a_renewed_lock_has_the_new_lease(self, backend: BaseCache) -> None:
        backend.add("lock", "mine", 60)
        assert backend.renew_lock("lock", "mine", BRIEF)
        eventually(lambda: not backend.has("lock"), "the lock ends with its new lease")
