"""The backend around a foreign cache: a cachelib object, or any other with the werkzeug API."""

from __future__ import annotations

import math
from typing import Any

from ..storage.base import BaseCache
from ..typing import Timeout

__all__ = ["Adapted"]


class Adapted(BaseCache):
    """A foreign object with the werkzeug cache API (a cachelib cache, a duck type).

    Attributes of the object itself stay reachable through this one.
    """

    shared = True

    def __init__(self, cache: Any, default_timeout: Timeout | None = None) -> None:
        super().__init__(default_timeout)
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        if name == "_cache":
            raise AttributeError(name)
        return getattr(self._cache, name)

    def get(self, key: str) -> Any:
        return self._cache.get(key)

    def set(self, key: str, value: Any, timeout: Timeout | None = None) -> bool | None:
        stored: bool | None = self._cache.set(key, value, timeout=self._whole(timeout))
        return stored

    def delete(self, key: str) -> bool:
        return bool(self._cache.delete(key))

    def get_many(self, *keys: str) -> list[Any]:
        if not hasattr(self._cache, "get_many"):
            return super().get_many(*keys)
        return list(self._cache.get_many(*keys))

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        if not hasattr(self._cache, "add"):
            return super().add(key, value, timeout)
        return bool(self._cache.add(key, value, timeout=self._whole(timeout)))

    def has(self, key: str) -> bool:
        if not hasattr(self._cache, "has"):
            return super().has(key)
        return bool(self._cache.has(key))

    def inc(self, key: str, delta: int = 1) -> int | None:
        if not hasattr(self._cache, "inc"):
            return super().inc(key, delta)
        value: int | None = self._cache.inc(key, delta)
        return value

    def clear(self) -> bool:
        return bool(self._cache.clear()) if hasattr(self._cache, "clear") else False

    def _whole(self, timeout: Timeout | None) -> int:
        return math.ceil(self.seconds(timeout))
