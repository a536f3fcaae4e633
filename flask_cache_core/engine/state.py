"""What belongs to one cache on one app: its settings, its backend, and what this process knows.

Found through ``app.extensions``, so that one ``Cache`` serves many apps. Must not know
decorators.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from ..backends.null import NullCache
from ..storage.entry import Entry, Variants
from ..storage.guard import Guard, Store
from .bounded import Recent
from .flight import Flights
from .invalidation import Versions

if TYPE_CHECKING:
    from flask import Flask

    from ..config import Settings
    from ..storage.base import BaseCache

__all__ = ["AppState", "CacheStats"]


class CacheStats(NamedTuple):
    """Counts since the app started, of this process."""

    hits: int
    misses: int
    stale: int
    """Answers that were past their time, as allowed."""
    stores: int
    errors: int
    """Operations that the backend failed."""
    waits: int
    """Callers that waited for somebody else's computation."""
    rejected: int
    """Values that were too large for the backend."""
    decode_failures: int
    """Stored bytes that could not be verified or decoded."""


class Backoff:
    """Keys whose computation is not to be tried again before some moment."""

    FIRST, LONGEST = 1.0, 60.0

    def __init__(self) -> None:
        self._until: Recent[tuple[float, float]] = Recent()

    def active(self, key: str) -> bool:
        entry = self._until.get(key)
        return entry is not None and monotonic() < entry[0]

    def failed(self, key: str) -> None:
        """Twice as long as the last time."""
        entry = self._until.get(key)
        delay = self.FIRST if entry is None else min(entry[1] * 2, self.LONGEST)
        self._until.put(key, (monotonic() + delay, delay))

    def succeeded(self, key: str) -> None:
        self._until.pop(key, None)


class AppState:
    """One cache on one app, in this process."""

    def __init__(self, app: Flask, settings: Settings, backend: BaseCache) -> None:
        debug = app.debug
        self.app = app
        self.settings = settings
        self.backend = backend
        self.store = (
            Store(backend, debug=debug)
            if backend.in_process
            else Guard(
                backend,
                debug=debug,
                duration=settings.breaker_duration,
                ignore_errors=settings.ignore_errors,
            )
        )
        #: Whether deletions are announced to computations elsewhere, under a key's barrier.
        self.barriers = self.store.barriers
        #: The read of a hit: the backend's own where it cannot fail.
        self.get_many: Callable[..., list[Any] | None] = (
            backend.get_many if backend.in_process else self.store.get_many
        )
        #: Whether a lock can be held over all processes.
        self.locks = backend.shared and backend.atomic_add
        #: Whether anything is ever stored.
        self.enabled = not isinstance(backend, NullCache)
        self.debug = debug
        self.flights = Flights()
        #: What was read or stored last, by key, for when neither the backend nor the computation
        #: answers. Invalidations by other processes are not known of it.
        self.kept: Recent[Entry] = Recent()
        self.versions = Versions(self.store, self.flights, self.kept)
        #: Stamps that an entry has beyond those that its caller asks for, by key.
        self.inherited: Recent[tuple[str, ...]] = Recent()
        #: The request headers by which a page varies, by the page's key.
        self.varying: Recent[Variants] = Recent()
        #: Keys whose values turned out to be for one caller only: nobody waits for those.
        self.passed: Recent[float] = Recent()
        self.backoff = Backoff()
        self.hits = self.misses = self.stale = self.stores = self.waits = 0

    def stats(self) -> CacheStats:
        counted = self.backend.counters()
        return CacheStats(
            hits=self.hits,
            misses=self.misses,
            stale=self.stale,
            stores=self.stores,
            errors=self.store.errors,
            waits=self.waits,
            rejected=counted.get("rejected", 0),
            decode_failures=counted.get("decode_failures", 0),
        )
