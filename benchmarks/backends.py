"""The backends against Flask-Caching, each on the same server or disk, and against diskcache.

A ratio is how many times faster, by the wall clock: most of the time is spent in servers and in
the kernel. A miss is of a new key: look it up, call the function, store the value.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

import diskcache
import flask_caching
from flask import Flask
from flask_cache_core_memcached.testing import MemcachedServer
from flask_cache_core_redis.testing import RedisServer
from measure import Contender, Table, Target, medians

import flask_cache_core

#: Within them all that is stored here fits: an eviction is measured where it is asked for.
ROOM, FULL = 100_000, 500

#: Survives a restart, and so is on a disk. On a file system in memory all of this is faster, and
#: Flask-Caching by more.
DISK = "/var/tmp"


def record(number: int, name: str) -> dict[str, object]:
    return {"number": number, "name": name, "tags": ["one", "two", "three"]}


class Library:
    """One library on one store, with the same things cached on an app of its own."""

    def __init__(self, library: ModuleType, **config: object) -> None:
        self.app = Flask(library.__name__)
        prefix = f"{library.__name__}_"
        self.app.config.update(config, SECRET_KEY="benchmark", CACHE_KEY_PREFIX=prefix)
        self.cache: Any = library.Cache(self.app)
        self.record = self.cache.memoize(timeout=300)(record)
        self._numbers = itertools.count()

    def _calling(self, call: Callable[[], object]) -> Contender:
        return Contender(call, self.app.app_context)

    def fill(self, entries: int) -> None:
        with self.app.app_context():
            for number in range(entries):
                self.cache.set(f"filling {number}", record(number, "name"))

    def hit(self) -> Contender:
        return self._calling(lambda: self.record(-1, "name"))

    def miss(self) -> Contender:
        return self._calling(lambda: self.record(next(self._numbers), "name"))

    def set(self) -> Contender:
        value = record(1, "name")
        return self._calling(lambda: self.cache.set(f"new {next(self._numbers)}", value))

    def get(self) -> Contender:
        with self.app.app_context():
            self.cache.set("there", record(1, "name"))
        return self._calling(lambda: self.cache.get("there"))


HIT = "memoize: a hit", Library.hit
MISS = "memoize: a miss", Library.miss
SET = "set: a new key", Library.set
GET = "get", Library.get


def compare(
    table: Table,
    store: str,
    libraries: tuple[Library, Library],
    *targets: tuple[tuple[str, Callable[[Library], Contender]], float],
) -> None:
    for (what, make), least in targets:
        measured = measure(*map(make, libraries))
        table.line(f"{store}: {what}", measured, Target(least))


def measure(*contenders: Contender) -> list[float]:
    return medians(*contenders, rounds=51, seconds=0.01, clock=perf_counter)


def both(**config: object) -> tuple[Library, Library]:
    """Each library on the store that *config* says."""
    return Library(flask_cache_core, **config), Library(flask_caching, **config)


def on_disk(directory: str, threshold: int) -> tuple[Library, Library]:
    """Each in a directory of its own: Flask-Caching takes whatever is in its for an entry."""
    ours, theirs = (
        Library(
            library,
            CACHE_TYPE="FileSystemCache",
            CACHE_THRESHOLD=threshold,
            CACHE_DIR=str(Path(directory, f"{library.__name__} {threshold}")),
        )
        for library in (flask_cache_core, flask_caching)
    )
    return ours, theirs


def with_diskcache(directory: str, ours: Library) -> list[float]:
    with diskcache.Cache(str(Path(directory, "diskcache"))) as other:
        numbers, value = itertools.count(), record(1, "name")
        return measure(
            ours.set(),
            Contender(lambda: other.set(f"new {next(numbers)}", value, expire=300)),
        )


def main() -> None:
    table = Table("flask-cache-core", f"Flask-Caching {version('Flask-Caching')}")
    with RedisServer() as redis:
        libraries = both(CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis.url)
        compare(table, "redis", libraries, (HIT, 1.8), (MISS, 2.2))
    with MemcachedServer() as memcached:
        servers = [memcached.address]
        libraries = both(CACHE_TYPE="MemcachedCache", CACHE_MEMCACHED_SERVERS=servers)
        compare(table, "memcached", libraries, (HIT, 1.8), (MISS, 2.2))
    with tempfile.TemporaryDirectory(dir=DISK) as directory:
        with_room, full = on_disk(directory, ROOM), on_disk(directory, FULL)
        compare(table, "filesystem", with_room, (SET, 8), (MISS, 8), (GET, 1))
        for library in full:
            library.fill(FULL)
        compare(table, f"filesystem, full at {FULL}", full, (SET, 8), (MISS, 8))
        table = Table("flask-cache-core", f"diskcache {version('diskcache')}")
        measured = with_diskcache(directory, with_room[0])
        table.line("filesystem: set: a new key", measured, Target(1))


if __name__ == "__main__":
    main()
