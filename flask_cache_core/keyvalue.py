"""The key/value API of `Cache`: the werkzeug cache API, typed, with tags.

Must not know decorators, nor how anything is looked up.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar, Unpack

from .apps import AppState, CacheBase
from .decorators.predicates import tag_versions
from .engine.call import FlightOptions, GivenCall, Policy
from .engine.computation import store_value
from .engine.lease import held
from .engine.lookup import Lookup
from .engine.state import CacheStats
from .engine.values import valid_values
from .keys.builders import check_key
from .options import to_seconds
from .storage.entry import Entry, Variants
from .typing import MISSING, Timeout
from .web.stored import restored

__all__ = ["KeyValueMixin"]

R = TypeVar("R")


class KeyValueMixin(CacheBase):
    """``cache.get`` and its like."""

    def get(self, key: str, default: Any = None, **options: Any) -> Any:
        """The value under *key*, *default* where there is none.

        :param options: for backends whose ``get`` takes more than a key.

        Of what a decorator stored, the value is returned while it is valid and fresh. Raises
        `BackendError` where the backend fails, unless ``CACHE_IGNORE_ERRORS`` is set.
        """
        state = self.state()
        backend = state.backend
        if backend.in_process:
            value = backend.get(check_key(key), **options)
        elif options:
            value = state.store.execute(functools.partial(backend.get, check_key(key), **options))
        else:
            value = _values(state, (check_key(key),))[0]
        if type(value) in _STORED:
            value = _values(state, (key,))[0]
        if value is None and default is not None and not backend.multi_get:
            return None if self.has(key) else default
        return default if value is MISSING else value

    def get_many(self, *keys: str) -> list[Any]:
        """The values in the order of *keys*, ``None`` where there is none."""
        state = self.state()
        for key in keys:
            check_key(key)
        return [None if value is MISSING else value for value in _values(state, keys)]

    def get_dict(self, *keys: str) -> dict[str, Any]:
        """The values by their keys, ``None`` where there is none."""
        return dict(zip(keys, self.get_many(*keys), strict=True))

    def has(self, key: str) -> bool:
        """Whether there is something under *key*."""
        state = self.state()
        check_key(key)
        found = state.store.execute(functools.partial(state.backend.has, key))
        return found is True

    def set(
        self,
        key: str,
        value: Any,
        timeout: Timeout | None = None,
        *,
        tags: Iterable[str] = (),
        **options: Any,
    ) -> bool:
        """Store *value* for *timeout*; with *tags*, until one of them is invalidated.

        :param options: for backends whose ``set`` takes more than these.
        """
        state = self.state()
        check_key(key)
        seconds = to_seconds(timeout, state.backend.default_timeout)
        if tags:
            call = GivenCall(key, tag_versions(tags), state.policy, seconds, lambda: value)
            return store_value(state, call)
        write = functools.partial(state.backend.set, key, value, seconds, **options)
        return state.store.execute(write, (key,)) not in (False, MISSING)

    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout | None = None) -> list[str]:
        """Store all of *mapping*; the keys that were stored."""
        state = self.state()
        keys = tuple(check_key(key) for key in mapping)
        seconds = to_seconds(timeout, state.backend.default_timeout)
        set_many = functools.partial(state.backend.set_many, mapping, seconds)
        stored = state.store.execute(set_many, keys)
        return [] if stored is MISSING else list(stored)

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        """Store *value* unless something is under *key*; whether it was stored."""
        state = self.state()
        check_key(key)
        seconds = to_seconds(timeout, state.backend.default_timeout)
        add = functools.partial(state.backend.add, key, value, seconds)
        return state.store.execute(add) is True

    def delete(self, key: str) -> bool:
        """Forget *key*; whether it was there."""
        return bool(self.delete_many(key))

    def delete_many(self, *keys: str) -> list[str]:
        """Forget all *keys*; those that were there. Raises `BackendError` like `get`."""
        state = self.state()
        for key in keys:
            check_key(key)
        if not keys:
            return []
        deleted = state.versions.delete_keys(keys)
        if deleted is None:
            state.store.unavailable()
        return deleted or []

    def unlink(self, *keys: str) -> list[str]:
        """`delete_many`, without waiting for the server to free the memory where it can."""
        return self.delete_many(*keys)

    def clear(self) -> bool:
        """Forget everything under this cache's prefix; whether that was done."""
        state = self.state()
        state.flights.invalidate(None)
        state.memory.drop_fallbacks(None)
        return state.store.execute(state.backend.clear, keys=None) is True

    def inc(self, key: str, delta: int = 1) -> int | None:
        """Add *delta* to a counter, which begins at 0; ``None`` where it is no counter."""
        state = self.state()
        check_key(key)
        value = state.store.execute(functools.partial(state.backend.inc, key, delta))
        return None if value is MISSING else value

    def dec(self, key: str, delta: int = 1) -> int | None:
        """Subtract *delta* from a counter."""
        return self.inc(key, -delta)

    def get_or_set(
        self,
        key: str,
        factory: Callable[[], R],
        timeout: Timeout | None = None,
        *,
        tags: Iterable[str] = (),
        **flight: Unpack[FlightOptions],
    ) -> R:
        """The value under *key*, or what *factory* makes, once for all who ask meanwhile."""
        Policy.check(flight)
        state = self.state()
        if not state.enabled:
            return factory()
        resolved = Policy.of(flight, state.settings)
        seconds = None if timeout is None else to_seconds(timeout, 0)
        call = GivenCall(check_key(key), tag_versions(tags), resolved, seconds, factory)
        return Lookup(state, call).value()

    def invalidate_tags(self, *tags: str) -> None:
        """Forget everything that has one of *tags*: one write for each."""
        self.state().versions.replace(tag_versions(tags))

    @contextmanager
    def lock(self, name: str, timeout: Timeout = 10.0) -> Iterator[None]:
        """Hold the lock *name*: across processes where the backend is shared and can.

        :param timeout: seconds to wait for it at most.
        Raises `TimeoutError` where somebody else holds it for longer.
        """
        with held(self.state(), check_key(name), to_seconds(timeout, 10)):
            yield

    def stats(self) -> CacheStats:
        """What happened so far in this process."""
        return self.state().stats()


#: What decorators store.
_STORED: Final = (Entry, Variants)


def _values(state: AppState, keys: tuple[str, ...]) -> list[Any]:
    """What a caller would get now of what is stored, `MISSING` for what is not."""
    found = state.store.execute(functools.partial(valid_values, state, keys))
    if found is MISSING:
        return [MISSING] * len(keys)
    return [value if value is MISSING else restored(value, state.app) for value in found]
