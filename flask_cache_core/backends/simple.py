"""The in-process backend: a bounded dictionary that is safe under threads and after fork.

Every operation costs the same at any number of entries. When it is full it evicts what has
expired, else what was used least recently (LRU; Denning, "The working set model for program
behavior", CACM 1968). Knows nothing of Flask.
"""

from __future__ import annotations

import heapq
import logging
import os
import shlex
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from itertools import islice
from math import inf
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..config import BackendSettings
from ..options import Options
from ..storage.base import BaseCache, Batch
from ..storage.copying import IMMUTABLE, freeze, is_pickled, thaw
from ..storage.entry import Entry
from ..typing import Timeout

if TYPE_CHECKING:
    from flask import Flask


logger = logging.getLogger("flask_cache_core")


class SimpleOptions(Options):
    """The settings of `SimpleCache`."""

    threshold = BackendSettings.threshold


class SimpleCache(BaseCache):
    """Values in a dictionary of this process.

    Reads take no lock: each is a few operations that the interpreter does not interrupt.
    Values are frozen before the lock is taken.

    :param threshold: how many entries it holds at most.
    """

    atomic_add = True
    in_process = True
    options = SimpleOptions

    def __init__(self, threshold: int = 500, default_timeout: Timeout | None = None) -> None:
        super().__init__(default_timeout)
        self._threshold = SimpleOptions.threshold.checked(threshold)
        self._items: OrderedDict[str, tuple[float, object, bool]] = OrderedDict()
        self._expiries = _Expiries()
        self.lock = threading.RLock()
        _instances.add(self)

    @classmethod
    def factory(
        cls, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
    ) -> SimpleCache:
        if worker_processes() > 1:
            logger.warning(
                "CACHE_TYPE='simple' keeps a cache in each of the %d worker processes: what one "
                "invalidates, the others keep. 'filesystem' and 'redis' are shared.",
                worker_processes(),
            )
        return cls(*args, **kwargs)

    def get(self, key: str) -> Any:
        return self.get_many(key)[0]

    def get_many(self, *keys: str) -> list[Any]:
        now = monotonic()
        items = self._items
        values: list[Any] = []
        for key in keys:
            item = items.get(key)
            if item is None or item[0] <= now:
                values.append(None)
                continue
            try:  # noqa: SIM105 - `suppress` would double the cost of a read
                items.move_to_end(key)
            except KeyError:  # another thread replaced or evicted it since
                pass
            values.append(thaw(item[1]) if item[2] else item[1])
        return values

    def has(self, key: str) -> bool:
        item = self._items.get(key)
        return item is not None and item[0] > monotonic()

    def set(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        expires = _expires(self.seconds(timeout))
        frozen = _frozen(value)
        with self.lock:
            self._put(key, expires, *frozen)
        return True

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        expires = _expires(self.seconds(timeout))
        frozen = _frozen(value)
        with self.lock:
            if self.has(key):
                return False
            self._put(key, expires, *frozen)
        return True

    def store(self, batch: Batch[Any]) -> bool:
        expires = _expires(batch.timeout)
        items = [(key, *_frozen(value)) for key, value in batch.items.items()]
        with self.lock:
            for key, version in batch.versions.items():
                if not self.has(key):
                    self._put(key, _expires(batch.versions_timeout), version, pickled=False)
            for key, value, pickled in items:
                self._put(key, expires, value, pickled)
            if batch.release is not None:
                self.release_lock(*batch.release)
        return True

    def delete(self, key: str) -> bool:
        with self.lock:
            there = self.has(key)
            self._drop(key)
        return there

    def inc(self, key: str, delta: int = 1) -> int | None:
        with self.lock:
            expires, value, _ = self._items.get(key, (0.0, None, False))
            if expires <= monotonic():
                expires, value = _expires(self.default_timeout), 0
            if type(value) is not int:
                return None
            self._put(key, expires, value + delta, pickled=False)
            return value + delta

    def clear(self) -> bool:
        with self.lock:
            self._items.clear()
            self._expiries.clear()
        return True

    def renew_lock(self, key: str, token: str, lease: float) -> bool:
        with self.lock:
            return super().renew_lock(key, token, lease)

    def release_lock(self, key: str, token: str) -> bool:
        with self.lock:
            return super().release_lock(key, token)

    def _put(self, key: str, expires: float, frozen: object, pickled: bool) -> None:
        self._drop(key)
        # One comes, at most two go: what has expired leaves at a constant cost per operation.
        for expired in self._expiries.before(monotonic(), limit=2):
            self._drop(expired)
        if len(self._items) >= self._threshold:
            oldest, item = self._items.popitem(last=False)  # in one step: readers take no lock
            self._expiries.discard(item[0], oldest)
        self._items[key] = (expires, frozen, pickled)
        self._expiries.add(expires, key)

    def _drop(self, key: str) -> None:
        item = self._items.pop(key, None)
        if item is not None:
            self._expiries.discard(item[0], key)


def _expires(seconds: float) -> float:
    return monotonic() + seconds if seconds else inf


def _frozen(value: object) -> tuple[object, bool]:
    """Something that later changes to *value* cannot reach, and whether it has to be thawed."""
    inner = value.value if type(value) is Entry else value
    if type(inner) in IMMUTABLE:
        return value, False
    frozen = freeze(value)
    return frozen, is_pickled(frozen)


def worker_processes() -> int:
    """How many processes serve the app, as far as the server's command line tells."""
    words = [*sys.argv[1:], *shlex.split(os.environ.get("GUNICORN_CMD_ARGS", ""))]
    if Path(sys.argv[0]).name != "gunicorn" and "gunicorn" not in sys.orig_argv:
        return 1
    found = os.environ.get("WEB_CONCURRENCY", "1")
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in ("-w", "--workers"):
            found = following
        elif word.startswith("--workers="):
            found = word.partition("=")[2]
    return int(found) if found.isdecimal() else 1


class _Expiries:
    """Which keys expire in which tick: constant cost per key, whatever their number."""

    #: Ticks in a second. What expired in the tick that is not over yet is not found.
    TICKS = 100

    def __init__(self) -> None:
        #: A heap of the ticks that have keys, and of some that have none any more.
        self._ticks: list[int] = []
        self._keys: dict[int, set[str]] = {}

    def add(self, expires: float, key: str) -> None:
        if expires == inf:
            return
        tick = int(expires * self.TICKS)
        keys = self._keys.get(tick)
        if keys is None:
            keys = self._keys[tick] = set()
            heapq.heappush(self._ticks, tick)
        keys.add(key)

    def discard(self, expires: float, key: str) -> None:
        if expires == inf:
            return
        tick = int(expires * self.TICKS)
        keys = self._keys[tick]
        keys.discard(key)
        if not keys:
            del self._keys[tick]
            if len(self._ticks) > 2 * len(self._keys) + 64:
                self._ticks = sorted(self._keys)  # which is a heap, too

    def before(self, now: float, limit: int) -> list[str]:
        """Up to *limit* keys whose tick is over at *now*."""
        tick = int(now * self.TICKS)
        while self._ticks and self._ticks[0] < tick:
            keys = self._keys.get(self._ticks[0])
            if keys:
                return list(islice(keys, limit))
            heapq.heappop(self._ticks)
        return []

    def clear(self) -> None:
        self._ticks.clear()
        self._keys.clear()


_instances: weakref.WeakSet[SimpleCache] = weakref.WeakSet()


# A fork while another thread is inside the lock would leave the child a locked, half-changed
# cache; so the fork waits for the lock, and both sides let it go.


def _before_fork() -> None:
    for cache in list(_instances):
        cache.lock.acquire()


def _after_fork() -> None:
    for cache in list(_instances):
        cache.lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
