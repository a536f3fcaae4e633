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
    """The key/value API. Keys are strings; timeouts are seconds or a timedelta, ``None`` is
    ``CACHE_DEFAULT_TIMEOUT`` and 0 never expires.

    Every method raises `InvalidKeyError` for a key that is no string, `NotInitializedError`
    outside of any app, and `BackendError` where the backend fails, unless ``CACHE_IGNORE_ERRORS``
    is set: then a failed backend behaves as an empty cache does.
    """

    def get(self, key: str, default: Any = None, **options: Any) -> Any:
        """Return the value under *key*.

        Of what a decorator or `get_or_set` stored, and of values with tags, it is returned while it
        is valid and fresh. One round trip; one more the first time that a process reads a value
        with tags.

        :param key: where to look.
        :param default: returned where there is nothing. A stored ``None`` is something.
        :param options: for backends whose ``get`` takes more than a key.
        :returns: a copy of the value.

        Since 1.0. ::

            cache.set("greeting", "hello")
            assert cache.get("greeting") == "hello"
            assert cache.get("no such key", "default") == "default"
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
        """Return the values under several keys, in one round trip where the backend can.

        :param keys: where to look.
        :returns: the values in the order of *keys*, ``None`` where there is none.

        Since 1.0. ::

            cache.set_many({"a": 1, "b": 2})
            assert cache.get_many("a", "b", "c") == [1, 2, None]
        """
        state = self.state()
        for key in keys:
            check_key(key)
        return [None if value is MISSING else value for value in _values(state, keys)]

    def get_dict(self, *keys: str) -> dict[str, Any]:
        """Return the values under several keys, by their keys.

        :param keys: where to look.
        :returns: a value for each key, ``None`` where there is none.

        Since 1.0. ::

            cache.set("a", 1)
            assert cache.get_dict("a", "c") == {"a": 1, "c": None}
        """
        return dict(zip(keys, self.get_many(*keys), strict=True))

    def has(self, key: str) -> bool:
        """Return whether there is something under *key*, ``None`` included.

        :param key: where to look.

        Since 1.0. ::

            cache.set("nothing", None)
            assert cache.has("nothing")
        """
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
        """Store *value* under *key*.

        :param key: where to store it.
        :param value: any value that the backend can store; a copy is stored.
        :param timeout: seconds or a timedelta; ``None`` is ``CACHE_DEFAULT_TIMEOUT``, 0 never
            expires.
        :param tags: names; the value is gone as soon as one of them is invalidated.
        :param options: for backends whose ``set`` takes more than these.
        :returns: whether it was stored.

        Raises `InvalidTimeoutError` for a wrong timeout, and `SerializationError` for a value that
        the backend cannot store.

        Since 1.0. ::

            cache.set("newest", "ann", timeout=30, tags=["users"])
            cache.invalidate_tags("users")
            assert cache.get("newest") is None
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
        """Store several values, in one round trip where the backend can.

        :param mapping: the values by their keys.
        :param timeout: seconds or a timedelta, for all of them.
        :returns: the keys whose values were stored.

        Raises what `set` raises.

        Since 1.0. ::

            assert sorted(cache.set_many({"a": 1, "b": 2}, timeout=60)) == ["a", "b"]
        """
        state = self.state()
        keys = tuple(check_key(key) for key in mapping)
        seconds = to_seconds(timeout, state.backend.default_timeout)
        set_many = functools.partial(state.backend.set_many, mapping, seconds)
        stored = state.store.execute(set_many, keys)
        return [] if stored is MISSING else list(stored)

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        """Store *value* unless there is something under *key* already.

        :param key: where to store it.
        :param value: what to store.
        :param timeout: seconds or a timedelta.
        :returns: whether it was stored.

        Raises what `set` raises. Atomic where the backend says so (`BaseCache.atomic_add`).

        Since 1.0. ::

            assert cache.add("first", "ann")
            assert not cache.add("first", "bob")
        """
        state = self.state()
        check_key(key)
        seconds = to_seconds(timeout, state.backend.default_timeout)
        add = functools.partial(state.backend.add, key, value, seconds)
        return state.store.execute(add) is True

    def delete(self, key: str) -> bool:
        """Forget the value under *key*, and what is just being computed for it.

        :param key: what to forget.
        :returns: whether there was something.

        Since 1.0. ::

            cache.set("a", 1)
            assert cache.delete("a")
            assert not cache.delete("a")
        """
        return bool(self.delete_many(key))

    def delete_many(self, *keys: str) -> list[str]:
        """Forget the values under several keys, and what is just being computed for them.

        :param keys: what to forget.
        :returns: those keys under which there was something.

        Since 1.0. ::

            cache.set("a", 1)
            assert cache.delete_many("a", "no such key") == ["a"]
        """
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
        """Do as `delete_many`, without waiting for the server to free the memory where it can.

        :param keys: what to forget.
        :returns: those keys under which there was something.

        Since 1.0. ::

            cache.set("a", 1)
            assert cache.unlink("a") == ["a"]
        """
        return self.delete_many(*keys)

    def clear(self) -> bool:
        """Forget everything under this cache's key prefix, and nothing else.

        :returns: whether that was done. With an empty prefix on a shared backend it is refused,
            with a warning, unless ``CACHE_CLEAR_ALL`` is set.

        Since 1.0. ::

            cache.set("a", 1)
            assert cache.clear()
            assert cache.get("a") is None
        """
        state = self.state()
        state.flights.invalidate(None)
        state.memory.drop_fallbacks(None)
        return state.store.execute(state.backend.clear, keys=None) is True

    def inc(self, key: str, delta: int = 1) -> int | None:
        """Add to a counter, which begins at 0.

        :param key: where the counter is.
        :param delta: what to add, an integer.
        :returns: the new value; ``None`` where something else than an integer is stored.

        Since 1.0. ::

            assert cache.inc("visits") == 1
            assert cache.inc("visits", 10) == 11
        """
        state = self.state()
        check_key(key)
        value = state.store.execute(functools.partial(state.backend.inc, key, delta))
        return None if value is MISSING else value

    def dec(self, key: str, delta: int = 1) -> int | None:
        """Subtract from a counter, which begins at 0.

        :param key: where the counter is.
        :param delta: what to subtract, an integer.
        :returns: the new value; ``None`` where something else than an integer is stored.

        Since 1.0. ::

            assert cache.dec("places", 2) == -2
        """
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
        """Return the value under *key*, or what *factory* makes, once for all who ask meanwhile.

        :param key: where to look, and to store.
        :param factory: called without arguments where nothing valid and fresh is stored.
        :param timeout: seconds or a timedelta; ``None`` is ``CACHE_DEFAULT_TIMEOUT``, 0 never
            expires.
        :param tags: names; the value is gone as soon as one of them is invalidated.
        :param flight: ``lock``, ``lock_timeout``, ``stale_while_revalidate``, ``stale_if_error``,
            ``jitter`` and ``beta``, as in `memoize`; each defaults to its ``CACHE_*`` setting.
        :returns: the value. Raises what *factory* raises, and `ConfigError` or `UsageError` for a
            wrong option. A failed backend raises nothing: the value is computed.

        Since 1.0. ::

            assert cache.get_or_set("answer", lambda: 42, timeout=60, tags=["numbers"]) == 42
        """
        Policy.check(flight)
        state = self.state()
        if not state.enabled:
            return factory()
        resolved = Policy.of(flight, state.settings)
        seconds = None if timeout is None else to_seconds(timeout, 0)
        call = GivenCall(check_key(key), tag_versions(tags), resolved, seconds, factory)
        return Lookup(state, call).value()

    def invalidate_tags(self, *tags: str) -> None:
        """Forget everything that has one of *tags*, and what is just being computed with them.

        One write for each tag, whatever is stored. Where the backend fails, it is delivered as soon
        as the backend answers again, before anything that is read of it is trusted.

        :param tags: names, as given to ``tags=``.

        Since 1.0. ::

            cache.set("name", "ann", tags=["user:1"])
            cache.invalidate_tags("user:1")
            assert not cache.get("name")
        """
        self.state().versions.replace(tag_versions(tags))

    @contextmanager
    def lock(self, name: str, timeout: Timeout = 10.0) -> Iterator[None]:
        """Hold a lock while the block runs: over all processes where the backend is shared and can.

        :param name: one holder of each name at a time.
        :param timeout: seconds to wait for it at most, or a timedelta.

        Raises `TimeoutError` where somebody else holds it for longer, and `BackendError` where the
        backend does not answer.

        Since 1.0. ::

            with cache.lock("nightly-report", timeout=5):
                pass  # one at a time
        """
        with held(self.state(), check_key(name), to_seconds(timeout, 10)):
            yield

    def stats(self) -> CacheStats:
        """Return what happened so far in this process: a `CacheStats`.

        Since 1.0. ::

            cache.get_or_set("a", lambda: 1)
            assert cache.stats().misses >= 1
        """
        return self.state().stats()


#: What decorators store.
_STORED: Final = (Entry, Variants)


def _values(state: AppState, keys: tuple[str, ...]) -> list[Any]:
    """What a caller would get now of what is stored, `MISSING` for what is not."""
    found = state.store.execute(functools.partial(valid_values, state, keys))
    if found is MISSING:
        return [MISSING] * len(keys)
    return [value if value is MISSING else restored(value, state.app) for value in found]
