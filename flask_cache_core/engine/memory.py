"""What this process remembers by key: how a page varies, what an entry inherited, what failed.

All of it is bounded, and only saves work or covers for errors: what is forgotten is read or
computed again. Must not know when any of it is used.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

from ..errors import SerializationError
from ..storage.copying import freeze, thaw

if TYPE_CHECKING:
    from ..storage.entry import Entry, Variants

__all__ = ["BoundedDict", "Memory"]

T = TypeVar("T")

#: Seconds for which nobody waits for a key whose value turned out to be for one caller only.
HIT_FOR_PASS: Final = 10.0

#: Seconds between two tries of a computation that fails: the first time, and at most.
FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 60.0


class BoundedDict(OrderedDict[str, T]):
    """Forgets the oldest of what was put into it, beyond `LIMIT` keys."""

    LIMIT = 4096

    def put(self, key: str, value: T) -> None:
        self[key] = value
        self.trim()

    def trim(self) -> None:
        while len(self) > self.LIMIT:
            try:
                self.popitem(last=False)
            except KeyError:  # another thread took the last one
                return


class Memory:
    """What one process remembers of one cache.

    :ivar variants: by the key of a page, the request headers by which it varies.
    :ivar inherited: by the key of an entry, the version keys that it has beyond those that its
        caller asks for: tags of what was used while it was computed.
    :ivar passed_until: by the key of a value that was for one caller only (hit-for-pass), the
        moment until which nobody waits for another one.
    :ivar back_off: by the key of a computation that failed, until when and for how many seconds
        it is not to be tried again.
    :ivar version_keys: by a key of the app's own, all version keys of the entry under it, so
        that ``cache.get`` can ask for all at once.
    """

    def __init__(self) -> None:
        self.variants: BoundedDict[Variants] = BoundedDict()
        self.inherited: BoundedDict[tuple[str, ...]] = BoundedDict()
        self.version_keys: BoundedDict[tuple[str, ...]] = BoundedDict()
        self.passed_until: BoundedDict[float] = BoundedDict()
        self._fallbacks: BoundedDict[Entry] = BoundedDict()
        self.back_off: BoundedDict[tuple[float, float]] = BoundedDict()

    # -- values that are for one caller only (hit-for-pass) ---------------------------------

    def pass_for_a_while(self, key: str) -> None:
        self.passed_until.put(key, monotonic() + HIT_FOR_PASS)

    # -- the last known good value, for when neither backend nor computation answers ---------

    def fallback(self, key: str) -> Entry | None:
        """A copy of the last entry that was stored or read under this very *key*."""
        frozen = self._fallbacks.get(key)
        return None if frozen is None else thaw(frozen)

    def keep_fallback(self, key: str, entry: Entry) -> None:
        known = self._fallbacks.get(key)
        if known is not None and known.created == entry.created:
            return
        try:
            self._fallbacks.put(key, freeze(entry))
        except SerializationError:
            return

    def drop_fallbacks(self, keys: Collection[str] | None) -> None:
        """Forget those under *keys*, and those that depend on one of them; ``None``: all."""
        if keys is None:
            self._fallbacks.clear()
            return
        for key, entry in list(self._fallbacks.items()):
            if key in keys or not set(entry.version_keys).isdisjoint(keys):
                self._fallbacks.pop(key, None)

    # -- computations that fail (exponential back-off) ---------------------------------------

    def is_backing_off(self, key: str) -> bool:
        """Whether the computation for *key* failed a short time ago."""
        if not self.back_off:
            return False
        return monotonic() < self.back_off.get(key, (0.0, 0.0))[0]

    def computation_failed(self, key: str) -> None:
        """Do not try again for twice as long as the last time."""
        _, last = self.back_off.get(key, (0.0, 0.0))
        delay = min(last * 2, LONGEST_DELAY) or FIRST_DELAY
        self.back_off.put(key, (monotonic() + delay, delay))

    def computation_succeeded(self, key: str) -> None:
        self.back_off.pop(key, None)
