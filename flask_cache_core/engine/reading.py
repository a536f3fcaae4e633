"""What one `get_many` of the backend says: the entry, and whether all it depends on is unchanged.

Remembers, for this process, what else an entry depends on than its caller can know (inherited
tags), and by which request headers a page varies. Must not know what follows from a reading:
hit, stale or miss is for `lookup` to decide.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from ..keys.builders import barrier_key
from ..storage.entry import Entry, Variants
from .call import Call

if TYPE_CHECKING:
    from .state import AppState

__all__ = ["Missed", "Reading", "first_reading", "read"]


class Reading(NamedTuple):
    """What one `get_many` said."""

    entry: Entry | None
    """The entry, if all that it depends on is unchanged. Its time may be over."""
    tokens: list[Any]
    """The stamps of the call, ``None`` for those that are absent."""
    variants: Variants | None
    """Of a page that is known to have variants, what is stored of that."""
    barrier: str | None
    answered: bool
    landings: int
    """How many computations had ended in this process before it was read."""


class Missed(NamedTuple):
    """What `glance` found that was no plain hit."""

    found: list[Any] | None
    landings: int


def first_reading(state: AppState, call: Call, missed: Missed | None) -> Reading:
    reading = None
    if missed is not None:
        reading = _interpret(state, call, call.stamps, missed.found, missed.landings)
    return reading or read(state, call)


def _stamps(state: AppState, call: Call) -> tuple[str, ...]:
    """The stamps to ask for: the call's, and those that its entry is known to have beyond."""
    stamps = call.stamps
    variants = state.varying.get(call.base)
    call.key = call.base if variants is None else call.variant(variants.names)
    if call.key != call.base:
        stamps += (call.base,)
    return stamps + (state.inherited.get(call.key) or ())


def _ask(state: AppState, call: Call, stamps: tuple[str, ...]) -> list[Any] | None:
    """The entry, its stamps, and the barrier of its key where there are barriers."""
    if state.barriers:
        return state.get_many(call.key, *stamps, barrier_key(call.base))
    return state.get_many(call.key, *stamps)


def _holds(entry: Entry, call: Call, stamps: tuple[str, ...], found: list[Any]) -> bool:
    """Whether all that *entry* depends on is as it was when it was computed."""
    count = len(stamps) + 1
    return (
        entry.versions == tuple(found[1:count])
        and entry.version_keys == stamps
        and entry.source == call.maker
        and (len(found) == count or found[count] is None or found[count] == entry.barrier)
    )


def read(state: AppState, call: Call) -> Reading:
    """Ask the backend, and ask again only the first time that this process meets an entry that
    depends on more than its caller can know, or a page that has variants.
    """
    for _ in range(3):
        landings = state.flights.landings
        stamps = _stamps(state, call)
        found = _ask(state, call, stamps)
        reading = _interpret(state, call, stamps, found, landings)
        if reading is not None:
            return reading
    return Reading(None, [], None, None, False, 0)  # it changes faster than it can be read


def _interpret(
    state: AppState, call: Call, stamps: tuple[str, ...], found: list[Any] | None, landings: int
) -> Reading | None:
    """What was found; ``None``: it has to be asked for again, as is now known."""
    if found is None:
        return Reading(None, [], None, None, False, landings)
    barrier = found[len(stamps) + 1] if state.barriers else None
    tokens = found[1 : len(call.stamps) + 1]
    variants = found[len(call.stamps) + 1] if call.key != call.base else found[0]
    if _learn_variants(state, call, variants):
        return None
    entry = found[0]
    if entry is not None and type(entry) not in (Entry, Variants) and not call.stamps:
        entry = Entry(entry, 0, inf, 0, barrier=barrier, source=call.maker)  # put by `cache.set`
    if type(entry) is Entry and entry.version_keys != stamps:
        if set(entry.version_keys).issuperset(call.stamps) and not set(stamps).issuperset(
            entry.version_keys
        ):
            known = {*call.stamps, call.base}
            inherited = tuple(stamp for stamp in entry.version_keys if stamp not in known)
            state.inherited.put(call.key, inherited)
            return None
        entry = _reordered(entry, call, stamps, found)
    if type(entry) is not Entry or not _holds(entry, call, stamps, found):
        entry = None
    held = variants if type(variants) is Variants else None
    return Reading(entry, tokens, held, barrier, True, landings)


def _learn_variants(state: AppState, call: Call, found: object) -> bool:
    """Whether a page has other variants than was known. *found* is what its own key holds."""
    known = state.varying.get(call.base)
    if type(found) is Variants:
        if known != found and call.variant(found.names) != call.base:
            state.varying.put(call.base, found)
            return True
    elif known is not None:
        state.varying.pop(call.base, None)
        return True
    return False


def _reordered(entry: Entry, call: Call, stamps: tuple[str, ...], found: list[Any]) -> Entry | None:
    """An entry that depends on some of *stamps* only, as one that depends on them all."""
    own = dict(zip(entry.version_keys, entry.versions, strict=True))
    if not own.keys() <= set(stamps) or not own.keys() >= set(call.stamps):
        return None
    tokens = tuple(own.get(stamp, token) for stamp, token in zip(stamps, found[1:], strict=False))
    return entry._replace(version_keys=stamps, versions=tokens)
