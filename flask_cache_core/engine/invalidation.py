"""Stamps: the random tokens whose replacement invalidates all that was computed under them.

Each function, instance, view and tag has one, under a key of its own; entries carry what it
held before they were computed. A stamp is added where it is absent and replaced to invalidate,
never overwritten by a reader. Must not know what an entry is, nor who reads it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Final

from ..keys.builders import barrier_key
from ..storage.entry import Entry
from ..storage.guard import Store
from .bounded import Recent
from .flight import Flights

__all__ = ["BARRIER_LIFE", "STAMP_LIFE", "Versions"]

#: Seconds that a stamp lives, and so the longest time that anything stays cached.
STAMP_LIFE: Final = 30 * 86400.0

#: Seconds for which the deletion of one key is remembered, for computations in other processes.
#: One that takes longer is not stored.
BARRIER_LIFE: Final = 3600.0


class Versions:
    """The stamps of one cache, and all that invalidates."""

    def __init__(self, store: Store, flights: Flights, kept: Recent[Entry]) -> None:
        self._store = store
        self._flights = flights
        self._kept = kept
        self._pending: Recent[str] = Recent()

    def before(
        self, stamps: tuple[str, ...], found: Sequence[object]
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """The tokens to compute under, and those that are new because *found* has none.

        Computations that start while a stamp is absent agree on a new one.
        """
        tokens: list[str] = []
        new: dict[str, str] = {}
        for stamp, token in zip(stamps, found, strict=False):
            if not isinstance(token, str):
                token = new[stamp] = self._pending.put_once(stamp, _token())
            tokens.append(token)
        return tuple(tokens), new

    def settle(self, new: Iterable[str]) -> None:
        """These were written, or never will be."""
        for stamp in new:
            self._pending.pop(stamp, None)

    def replace(self, stamps: Sequence[str]) -> None:
        """Invalidate everything that was, or is just being, computed under *stamps*."""
        self._flights.bar(stamps)
        self.settle(stamps)
        for key, entry in list(self._kept.items()):
            if not set(stamps).isdisjoint(entry.version_keys):
                self._kept.pop(key, None)
        self._store.invalidate((), {stamp: _token() for stamp in stamps}, STAMP_LIFE)

    def forget(self, keys: tuple[str, ...]) -> list[str] | None:
        """Delete *keys*, and keep what is just being computed for them from coming back.

        Answers which of them were there; ``None`` where the backend does not answer.
        """
        self._flights.bar(keys)
        for key in keys:
            self._kept.pop(key, None)
        barriers = {barrier_key(key): _token() for key in keys} if self._store.barriers else {}
        return self._store.invalidate(keys, barriers, BARRIER_LIFE)


def _token() -> str:
    return secrets.token_urlsafe(9)
