"""The primitives of a `ByteStore` in SQL. Must not know how values become bytes."""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask_cache_core.backend import Batch, ByteStore, ByteStoreOptions
from flask_cache_core.errors import BackendError
from flask_cache_core.settings import Setting, Settings, WantedError

if TYPE_CHECKING:
    from flask import Flask

    from flask_cache_core.typing import Timeout

_SCHEMA = """
PRAGMA journal_mode=WAL;
CREATE TABLE cache
    (address BLOB PRIMARY KEY, data BLOB NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX cache_expires ON cache (expires);
"""
_READ = "SELECT data FROM cache WHERE address = ? AND expires > ?"
_WRITE = "INSERT OR REPLACE INTO cache VALUES (?, ?, ?)"
_ADD = """
INSERT INTO cache VALUES (?, ?, ?) ON CONFLICT (address) DO UPDATE
    SET data = excluded.data, expires = excluded.expires WHERE expires <= ?
"""
_REMOVE = "DELETE FROM cache WHERE address = ? RETURNING expires > ?"
_REPLACE_IF = (
    "UPDATE cache SET data = ?, expires = ? WHERE address = ? AND data = ? AND expires > ?"
)
_REMOVE_IF = "DELETE FROM cache WHERE address = ? AND data = ? AND expires > ?"
_COUNTER = "SELECT data, expires FROM cache WHERE address = ? AND expires > ?"
_SWEEP = """
DELETE FROM cache WHERE address IN
    (SELECT address FROM cache WHERE expires <= ? ORDER BY expires LIMIT ?)
"""
_DECIMAL = re.compile(rb"-?[0-9]+")


def _file(value: object) -> Path:
    if value and isinstance(value, (str, os.PathLike)):
        path = Path(value)
        if path.parent.is_dir() and not path.is_dir():
            return path
    raise WantedError("a file in a directory that exists")


class SQLiteOptions(ByteStoreOptions):
    """The settings that `SQLiteCache` reads, beside those of every store of bytes."""

    sqlite_path = Setting(
        _file, None, "The file. Its directory must exist. Made with mode 0600.", shown="required"
    )
    backend_timeout = Settings.backend_timeout


class SQLiteCache(ByteStore):
    """Values in one SQLite file, shared by the processes of one host.

    :param path: the file; made with mode 0600 where it is missing.
    :param patience: seconds that an operation waits while another process writes.
    """

    atomic_add = True
    options = SQLiteOptions

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        patience: float = 0.25,
        key_prefix: str | None = None,
        default_timeout: Timeout | None = None,
    ) -> None:
        super().__init__(key_prefix=key_prefix, default_timeout=default_timeout)
        self._path = Path(path)
        self._patience = patience
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        _instances.add(self)

    @classmethod
    def factory(
        cls, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
    ) -> SQLiteCache:
        options = SQLiteOptions(config)
        kwargs.setdefault("patience", options.backend_timeout)
        return cls(options.sqlite_path, *args, **kwargs)

    def where(self) -> str:
        return f"{self._path} (CACHE_SQLITE_PATH)"

    def close(self) -> None:
        """Close the file. The next operation opens it again."""
        with self._lock:
            self._disconnect()

    # -- primitives -----------------------------------------------------------------------

    def read_bytes(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        now = time.time()
        with self._transaction("DEFERRED") as db:
            rows = [db.execute(_READ, (_blob(a), now)).fetchone() for a in addresses]
        return [row[0] if row else None for row in rows]

    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        with self._transaction("IMMEDIATE") as db:
            _put(db, items, timeout)
        return []

    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        with self._transaction("IMMEDIATE") as db:
            return _put_new(db, address, data, timeout)

    def remove_bytes(self, addresses: Sequence[str]) -> Sequence[str]:
        now = time.time()
        with self._transaction("IMMEDIATE") as db:
            rows = [db.execute(_REMOVE, (_blob(a), now)).fetchone() for a in addresses]
        return [a for a, row in zip(addresses, rows, strict=True) if row and row[0]]

    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        with self._transaction("IMMEDIATE") as db:
            row = db.execute(_COUNTER, (_blob(address), time.time())).fetchone()
            data, expires = row or (b"0", _end(timeout))
            if not _DECIMAL.fullmatch(data):
                return None
            value = int(data) + delta
            db.execute(_WRITE, (_blob(address), b"%d" % value, expires))
            return value

    def clear_prefix(self) -> bool:
        prefix = _blob(self.delimited_prefix)
        with self._transaction("IMMEDIATE") as db:
            if prefix:
                # The prefix ends with ":" and holds no other, so ";" is what follows its keys.
                bounds = (prefix, prefix[:-1] + b";")
                db.execute("DELETE FROM cache WHERE address >= ? AND address < ?", bounds)
            else:
                db.execute("DELETE FROM cache")
        return True

    def replace_bytes_if(self, address: str, expected: bytes, data: bytes, timeout: float) -> bool:
        with self._transaction("IMMEDIATE") as db:
            new = (data, _end(timeout), _blob(address), expected, time.time())
            return db.execute(_REPLACE_IF, new).rowcount == 1

    def remove_bytes_if(self, address: str, expected: bytes) -> bool:
        with self._transaction("IMMEDIATE") as db:
            return db.execute(_REMOVE_IF, (_blob(address), expected, time.time())).rowcount == 1

    def write_batch(self, batch: Batch[bytes]) -> Sequence[str]:
        with self._transaction("IMMEDIATE") as db:
            for address, data in batch.versions.items():
                _put_new(db, address, data, batch.versions_timeout)
            _put(db, batch.items, batch.timeout)
            if batch.release is not None:
                address, expected = batch.release
                db.execute(_REMOVE_IF, (_blob(address), expected, time.time()))
        return []

    # -- the connection -------------------------------------------------------------------

    @contextmanager
    def _transaction(self, mode: str) -> Iterator[sqlite3.Connection]:
        """One transaction. Threads take turns, as SQLite's writers do anyway."""
        with self._lock:
            try:
                db = self._connected()
                db.execute(f"BEGIN {mode}")
                with db:
                    yield db
            except (sqlite3.Error, OSError) as error:
                raise BackendError(f"{self.where()}: {error}") from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            if not self._path.exists():
                _create(self._path)
            self._connection = sqlite3.connect(
                self._path, timeout=self._patience, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA synchronous=NORMAL")
        return self._connection

    def hold_for_fork(self) -> None:
        """Wait for the transaction of another thread, and close the file."""
        self._lock.acquire()
        self._disconnect()

    def go_on_after_fork(self) -> None:
        """Let threads in again, on both sides."""
        self._lock.release()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


# SQLite knows its locks by process: a child that inherits an open file would believe in locks
# that it does not hold. So a fork finds every file closed, and each side opens its own.

_instances: weakref.WeakSet[SQLiteCache] = weakref.WeakSet()


def _before_fork() -> None:
    for cache in list(_instances):
        cache.hold_for_fork()


def _after_fork() -> None:
    for cache in list(_instances):
        cache.go_on_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )


def _create(path: Path) -> None:
    """Make the file, private to its owner. It appears complete, whoever else is making it."""
    descriptor, draft = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    os.close(descriptor)
    try:
        with closing(sqlite3.connect(draft)) as db:
            db.executescript(_SCHEMA)
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()


def _blob(address: str) -> bytes:
    """Any string, whatever characters it has, as bytes that no collation changes."""
    return address.encode("utf-8", "surrogatepass")


def _end(timeout: float) -> float:
    return time.time() + timeout if timeout else inf


def _put(db: sqlite3.Connection, items: Mapping[str, bytes], timeout: float) -> None:
    expires = _end(timeout)
    db.executemany(_WRITE, [(_blob(address), data, expires) for address, data in items.items()])
    # As many come, twice as many may go: what has expired leaves at a constant cost per write.
    db.execute(_SWEEP, (time.time(), 2 * len(items)))


def _put_new(db: sqlite3.Connection, address: str, data: bytes, timeout: float) -> bool:
    new = (_blob(address), data, _end(timeout), time.time())
    return db.execute(_ADD, new).rowcount == 1
