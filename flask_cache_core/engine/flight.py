"""One computation at a time per key in this process: a leader computes, followers wait.

A `Flight` is one running computation, whether others wait for it or not. It remembers whether
what it depends on was invalidated meanwhile, and which tags it used. Must not know what is
computed, nor when a stored value will do instead.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TypeAlias

from ..errors import SerializationError
from ..storage.copying import freeze, thaw
from ..typing import MISSING, Missing

__all__ = ["Flight", "Flights", "TagVersions", "current", "use_tags"]

#: Tags with what their versions were: version key and version.
TagVersions: TypeAlias = Iterable[tuple[str, str]]


class Flight:
    """One running computation of the value under one key.

    :ivar key: the very key that is computed. Its value is for nobody who asks for another one.
    :ivar snapshot: the state of the world that it computes from: only who saw the same may join.
    :ivar invalidated: something that it depends on was invalidated after it began.
    :ivar followed: somebody waits for it.
    :ivar passed: its value is for its own caller only.
    :ivar used: the tags of what it used so far, with the first version that was seen of each.
    """

    __slots__ = (
        "_completed", "_frozen", "_listeners", "_waiting_for", "followed", "invalidated", "key",
        "parent", "passed", "snapshot", "tags", "used", "version_keys",
    )  # fmt: skip

    def __init__(self, key: str, version_keys: tuple[str, ...], snapshot: object = None) -> None:
        self.key = key
        self.version_keys = version_keys
        self.snapshot = snapshot
        self.parent = current.get()
        self.invalidated = False
        self.followed = False
        self.passed = False
        self.used: dict[str, str] = {}
        #: For those who wait: all the tags that the value depends on.
        self.tags: dict[str, str] = {}
        #: What computations inside of it wait for, see `Flights.would_deadlock`.
        self._waiting_for: set[Flight] = set()
        self._completed = threading.Event()
        self._frozen: object = MISSING
        self._listeners: list[Callable[[], None]] = []

    def use(self, tags: TagVersions) -> None:
        """Depend on these tags too. The first version counts: what was used was of that state."""
        for key, version in tags:
            self.used.setdefault(key, version)

    def depends_on(self, keys: frozenset[str]) -> bool:
        return (
            self.key in keys
            or not keys.isdisjoint(self.version_keys)
            or not keys.isdisjoint(tuple(self.used))
        )

    def inherit(self, tags: TagVersions) -> None:
        """At its end: depend on *tags* too, and so does the computation around this one."""
        self.tags.update(self.used)
        self.tags.update(tags)
        if self.parent is not None:
            self.parent.use(self.tags.items())
            self.parent.invalidated |= self.invalidated

    # -- how it ends --------------------------------------------------------------------------

    def set_result(self, value: object) -> None:
        """End with *value*, of which each follower gets a copy."""
        if self.followed:
            try:
                self._frozen = freeze(value)
            except SerializationError:
                self.passed = True
        self._complete()

    def set_passed(self) -> None:
        """End with a value that is for its own caller only: followers compute for themselves."""
        self.passed = True
        self._complete()

    def set_failed(self) -> None:
        """End without a value under this key: followers look again, and one of them leads."""
        self._complete()

    def _complete(self) -> None:
        self._completed.set()
        for wake in self._listeners:
            wake()

    # -- how others wait for it ---------------------------------------------------------------

    def on_completion(self, wake: Callable[[], None]) -> None:
        """Call *wake* once when the flight is over, from whichever thread ends it."""
        self._listeners.append(wake)
        if self._completed.is_set():
            wake()

    def wait(self, seconds: float) -> bool:
        """Wait until the flight is over, *seconds* at most; whether it is."""
        return self._completed.wait(seconds)

    def result(self) -> object | Missing:
        """A copy of the value for one follower, `MISSING` where there is none."""
        return self._frozen if self._frozen is MISSING else thaw(self._frozen)

    # -- deadlocks, under the lock of `Flights` -----------------------------------------------

    def waits_for(self, target: Flight) -> None:
        self._waiting_for.add(target)

    def waited_for(self, target: Flight) -> None:
        self._waiting_for.discard(target)

    def ahead(self, running: Iterable[Flight]) -> list[Flight]:
        """What has to end before this can: what it waits for, and what it contains."""
        return [*self._waiting_for, *(flight for flight in running if flight.parent is self)]


#: The computation that runs in this context, if any.
current: ContextVar[Flight | None] = ContextVar("flask_cache_core.flight", default=None)


def use_tags(tags: TagVersions) -> None:
    """Let what is computed in this context, if anything, depend on *tags* too."""
    flight = current.get()
    if flight is not None:
        flight.use(tags)


def _chain() -> list[Flight]:
    """The computations that this context is inside of, innermost first."""
    chain = []
    flight = current.get()
    while flight is not None:
        chain.append(flight)
        flight = flight.parent
    return chain


class Flights:
    """The running computations of one cache in this process.

    :ivar completed: how many are over so far: a cheap "did anything happen since?".
    """

    def __init__(self) -> None:
        self.completed = 0
        self.forget_all()
        _instances.add(self)

    def forget_all(self) -> None:
        """Start over, as the child of a fork has to: the threads that computed are not there."""
        self._lock = threading.Lock()
        self._joinable: dict[str, Flight] = {}
        self._running: set[Flight] = set()

    def start(self, key: str, version_keys: tuple[str, ...]) -> Flight:
        """Begin a computation that nobody can join."""
        flight = Flight(key, version_keys)
        with self._lock:
            self._running.add(flight)
        return flight

    def join(
        self, key: str, version_keys: tuple[str, ...], snapshot: object
    ) -> tuple[Flight, bool]:
        """The flight for *key*, and whether the caller leads it and must compute.

        A flight that began before an invalidation is left alone by those who saw its effect.
        """
        with self._lock:
            flight = self._joinable.get(key)
            if flight is not None and flight.snapshot == snapshot:
                flight.followed = True
                return flight, False
            flight = self._joinable[key] = Flight(key, version_keys, snapshot)
            self._running.add(flight)
            return flight, True

    def end(self, flight: Flight) -> None:
        """Take *flight* off the list, before it completes: who comes now starts a new one."""
        with self._lock:
            self._running.discard(flight)
            if self._joinable.get(flight.key) is flight:
                del self._joinable[flight.key]
            self.completed += 1

    def invalidate(self, keys: Iterable[str] | None) -> None:
        """Keep what is being computed for these keys or version keys (``None``: for any) from
        being stored, and from being handed to whoever asks from now on.
        """
        wanted = None if keys is None else frozenset(keys)
        with self._lock:
            for flight in self._running:
                if wanted is None or flight.depends_on(wanted):
                    self._invalidate(flight)

    def _invalidate(self, invalidated: Flight) -> None:
        """Also mark the enclosing computations, since they depend on its value."""
        flight: Flight | None = invalidated
        while flight is not None:
            flight.invalidated = True
            if self._joinable.get(flight.key) is flight:
                del self._joinable[flight.key]
            flight = flight.parent

    def store_if_valid(self, flight: Flight, store: Callable[[], bool], *, locked: bool) -> bool:
        """Call *store* unless *flight* was invalidated.

        :param locked: let no invalidation come in between. Needed where nothing else orders the
            two: a store in this process has no barriers.
        """
        if not locked:
            return not flight.invalidated and store()
        with self._lock:
            return not flight.invalidated and store()

    def would_deadlock(self, target: Flight) -> bool:
        """Whether *target* waits, directly or not, for a computation that this context runs.

        If not, this context counts as waiting for it, until `waited`.
        """
        mine = _chain()
        with self._lock:
            seen: set[Flight] = set()
            ahead = [target]
            while ahead:
                flight = ahead.pop()
                if flight in mine:
                    return True
                if flight not in seen:
                    seen.add(flight)
                    ahead += flight.ahead(self._running)
            for flight in mine:
                flight.waits_for(target)
        return False

    def waited(self, target: Flight) -> None:
        """The wait that `would_deadlock` allowed is over."""
        with self._lock:
            for flight in _chain():
                flight.waited_for(target)


_instances: weakref.WeakSet[Flights] = weakref.WeakSet()


def _forget_all_in_child() -> None:
    for flights in list(_instances):
        flights.forget_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all_in_child)
