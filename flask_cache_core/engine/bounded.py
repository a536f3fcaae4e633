"""A small dictionary that forgets. Imports nothing of the package."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

T = TypeVar("T")


class Recent(OrderedDict[str, T]):
    """Forgets the oldest of what was put into it, beyond `LIMIT` keys."""

    LIMIT = 4096

    def put(self, key: str, value: T) -> None:
        self[key] = value
        self._trim()

    def put_once(self, key: str, value: T) -> T:
        """Set *key* if it is not there; what it holds then."""
        held = self.setdefault(key, value)
        self._trim()
        return held

    def _trim(self) -> None:
        while len(self) > self.LIMIT:
            try:
                self.popitem(last=False)
            except KeyError:  # another thread took the last one
                return
