"""The decorators of `Cache`, and what forgets their values.

Holds the signatures and their documentation only: what they do is in ``decorators``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar, Unpack

from .apps import CacheBase
from .decorators import cached, memoize
from .decorators.cached import CachedFunction, CachedOptions
from .decorators.memoize import Memoized, MemoizeOptions
from .decorators.names import MemoizedFunctions, delete_memoized
from .decorators.predicates import TagsOption
from .engine.call import FlightOptions
from .errors import UsageError
from .keys.requests import VaryOnOption
from .typing import HashMethod, QueryArgs, Timeout

__all__ = ["DecoratorsMixin"]

P = ParamSpec("P")
R = TypeVar("R")


class DecoratorsMixin(CacheBase):
    """``@cache.cached``, ``@cache.memoize``, ``cache.delete_memoized`` and ``delete_cached``."""

    def __init__(self, config: Mapping[str, Any] | None) -> None:
        super().__init__(config)
        self.memoized = MemoizedFunctions()

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
        methods: Iterable[str] | None = None,
        vary_on: VaryOnOption = (),
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
        options = CachedOptions(
            timeout, key_prefix, unless, forced_update, is_stale, response_filter, query_string,
            hash_method, cache_none, make_cache_key, source_check, response_hit_indication,
            methods, vary_on, query, tags, policy, flight,
        )  # fmt: skip
        cached.check(options)
        return functools.partial(cached.decorate, self, options)

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
        options = MemoizeOptions(
            timeout, make_name, unless, forced_update, is_stale, response_filter, hash_method,
            cache_none, source_check, args_to_ignore or (), tags, flight,
        )  # fmt: skip
        memoize.check(options)
        return functools.partial(self._memoized, options)

    def _memoized(self, options: MemoizeOptions, function: Callable[P, R]) -> Memoized[P, R]:
        """Decorate *function*, which may be wrapped as a class or static method already."""
        if isinstance(function, (classmethod, staticmethod)):
            return type(function)(self._memoized(options, function.__func__))  # type: ignore[return-value]
        made = memoize.decorate(self, options, function)
        self.memoized.add(made)
        return made

    def delete_memoized(self, f: object, *args: Any, **kwargs: Any) -> None:
        """Forget the values of a memoized function: all, one instance's, or one argument list's.

        :param f: the function, a bound method, or a name: ``"name"``, ``"module.qualname"``.
        Raises `UnknownNameError`, or `AmbiguousNameError` where several have the name.
        """
        delete_memoized(self.memoized, f, args, kwargs)

    def delete_memoized_verhash(self, f: object, *args: Any) -> None:
        """Forget the version of a memoized function, and so all its values."""
        delete_memoized(self.memoized, f, (), {})

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
