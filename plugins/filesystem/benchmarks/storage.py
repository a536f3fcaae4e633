"""Which storage? Entries in files with a ledger, against SQLite in WAL mode; 1 and 8 processes.

    python benchmarks/storage.py DIRECTORY [ENTRIES ...]

The SQLite candidate is complete enough to be measured: one table, indices on expiry and use, the
limit held inside each transaction. Numbers are microseconds per operation, medians of five runs.
"""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from time import perf_counter, time

from flask_cache_core_filesystem import FileSystemCache

from flask_cache_core.backend import ByteStore

VALUE = {"id": 1, "name": "x" * 200, "tags": ["a", "b", "c"]}
RUNS, BATCH = 5, 300


class SQLiteCache(ByteStore):
    """The candidate that was not taken."""

    atomic_add = True

    def __init__(self, directory: str, threshold: int, synchronous: str, key_prefix: str) -> None:
        super().__init__(key_prefix=key_prefix)
        self._limit = threshold
        self._db = sqlite3.connect(f"{directory}/cache.db", timeout=5, isolation_level=None)
        for statement in (
            "pragma journal_mode=wal",
            f"pragma synchronous={synchronous}",
            "create table if not exists e(k text primary key, v blob, x real, u integer)"
            " without rowid",
            "create index if not exists ex on e(x)",
            "create index if not exists eu on e(u)",
            "create table if not exists n(c integer)",
            "insert into n select 0 where not exists (select 1 from n)",
            "create trigger if not exists ia after insert on e begin update n set c=c+1; end",
            "create trigger if not exists ad after delete on e begin update n set c=c-1; end",
        ):
            self._db.execute(statement)

    def _read(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        marks = ",".join("?" * len(addresses))
        found = dict(
            self._db.execute(
                f"select k, v from e where k in ({marks}) and x > ?",  # noqa: S608
                (*addresses, time()),
            ).fetchall()
        )
        return [found.get(address) for address in addresses]

    def _write(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        now, run = time(), self._db.execute
        run("begin immediate")
        for address, data in items.items():
            run(
                "insert into e values(?,?,?,?) on conflict(k) do update"
                " set v=excluded.v, x=excluded.x, u=excluded.u",
                (address, data, now + timeout if timeout else inf, int(now * 1e6)),
            )
        over = run("select c from n").fetchone()[0] - self._limit
        if over > 0:
            over -= run(
                "delete from e where k in (select k from e where x < ? limit ?)", (now, over)
            ).rowcount
            run("delete from e where k in (select k from e order by u limit ?)", (max(0, over),))
        run("commit")
        return ()

    def _add(self, address: str, data: bytes, timeout: float) -> bool:
        now = time()
        return bool(
            self._db.execute(
                "insert into e values(?,?,?,?) on conflict(k) do update set v=excluded.v,"
                " x=excluded.x, u=excluded.u where x < ?",
                (address, data, now + timeout, int(now * 1e6), now),
            ).rowcount
        )

    def _remove(self, addresses: Sequence[str]) -> Sequence[str]:
        return [a for a in addresses if self._db.execute("delete from e where k=?", (a,)).rowcount]

    def _increment(self, address: str, delta: int, timeout: float) -> int | None:
        now = time()
        row = self._db.execute(
            "insert into e values(?,?,?,?) on conflict(k) do update"
            " set v=cast(cast(v as integer)+? as blob) returning v",
            (address, b"%d" % delta, now + timeout, int(now * 1e6), delta),
        ).fetchone()
        return int(row[0])

    def _clear(self) -> bool:
        self._db.execute("delete from e")
        return True


def make(kind: str, directory: str, threshold: int) -> ByteStore:
    """A store of one of the three kinds."""
    if kind == "files":
        return FileSystemCache(directory, threshold=threshold, key_prefix="b", backend_timeout=5)
    return SQLiteCache(directory, threshold, kind.partition(" ")[2], "b")


def timed(operation: Callable[[int], object], begin: int) -> float:
    start = perf_counter()
    for number in range(begin, begin + BATCH):
        operation(number)
    return (perf_counter() - start) / BATCH * 1e6


def measured(kind: str, entries: int) -> list[float]:
    """New key while there is room, new key when full, replace, get, get_many of 3, inc, add."""
    directory = tempfile.mkdtemp(dir=sys.argv[1])
    store = make(kind, directory, entries)
    ready = max(0, entries - RUNS * BATCH)
    for begin in range(0, ready, 1000):
        store.set_many({f"k{n}": VALUE for n in range(begin, min(ready, begin + 1000))})
    operations: list[Callable[[int], object]] = [
        lambda n: store.set(f"k{ready + n}", VALUE),
        lambda n: store.set(f"full{n}", VALUE),
        lambda n: store.set(f"full{n % entries}", VALUE),
        lambda n: store.get(f"full{n}"),
        lambda n: store.get_many(f"full{n}", f"full{n + 1}", f"gone{n}"),
        lambda n: store.inc("counter"),
        lambda n: store.add(f"full{n}", VALUE),
    ]
    rows = [
        statistics.median(timed(operation, run * BATCH) for run in range(RUNS))
        for operation in operations
    ]
    del store, operations
    shutil.rmtree(directory)
    return rows


def worker(kind: str, directory: str, entries: int, me: int, barrier: object) -> None:
    store = make(kind, directory, entries)
    barrier.wait()  # type: ignore[attr-defined]
    for number in range(1000):
        store.set(f"{me}-{number}", VALUE)
        store.get(f"{(me + 1) % 8}-{number}")
        store.inc("counter")


def together(kind: str, entries: int) -> float:
    """Microseconds for each of set, get and inc by 8 processes at once, all told."""
    directory = tempfile.mkdtemp(dir=sys.argv[1])
    make(kind, directory, entries)
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(9)
    workers = [
        context.Process(target=worker, args=(kind, directory, entries, me, barrier))
        for me in range(8)
    ]
    for process in workers:
        process.start()
    barrier.wait()
    start = perf_counter()
    for process in workers:
        process.join()
    took = (perf_counter() - start) / 8 / 3000 * 1e6
    right = make(kind, directory, entries).get("counter") == 8000
    shutil.rmtree(directory)
    return took if right and not any(process.exitcode for process in workers) else float("nan")


def main() -> None:
    print(f"{'':28}   new  full replace  get get3   inc   add   8 at once")  # noqa: T201
    for entries in [int(number) for number in sys.argv[2:]] or [500, 20_000]:
        for kind in ("files", "sqlite off", "sqlite normal"):
            row = [*measured(kind, entries), together(kind, entries)]
            print(f"{entries:>9} {kind:18}", *(f"{value:5.1f}" for value in row))  # noqa: T201


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(exist_ok=True)
    main()
