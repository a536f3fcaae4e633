"""The only decision: hit, stale, miss, store, for views, functions, fragments and values alike.

What is looked up is a `Call`; what the backend returns for it is a `Reading`. `try_hit` is the
fast path of a decorator; a `Lookup` does everything. Must not know HTTP, signatures or templates.
"""

from __future__ import annotations

import random
import time
from collections.abc import Generator
from time import monotonic
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ..keys.builders import barrier_key, lock_key
from ..storage.entry import Entry
from ..typing import MISSING
from .computation import Basis, Computation, tags_of
from .flight import current, use_tags
from .freshness import is_fresh, may_be_used, may_revalidate
from .lease import Lease
from .reading import FastMiss, Reading, interpret, read
from .steps import Pause, Ran, Run, Step, Steps, Wait

if TYPE_CHECKING:
    from .call import Call
    from .flight import Flight
    from .state import CacheState

__all__ = ["Lookup", "try_hit"]

T = TypeVar("T")

#: Seconds between two tries to get a lease: at first, and at most.
_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.05


def try_hit(state: CacheState, key: str, version_keys: tuple[str, ...]) -> Entry | FastMiss:
    """The entry under *key*, if it is valid and fresh; else what was read, for a `Lookup`.

    Only for callers without ``is_stale``, ``forced_update``, ``beta`` and the like, and for keys
    of which nothing is remembered: nothing but the entry itself decides here.
    """
    completed = state.flights.completed
    if state.barriers:
        found = state.get_many(key, *version_keys, barrier_key(key))
    else:
        found = state.get_many(key, *version_keys)
    if found is None or type(entry := found[0]) is not Entry:
        return FastMiss(found, completed)
    if entry.versions != tuple(found[1 : len(version_keys) + 1]):
        return FastMiss(found, completed)
    if entry.version_keys != version_keys or entry.source:
        return FastMiss(found, completed)
    if state.barriers and found[-1] is not None and found[-1] != entry.barrier:
        return FastMiss(found, completed)
    if entry.fresh_until <= time.time():
        return FastMiss(found, completed)
    state.hits += 1
    if current.get() is not None:
        use_tags(tags_of(entry))
    return entry


class Lookup(Generic[T]):
    """One lookup of one call: what was read of it, and what follows.

    :param missed: what `try_hit` has read already.
    """

    __slots__ = ("_call", "_is_hit", "_reading", "_state")

    def __init__(self, state: CacheState, call: Call[T], missed: FastMiss | None = None) -> None:
        self._state = state
        self._call = call
        self._use(self._first_reading(missed))

    def value(self) -> T:
        """The value: from the cache, from whoever computes it already, or computed.

        Raises what the computation raises.
        """
        if self._is_hit:
            return self._hit()
        steps = self.steps()
        try:
            while True:
                step = next(steps)
                if isinstance(step, Run):
                    step.ran = self._run()
                elif isinstance(step, Wait):
                    step.completed = step.flight.wait(step.seconds)
                else:
                    time.sleep(step.seconds)
        except StopIteration as end:
            ran: Ran[T] = end.value
        finally:
            steps.close()
        if ran.error is not None:
            raise ran.error
        return ran.value  # type: ignore[return-value] # there is one where there is no error

    def _run(self) -> Ran[T]:
        try:
            return Ran(self._call.run())
        except BaseException as error:
            return Ran(error=error)

    def steps(self) -> Steps[T]:
        """The decision, as steps for a driver.

        ::

            read ─┬─ fresh ────────────────────────────────────────────► HIT
                  ├─ stale, and its computation is backing off ────────► STALE
                  ├─ forced, no lock, or for one caller only ──────────► compute alone
                  ├─ nobody computes this very key ── lead ─┬─ read again: fresh ──► HIT
                  │                                         ├─ another key ────────► read
                  │                                         ├─ another process holds the lease:
                  │                                         │  pause, read ────────► HIT, STALE
                  │                                         └─ compute
                  └─ somebody does ─┬─ stale, may revalidate ──────────► STALE
                                    └─ follow ─┬─ a value for this key ► HIT
                                               ├─ failed, another key ─► read
                                               └─ too long, deadlock,
                                                  for one caller only ─► compute alone

            compute ─┬─ a value ───────────── store, hand on ──────────► MISS
                     ├─ not to be stored ─── followers compute alone ──► MISS
                     └─ failed ─┬─ an old value may cover it ──────────► STALE
                                └─ else ───────────────────────────────► the error
        """
        if self._call.forced:
            self._state.flights.invalidate((self._reading.key,))
        deadline = monotonic() + self._call.policy.lock_timeout
        while not self._is_hit:
            ran = yield from self._next_steps(deadline)
            if ran is not None:
                return ran
        return Ran(self._hit())

    def _next_steps(self, deadline: float) -> Generator[Step[T], None, Ran[T] | None]:
        """What follows from the reading; ``None``: it was read again, and what follows is open."""
        state, call, key = self._state, self._call, self._reading.key
        stale = self._stale_entry()
        if stale is not None and state.memory.is_backing_off(key):
            return self._serve_stale(stale)
        if call.forced or not call.policy.lock or self._is_passed(key):
            return (yield from self._compute_alone())
        basis = Basis.of(state, call, self._reading)
        flight, leads = state.flights.join(key, call.version_keys, basis.snapshot)
        if leads:
            return (yield from self._lead(flight, basis, deadline))
        if stale is not None and may_revalidate(stale, call.policy, time.time()):
            return self._serve_stale(stale)
        return (yield from self._follow(flight, deadline))

    # -- what was read ------------------------------------------------------------------------

    def _first_reading(self, missed: FastMiss | None) -> Reading:
        """What the fast path has read, if that is enough."""
        state, call = self._state, self._call
        if missed is None:
            return read(state, call)
        found, completed = missed
        if found is None or found[0] is not None or call.key in state.memory.variants:
            return interpret(state, call, missed) or read(state, call)
        count = len(call.version_keys) + 1  # nothing is stored: nothing is to be interpreted
        barrier = found[count] if state.barriers else None
        return Reading(call.key, None, found[1:count], None, barrier, True, completed)

    def _use(self, reading: Reading) -> None:
        """Take note of *reading*, and decide once whether it is a hit: the app may have a say."""
        self._reading = reading
        self._is_hit = self._is_fresh(reading.entry)

    def _is_fresh(self, entry: Entry | None) -> bool:
        call = self._call
        if entry is None or call.forced:
            return False
        if not is_fresh(entry, call.policy, time.time(), random.random()):
            return False
        return not call.is_stale(entry.value)

    def _stale_entry(self) -> Entry | None:
        """The entry that was read, if its time is over, or nearly so, but may yet be used.

        Of a backend that does not answer, what it said last, while the computation backs off.
        """
        reading, call, memory = self._reading, self._call, self._state.memory
        entry = reading.entry
        if not reading.available and memory.is_backing_off(reading.key):
            entry = memory.fallback(reading.key)
        if entry is None or call.forced:
            return None
        now = time.time()
        if reading.available and now < entry.fresh_until and not call.policy.beta:
            return None  # fresh, but stale to the app
        if not may_be_used(entry, call.policy, now) or call.is_stale(entry.value):
            return None
        return entry

    def _is_passed(self, key: str) -> bool:
        """Whether the last value of *key* was for its own caller only, a short time ago."""
        return monotonic() < self._state.memory.passed_until.get(key, 0.0)

    # -- how it ends without a computation ----------------------------------------------------

    def _hit(self) -> T:
        entry = self._reading.entry
        assert entry is not None
        self._state.hits += 1
        if current.get() is not None:
            use_tags(tags_of(entry))
        if self._call.policy.stale_if_error and self._state.barriers:
            self._state.memory.keep_fallback(self._reading.key, entry)
        self._call.announce(True)
        return self._call.restore(entry.value)

    def _serve_stale(self, entry: Entry) -> Ran[T]:
        self._state.stale += 1
        use_tags(tags_of(entry))
        self._call.announce(True)
        return Ran(self._call.restore(entry.value))

    # -- followers ----------------------------------------------------------------------------

    def _follow(self, flight: Flight, deadline: float) -> Generator[Step[T], None, Ran[T] | None]:
        """Wait for somebody else's computation of this very key."""
        state = self._state
        if state.flights.would_deadlock(flight):
            return (yield from self._compute_alone())
        state.waits += 1
        wait = Wait(flight, max(deadline - monotonic(), 0))
        try:
            yield wait
        finally:
            state.flights.waited(flight)
        value = flight.result()
        if value is not MISSING:
            if flight.used and self._reading.available:
                self._use(read(state, self._call))  # it used tags unknown at join time: validate
                return None
            use_tags(flight.tags.items())
            self._call.announce(True)
            return Ran(self._call.restore(value))
        if not wait.completed or flight.passed or monotonic() >= deadline:
            return (yield from self._compute_alone())
        self._use(read(state, self._call))
        return None

    def _compute_alone(self) -> Steps[T]:
        """Compute without anybody waiting for it."""
        state, call, key = self._state, self._call, self._reading.key
        flight = state.flights.start(key, call.version_keys)
        basis = Basis.of(state, call, self._reading)
        return (yield from self._compute(basis, flight, None))

    # -- leaders ------------------------------------------------------------------------------

    def _lead(
        self, flight: Flight, basis: Basis, deadline: float
    ) -> Generator[Step[T], None, Ran[T] | None]:
        """Compute for all who join *flight*, unless somebody else did so since it was read."""
        state, call = self._state, self._call
        lease: Lease | None = None
        try:
            if state.flights.completed != self._reading.completed:
                self._use(read(state, call))
            if self._needs(flight) and call.policy.lock == "distributed" and state.has_locks:
                lease = Lease(state.store, lock_key(flight.key), call.policy.lease)
                contended = yield from self._contend(lease, flight, deadline)
                if isinstance(contended, Ran):
                    self._leave(flight, basis)
                    return contended
                lease = contended
            if self._needs(flight):
                if self._reading is not basis.reading:
                    basis.release(state)
                    basis = Basis.of(state, call, self._reading)
                return (yield from self._compute(basis, flight, lease))
            if lease is not None:
                lease.release()
            return self._leave(flight, basis)
        except BaseException:
            self._end(flight, basis)
            flight.set_failed()
            if lease is not None:
                lease.release()
            raise

    def _needs(self, flight: Flight) -> bool:
        """Whether the reading still says that the key of *flight* has to be computed."""
        return self._reading.key == flight.key and not self._is_hit

    def _leave(self, flight: Flight, basis: Basis) -> Ran[T] | None:
        """End *flight* without a computation: a hit after all, for all who joined; else nothing.

        The entry is handed on only if it was read under the very key that they wait for.
        """
        entry = self._reading.entry
        self._end(flight, basis)
        if entry is None or not self._is_hit or self._reading.key != flight.key:
            flight.set_failed()
            return None
        tags = tags_of(entry)
        flight.use(pair for pair in tags if pair[0] not in self._call.version_keys)
        flight.tags.update(tags)
        flight.set_result(entry.value)
        return Ran(self._hit())

    def _end(self, flight: Flight, basis: Basis) -> None:
        basis.release(self._state)
        self._state.flights.end(flight)

    def _contend(
        self, lease: Lease, flight: Flight, deadline: float
    ) -> Generator[Step[T], None, Ran[T] | Lease | None]:
        """Try to get the lease over all processes, and read what is stored now.

        Returns it if it is ours; ``None`` if there is no need for it any more, and after too
        long a wait: then the caller computes without it.
        """
        pause = _FIRST_PAUSE
        while True:
            taken = lease.acquire()
            if taken is MISSING:
                return None
            if taken:
                self._use(read(self._state, self._call))
                return lease
            stale = self._stale_entry()
            if stale is not None and may_revalidate(stale, self._call.policy, time.time()):
                return self._serve_stale(stale)
            if monotonic() >= deadline:
                return None
            yield Pause(min(pause, max(deadline - monotonic(), 0)))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            self._use(read(self._state, self._call))
            if not self._needs(flight):
                return None

    def _compute(self, basis: Basis, flight: Flight, lease: Lease | None) -> Steps[T]:
        computation = Computation(self._state, self._call, basis, flight, lease)
        ran = yield from computation.steps()
        if computation.fallback is not None:
            return self._serve_stale(computation.fallback)
        return ran
