"""What a decorator stores: a value, its times, its cost, and the stamps that it depends on.

Knows no backend, no clock and no Flask.
"""

from __future__ import annotations

from datetime import timedelta
from math import inf, isfinite
from typing import NamedTuple

from .errors import InvalidTimeoutError
from .typing import Timeout

__all__ = ["Entry", "Variants", "expiry", "to_seconds"]


class Variants(NamedTuple):
    """Stored under a page's key: the request headers by which its variants differ.

    At the same time the stamp of all those variants, so that deleting the key forgets them.
    """

    names: tuple[str, ...]
    token: str


class Entry(NamedTuple):
    """One computed value. Immutable; times are seconds since the epoch."""

    value: object
    created: float
    """When its computation began."""
    fresh_until: float
    """``inf``: for ever."""
    cost: float
    """Seconds that the computation took."""
    stamps: tuple[str, ...] = ()
    """Keys of the stamps that it depends on …"""
    tokens: tuple[str | Variants, ...] = ()
    """… and what each held before the computation began."""
    barrier: str | None = None
    """What the deletion barrier of its key held before the computation began."""
    maker: str = ""
    """Digest of what computed it, where one key can have several makers."""


def to_seconds(timeout: Timeout | None, default: float) -> float:
    """A timeout as seconds: ``None`` is *default*, ``0`` never expires.

    Raises `InvalidTimeoutError` for what is negative, not finite, or no duration at all.
    """
    if timeout is None:
        return default
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if isinstance(seconds, (int, float)) and seconds >= 0 and isfinite(seconds):
        return seconds
    raise InvalidTimeoutError(
        f"A timeout must be a number of seconds >= 0 (0 never expires), a timedelta, or None "
        f"for CACHE_DEFAULT_TIMEOUT; got {timeout!r}."
    )


def expiry(now: float, seconds: float) -> float:
    """The moment *seconds* from *now*; ``inf`` for 0, which never expires."""
    return now + seconds if seconds else inf
