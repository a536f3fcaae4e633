"""One holder of a key at a time over all processes: a `Lease`, and ``cache.lock``, made of it.

A lease is held by a token and renewed while it is needed. The holder of a lease that ran out
has lost the lock, not its value. Must not know what it is held for.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

from ..errors import BackendError
from ..keys.builders import lock_key
from ..typing import MISSING, Missing

if TYPE_CHECKING:
    from ..storage.guard import Store
    from .flight import Flight
    from .state import CacheState

__all__ = ["Lease", "held"]

#: Seconds after which a ``cache.lock`` of a process that died is free. A living holder renews it.
_USER_LEASE: Final = 5.0


class Lease:
    """A lock on one key over all processes.

    :param seconds: after which it is free, where its holder does not renew it.
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
            _renewer.add(self)
        return taken

    def renew(self) -> None:
        self._store.renew_lock(self.key, self.token, self.seconds)

    def stop_renewing(self) -> None:
        """Whoever stores the value releases the lock in the same batch."""
        _renewer.remove(self)

    def release(self) -> None:
        self.stop_renewing()
        self._store.release_lock(self.key, self.token)


class _Renewer:
    """Renews the leases of this process from one thread, at a third of their time."""

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        """Also after a fork: threads and leases stay with the parent."""
        self._changed = threading.Condition()
        self._due: dict[Lease, float] = {}
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        with self._changed:
            self._due[lease] = monotonic() + lease.seconds / 3
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="flask-cache-core-leases", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def remove(self, lease: Lease) -> None:
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


_renewer = _Renewer()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renewer.start_over)


# -- cache.lock --------------------------------------------------------------------------------


@contextmanager
def held(state: CacheState, name: str, timeout: float) -> Iterator[None]:
    """Hold the lock *name*. Raise `TimeoutError` after *timeout* seconds of waiting for it."""
    key = lock_key(f"user|{name}")
    deadline = monotonic() + timeout
    flight = _acquire_in_process(state, key, deadline)
    try:
        lease = _acquire(state, key, deadline)
        try:
            yield
        finally:
            if lease is not None:
                lease.release()
    finally:
        state.flights.end(flight)
        flight.set_failed()


def _acquire_in_process(state: CacheState, key: str, deadline: float) -> Flight:
    while True:
        flight, leads = state.flights.join(key, (), None)
        if leads:
            return flight
        if not flight.wait(max(deadline - monotonic(), 0)) and monotonic() >= deadline:
            raise TimeoutError(f"another thread holds the lock {key!r}")


def _acquire(state: CacheState, key: str, deadline: float) -> Lease | None:
    """The lease over all processes; ``None`` where the backend has no such thing."""
    if not state.has_locks:
        return None
    lease = Lease(state.store, key, _USER_LEASE)
    while True:
        taken = lease.acquire()
        if taken is MISSING:
            raise BackendError(
                f"The lock {key!r} cannot be taken: the cache at {state.backend.where()} does not "
                "answer."
            )
        if taken:
            return lease
        if monotonic() >= deadline:
            raise TimeoutError(f"another process holds the lock {key!r}")
        time.sleep(0.01)
