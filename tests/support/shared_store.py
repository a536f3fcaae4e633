"""A store that several apps of one test share, as processes share a server, and that can fail."""

from __future__ import annotations

from typing import Any

from flask_cache_core import BaseCache
from flask_cache_core.backends import SimpleCache
from flask_cache_core.typing import Timeout


class Server:
    """What stands for the server: a test gives it a new store, and lets it fail."""

    store: SimpleCache
    is_down = False


class SharedStore(BaseCache):
    """One store for all apps, as a server is, that fails while it is told to."""

    shared = True
    atomic_add = True
    multi_get = True

    def _store(self) -> SimpleCache:
        if Server.is_down:
            raise ConnectionError("the backend fails")
        return Server.store

    def get(self, key: str) -> Any:
        return self._store().get(key)

    def set(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        return self._store().set(key, value, timeout)

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        return self._store().add(key, value, timeout)

    def delete(self, key: str) -> bool:
        return self._store().delete(key)

    def has(self, key: str) -> bool:
        return self._store().has(key)
