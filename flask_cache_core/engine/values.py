"""Reading values by key alone, as ``cache.get`` does, without computing.

An entry is worth something only if its versions are unchanged, and who knows but its key does
not know which versions those are. They are remembered by process, so that one round trip reads
any number of keys with all their versions. Must not know what a value means.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..keys.builders import barrier_key
from ..storage.entry import Entry, Variants
from ..typing import MISSING

if TYPE_CHECKING:
    from .state import CacheState

__all__ = ["valid_values"]


def valid_values(state: CacheState, keys: Sequence[str]) -> list[Any]:
    """What is stored under *keys*, in the form in which it is stored; `MISSING` for what is not.

    One round trip; a second one the first time that this process meets an entry with versions.
    Raises what the backend raises.
    """
    found = _find(state, {name: None for key in keys for name in _asked(state, key)})
    unknown = [key for key in keys if _learns_version_keys(state, key, found)]
    if unknown:
        found |= _find(state, {name: None for key in unknown for name in _names(state, key)})
    return [_valid(state, key, found) for key in keys]


def _asked(state: CacheState, key: str) -> tuple[str, ...]:
    """What to ask for at first: more than the key itself only where that costs no round trip."""
    if state.backend.multi_get or key in state.memory.version_keys:
        return _names(state, key)
    return (key,)


def _names(state: CacheState, key: str) -> tuple[str, ...]:
    """The key, what is known of its versions, and its barrier where there are barriers."""
    version_keys = state.memory.version_keys.get(key) or ()
    return (key, *version_keys, barrier_key(key)) if state.barriers else (key, *version_keys)


def _find(state: CacheState, names: Mapping[str, None]) -> dict[str, Any]:
    keys = tuple(names)
    return dict(zip(keys, state.backend.find_many(keys), strict=True))


def _learns_version_keys(state: CacheState, key: str, found: Mapping[str, Any]) -> bool:
    """Whether an entry depends on something that was not asked for."""
    entry = found[key]
    if type(entry) is not Entry:
        return False
    if entry.version_keys != state.memory.version_keys.get(key, ()):
        state.memory.version_keys.put(key, entry.version_keys)
    return any(name not in found for name in _names(state, key))


def _valid(state: CacheState, key: str, found: Mapping[str, Any]) -> Any:
    """What was found, if it is a plain value, or an entry that is valid and fresh."""
    entry = found[key]
    if type(entry) is Variants:
        return MISSING
    if type(entry) is not Entry:
        return entry
    barrier = found.get(barrier_key(key), MISSING) if state.barriers else MISSING
    current = tuple(found.get(name, MISSING) for name in entry.version_keys)
    if entry.versions != current or barrier not in (MISSING, entry.barrier):
        return MISSING
    return entry.value if time.time() < entry.fresh_until else MISSING
