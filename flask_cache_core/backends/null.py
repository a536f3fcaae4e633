"""The backend that stores nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..options import Options
from ..storage.base import BaseCache
from ..typing import Timeout

if TYPE_CHECKING:
    from flask import Flask


class NullCache(BaseCache):
    """Accepts everything, holds nothing. Decorated functions are simply called."""

    in_process = True
    stores = False
    options = Options

    @classmethod
    def factory(
        cls, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
    ) -> NullCache:
        return cls(kwargs.get("default_timeout"))

    def get(self, key: str) -> None:
        return None

    def set(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        self.seconds(timeout)
        return True

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        return self.set(key, value, timeout)

    def delete(self, key: str) -> bool:
        return False

    def inc(self, key: str, delta: int = 1) -> int:
        return delta

    def clear(self) -> bool:
        return True
