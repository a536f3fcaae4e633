"""Freshness as a table: nothing but the entry, the policy and the moment decide (RFC 5861)."""

from __future__ import annotations

from math import exp, inf

import pytest

from flask_cache_core.engine.call import Policy
from flask_cache_core.engine.freshness import (
    is_fresh,
    lifetime,
    may_be_used,
    may_cover_error,
    may_revalidate,
)
from flask_cache_core.storage.entry import Entry

#: Fresh until 100, and took ten seconds to compute.
ENTRY = Entry("value", created=40.0, fresh_until=100.0, cost=10.0)

PLAIN = Policy()
REVALIDATE = Policy(stale_while_revalidate=30)
COVER = Policy(stale_if_error=60)
BOTH = Policy(stale_while_revalidate=30, stale_if_error=60)


@pytest.mark.parametrize(
    ("policy", "now", "fresh", "revalidate", "cover", "used"),
    [
        (PLAIN, 99.9, True, True, True, True),
        (PLAIN, 100.0, False, True, True, True),
        (PLAIN, 100.1, False, False, False, False),
        (REVALIDATE, 99.9, True, True, True, True),
        (REVALIDATE, 100.0, False, True, True, True),
        (REVALIDATE, 130.0, False, True, False, True),
        (REVALIDATE, 130.1, False, False, False, False),
        (COVER, 130.0, False, False, True, True),
        (COVER, 160.0, False, False, True, True),
        (COVER, 160.1, False, False, False, False),
        (BOTH, 130.0, False, True, True, True),
        (BOTH, 130.1, False, False, True, True),
        (BOTH, 160.0, False, False, True, True),
        (BOTH, 160.1, False, False, False, False),
    ],
)
def test_what_an_entry_may_be_used_for(
    policy: Policy, now: float, fresh: bool, revalidate: bool, cover: bool, used: bool
) -> None:
    assert is_fresh(ENTRY, policy, now, 0.5) is fresh
    assert may_revalidate(ENTRY, policy, now) is revalidate
    assert may_cover_error(ENTRY, policy, now) is cover
    assert may_be_used(ENTRY, policy, now) is used


def test_what_never_expires_is_always_fresh() -> None:
    entry = ENTRY._replace(fresh_until=inf)
    for policy in (PLAIN, BOTH, Policy(beta=5.0)):
        assert is_fresh(entry, policy, 1e12, 0.999)


@pytest.mark.parametrize(
    ("beta", "now", "draw", "fresh"),
    [
        (0.0, 99.9, 0.999, True),
        (1.0, 90.0, 0.0, True),
        (1.0, 90.0, 1 - exp(-0.99), True),
        (1.0, 90.0, 1 - exp(-1.01), False),
        (1.0, 50.0, 1 - exp(-4.99), True),
        (1.0, 50.0, 1 - exp(-5.01), False),
        (2.0, 80.0, 1 - exp(-0.99), True),
        (2.0, 80.0, 1 - exp(-1.01), False),
        (1.0, 100.0, 0.0, False),
    ],
)
def test_early_recomputation_by_cost(beta: float, now: float, draw: float, fresh: bool) -> None:
    """XFetch: stale at ``now - cost * beta * log(1 - draw)``."""
    assert is_fresh(ENTRY, Policy(beta=beta), now, draw) is fresh


@pytest.mark.parametrize(
    ("seconds", "jitter", "grace", "draw", "fresh", "stored"),
    [
        (60.0, 0, 0, 0.5, 60.0, 60.0),
        (60.0, 0, 30, 0.5, 60.0, 90.0),
        (60.0, 0.5, 0, 0.0, 60.0, 60.0),
        (60.0, 0.5, 0, 0.5, 45.0, 45.0),
        (60.0, 10, 30, 0.5, 55.0, 85.0),
        (60.0, 1_000, 0, 0.5, 45.0, 45.0),
        (0.0, 0.5, 30, 0.5, 0.0, 0.0),
    ],
)
def test_for_how_long_a_value_is_used(
    seconds: float, jitter: float, grace: float, draw: float, fresh: float, stored: float
) -> None:
    """Jitter is a fraction below 1, seconds from 1 on, and half of the time at most."""
    policy = Policy(jitter=jitter, stale_if_error=grace)
    assert lifetime(seconds, policy, draw) == (fresh, stored)
