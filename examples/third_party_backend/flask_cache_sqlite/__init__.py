"""A flask-cache-core backend that keeps values in one SQLite file."""

from .store import SQLiteCache

__all__ = ["SQLiteCache"]
