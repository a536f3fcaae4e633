"""Which storage? Cells of one file (what the plug-in does), a file for each entry, or SQLite.

    python benchmarks/storage.py DIRECTORY [ENTRIES ...]

The other candidates are complete enough to be measured. SQLite: WAL mode, indices on expiry and
use, the limit held inside each transaction. Files: sharded, written beside and renamed, without
any bookkeeping, so that no real one could be faster. Numbers are microseconds for one operation:
medians of five runs of 300.
"""

# ruff: noqa: S608, T201

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path
from struct import pack, unpack_from
from time import perf_counter, time
from typing import Any

from flask_cache_core_filesystem import FileSystemCache

from flask_cache_core.backend import ByteStore

VALUE = {"id": 1, "name": "x" * 200, "tags": ["a", "b", "c"]}
RUNS, BATCH = 5, 300
KINDS = ("cells", "files", "sqlite off", "sqlite normal")


class FilePerEntry(ByteStore):
    def __init__(self, directory: str, key_prefix: str) -> None:
        super().__init__(key_prefix=key_prefix)
        self._directory = directory
        for shard in range(256):
            os.makedirs(f"{directory}/{shard:02x}", exist_ok=True)  # noqa: PTH103

    def _path(self, address: str) -> str:
        name = hashlib.sha256(address.encode()).hexdigest()
        return f"{self._directory}/{name[:2]}/{name[2:]}"

    def read_bytes(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        now = time()
        found: list[bytes | None] = []
        for address in addresses:
            found.append(None)
            with suppress(FileNotFoundError):
                fd = os.open(self._path(address), os.O_RDONLY)
                data = os.read(fd, 65536)
                os.close(fd)
                found[-1] = data[8:] if unpack_from("d", data)[0] > now else None
        return found

    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        for address, data in items.items():
            path = self._path(address)
            fd = os.open(f"{path}.{os.getpid()}", os.O_CREAT | os.O_WRONLY, 0o600)
            os.write(fd, pack("d", time() + timeout) + data)
            os.close(fd)
            os.replace(f"{path}.{os.getpid()}", path)  # noqa: PTH105
        return ()

    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        raise NotImplementedError

    def remove_bytes(self, addresses: Sequence[str]) -> Sequence[str]:
        raise NotImplementedError

    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        raise NotImplementedError

    def clear_prefix(self) -> bool:
        raise NotImplementedError


class SQLite(ByteStore):
    def __init__(self, directory: str, threshold: int, synchronous: str, key_prefix: str) -> None:
        super().__init__(key_prefix=key_prefix)
        self._limit = threshold
        self._db = sqlite3.connect(f"{directory}/cache.db", timeout=5, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute(f"pragma synchronous={synchronous}")
        self._db.executescript("""
            create table if not exists e(k text primary key, v blob, x real, u integer)
                without rowid;
            create index if not exists ex on e(x);
            create index if not exists eu on e(u);
            create table if not exists n(c integer);
            insert into n select 0 where not exists (select 1 from n);
            create trigger if not exists ia after insert on e begin update n set c=c+1; end;
            create trigger if not exists ad after delete on e begin update n set c=c-1; end;
        """)

    def read_bytes(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        marks = ",".join("?" * len(addresses))
        query = f"select k, v from e where k in ({marks}) and x > ?"
        found = dict(self._db.execute(query, (*addresses, time())).fetchall())
        return [found.get(address) for address in addresses]

    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
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
            expired = "delete from e where k in (select k from e where x < ? limit ?)"
            over -= run(expired, (now, over)).rowcount
            run("delete from e where k in (select k from e order by u limit ?)", (max(0, over),))
        run("commit")
        return ()

    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        now = time()
        statement = (
            "insert into e values(?,?,?,?) on conflict(k) do update set v=excluded.v,"
            " x=excluded.x, u=excluded.u where x < ?"
        )
        values = (address, data, now + timeout, int(now * 1e6), now)
        return bool(self._db.execute(statement, values).rowcount)

    def remove_bytes(self, addresses: Sequence[str]) -> Sequence[str]:
        raise NotImplementedError

    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        now = time()
        statement = (
            "insert into e values(?,?,?,?) on conflict(k) do update"
            " set v=cast(cast(v as integer)+? as blob), u=excluded.u returning v"
        )
        values = (address, b"%d" % delta, now + timeout, int(now * 1e6), delta)
        return int(self._db.execute(statement, values).fetchone()[0])

    def clear_prefix(self) -> bool:
        raise NotImplementedError


def make(kind: str, directory: str, threshold: int) -> ByteStore:
    if kind == "cells":
        return FileSystemCache(directory, threshold=threshold, key_prefix="b", backend_timeout=5)
    if kind == "files":
        return FilePerEntry(directory, "b")
    return SQLite(directory, threshold, kind.partition(" ")[2], "b")


def timed(operation: Callable[[int], object]) -> float:
    """The median of some runs; NaN for what the candidate does not do."""
    runs = []
    for begin in range(0, RUNS * BATCH, BATCH):
        start = perf_counter()
        try:
            for number in range(begin, begin + BATCH):
                operation(number)
        except NotImplementedError:
            return float("nan")
        runs.append((perf_counter() - start) / BATCH * 1e6)
    return statistics.median(runs)


def measured(store: ByteStore, entries: int) -> list[float]:
    ready = max(0, entries - RUNS * BATCH)
    for begin in range(0, ready, 1000):
        store.set_many({f"k{n}": VALUE for n in range(begin, min(ready, begin + 1000))})
    operations: list[Callable[[int], object]] = [
        lambda n: store.set(f"k{ready + n}", VALUE),
        lambda n: store.set(f"full{n}", VALUE),
        lambda n: store.set(f"full{RUNS * BATCH - 1 - n % min(300, entries)}", VALUE),
        lambda n: store.get(f"full{RUNS * BATCH - 1 - n % min(300, entries)}"),
        lambda n: store.get_many("full1499", "full1498", f"gone{n}"),
        lambda n: store.inc("counter"),
        lambda n: store.add("full1499", VALUE),
    ]
    return [timed(operation) for operation in operations]


def worker(kind: str, directory: str, entries: int, me: int, barrier: Any) -> None:
    store = make(kind, directory, entries)
    barrier.wait()
    for number in range(1000):
        store.set(f"{me}-{number}", VALUE)
        store.get(f"{(me + 1) % 8}-{number}")
        store.set(f"{me}-{number}", VALUE)


def together(kind: str, directory: str, entries: int) -> float:
    """Microseconds for one operation of eight processes at once, all told."""
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
    return float("nan") if any(process.exitcode for process in workers) else took


def main() -> None:
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    print(f"{'entries':>9} {'':14}   new  full replace get  get3   inc   add  8 at once")
    for entries in [int(number) for number in sys.argv[2:]] or [500, 20_000]:
        for kind in KINDS:
            directory = tempfile.mkdtemp(dir=sys.argv[1])
            row = measured(make(kind, directory, entries), entries)
            row.append(together(kind, directory, entries))
            print(f"{entries:>9} {kind:14}", *(f"{value:5.0f}" for value in row), flush=True)
            shutil.rmtree(directory)


if __name__ == "__main__":
    main()
