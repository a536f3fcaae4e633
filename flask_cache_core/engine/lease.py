"""``cache.lock``: one holder of a name at a time, in this process or over all of them.

Made of the same parts as single-flight. Must not know what it is held for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from ..errors import BackendError
from ..keys.builders import lock_key
from ..typing import MISSING
from .flight import Flight, Lease

if TYPE_CHECKING:
    from .state import AppState

#: Seconds after which the lock of a process that died is free. A living holder renews it.
_LEASE = 5.0


@contextmanager
def held(state: AppState, name: str, timeout: float) -> Iterator[None]:
    """Hold *name*. Raises `TimeoutError` after *timeout* seconds of waiting for it."""
    key = lock_key(f"user|{name}")
    deadline = monotonic() + timeout
    flight = _alone_in_process(state, key, deadline)
    try:
        lease = _alone(state, key, deadline)
        try:
            yield
        finally:
            if lease is not None:
                lease.release()
    finally:
        state.flights.end(flight)
        flight.crash()


def _alone_in_process(state: AppState, key: str, deadline: float) -> Flight:
    while True:
        flight, leads = state.flights.join(key, (), None)
        if leads:
            return flight
        if not flight.wait(max(deadline - monotonic(), 0)) and monotonic() >= deadline:
            raise TimeoutError(f"another thread holds the lock {key!r}")


def _alone(state: AppState, key: str, deadline: float) -> Lease | None:
    """The lease over all processes; ``None`` where the backend has no such thing."""
    if not state.locks:
        return None
    lease = Lease(state.store, key, _LEASE)
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
