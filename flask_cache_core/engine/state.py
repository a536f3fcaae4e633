"""One cache on one app, in this process: wires backend, flights, versions and memory together.

Must not know decorators, Flask, or what is decided with what it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..storage.guard import GuardedStore, Store
from .call import Policy
from .flight import Flights
from .invalidation import Versions
from .memory import Memory

if TYPE_CHECKING:
    from ..config import Settings
    from ..errors import SerializationError
    from ..storage.base import BaseCache, Batch

__all__ = ["CacheState", "CacheStats"]


class CacheStats(NamedTuple):
    """Counts since the app started, of this process."""

    hits: int
    misses: int
    stale: int
    """Values that were past their time, as allowed."""
    stores: int
    errors: int
    """Operations that the backend failed."""
    waits: int
    """Callers that waited for somebody else's computation."""
    rejected: int
    """Values that were too large for the backend."""
    decode_failures: int
    """Stored bytes that could not be verified or decoded."""


class CacheState:
    """One cache on one app, in this process.

    :ivar barriers: deletions are announced to computations elsewhere, under a key's barrier.
    :ivar has_locks: a lock can be held over all processes.
    :ivar policy: that of functions whose decorators name no flight options.
    :ivar enabled: anything is ever stored.
    :ivar get_many: the read of a hit: the backend's own where that cannot fail.
    :ivar write: the write of a computation, likewise.
    """

    def __init__(self, settings: Settings, backend: BaseCache, *, debug: bool) -> None:
        self.settings = settings
        self.backend = backend
        self.debug = debug
        self.store = _store_of(settings, backend, debug=debug)
        direct = backend if backend.in_process else self.store
        self.get_many: Callable[..., list[Any] | None] = direct.get_many
        self.write: Callable[[Batch[Any]], bool] = direct.store
        self.barriers = self.store.barriers
        self.has_locks = backend.shared and backend.atomic_add
        self.enabled = backend.stores
        self.policy = Policy.of({}, settings)
        self.flights = Flights()
        self.memory = Memory()
        self.versions = Versions(self.store, self.flights, self.memory)
        self.hits = self.misses = self.stale = self.stores = self.waits = 0

    def report_unstorable(self, key: str, error: SerializationError) -> None:
        """Report once what cannot be serialized; raise *error* in debug mode."""
        self.store.report_once(key, error)

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


def _store_of(settings: Settings, backend: BaseCache, *, debug: bool) -> Store:
    if backend.in_process:
        return Store(backend, debug=debug)
    return GuardedStore(
        backend,
        debug=debug,
        duration=settings.breaker_duration,
        ignore_errors=settings.ignore_errors,
    )
