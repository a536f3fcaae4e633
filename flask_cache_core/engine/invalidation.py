"""Versions: the random tokens whose replacement invalidates all that was computed under them.

Each function, instance, view and tag has one, under a key of its own; entries carry what it was
before they were computed. A version is added where it is absent and replaced to invalidate,
never overwritten by a reader. Must not know what an entry is, nor who reads it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from ..keys.builders import barrier_key
from .memory import BoundedDict

if TYPE_CHECKING:
    from ..storage.guard import Store
    from .flight import Flights
    from .memory import Memory

__all__ = ["BARRIER_LIFE", "VERSION_LIFE", "Versions", "new_version"]

#: Seconds that a version lives, and so the longest time that anything stays cached.
VERSION_LIFE: Final = 30 * 86400.0

#: Seconds for which the deletion of one key is remembered, for computations in other processes.
#: One that takes longer is not stored.
BARRIER_LIFE: Final = 3600.0


#: Makes a version: a random token.
new_version: Final = partial(secrets.token_urlsafe, 9)


class Versions:
    """The versions of one cache, and all that invalidates.

    :ivar pending: by version key, the versions that running computations will add where there
        was none. Computations that start while a version is absent agree on one.
    """

    def __init__(self, store: Store, flights: Flights, memory: Memory) -> None:
        self._store = store
        self._flights = flights
        self._memory = memory
        self.pending: BoundedDict[str] = BoundedDict()

    def replace(self, version_keys: Sequence[str]) -> None:
        """Invalidate everything that was, or is just being, computed under these versions."""
        self._flights.invalidate(version_keys)
        for key in version_keys:
            self.pending.pop(key, None)
        self._memory.drop_fallbacks(version_keys)
        self._store.invalidate((), {key: new_version() for key in version_keys}, VERSION_LIFE)

    def delete_keys(self, keys: tuple[str, ...]) -> list[str] | None:
        """Delete *keys*, and keep what is just being computed for them from coming back.

        Returns those that were there; ``None`` where the backend does not answer.
        """
        self._flights.invalidate(keys)
        self._memory.drop_fallbacks(keys)
        barriers = {barrier_key(key): new_version() for key in keys} if self._store.barriers else {}
        return self._store.invalidate(keys, barriers, BARRIER_LIFE)
