"""What a decorator stores: a value, its times, its cost, and the versions that it depends on.

Knows no backend, no clock and no Flask.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Entry", "Variants"]


class Variants(NamedTuple):
    """Stored under a page's key: the request headers by which its variants differ.

    At the same time the version of all those variants, so that deleting the key forgets them.
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
    version_keys: tuple[str, ...] = ()
    """Where the versions that it depends on are stored …"""
    versions: tuple[str | Variants, ...] = ()
    """… and what each was before the computation began."""
    barrier: str | None = None
    """What the deletion barrier of its key held before the computation began."""
    source: str = ""
    """Digest of what computed it, where one key can have several sources."""
