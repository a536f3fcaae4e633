"""``@cached``: a view's responses by request, or a function's value under a key of the app's own.

Says which call answers which request; the key is made by a scheme of ``keys.requests``, what may
be stored is decided in ``web``, and what is a hit in ``engine``.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    NamedTuple,
    ParamSpec,
    TypeVar,
    overload,
)
from urllib.parse import unquote

from flask import Flask, Request, request
from flask.views import View
from werkzeug.routing import BuildError

from ..engine.call import FlightOptions, Policy
from ..errors import ConfigError, UsageError
from ..keys.arguments import CallShape
from ..keys.builders import check_key, variant_key
from ..keys.functions import source_digest
from ..keys.requests import (
    GivenKeys,
    KeyOptions,
    KeyScheme,
    MadeKeys,
    PageRequest,
    PrefixKeys,
    VaryOn,
    VaryOnOption,
    headers_text,
)
from ..options import to_seconds
from ..typing import HashMethod, QueryArgs, Timeout
from ..web.policy import ResponsePolicy, policy_of
from ..web.stored import StoredAbort, restored
from ..web.view_call import CoroutineViewCall, ViewBinding, ViewCall
from .base import Awaited, Bound, Decorated, Prepared
from .predicates import TagsOption

if TYPE_CHECKING:
    from ..apps import AppState, CacheBase

__all__ = ["CachedFunction", "CachedOptions", "decorate"]

logger = logging.getLogger("flask_cache_core")

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class CachedOptions(NamedTuple):
    """The parameters of `Cache.cached`."""

    timeout: Timeout | None
    key_prefix: str | Callable[[], str]
    unless: Callable[..., object] | None
    forced_update: Callable[..., object] | None
    is_stale: Callable[..., object] | None
    response_filter: Callable[[Any], object] | None
    query_string: bool
    hash_method: HashMethod | None
    cache_none: bool
    make_cache_key: Callable[..., str] | None
    source_check: bool | None
    response_hit_indication: bool
    methods: Iterable[str] | None
    vary_on: VaryOnOption
    query: Iterable[str] | None
    tags: TagsOption
    policy: object
    flight: FlightOptions


class CachedFunction(Decorated[P, R, ViewBinding]):
    """What `Cache.cached` makes of a view or a function. Call it as the function. Since 1.0."""

    makes: ClassVar[type[ViewCall[Any]]] = ViewCall

    def __init__(self, cache: CacheBase, function: Callable[P, R], options: CachedOptions) -> None:
        super().__init__(cache, function, options, CallShape(function))
        self._options = options
        self._vary_on = VaryOn(options.vary_on, cache.identities)
        self._methods = None if options.methods is None else frozenset(options.methods)
        self._make_key = options.make_cache_key if callable(options.make_cache_key) else None
        self._binding: ViewBinding | None = None

    @overload
    def __get__(self, instance: None, owner: type | None = None, /) -> CachedFunction[P, R]: ...

    @overload
    def __get__(
        self: CachedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None, /
    ) -> Bound[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        return self if instance is None else self.binds(self, instance)

    # -- a call -------------------------------------------------------------------------------

    def prepare(
        self, state: AppState, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Prepared[ViewBinding] | None:
        if self._unless is not None and self._unless(self.uncached, *args, **kwargs):
            return None
        binding = self._binding
        if binding is None or binding.state is not state:
            binding = self._bind(state)
        req: Request | None = None
        answered: Request | None = None
        try:
            asked: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        except RuntimeError:
            pass
        else:
            rule, req = asked.url_rule, asked
            view = None if rule is None else state.app.view_functions.get(rule.endpoint)
            answered = req if view is self or self._answers(view, req, args) else None
        headers, is_view = binding.key_headers, answered is not None
        if answered and not binding.responses.allows(answered, self._methods, headers):
            return None
        page = None if req is None else PageRequest.current(req)
        try:
            key, version_keys = binding.keys.key(page, (args, kwargs), is_view=is_view)
            if self._tags is not None:
                version_keys += self._tags.version_keys(args, kwargs)
        except Exception:
            if state.debug:
                raise
            logger.warning("%r is not cached: no key.", self, exc_info=True)
            return None
        return Prepared(key, version_keys, binding, answered)

    def bind_call(
        self, prepared: Prepared[ViewBinding], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> ViewCall[R]:
        call = self.makes(
            prepared.binding, prepared.key, prepared.version_keys, self.seconds, prepared.request,
            args, kwargs,
        )  # fmt: skip
        if self._forced is not None:
            call.forced = self._forced(*args, **kwargs)
        return call

    def restored(self, state: AppState, stored: Any) -> R:
        if type(stored) is StoredAbort:
            raise stored.error()
        return restored(stored, state.app)  # type: ignore[return-value]

    def _answers(self, view: object, req: Request, args: tuple[Any, ...]) -> bool:
        """Whether this call answers *req*, rather than being made on the way to it."""
        views: list[Any] = [view]
        if args and isinstance(args[0], View):
            names = ("dispatch_request", req.method.lower(), "get")
            views += [getattr(type(args[0]), name, None) for name in names]
        own = inspect.unwrap(self.uncached)
        return any(view is not None and inspect.unwrap(view) is own for view in views)

    # -- one app ------------------------------------------------------------------------------

    def _bind(self, state: AppState) -> ViewBinding:
        """What the settings of one app make of the options."""
        options, settings = self._options, state.settings
        policy = Policy.of(options.flight, settings) if options.flight else state.policy
        responses = self._responses(settings.response_policy)
        keys = self._key_scheme(state, responses)
        plain = not (
            self._forced
            or self.is_stale
            or settings.enable_signals
            or options.response_hit_indication
            or policy.minds_hits
        )
        binding = ViewBinding(
            cache=self.owner,
            state=state,
            function=self.uncached,
            policy=policy,
            responses=responses,
            keys=keys,
            key_headers=None if keys.is_custom else self._vary_on.headers,
            is_stale=self.is_stale,
            response_filter=options.response_filter,
            cache_none=options.cache_none,
            hit_indication=options.response_hit_indication,
            plain=plain,
        )
        self._binding = binding
        return binding

    def _responses(self, default: str) -> ResponsePolicy:
        if self._options.policy is None:
            return policy_of(default)
        return policy_of(self._options.policy, "policy")

    def _key_scheme(self, state: AppState, responses: ResponsePolicy) -> KeyScheme:
        options, settings = self._options, state.settings
        by_source = settings.source_check if options.source_check is None else options.source_check
        prefix = options.key_prefix
        key_options = KeyOptions(
            prefix="" if callable(prefix) else prefix,
            name=self.name,
            source=source_digest(self.uncached) if by_source else "",
            shape=self.shape,
            identities=self.owner.identities,
            vary_on=self._vary_on,
            by_query=options.query_string or options.query is not None,
            query=None if options.query is None else frozenset(options.query),
            hash_method=options.hash_method or settings.hash_method,
        )
        if self._make_key is not None:
            return MadeKeys(key_options, self._make_key)
        if callable(prefix):
            return PrefixKeys(key_options, prefix)
        return responses.keys(key_options) if "%s" in prefix else GivenKeys(key_options)

    # -- from outside of the view -------------------------------------------------------------

    @property
    def make_cache_key(self) -> Callable[..., str]:
        """The function that makes the key: ``make_cache_key(path=None, query_args=None,
        **view_args)``.

        It may be replaced by one of the app's own, which gets the view's arguments. Since 1.0.
        """
        return self._make_key or self._key_of

    @make_cache_key.setter
    def make_cache_key(self, function: Callable[..., str]) -> None:
        self._make_key = function
        self._binding = None

    def _key_of(
        self,
        *args: Any,
        path: str | None = None,
        query_args: QueryArgs | None = None,
        **view_args: Any,
    ) -> str:
        """The key of a page of this request's host, or of the app's own outside of a request."""
        state = self.owner.state()
        page, key = self._page_key(state, path, query_args, args, view_args)
        declared = state.memory.variants.get(key)
        if declared is None or page.request is None:
            return key
        return variant_key(key, headers_text(page.request, declared.names))

    def delete(
        self, path: str | None, query_args: QueryArgs | None, view_args: dict[str, Any]
    ) -> bool:
        """`Cache.delete_cached`."""
        state = self.owner.state()
        page, key = self._page_key(state, path, query_args, (), view_args)
        version_keys = self._bind(state).keys.version_keys(page)
        if not version_keys:
            return bool(state.versions.delete_keys((key,)))
        there = state.store.get_many(key)
        state.versions.replace(version_keys)
        return bool(there and there[0] is not None)

    def _page_key(
        self,
        state: AppState,
        path: str | None,
        query_args: QueryArgs | None,
        args: tuple[Any, ...],
        view_args: dict[str, Any],
    ) -> tuple[PageRequest, str]:
        """A page as it is asked for from outside, and its key."""
        keys, req = self._bind(state).keys, _current_request()
        if path is None and keys.has_path:
            path = self._path_for(state.app, req, args, view_args)
        page = PageRequest.at(state.app, req, path or "", query_args)
        is_view = bool(self._endpoints(state.app))
        key, _ = keys.key(page, (args, view_args), is_view=is_view)
        return page, key

    def _path_for(
        self, app: Flask, req: Request | None, args: tuple[Any, ...], view_args: dict[str, Any]
    ) -> str:
        """The path that leads to this view with these arguments."""
        named = {**dict(zip(self.shape.positional, args, strict=False)), **view_args}
        rules = app.url_map.bind("localhost")
        for endpoint in (*self._endpoints(app), self.uncached.__name__):
            try:
                return unquote(rules.build(endpoint, named).partition("?")[0])
            except BuildError:
                continue
        if req is not None:
            return req.path
        raise ConfigError(
            f"{self!r} is no view of {app.name!r} that takes {sorted(named)}: give path=..."
        )

    def _endpoints(self, app: Flask) -> list[str]:
        """The endpoints that this function is the view of."""
        own = inspect.unwrap(self.uncached)
        return [name for name, view in app.view_functions.items() if inspect.unwrap(view) is own]


class CachedCoroutine(Awaited[P, R, ViewBinding], CachedFunction[P, R]):
    """What `Cache.cached` makes of a coroutine function."""

    makes = CoroutineViewCall


def _current_request() -> Request | None:
    try:
        req: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    except RuntimeError:
        return None
    return req


def decorate(
    cache: CacheBase, options: CachedOptions, function: Callable[P, R]
) -> CachedFunction[P, R]:
    kind: Any = CachedCoroutine if inspect.iscoroutinefunction(function) else CachedFunction
    made: CachedFunction[P, R] = kind(cache, function, options)
    return made


def check(options: CachedOptions) -> None:
    """Raise for options that can be known to be wrong before there is a function."""
    if callable(options.timeout):
        raise UsageError("cached needs parentheses: write @cache.cached().")
    for name in ("query", "methods"):
        value = getattr(options, name)
        if isinstance(value, str):
            raise ConfigError(f"{name} must be a list or a tuple: write {name}=({value!r},).")
    if not callable(options.key_prefix):
        check_key(options.key_prefix)
    to_seconds(options.timeout, 0)
    Policy.check(options.flight)
    if options.policy is not None:
        policy_of(options.policy, "policy")
