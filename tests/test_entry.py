"""Entries and timeouts: seconds, fractions, timedeltas, and what is none of these."""

from __future__ import annotations

import decimal
from datetime import timedelta
from math import inf
from typing import Any

import pytest

from flask_cache_core import CacheError
from flask_cache_core.errors import InvalidTimeoutError
from flask_cache_core.options import to_seconds
from flask_cache_core.storage.entry import Entry


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (None, 300),
        (0, 0),
        (0.0, 0),
        (5, 5),
        (0.5, 0.5),
        (10**15, 10**15),
        (timedelta(minutes=1), 60),
        (timedelta(milliseconds=1), 0.001),
        (timedelta(0), 0),
    ],
)
def test_a_timeout_is_so_many_seconds(timeout: Any, seconds: float) -> None:
    assert to_seconds(timeout, 300) == seconds


@pytest.mark.parametrize(
    "timeout",
    [-1, -0.001, timedelta(seconds=-1), inf, float("nan"), "5", b"5", [5], decimal.Decimal(-1), {}],
)
def test_what_is_no_timeout_is_an_error_of_our_own(timeout: Any) -> None:
    with pytest.raises(InvalidTimeoutError, match="timedelta") as caught:
        to_seconds(timeout, 300)
    assert isinstance(caught.value, CacheError)
    assert isinstance(caught.value, ValueError)
    assert repr(timeout) in str(caught.value)


def test_an_entry_depends_on_nothing_unless_it_says_so() -> None:
    entry = Entry("value", 1.0, inf, 0.5)
    assert (entry.version_keys, entry.versions, entry.barrier, entry.source) == ((), (), None, "")
