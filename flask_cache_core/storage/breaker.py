"""A circuit breaker: leave alone for a while what has failed, then let one caller probe it.

After Nygard, "Release It!" (2007). Must not know what fails, nor what a probe is.
"""

from __future__ import annotations

import threading
from time import monotonic

__all__ = ["Breaker"]


class Breaker:
    """Closed, it lets everybody pass; open, nobody; once its time is over, one at a time.

    :param duration: seconds that it stays open after a failure; 0: everybody may always try.
    """

    def __init__(self, duration: float) -> None:
        self.duration = duration
        self._lock = threading.Lock()
        self._open_until: float | None = None
        self._reported = False

    @property
    def is_closed(self) -> bool:
        return self._open_until is None

    def may_probe(self) -> bool:
        """Whether the caller is the one to find out. Nobody else is, for as long as that takes."""
        with self._lock:
            if self._open_until is None or monotonic() < self._open_until:
                return False
            self._open_until = monotonic() + max(self.duration, 1)
            return True

    def failed(self) -> bool:
        """Open; whether this is the first failure since it was closed."""
        with self._lock:
            is_news, self._reported = not self._reported, True
            self._open_until = monotonic() + self.duration
            return is_news

    def demand_probe(self) -> None:
        """Let the next caller probe, although nothing failed."""
        with self._lock:
            if self._open_until is None:
                self._open_until = monotonic()

    def let_probe(self) -> None:
        """Let the next caller probe at once: this one has left something undone."""
        with self._lock:
            self._open_until = monotonic()

    def close(self) -> bool:
        """Let everybody pass; whether it had been opened by a failure."""
        with self._lock:
            self._open_until = None
            is_news, self._reported = self._reported, False
            return is_news
