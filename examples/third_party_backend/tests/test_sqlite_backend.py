"""The contract of every backend, and what is particular to this one."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_cache_sqlite import SQLiteCache

from flask_cache_core.errors import BackendError, ConfigError
from flask_cache_core.testing import BackendContract


class TestContract(BackendContract):
    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> Iterator[Callable[[str], SQLiteCache]]:
        made: list[SQLiteCache] = []

        def make(prefix: str) -> SQLiteCache:
            made.append(SQLiteCache(tmp_path / "cache.db", key_prefix=prefix, patience=30))
            return made[-1]

        yield make
        for backend in made:
            backend.close()


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[SQLiteCache]:
    backend = SQLiteCache(tmp_path / "cache.db", key_prefix="app")
    yield backend
    backend.close()


def test_the_file_is_private(cache: SQLiteCache, tmp_path: Path) -> None:
    cache.set("key", 1)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_expired_values_leave_the_file(cache: SQLiteCache) -> None:
    """Else the file would grow for ever."""
    cache.set_many(dict.fromkeys("abcd", 1), 0.001)
    while cache.has("a"):
        pass
    cache.set_many({"e": 1, "f": 2})
    with cache._transaction("DEFERRED") as db:
        assert db.execute("SELECT count(*) FROM cache").fetchone() == (2,)


@pytest.mark.parametrize("path", [None, "", "no/such/directory/cache.db", "."])
def test_a_wrong_path_is_told_at_set_up(path: str | None) -> None:
    config = {"CACHE_SQLITE_PATH": path, "CACHE_BACKEND_TIMEOUT": 0.25}
    with pytest.raises(ConfigError, match="CACHE_SQLITE_PATH"):
        SQLiteCache.factory(Flask(__name__), config, [], {})


def test_a_file_that_is_no_database_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are no pages of a database " * 100)
    backend = SQLiteCache(path, key_prefix="app")
    with pytest.raises(BackendError, match=r"notes\.txt \(CACHE_SQLITE_PATH\): file is not"):
        backend.get("key")
    backend.close()
    assert path.read_text().startswith("these are no pages")
