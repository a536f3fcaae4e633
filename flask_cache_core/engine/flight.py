"""One computation at a time per key: in this process by `Flights`, across processes by `Lease`.

A `Flight` is one running computation, whether others wait for it or not. It remembers whether
what it depends on was invalidated meanwhile, and which tags it used. Must not know what is
computed, nor when a stored value will do instead: that is `lookup`'s.
"""

from __future__ import annotations

import os
import secrets
import threading
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING

from ..errors import SerializationError
from ..storage.copying import freeze, thaw
from ..typing import MISSING, Missing

if TYPE_CHECKING:
    from ..storage.guard import Store

__all__ = ["Flight", "Flights", "Lease", "current"]


class Flight:
    """One running computation of the value under one key."""

    __slots__ = (
        "_done", "_frozen", "_listeners", "barred", "followed", "key", "parent", "passed", "seen",
        "stamps", "tags", "used", "waiting_for",
    )  # fmt: skip

    def __init__(self, key: str, stamps: tuple[str, ...], seen: object = None) -> None:
        self.key = key
        self.stamps = stamps
        #: The state of the world that it computes from: only who saw the same may join.
        self.seen = seen
        self.parent = current.get()
        #: Something that it depends on was invalidated after it began.
        self.barred = False
        #: Somebody waits for it.
        self.followed = False
        #: Its result is for its own caller only.
        self.passed = False
        #: The tags of what it used so far: stamp key to token.
        self.used: dict[str, str] = {}
        #: For those who wait: all the tags that its value depends on.
        self.tags: dict[str, str] = {}
        #: What computations under it wait for, for `Flights.would_deadlock`.
        self.waiting_for: set[Flight] = set()
        self._done = threading.Event()
        self._frozen: object = MISSING
        self._listeners: list[Callable[[], None]] = []

    def use(self, stamps: Iterable[tuple[str, str]]) -> None:
        """Depend on these tags too. The first token counts: what was used was of that state."""
        for key, token in stamps:
            self.used.setdefault(key, token)

    def depends_on(self, keys: frozenset[str]) -> bool:
        return (
            self.key in keys
            or not keys.isdisjoint(self.stamps)
            or not keys.isdisjoint(tuple(self.used))
        )

    def land(self, value: object, *, share: bool) -> None:
        """Finish. Followers get copies of *value* if it may be shared."""
        self.passed = not share
        if share and self.followed:
            try:
                self._frozen = freeze(value)
            except SerializationError:
                self.passed = True
        self._finish()

    def crash(self) -> None:
        """Finish without a value: one of those who waited will try again."""
        self._finish()

    def _finish(self) -> None:
        self._done.set()
        for wake in self._listeners:
            wake()

    def on_landing(self, wake: Callable[[], None]) -> None:
        """Call *wake* once when the flight is over, from whichever thread ends it."""
        self._listeners.append(wake)
        if self._done.is_set():
            wake()

    def wait(self, seconds: float) -> bool:
        return self._done.wait(seconds)

    def value(self) -> object:
        """A copy for one follower, `MISSING` where there is none."""
        return self._frozen if self._frozen is MISSING else thaw(self._frozen)


#: The computation that runs in this context, if any.
current: ContextVar[Flight | None] = ContextVar("flask_cache_core.flight", default=None)


def _chain() -> list[Flight]:
    """The computations that this context is inside of, innermost first."""
    chain = []
    flight = current.get()
    while flight is not None:
        chain.append(flight)
        flight = flight.parent
    return chain


class Flights:
    """The running computations of one cache in this process."""

    def __init__(self) -> None:
        #: How many computations were over so far: a cheap "did anything happen since?".
        self.landings = 0
        self.forget_all()
        _instances.add(self)

    def forget_all(self) -> None:
        """Begin anew, as the child of a fork has to: the threads that computed are not there."""
        self._lock = threading.Lock()
        self._joinable: dict[str, Flight] = {}
        self._running: set[Flight] = set()

    def start(self, key: str, stamps: tuple[str, ...]) -> Flight:
        """Begin a computation that nobody can join."""
        flight = Flight(key, stamps)
        with self._lock:
            self._running.add(flight)
        return flight

    def join(self, key: str, stamps: tuple[str, ...], seen: object) -> tuple[Flight, bool]:
        """The flight for *key*, and whether the caller leads it and must compute.

        A flight that began before an invalidation is left alone by those who saw its effect.
        """
        with self._lock:
            flight = self._joinable.get(key)
            if flight is not None and flight.seen == seen:
                flight.followed = True
                return flight, False
            flight = self._joinable[key] = Flight(key, stamps, seen)
            self._running.add(flight)
            return flight, True

    def end(self, flight: Flight) -> None:
        """Take *flight* off the list, before it lands: who comes now starts anew."""
        with self._lock:
            self._running.discard(flight)
            if self._joinable.get(flight.key) is flight:
                del self._joinable[flight.key]
            self.landings += 1

    def bar(self, keys: Iterable[str] | None) -> None:
        """Keep what is being computed for these keys or stamps (``None``: for any) from being
        stored, and from answering whoever asks from now on.
        """
        wanted = None if keys is None else frozenset(keys)
        with self._lock:
            for flight in self._running:
                if wanted is None or flight.depends_on(wanted):
                    self._bar(flight)

    def _bar(self, barred: Flight) -> None:
        """Together with the computations around it, which will use what it makes."""
        flight: Flight | None = barred
        while flight is not None:
            flight.barred = True
            if self._joinable.get(flight.key) is flight:
                del self._joinable[flight.key]
            flight = flight.parent

    def unless_barred(self, flight: Flight, store: Callable[[], bool], *, alone: bool) -> bool:
        """Store unless *flight* was barred; where nothing else orders the two (*alone*), no
        invalidation comes in between.
        """
        if not alone:
            return not flight.barred and store()
        with self._lock:
            return not flight.barred and store()

    def would_deadlock(self, target: Flight) -> bool:
        """Whether *target* waits, directly or not, for a computation that this context runs."""
        mine = set(_chain())
        with self._lock:
            seen: set[Flight] = set()
            ahead = [target]
            while ahead:
                flight = ahead.pop()
                if flight in mine:
                    return True
                if flight not in seen:
                    seen.add(flight)
                    ahead += flight.waiting_for
                    ahead += [other for other in self._running if other.parent is flight]
            for flight in mine:
                flight.waiting_for.add(target)
        return False

    def waited(self, target: Flight) -> None:
        """The wait that `would_deadlock` allowed is over."""
        with self._lock:
            for flight in _chain():
                flight.waiting_for.discard(target)


_instances: weakref.WeakSet[Flights] = weakref.WeakSet()


class Lease:
    """A lock on one key over all processes: held by a token, renewed while it is needed.

    The holder of a lease that ran out has lost the lock, not its value.
    """

    def __init__(self, store: Store, key: str, seconds: float) -> None:
        self._store = store
        self.key = key
        self.seconds = seconds
        self.token = secrets.token_hex(8)

    def acquire(self) -> bool | Missing:
        """Whether the lock is ours now; `MISSING` where the backend does not answer."""
        taken = self._store.add(self.key, self.token, self.seconds)
        if taken is True:
            _keeper.keep(self)
        return taken

    def renew(self) -> None:
        self._store.renew_lock(self.key, self.token, self.seconds)

    def let_go(self) -> None:
        """Stop renewing it. Whoever stores the value releases it in the same batch."""
        _keeper.drop(self)

    def release(self) -> None:
        self.let_go()
        self._store.release_lock(self.key, self.token)


class _Keeper:
    """Renews the leases of this process from one thread, at a third of their time."""

    def __init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        """Also after a fork: threads and leases stay with the parent."""
        self._changed = threading.Condition()
        self._due: dict[Lease, float] = {}
        self._thread: threading.Thread | None = None

    def keep(self, lease: Lease) -> None:
        with self._changed:
            self._due[lease] = monotonic() + lease.seconds / 3
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="flask-cache-core-leases", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def drop(self, lease: Lease) -> None:
        with self._changed:
            self._due.pop(lease, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._due and not self._changed.wait(timeout=60) and not self._due:
                    self._thread = None
                    return
                now = monotonic()
                due = [lease for lease, moment in self._due.items() if moment <= now]
                for lease in due:
                    self._due[lease] = now + lease.seconds / 3
                if not due and self._due:
                    self._changed.wait(timeout=min(self._due.values()) - now)
            for lease in due:
                lease.renew()


_keeper = _Keeper()


def _start_anew_in_child() -> None:
    for flights in list(_instances):
        flights.forget_all()
    _keeper.start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew_in_child)
