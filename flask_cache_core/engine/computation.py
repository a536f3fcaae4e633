"""One computation: run the call once, store its value, publish it to those who wait.

Must not know whether a computation was needed.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Sequence
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from ..errors import SerializationError
from ..keys.builders import TAG
from ..storage.base import Batch
from ..storage.entry import Entry, Variants
from .flight import current
from .freshness import lifetime, may_cover_error
from .invalidation import BARRIER_LIFE, VERSION_LIFE, new_version
from .reading import Reading, read
from .steps import Ran, Run, Steps

if TYPE_CHECKING:
    from .call import Call, Outcome
    from .flight import Flight
    from .lease import Lease
    from .state import CacheState

__all__ = ["Basis", "Computation", "store_value", "tags_of"]

logger = logging.getLogger("flask_cache_core")

T = TypeVar("T")


class Basis(NamedTuple):
    """What a computation stands on: what was read, and the versions to store its value under."""

    reading: Reading
    source: str
    """What computes it, where one key can have several sources."""
    versions: tuple[str, ...]
    """Of the call's version keys."""
    new: dict[str, str]
    """Those of them that are not stored yet, by version key."""

    @classmethod
    def of(cls, state: CacheState, call: Call[Any], reading: Reading) -> Basis:
        """Computations that start while a version is absent agree on a new one."""
        versions: list[str] = []
        new: dict[str, str] = {}
        found: Sequence[object] = reading.versions or (None,) * len(call.version_keys)
        for key, version in zip(call.version_keys, found, strict=True):
            if not isinstance(version, str):
                version = new[key] = state.versions.pending.setdefault(key, new_version())
            versions.append(version)
        return cls(reading, call.source, tuple(versions), new)

    def release(self, state: CacheState) -> None:
        """The new versions were added, or never will be."""
        for key in self.new:
            state.versions.pending.pop(key, None)

    @property
    def snapshot(self) -> object:
        """Equal for those who computed from the same state of the world."""
        return self.source, self.versions, self.reading.barrier, self.reading.available


class Computation(Generic[T]):
    """The work of a leader.

    :param flight: where those wait who asked for the same key.
    :param lease: held over all processes; released together with the write, or at the end.
    :ivar fallback: an old value to be used instead, where the computation failed.
    """

    __slots__ = (
        "_basis", "_began", "_call", "_cost", "_flight", "_lease", "_state", "fallback",
    )  # fmt: skip

    def __init__(
        self,
        state: CacheState,
        call: Call[T],
        basis: Basis,
        flight: Flight,
        lease: Lease | None = None,
    ) -> None:
        self._state = state
        self._call = call
        self._basis = basis
        self._flight = flight
        self._lease = lease
        self._began = time.time()
        self._cost = 0.0
        self.fallback: Entry | None = None
        flight.snapshot = basis.snapshot

    def steps(self) -> Steps[T]:
        """Run, then store and publish. Returns how the call ended."""
        self._state.misses += 1
        self._call.announce(False)
        clock = monotonic()
        run: Run[T] = Run()
        current.set(self._flight)
        try:
            yield run
        except BaseException:  # the driver gave up
            self._release()
            self._flight.set_failed()
            raise
        finally:
            current.set(self._flight.parent)  # no token: a driver may give up in any context
        self._cost = monotonic() - clock
        outcome: Outcome | None = None
        try:
            if run.ran.error is None:
                outcome = self._call.storability(run.ran.value)  # type: ignore[arg-type]
                self._dispose(outcome)
        finally:
            self._end(run.ran, outcome)
        return run.ran

    def _dispose(self, outcome: Outcome) -> None:
        """Store the value, now or when it is complete, if it may be stored."""
        if not self._basis.reading.available:
            return
        if outcome.deferred is not None:
            waiting = self._state.flights.start(self._flight.key, self._flight.version_keys)
            waiting.use(self._flight.used.items())
            outcome.deferred.on_complete(
                store=partial(self.store, flight=waiting),
                end=partial(self._state.flights.end, waiting),
            )
        elif outcome.store:
            self.store(outcome, self._flight)

    def _end(self, ran: Ran[T], outcome: Outcome | None) -> None:
        """Release what is held, and let the followers go on."""
        memory, key = self._state.memory, self._flight.key
        try:
            self._release()
        finally:  # in debug mode, a backend that fails raises
            if ran.error is not None or outcome is None or outcome.failed:
                self._find_fallback(ran)
            elif key in memory.back_off:
                memory.computation_succeeded(key)
            self._publish(outcome)

    def _release(self) -> None:
        self._basis.release(self._state)
        self._state.flights.end(self._flight)
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.release()

    def _publish(self, outcome: Outcome | None) -> None:
        """End the flight, and let the computation around it depend on what this one used."""
        flight, call = self._flight, self._call
        versions = zip(call.version_keys, self._basis.versions, strict=True)
        flight.inherit((key, version) for key, version in versions if key.startswith(TAG))
        if outcome is None:
            flight.set_failed()
        elif not outcome.store:
            self._state.memory.pass_for_a_while(flight.key)
            flight.set_passed()
        elif outcome.vary and call.variant(outcome.vary) != flight.key:
            flight.set_failed()  # it is the value of another key than the one that they wait for
        else:
            flight.set_result(outcome.stored)

    def _find_fallback(self, ran: Ran[T]) -> None:
        """An old value instead of an error, where that is allowed; the next try has to back off."""
        reading, memory, policy = self._basis.reading, self._state.memory, self._call.policy
        if ran.error is not None and not isinstance(ran.error, Exception):
            return
        entry = reading.entry if reading.available else memory.fallback(reading.key)
        if entry is None or not may_cover_error(entry, policy, time.time()):
            return
        memory.computation_failed(reading.key)
        logger.warning(
            "Serving an old value for %r: its computation failed.",
            reading.key,
            exc_info=ran.error,
        )
        self.fallback = entry

    # -- writing ------------------------------------------------------------------------------

    def store(self, outcome: Outcome, flight: Flight) -> bool:
        """Write the value, in one batch with the versions that are new; whether it was stored."""
        state, call = self._state, self._call
        if state.barriers and self._cost > BARRIER_LIFE:
            return False
        seconds = call.timeout if outcome.timeout is None else outcome.timeout
        seconds = state.backend.default_timeout if seconds is None else seconds
        life = stored = seconds
        if call.policy.jitter or call.policy.grace:
            life, stored = lifetime(seconds, call.policy, random.random())
        entry = self._entry(outcome, flight, life)
        key, entry, record = self._by_variant(entry, outcome.vary)
        items = {key: entry} if record is None else {key: entry, call.key: record}
        version_life = max(VERSION_LIFE, stored) if stored else 0.0
        batch = Batch(items, stored, self._basis.new, version_life, self._handed_lock())
        if not self._write(batch, flight):
            return False
        state.stores += 1
        self._remember(key, entry, record)
        return True

    def _entry(self, outcome: Outcome, flight: Flight, life: float) -> Entry:
        own, basis = self._call.version_keys, self._basis
        inherited = {key: version for key, version in flight.used.items() if key not in own}
        return Entry(
            outcome.stored,
            self._began,
            time.time() + life if life else inf,
            self._cost,
            own + tuple(inherited),
            basis.versions + tuple(inherited.values()),
            basis.reading.barrier,
            self._call.source,
        )

    def _by_variant(
        self, entry: Entry, names: tuple[str, ...]
    ) -> tuple[str, Entry, Variants | None]:
        """The key of the variant, the entry for it, and what to store under the page's own key.

        A record that is stored already is not written again: that would revive what was deleted.
        """
        call, stored = self._call, self._basis.reading.variants
        key = call.variant(names) if names else call.key
        if key == call.key:
            return key, entry, None
        variants = stored
        if variants is None or variants.names != names:
            variants = Variants(names, secrets.token_urlsafe(9))
        first = len(call.version_keys)
        entry = entry._replace(
            version_keys=(*call.version_keys, call.key, *entry.version_keys[first:]),
            versions=(*entry.versions[:first], variants, *entry.versions[first:]),
        )
        return key, entry, None if variants is stored else variants

    def _handed_lock(self) -> tuple[str, str] | None:
        """The lock, to be released by the batch itself."""
        if self._lease is None:
            return None
        self._lease.stop_renewing()
        return self._lease.key, self._lease.token

    def _write(self, batch: Batch[Any], flight: Flight) -> bool:
        state = self._state
        try:
            stored = state.flights.store_if_valid(
                flight, partial(state.write, batch), locked=not state.barriers
            )
        except SerializationError as error:
            state.report_unstorable(next(iter(batch.items)), error)
            stored = False
        if stored:
            self._lease = None  # the batch has released it
        return stored

    def _remember(self, key: str, stored: Entry, record: Variants | None) -> None:
        """What later reads of this process are spared to find out.

        :param record: the variants of the page, where they are new.
        """
        state, call = self._state, self._call
        if record is not None:
            state.memory.variants.put(call.key, record)
        known = {*call.version_keys, call.key}
        inherited = tuple(name for name in stored.version_keys if name not in known)
        if inherited:
            state.memory.inherited.put(key, inherited)
        if call.is_read_by_key:
            state.memory.version_keys.put(key, stored.version_keys)
        if call.policy.stale_if_error and state.barriers:
            state.memory.keep_fallback(key, stored)


def store_value(state: CacheState, call: Call[Any]) -> bool:
    """Store what *call* makes, under its versions as they are now; whether it was stored."""
    reading = read(state, call)
    if not reading.available:
        return False
    flight = state.flights.start(call.key, call.version_keys)
    basis = Basis.of(state, call, reading)
    try:
        outcome = call.storability(call.run())
        return Computation(state, call, basis, flight).store(outcome, flight)
    finally:
        basis.release(state)
        state.flights.end(flight)


def tags_of(entry: Entry) -> list[tuple[str, str]]:
    """The tags that *entry* depends on, with what their versions were."""
    pairs = zip(entry.version_keys, entry.versions, strict=True)
    return [(key, token) for key, token in pairs if isinstance(token, str) and key.startswith(TAG)]
