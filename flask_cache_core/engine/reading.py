"""One read of the backend: the entry, and whether all that it depends on is unchanged.

A page may vary by request headers; then its own key holds a `Variants` record, and the entry is
under the key of a variant. Which of the two is read is decided here, for each read: the call
itself never changes. Must not know what follows from a reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from ..keys.builders import barrier_key
from ..storage.entry import Entry, Variants

if TYPE_CHECKING:
    from .call import Call
    from .state import CacheState

__all__ = ["FastMiss", "Reading", "interpret", "read"]


class Reading(NamedTuple):
    """What one read said."""

    key: str
    """The very key that was asked for: the call's own, or that of a variant."""
    entry: Entry | None = None
    """The entry, if all that it depends on is unchanged. Its time may be over."""
    versions: Sequence[object] = ()
    """The stored versions of the call's version keys, ``None`` for those that are absent."""
    variants: Variants | None = None
    """Of a page that is known to have variants, the stored record."""
    barrier: str | None = None
    """What announces the last deletion of the key to computations elsewhere."""
    available: bool = False
    """Whether the backend answered at all."""
    completed: int = 0
    """How many computations were over in this process before it was read."""


class FastMiss(NamedTuple):
    """What the fast path read that was no plain hit."""

    found: list[Any] | None
    completed: int


class _Question(NamedTuple):
    """What to ask the backend for."""

    key: str
    version_keys: tuple[str, ...]
    """The call's, then the page's own key where a variant is read, then inherited ones."""


def interpret(state: CacheState, call: Call[Any], missed: FastMiss) -> Reading | None:
    """What the fast path has read; ``None``: another question has to be asked."""
    question = _Question(call.key, call.version_keys)
    return _interpret(state, call, question, missed.found, missed.completed)


def read(state: CacheState, call: Call[Any]) -> Reading:
    """Ask the backend, and ask again only the first time that this process meets an entry that
    depends on more than its caller can know, or a page that has variants.
    """
    question = _question(state, call)
    for _ in range(3):
        completed = state.flights.completed
        found = _ask(state, call, question)
        reading = _interpret(state, call, question, found, completed)
        if reading is not None:
            return reading
        question = _question(state, call)
    return Reading(question.key)  # it changes faster than it can be read


def _question(state: CacheState, call: Call[Any]) -> _Question:
    key, version_keys = call.key, call.version_keys
    variants = state.memory.variants.get(call.key)
    if variants is not None:
        key = call.variant(variants.names)
        if key != call.key:
            version_keys += (call.key,)
    return _Question(key, version_keys + (state.memory.inherited.get(key) or ()))


def _ask(state: CacheState, call: Call[Any], question: _Question) -> list[Any] | None:
    """The entry, its versions, and the barrier of its key where there are barriers."""
    if state.barriers:
        return state.get_many(question.key, *question.version_keys, barrier_key(call.key))
    return state.get_many(question.key, *question.version_keys)


def _interpret(
    state: CacheState,
    call: Call[Any],
    question: _Question,
    found: list[Any] | None,
    completed: int,
) -> Reading | None:
    """What was found; ``None``: another question has to be asked, as is now known."""
    key, version_keys = question
    if found is None:
        return Reading(key, completed=completed)
    count = len(call.version_keys) + 1
    variants = found[0] if key == call.key else found[count]
    if _learns_variants(state, call, variants):
        return None
    barrier = found[len(version_keys) + 1] if state.barriers else None
    entry = found[0]
    if entry is not None:
        entry = _as_entry(call, entry, barrier)
    if entry is not None and entry.version_keys != version_keys:
        if _learns_inherited(state, call, question, entry):
            return None
        entry = _reordered(entry, call, version_keys, found)
    if entry is not None and not _is_valid(entry, call, version_keys, found, barrier):
        entry = None
    record = variants if type(variants) is Variants else None
    return Reading(key, entry, found[1:count], record, barrier, True, completed)


def _as_entry(call: Call[Any], found: object, barrier: str | None) -> Entry | None:
    """What was found as an entry; a plain value, which ``cache.set`` stored, never expires here."""
    if type(found) is Entry:
        return found
    if type(found) is Variants or call.version_keys:
        return None
    return Entry(found, 0, inf, 0, barrier=barrier, source=call.source)


def _is_valid(
    entry: Entry,
    call: Call[Any],
    version_keys: tuple[str, ...],
    found: list[Any],
    barrier: str | None,
) -> bool:
    """Whether all that *entry* depends on is as it was when it was computed."""
    return (
        entry.version_keys == version_keys
        and entry.versions == tuple(found[1 : len(version_keys) + 1])
        and entry.source == call.source
        and barrier in (None, entry.barrier)
    )


def _learns_variants(state: CacheState, call: Call[Any], found: object) -> bool:
    """Whether a page has other variants than was known. *found* is what its own key holds."""
    known = state.memory.variants.get(call.key)
    if type(found) is Variants:
        if known != found and call.variant(found.names) != call.key:
            state.memory.variants.put(call.key, found)
            return True
    elif known is not None:
        state.memory.variants.pop(call.key, None)
        return True
    return False


def _learns_inherited(
    state: CacheState, call: Call[Any], question: _Question, entry: Entry
) -> bool:
    """Whether *entry* has version keys that were not asked for."""
    asked = set(question.version_keys)
    if not set(entry.version_keys).issuperset(call.version_keys):
        return False
    if asked.issuperset(entry.version_keys):
        return False
    known = {*call.version_keys, call.key}
    inherited = tuple(key for key in entry.version_keys if key not in known)
    state.memory.inherited.put(question.key, inherited)
    return True


def _reordered(
    entry: Entry, call: Call[Any], version_keys: tuple[str, ...], found: list[Any]
) -> Entry | None:
    """An entry that depends on some of *version_keys* only, as one that depends on them all."""
    own = dict(zip(entry.version_keys, entry.versions, strict=True))
    if not own.keys() <= set(version_keys) or not own.keys() >= set(call.version_keys):
        return None
    versions = tuple(
        own.get(key, version) for key, version in zip(version_keys, found[1:], strict=False)
    )
    return entry._replace(version_keys=version_keys, versions=versions)
