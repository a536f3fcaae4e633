"""Counting on one connection: what is sent, given what was read from it a moment ago.

The server adds to numbers from 0 to 2**64 and keeps their expiry. All other numbers, and what
the client library cannot send, are replaced if they are still what they were, with an expiry that
starts anew, as the server does not tell the old one. Must not know prefixes, generations or pools.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from .clients import Client

_DECIMAL: Final = re.compile(rb"-?[0-9]+ *\Z")
_BEYOND: Final = 2**64


class Again(Enum):
    """Nothing was counted: others were faster."""

    AGAIN = "again"


AGAIN: Final = Again.AGAIN


def count(
    client: Client, key: str, data: bytes | None, delta: int, expire: int
) -> int | Again | None:
    """Add *delta* to *data*, which was there; the new value, ``None`` for what is no number."""
    if data is None:
        return delta if client.add(key, b"%d" % delta, expire) else AGAIN
    value = number(data)
    if value is None:
        return None
    total = value + delta
    if value >= 0 and 0 <= total < _BEYOND:
        answer = client.incr(key, delta)
        if isinstance(answer, int):
            return answer
        if answer is None or client.broken:
            return AGAIN
    found = client.gets(key)
    if found is None or found[0] != data or not client.cas(key, b"%d" % total, expire, found[1]):
        return AGAIN
    return total


def number(data: bytes) -> int | None:
    """The server pads a number that became shorter with spaces."""
    try:
        return int(data) if _DECIMAL.match(data) else None
    except ValueError:  # thousands of digits
        return None
