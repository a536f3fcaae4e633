"""A flask-cache-core backend that keeps values in one SQLite file."""

from .store import SQLiteCache, SQLiteOptions

__all__ = ["SQLiteCache", "SQLiteOptions"]
