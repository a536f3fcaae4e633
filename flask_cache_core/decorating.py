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
    """``@cache.cached``, ``@cache.memoize``, ``cache.delete_memoized`` and
    ``cache.delete_cached``.
    """

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

        A decorated function stays what it was: a function, a method or a coroutine function. It
        gets the attributes ``uncached``, ``cache_timeout`` and ``make_cache_key``.

        :param timeout: seconds or a timedelta; ``None`` is ``CACHE_DEFAULT_TIMEOUT``, 0 never
            expires.
        :param key_prefix: with ``%s`` in it, the key is made from the request's address; without,
            it is the key; a callable without arguments makes the key.
        :param unless: the cache is bypassed where this callable returns something true. It gets the
            function and its arguments if it takes arguments.
        :param forced_update: where this callable returns something true, the value is computed and
            stored although one is there. It gets the function's arguments if it takes any.
        :param is_stale: gets the stored value, and the arguments if it takes more; where it returns
            something true, the value is computed again.
        :param response_filter: gets the computed value; only where it returns something true is the
            value stored.
        :param query_string: the whole query is part of the key, whatever the order of its
            parameters.
        :param hash_method: ``hashlib.sha256`` or its like, for the long parts of keys; ``None`` is
            ``CACHE_HASH_METHOD``.
        :param cache_none: store ``None`` too.
        :param make_cache_key: gets the function's arguments, and returns the key.
        :param source_check: the function's source is part of the key, so that a changed function
            starts afresh; ``None`` is ``CACHE_SOURCE_CHECK``.
        :param response_hit_indication: responses from the cache have the header ``hit_cache``.
        :param methods: the request methods that are looked up. ``None``: GET and HEAD, and where
            the app makes the key and the endpoint takes no GET, its methods; with the permissive
            policy, all. A HEAD is never stored under the key of its GET.
        :param vary_on: names of request headers, ``"cookie:name"``, and callables without
            arguments, on which the key depends besides.
        :param query: the parameters of the query that are part of the key; others are not.
        :param tags: names to invalidate by, formatted with the arguments, or a callable that gets
            the arguments and returns names.
        :param policy: ``"safe"``, ``"permissive"``, or a function that gets the response and says
            whether it may be stored; ``None`` is ``CACHE_RESPONSE_POLICY``.
        :param flight: ``lock="local"`` lets one caller of each process compute, ``"distributed"``
            one of all processes, ``False`` everybody; ``lock_timeout``: seconds that others wait
            before they compute for themselves. ``stale_while_revalidate``: seconds past its time
            for which the old value is served while one caller computes (RFC 5861, section 3).
            ``stale_if_error``: seconds past its time for which it is served if the computation
            fails (RFC 5861, section 4). ``jitter``: values expire earlier by up to this fraction
            (below 1) or these seconds (from 1 on). ``beta``: early recomputation, the earlier the
            longer the computation takes (XFetch); 1.0 is a good value, 0 is off. Each defaults to
            its setting, ``CACHE_LOCK`` and so on.
        :returns: a decorator. Raises `UsageError`, `ConfigError` or `InvalidTimeoutError` for a
            wrong option, where it is written.

        Since 1.0. ::

            @app.get("/search")
            @cache.cached(timeout=60, query=("q",), stale_if_error=300)
            def search():
                return "results"
        """
        options = CachedOptions(
            timeout=timeout,
            key_prefix=key_prefix,
            unless=unless,
            forced_update=forced_update,
            is_stale=is_stale,
            response_filter=response_filter,
            query_string=query_string,
            hash_method=hash_method,
            cache_none=cache_none,
            make_cache_key=make_cache_key,
            source_check=source_check,
            response_hit_indication=response_hit_indication,
            methods=methods,
            vary_on=vary_on,
            query=query,
            tags=tags,
            policy=policy,
            flight=flight,
        )
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
        """Cache a function's values by its arguments.

        A decorated function stays what it was, and gets ``uncached``, ``cache_timeout``,
        ``make_cache_key``, ``invalidate(*args)``, ``refresh(*args)`` and ``delete_memoized()``.

        :param timeout: seconds or a timedelta; ``None`` is ``CACHE_DEFAULT_TIMEOUT``, 0 never
            expires.
        :param make_name: gets the function's name, and returns the one that its keys are built
            from.
        :param unless: as in `cached`.
        :param forced_update: as in `cached`.
        :param is_stale: as in `cached`.
        :param response_filter: as in `cached`.
        :param hash_method: as in `cached`; where it is given, arguments are always hashed.
        :param cache_none: store ``None`` too, which is the default here.
        :param source_check: as in `cached`.
        :param args_to_ignore: names of parameters that make no difference to the value.
        :param tags: as in `cached`.
        :param flight: ``lock="local"`` lets one caller of each process compute, ``"distributed"``
            one of all processes, ``False`` everybody; ``lock_timeout``: seconds that others wait
            before they compute for themselves. ``stale_while_revalidate``: seconds past its time
            for which the old value is served while one caller computes (RFC 5861, section 3).
            ``stale_if_error``: seconds past its time for which it is served if the computation
            fails (RFC 5861, section 4). ``jitter``: values expire earlier by up to this fraction
            (below 1) or these seconds (from 1 on). ``beta``: early recomputation, the earlier the
            longer the computation takes (XFetch); 1.0 is a good value, 0 is off. Each defaults to
            its setting, ``CACHE_LOCK`` and so on.
        :returns: a decorator. Raises `UsageError`, `ConfigError` or `InvalidTimeoutError` for a
            wrong option, where it is written.

        Since 1.0. ::

            @cache.memoize(timeout=300, tags=("user:{user_id}",), stale_while_revalidate=30)
            def profile(user_id, full=False):
                return {"id": user_id, "full": full}

            assert profile(1) == profile(user_id=1)
            profile.invalidate(1)
        """
        options = MemoizeOptions(
            timeout=timeout,
            make_name=make_name,
            unless=unless,
            forced_update=forced_update,
            is_stale=is_stale,
            response_filter=response_filter,
            hash_method=hash_method,
            cache_none=cache_none,
            source_check=source_check,
            args_to_ignore=args_to_ignore or (),
            tags=tags,
            flight=flight,
        )
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
        :param args: the arguments whose value to forget; none: all values.
        :param kwargs: likewise.

        Raises `UnknownNameError`, `AmbiguousNameError` where several functions have the name, and
        `UsageError` for what is not memoized.

        Since 1.0. ::

            @cache.memoize()
            def square(number):
                return number * number

            cache.delete_memoized(square, 2)
            cache.delete_memoized(square)
        """
        delete_memoized(self.memoized, f, args, kwargs)

    def delete_memoized_verhash(self, f: object, *args: Any) -> None:
        """Forget all values of a memoized function: the name that Flask-Cache has for it.

        :param f: as in `delete_memoized`.
        :param args: ignored, as in Flask-Cache.

        Since 1.0. ::

            @cache.memoize()
            def cube(number):
                return number**3

            cache.delete_memoized_verhash(cube)
        """
        delete_memoized(self.memoized, f, (), {})

    def delete_cached(
        self,
        view: object,
        path: str | None = None,
        query_args: QueryArgs | None = None,
        **view_args: Any,
    ) -> bool:
        """Forget a cached view's page, in all its variants.

        :param view: what `cached` returned.
        :param path: the request's path; by default the one that leads there with *view_args*.
        :param query_args: the request's query, for a view that is cached by its query; by
            default all of them, or within a request, that request's.
        :param view_args: the arguments of the view's URL.
        :returns: whether there was something.

        Raises `UsageError` for what is not cached, and `ConfigError` where no path leads to it.

        Since 1.0. ::

            @app.get("/page/<int:number>")
            @cache.cached()
            def page(number):
                return str(number)

            cache.delete_cached(page, number=1)
        """
        found: object = getattr(view, "__func__", view)
        if not isinstance(found, CachedFunction):
            raise UsageError(f"{view!r} is no function that @cache.cached() returned.")
        return found.delete(path, query_args, view_args)
