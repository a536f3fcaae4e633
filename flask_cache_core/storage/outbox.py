"""Invalidations that could not be delivered, to be delivered later.

Must not know how, nor when.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from ..errors import BackendError

if TYPE_CHECKING:
    from .base import BaseCache

__all__ = ["Outbox", "deliver"]

#: How many undelivered invalidations are remembered before everything is invalidated instead.
CAPACITY: Final = 10_000


class Outbox:
    """Undelivered invalidations; beyond `CAPACITY` of them, that of everything."""

    def __init__(self) -> None:
        self._deletions: dict[str, None] = {}
        self._writes: dict[str, tuple[str, float]] = {}
        self._everything = False

    def __bool__(self) -> bool:
        return bool(self._deletions or self._writes or self._everything)

    def put(
        self, deleted: Collection[str] | None, replaced: Mapping[str, str], life: float
    ) -> None:
        """Remember keys to delete (``None``: all) and versions to write for *life* seconds."""
        self._deletions.update(dict.fromkeys(deleted or ()))
        self._writes.update({key: (version, life) for key, version in replaced.items()})
        self._everything |= deleted is None
        self._limit()

    def put_back(self, later: Outbox) -> Outbox:
        """Both this and what came *later*; where they differ, the later one counts."""
        self._deletions.update(later._deletions)
        self._writes.update(later._writes)
        self._everything |= later._everything
        self._limit()
        return self

    def _limit(self) -> None:
        if len(self._deletions) + len(self._writes) > CAPACITY:
            self._deletions, self._writes, self._everything = {}, {}, True

    def deliver_to(self, backend: BaseCache) -> bool:
        """Deliver all. Raises what the backend raises; whether everything could be cleared."""
        cleared = not self._everything or backend.clear()
        for key, (version, life) in self._writes.items():
            deliver(backend, (), {key: version}, life)
        deliver(backend, tuple(self._deletions), {}, 0)
        return cleared


def deliver(
    backend: BaseCache, deleted: tuple[str, ...], replaced: Mapping[str, str], life: float
) -> list[str]:
    """Write first: a computation that ends in between must find the new version."""
    if replaced and len(backend.set_many(replaced, life)) < len(replaced):
        raise BackendError(f"{backend.where()} refused to store an invalidation")
    return backend.delete_many(*deleted) if deleted else []
