"""A timeout, as an app may write it, in seconds."""

from __future__ import annotations

from datetime import timedelta
from math import isfinite

from .errors import InvalidTimeoutError
from .typing import Timeout

__all__ = ["to_seconds"]


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
