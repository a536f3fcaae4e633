"""May this entry be used at this moment? Pure: entry, policy and time in, an answer out.

The two ways to use an entry past its time are those of RFC 5861. Early recomputation is XFetch
(Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB
2015). Must not know where entries come from, nor read a clock.
"""

from __future__ import annotations

import math
from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..storage.entry import Entry
    from .call import Policy

__all__ = ["Lifetime", "is_fresh", "lifetime", "may_be_used", "may_cover_error", "may_revalidate"]


class Lifetime(NamedTuple):
    """For how long a value is used, in seconds; 0 never ends."""

    fresh: float
    stored: float
    """Including the time for which it may be used although it is stale."""


def is_fresh(entry: Entry, policy: Policy, now: float, draw: float) -> bool:
    """Whether *entry* may be used as it is.

    :param now: seconds since the epoch.
    :param draw: a random number, 0 <= draw < 1. With ``beta``, the greater it is and the longer
        the computation took, the earlier the entry counts as stale (XFetch).
    """
    if not policy.beta:
        return now < entry.fresh_until
    return now - entry.cost * policy.beta * math.log(1 - draw) < entry.fresh_until


def may_be_used(entry: Entry, policy: Policy, now: float) -> bool:
    """Whether *entry* is worth anything: fresh, or stale in one of the two ways."""
    return now <= entry.fresh_until + policy.grace


def may_revalidate(entry: Entry, policy: Policy, now: float) -> bool:
    """Whether *entry* may be used while somebody computes a new one (RFC 5861, section 3)."""
    return now <= entry.fresh_until + policy.stale_while_revalidate


def may_cover_error(entry: Entry, policy: Policy, now: float) -> bool:
    """Whether *entry* may be used instead of an error (RFC 5861, section 4)."""
    return now <= entry.fresh_until + policy.stale_if_error


def lifetime(seconds: float, policy: Policy, draw: float) -> Lifetime:
    """For how long a value with a timeout of *seconds* is used.

    :param seconds: 0 never expires.
    :param draw: a random number, 0 <= draw < 1: how much of the jitter to take.
    """
    if not seconds or seconds == inf:
        return Lifetime(seconds, seconds)
    jitter = policy.jitter
    spread = seconds * jitter if jitter < 1 else min(jitter, seconds / 2)
    fresh = seconds - spread * draw
    return Lifetime(fresh, fresh + policy.grace)
