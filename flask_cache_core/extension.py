"""``Cache``: the Flask extension object, its set-up and its typed key/value methods.

Holds nothing of any app: what belongs to one is an `AppState` in ``app.extensions``.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, ParamSpec, TypeVar, Unpack

from flask import Flask, Request, current_app

from . import strays
from .backends import NullCache
from .config import DEFAULTS, Settings
from .decorators import cached as views
from .decorators import memoize
from .decorators.cached import CachedFunction
from .decorators.fragments import use_for_fragments
from .decorators.memoize import Memoized, MemoizedFunctions
from .decorators.predicates import TagsOption, stamps
from .engine.call import FlightOptions, GivenCall, Policy
from .engine.lease import held
from .engine.lookup import fetch, peek, put
from .engine.state import AppState, CacheStats
from .errors import ConfigError, NotInitializedError, UsageError, warn
from .keys.arguments import Identities, own_identity
from .keys.builders import HashMethod, check_key
from .keys.functions import Names
from .options import Options
from .plugins import registry
from .storage.base import BaseCache
from .storage.entry import Entry, Variants
from .timeouts import to_seconds
from .typing import MISSING, QueryArgs, Timeout
from .web import policy as http

P = ParamSpec("P")
R = TypeVar("R")
K = TypeVar("K")

_EXTENSION = "flask_cache_core"

#: All caches of this process: one that is not set up yet may be meant by names in `app.config`.
_caches: weakref.WeakSet[Cache] = weakref.WeakSet()
#: The apps whose names are not judged yet, as not all of their caches are known.
_unjudged: weakref.WeakSet[Flask] = weakref.WeakSet()


class Cache:
    """Caches views, functions, template fragments and plain values of Flask apps.

    :param app: set up for this app at once, like `init_app`.
    :param with_jinja2_ext: offer ``{% cache %}`` to the app's templates.
    :param config: ``CACHE_*`` settings that go over those of any app.
    """

    def __init__(
        self,
        app: Flask | None = None,
        with_jinja2_ext: bool = True,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.with_jinja2_ext = with_jinja2_ext
        self.config = _checked_config(config)
        self.identities = Identities()
        for kind in (Request, Flask.app_ctx_globals_class):  # each is one user's, whatever its repr
            self.identities.register(kind, own_identity)
        self.names = Names(self.identities)
        self.memoized = MemoizedFunctions()
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        #: What its backends have read so far; ``None`` is one that does not say, or is to come.
        self._tables: set[type[Options] | None] = {None}
        _caches.add(self)
        if app is not None:
            self.init_app(app)

    # -- set-up ---------------------------------------------------------------------------

    def init_app(self, app: Flask, config: Mapping[str, Any] | None = None) -> None:
        """Set the cache up for *app*: *config* over ``self.config`` over ``app.config``.

        Raises one of the `ConfigError` family, and then leaves the app as it was.
        """
        self._tables.discard(None)
        own = {**_set_in(self.config), **_set_in(_checked_config(config))}
        merged = {**app.config, **DEFAULTS, **strays.given(app.config), **own}
        if isinstance(merged["CACHE_SERIALIZER"], str):
            merged["CACHE_SERIALIZER"] = registry.serializer(merged["CACHE_SERIALIZER"])
        settings = Settings(merged)
        http.policy_of(settings.response_policy)
        for name in settings.plugins:
            if not registry.load(name.lower()):
                raise ConfigError(
                    f"CACHE_PLUGINS names {name!r}, and no installed package has an entry point of "
                    "that name in the group flask_cache_core."
                )
        backend = self._build_backend(app, settings, merged)
        self._tell(app, settings, backend, own)
        self._put_into(app, AppState(app, settings, backend))
        self._tables.add(None if isinstance(backend, NullCache) else type(backend).options)
        if self.with_jinja2_ext:
            use_for_fragments(app.jinja_env, self)

    def _put_into(self, app: Flask, state: AppState) -> None:
        """Let *app* have the state, and plug-ins see it; where one of them fails, none of it."""
        before = {name: app.extensions.get(name) for name in (_EXTENSION, "cache")}
        app.extensions[_EXTENSION] = {**(before[_EXTENSION] or {}), self: state}
        app.extensions["cache"] = {**(before["cache"] or {}), self: state.backend}
        known = app in self._apps
        self._apps.add(app)
        try:
            registry.hook.flask_cache_configured(app=app, cache=self, settings=state.settings)
        except BaseException:
            for name, value in before.items():
                app.extensions.pop(name)
                if value is not None:
                    app.extensions[name] = value
            if not known:
                self._apps.discard(app)
            raise

    def _build_backend(
        self, app: Flask, settings: Settings, config: Mapping[str, Any]
    ) -> BaseCache:
        cache_type = settings.type
        if settings.null_when_testing and app.config.get("TESTING"):
            cache_type = "null"
        kwargs = {
            "default_timeout": settings.default_timeout,
            "threshold": settings.threshold,
            **settings.options,
        }
        backend = registry.resolve(cache_type, app, config, settings.args, kwargs)
        table = type(backend).options
        if table is not None:
            table.verify(config)  # the factory may have read none of it
        backend.configure(settings)
        return backend

    def _tell(
        self, app: Flask, settings: Settings, backend: BaseCache, own: Mapping[str, Any]
    ) -> None:
        """Warn of what works, but not as its author may think."""
        names = self._names(app, backend, own)
        names.warn_of_misspelt()
        if app.config.get("TESTING") and settings.null_when_testing:
            return
        if isinstance(backend, NullCache) and not settings.no_null_warning:
            warn(
                "CACHE_TYPE is null, so nothing is cached. Set CACHE_TYPE, for example to "
                "'simple', or CACHE_NO_NULL_WARNING=True."
            )
        else:
            names.warn_of_unused(settings.type)
        if settings.lock == "distributed" and not (backend.shared and backend.atomic_add):
            warn(
                "CACHE_LOCK='distributed' needs a backend that processes share, with atomic add. "
                f"CACHE_TYPE={settings.type!r} is none, so each process computes for itself."
            )

    def _names(self, app: Flask, backend: BaseCache, own: Mapping[str, Any]) -> strays.Names:
        """Return the names that are set, with what is known of those who may read them.

        A cache with a CACHE_TYPE of its own answers for its own names. Those of the app are
        judged with the cache that takes the app's CACHE_TYPE, as soon as all caches are known.
        """
        states: Mapping[Cache, AppState] = app.extensions.get(_EXTENSION, {})
        there = [
            type(state.backend).options for cache, state in states.items() if cache is not self
        ]
        coming = [
            table
            for cache in list(_caches)
            if cache is not self and cache not in states and "CACHE_TYPE" in _set_in(cache.config)
            for table in cache._tables  # noqa: SLF001 - of its own kind
        ]
        if "CACHE_TYPE" not in own:
            _unjudged.add(app)
        judges = app in _unjudged and None not in coming
        if judges:
            _unjudged.discard(app)
        return strays.Names(
            own=strays.given(own).keys(),
            shared=strays.given(app.config).keys() - own.keys(),
            table=type(backend).options,
            others=[*there, *coming],
            first=not there,
            judges_shared=judges,
        )

    def register_key(self, kind: type[K], function: Callable[[K], object]) -> None:
        """Let *function* say what identifies an argument of type *kind*, for keys."""
        self.identities.register(kind, function)

    # -- the current app ------------------------------------------------------------------

    def state(self) -> AppState:
        """What belongs to the current app, or to the only one. Raises `NotInitializedError`."""
        try:
            app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        except RuntimeError:
            app = self._only_app()
        try:
            state: AppState = app.extensions[_EXTENSION][self]
        except KeyError:
            raise NotInitializedError(
                f"This Cache was not set up for the app {app.name!r}: call cache.init_app(app)."
            ) from None
        return state

    def _only_app(self) -> Flask:
        apps = list(self._apps)
        if len(apps) == 1:
            return apps[0]
        raise NotInitializedError(
            "This Cache serves several apps, so it must be used within an application context: "
            "with app.app_context()."
            if apps
            else "This Cache was not set up for any app: call cache.init_app(app)."
        )

    @property
    def cache(self) -> BaseCache:
        """The backend of the current app, or of the only one."""
        return self.state().backend

    # -- key/value ------------------------------------------------------------------------

    def get(self, key: str, default: Any = None, **options: Any) -> Any:
        """The value under *key*, *default* where there is none.

        :param options: for backends whose ``get`` takes more than a key.

        Of what a decorator stored, the value is answered while it is valid and fresh. Raises
        `BackendError` where the backend fails, unless ``CACHE_IGNORE_ERRORS`` is set.
        """
        state = self.state()
        backend = state.backend
        if backend.in_process:
            value = backend.get(check_key(key), **options)
        else:
            value = state.store.direct(functools.partial(backend.get, check_key(key), **options))
        if value is None and default is not None:
            there = state.store.direct(functools.partial(backend.has, key))
            return None if there is True else default
        if value is MISSING:
            return default
        return _value_of(state, key, value, default) if type(value) in _KEPT else value

    def get_many(self, *keys: str) -> list[Any]:
        """The values in the order of *keys*, ``None`` where there is none."""
        state = self.state()
        for key in keys:
            check_key(key)
        found = state.store.direct(functools.partial(state.backend.get_many, *keys))
        if found is MISSING:
            return [None] * len(keys)
        return [
            _value_of(state, key, value, None) if type(value) in _KEPT else value
            for key, value in zip(keys, found, strict=True)
        ]

    def get_dict(self, *keys: str) -> dict[str, Any]:
        """The values by their keys, ``None`` where there is none."""
        return dict(zip(keys, self.get_many(*keys), strict=True))

    def has(self, key: str) -> bool:
        """Whether there is something under *key*."""
        state = self.state()
        check_key(key)
        found = state.store.direct(functools.partial(state.backend.has, key))
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
            policy = Policy.of({}, state.settings)
            return put(state, GivenCall(key, stamps(tags), policy, seconds, lambda: value))
        write = functools.partial(state.backend.set, key, value, seconds, **options)
        return state.store.direct(write, (key,)) not in (False, MISSING)

    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout | None = None) -> list[str]:
        """Store all of *mapping*; the keys that were stored."""
        state = self.state()
        keys = tuple(check_key(key) for key in mapping)
        seconds = to_seconds(timeout, state.backend.default_timeout)
        set_many = functools.partial(state.backend.set_many, mapping, seconds)
        stored = state.store.direct(set_many, keys)
        return [] if stored is MISSING else list(stored)

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        """Store *value* unless something is under *key*; whether it was stored."""
        state = self.state()
        check_key(key)
        seconds = to_seconds(timeout, state.backend.default_timeout)
        add = functools.partial(state.backend.add, key, value, seconds)
        return state.store.direct(add) is True

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
        deleted = state.versions.forget(keys)
        if deleted is None:
            state.store.unanswered()
        return deleted or []

    def unlink(self, *keys: str) -> list[str]:
        """`delete_many`, without waiting for the server to free the memory where it can."""
        return self.delete_many(*keys)

    def clear(self) -> bool:
        """Forget everything under this cache's prefix; whether that was done."""
        state = self.state()
        state.flights.bar(None)
        state.kept.clear()
        return state.store.direct(state.backend.clear, keys=None) is True

    def inc(self, key: str, delta: int = 1) -> int | None:
        """Add *delta* to a counter, which begins at 0; ``None`` where it is no counter."""
        state = self.state()
        check_key(key)
        value = state.store.direct(functools.partial(state.backend.inc, key, delta))
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
        **policy: Unpack[FlightOptions],
    ) -> R:
        """The value under *key*, or what *factory* makes, once for all who ask meanwhile."""
        Policy.check(policy)
        state = self.state()
        if not state.enabled:
            return factory()
        resolved = Policy.of(policy, state.settings)
        value: R = fetch(state, GivenCall(check_key(key), stamps(tags), resolved, timeout, factory))
        return value

    def invalidate_tags(self, *tags: str) -> None:
        """Forget everything that has one of *tags*: one write for each."""
        self.state().versions.replace(stamps(tags))

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

    # -- decorators -----------------------------------------------------------------------

    def cached(
        self,
        timeout: Timeout | None = None,
        key_prefix: str | Callable[[], str] = "view/%s",
        unless: Callable[..., object] | None = None,
        forced_update: Callable[..., object] | None = None,
        is_stale: Callable[..., object] | None = None,
        response_filter: Callable[[Any], object] | None = None,
        query_string: bool = False,
        hash_method: HashMethod | None = None,
        cache_none: bool = False,
        make_cache_key: Callable[..., str] | None = None,
        source_check: bool | None = None,
        response_hit_indication: bool = False,
        *,
        methods: Iterable[str] = http.ANY_METHOD,
        vary_on: http.VaryOn = (),
        query: Iterable[str] | None = None,
        tags: TagsOption = (),
        policy: object = None,
        **flight: Unpack[FlightOptions],
    ) -> Callable[[Callable[P, R]], CachedFunction[P, R]]:
        """Cache a view by its request, or a function under a key of its own.

        :param timeout: seconds or a timedelta; ``None`` is ``CACHE_DEFAULT_TIMEOUT``.
        :param key_prefix: with ``%s`` in it, the key is made from the request's address; without,
            it is the key; a callable makes the key.
        :param unless: the cache is bypassed where this is true.
        :param forced_update: where this is true, the value is computed and stored anew.
        :param is_stale: gets the stored value; where it is true, it is computed anew.
        :param response_filter: gets the computed value; only where it is true is it stored.
        :param query_string: the query is part of the key, whatever the order of its parameters.
        :param hash_method: ``hashlib.sha256`` or its like; ``None`` is ``CACHE_HASH_METHOD``.
        :param cache_none: store ``None`` too.
        :param make_cache_key: gets the arguments, makes the key.
        :param source_check: the function's source is part of the key.
        :param response_hit_indication: answers from the cache have the header ``hit_cache``.
        :param methods: the request methods that are answered from the cache.
        :param vary_on: request headers, ``"cookie:name"`` and callables that the key depends on.
        :param query: the parameters of the query that are part of the key; others are not.
        :param tags: names to invalidate by, formatted with the arguments, or a callable.
        :param policy: ``"safe"``, ``"permissive"`` or a function that says what may be stored.
        """
        options = views.CachedOptions(
            timeout, key_prefix, unless, forced_update, is_stale, response_filter, query_string,
            hash_method, cache_none, make_cache_key, source_check, response_hit_indication,
            methods, vary_on, query, tags, policy, flight,
        )  # fmt: skip
        views.check(options)
        return functools.partial(views.cached, self, options)

    def memoize(
        self,
        timeout: Timeout | None = None,
        make_name: Callable[[str], str] | None = None,
        unless: Callable[..., object] | None = None,
        forced_update: Callable[..., object] | None = None,
        is_stale: Callable[..., object] | None = None,
        response_filter: Callable[[Any], object] | None = None,
        hash_method: HashMethod | None = None,
        cache_none: bool = True,
        source_check: bool | None = None,
        args_to_ignore: Collection[str] | None = None,
        *,
        tags: TagsOption = (),
        **flight: Unpack[FlightOptions],
    ) -> Callable[[Callable[P, R]], Memoized[P, R]]:
        """Cache a function's values by its arguments. Parameters not named here: see `cached`.

        :param make_name: gets the function's name, makes the one that its keys are built from.
        :param args_to_ignore: names of parameters that make no difference to the value.
        """
        options = memoize.MemoizeOptions(
            timeout, make_name, unless, forced_update, is_stale, response_filter, hash_method,
            cache_none, source_check, args_to_ignore or (), tags, flight,
        )  # fmt: skip
        memoize.check(options)
        return functools.partial(memoize.memoized, self, options)

    def delete_memoized(self, f: object, *args: Any, **kwargs: Any) -> None:
        """Forget the values of a memoized function: all, one instance's, or one argument list's.

        :param f: the function, a bound method, or a name: ``"name"``, ``"module.qualname"``.
        Raises `UnknownNameError`, or `AmbiguousNameError` where several have the name.
        """
        memoize.delete_memoized(self.memoized, f, args, kwargs)

    def delete_memoized_verhash(self, f: object, *args: Any) -> None:
        """Forget the stamp of a memoized function, and so all its values."""
        memoize.delete_memoized(self.memoized, f, (), {})

    def delete_cached(
        self,
        view: object,
        path: str | None = None,
        query_args: QueryArgs | None = None,
        **view_args: Any,
    ) -> bool:
        """Forget a cached view's page, in all its variants; whether it was there.

        :param view: what `cached` returned.
        :param path: the request's path; by default the one that leads there with *view_args*.
        :param query_args: the request's query, for a view that is cached by its query; by
            default all of them, or within a request, that request's.
        """
        found: object = getattr(view, "__func__", view)
        if not isinstance(found, CachedFunction):
            raise UsageError(f"{view!r} is no function that @cache.cached() returned.")
        return found.delete(path, query_args, view_args)


#: What decorators store.
_KEPT: Final = (Entry, Variants)


def _value_of(state: AppState, key: str, stored: object, default: Any) -> Any:
    """What a decorator's caller would get now from what it stored, without computing."""
    if type(stored) is not Entry:
        return default
    entry = peek(state, key, stored)
    return default if entry is None else http.revealed(entry.value, state.app)


def _set_in(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """A name that is ``None`` is not set."""
    return {name: value for name, value in (config or {}).items() if value is not None}


def _checked_config(config: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if config is None or isinstance(config, Mapping):
        return config
    raise ConfigError(f"config must be a dict of CACHE_* settings or None, not {config!r}.")
