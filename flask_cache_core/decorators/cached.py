"""``@cached``: a view's answers by the request, or a function's value under a key of the app's own.

Builds the keys, inside of a request and from outside; what may be stored is for `answers` and
`http` to say, and what is a hit for `lookup`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
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
from urllib.parse import parse_qsl, unquote

from flask import Flask, Request, has_request_context, request
from flask.views import View
from werkzeug.datastructures import MultiDict
from werkzeug.routing import BuildError

from ..engine.call import FlightOptions, Policy
from ..errors import ConfigError, UsageError
from ..keys.arguments import CallShape
from ..keys.builders import (
    HashMethod,
    check_key,
    digest,
    variant_key,
    view_head,
    view_key,
    view_stamp,
)
from ..keys.functions import source_digest
from ..timeouts import to_seconds
from ..typing import QueryArgs, Timeout
from ..web import policy as http
from ..web.view_call import CachedCall, CachedCoroutineCall, Resolved
from .base import Asked, Awaited, Bound, Decorated
from .predicates import Condition, Tags, TagsOption

if TYPE_CHECKING:
    from ..engine.state import AppState
    from ..extension import Cache

__all__ = ["CachedFunction"]

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
    methods: Iterable[str]
    vary_on: http.VaryOn
    query: Iterable[str] | None
    tags: TagsOption
    policy: object
    flight: FlightOptions


class CachedFunction(Decorated[P, R]):
    """What `Cache.cached` makes of a view or a function."""

    makes: ClassVar[type[CachedCall]] = CachedCall

    def __init__(self, cache: Cache, function: Callable[P, R], options: CachedOptions) -> None:
        super().__init__(cache, function, options.timeout)
        self.name = cache.names.name(function)
        self.options = options
        self._shape = CallShape(function)
        self._tags = Tags(options.tags, self._shape) if options.tags != () else None
        self._unless = Condition.maybe(options.unless)
        self._forced = Condition.maybe(options.forced_update)
        self.is_stale = Condition.maybe(options.is_stale, first=1)
        self._query = frozenset(options.query) if options.query is not None else None
        self._by_query = options.query_string or self._query is not None
        self.vary_on = tuple(options.vary_on)
        self._make_key: Callable[..., str] | None = None
        self._prefix = str(options.key_prefix)
        #: The key is the app's own business, and so is whom the value under it is for.
        self.own_key = callable(options.make_cache_key) or callable(options.key_prefix)
        named = {name.lower() for name in self.vary_on if isinstance(name, str)}
        self._by_authorization = "authorization" in named
        self._by_path = not self.own_key and "%s" in self._prefix
        self._by_address = self._by_path and not (self._by_query or self.vary_on or self._tags)
        self._resolved: Resolved | None = None

    @overload
    def __get__(self, instance: None, owner: type | None = None, /) -> CachedFunction[P, R]: ...

    @overload
    def __get__(
        self: CachedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None, /
    ) -> Bound[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        return self if instance is None else self.binds(self, instance)

    def asked(self, state: AppState, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Asked | None:
        if self._unless is not None and self._unless(self.uncached, *args, **kwargs):
            return None
        resolved = self._resolved
        if resolved is None or resolved.state is not state:
            resolved = self._resolve(state)
        try:
            req: Request | None = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        except RuntimeError:
            req = None
        is_view = req is not None and (
            resolved.app.view_functions.get(req.endpoint or "") is self
            or self._is_view(resolved.app, req, args)
        )
        if req is not None and is_view:
            methods, by_authorization = self.options.methods, self._by_authorization
            if not resolved.responses.admits(req, methods, self.own_key, by_authorization):
                return None
        try:
            if req is not None and is_view and resolved.by_address and self._make_key is None:
                key, stamps = _identify_page(resolved, req)
            else:
                key, stamps = self._identify(resolved, req, args, kwargs, is_view=is_view)
        except Exception:
            if state.debug:
                raise
            logger.warning("%r is not answered from the cache: no key.", self, exc_info=True)
            return None
        return key, stamps, resolved, req if is_view else None

    def call_of(
        self, asked: Asked, args: tuple[Any, ...], kwargs: dict[str, Any], *, forced: bool = False
    ) -> CachedCall:
        key, stamps, resolved, req = asked
        if self._forced is not None:
            forced = forced or self._forced(*args, **kwargs)
        return self.makes(self, resolved, key, stamps, req, args, kwargs, forced)

    def revealed(self, state: AppState, stored: Any) -> R:
        value: Any = http.revealed(stored, state.app)
        if type(stored) is http.StoredAbort:
            raise value
        return value  # type: ignore[no-any-return]

    def _is_view(self, app: Flask, req: Request, args: tuple[Any, ...]) -> bool:
        """Whether this call answers the request, rather than being made on the way to it."""
        views: list[Any] = [app.view_functions.get(req.endpoint or "")]
        if args and isinstance(args[0], View):
            names = ("dispatch_request", req.method.lower(), "get")
            views += [getattr(type(args[0]), name, None) for name in names]
        own = inspect.unwrap(self.uncached)
        return any(view is not None and inspect.unwrap(view) is own for view in views)

    def _resolve(self, state: AppState) -> Resolved:
        settings, options = state.settings, self.options
        by_source = settings.source_check if options.source_check is None else options.source_check
        wanted = options.policy if options.policy is not None else settings.response_policy
        policy = Policy.of(options.flight, settings)
        source = source_digest(self.uncached) if by_source else ""
        setting = "CACHE_RESPONSE_POLICY" if options.policy is None else "policy"
        responses = http.policy_of(wanted, setting)
        self._resolved = Resolved(
            state,
            state.app,
            policy,
            responses,
            view_head(str(options.key_prefix), self.name + source),
            view_stamp(self.name, ""),
            source,
            options.hash_method or settings.hash_method,
            not (
                self._forced
                or self.is_stale
                or settings.enable_signals
                or options.response_hit_indication
                or policy.minds_hits
            ),
            self._by_address and responses.careful,
        )
        return self._resolved

    def _identify(
        self,
        resolved: Resolved,
        req: Request | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        is_view: bool,
    ) -> tuple[str, tuple[str, ...]]:
        """The key of one call, and the stamps that it stands under."""
        stamps = self._tags.stamps(args, kwargs) if self._tags is not None else ()
        if callable(self.options.make_cache_key):
            return check_key(self.options.make_cache_key(*args, **kwargs)), stamps
        if self._make_key is not None:
            return check_key(self._make_key(*args, **kwargs)), stamps
        if not self._by_path and not self._by_query:
            return self._given(resolved) + self._variant(req), stamps
        if req is None:
            raise RuntimeError("its key depends on a request, and there is none")
        query = self._query_digest(resolved, req.args) if self._by_query else ""
        if not self._by_path:
            return self._given(resolved) + query + self._variant(req), stamps
        if not resolved.responses.careful:
            return self._plain_key(resolved, req.path, query), stamps
        key = view_key(resolved.head, *_origin(req.environ), query, req.path)
        if self.vary_on:
            key += self._variant(req)
        if not is_view:
            key += self._arguments(args, kwargs)
        if self._by_query:
            stamps = (view_stamp(self.name, req.path, query), *stamps)
        return key, (resolved.stamp_head + req.path, *stamps)

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """A function that is no view may be called with several within one request."""
        if not args and not kwargs:
            return ""
        if args and isinstance(args[0], View):  # made for one request, and no part of its answer
            args = (type(args[0]), *args[1:])
        return "|" + digest(self.owner.identities.text(self._shape.canonical(args, kwargs)))

    def _given(self, resolved: Resolved) -> str:
        prefix = self.options.key_prefix
        return check_key(prefix() if callable(prefix) else prefix) + resolved.source

    def _plain_key(self, resolved: Resolved, path: str, query: str) -> str:
        return self._prefix.replace("%s", path) + query + resolved.source

    def _variant(self, req: Request | None) -> str:
        if not self.vary_on or req is None:
            return ""
        return "|" + digest(http.variant_text(req, self.vary_on))

    def _query_digest(self, resolved: Resolved, args: MultiDict[str, str]) -> str:
        """The parameters that count, whatever their order. Values of one name keep theirs: the
        first is what ``request.args`` answers.
        """
        names = sorted(args.keys() if self._query is None else self._query & args.keys())
        if not resolved.responses.careful:
            pairs = sorted((name, value) for name in names for value in args.getlist(name))
            return digest(repr(tuple(pairs)), resolved.hash_method)
        values = [(name, args.getlist(name)) for name in names]
        return digest(repr(values), resolved.hash_method)

    # -- keys from outside of the view ----------------------------------------------------

    @property
    def make_cache_key(self) -> Callable[..., str]:
        """``make_cache_key(path=None, query_args=None, **view_args)``: readable and writable."""
        return self._make_key or self._default_key

    @make_cache_key.setter
    def make_cache_key(self, function: Callable[..., str]) -> None:
        self._make_key = function
        self.own_key = True

    def _default_key(
        self,
        *args: Any,
        path: str | None = None,
        query_args: QueryArgs | None = None,
        **view_args: Any,
    ) -> str:
        """The key of a page of this request's host, or of the app's own outside of a request."""
        state = self.owner.state()
        resolved = self._resolve(state)
        if callable(self.options.make_cache_key):
            return check_key(self.options.make_cache_key(*args, **view_args))
        query = self._wanted_query(resolved, query_args) if self._by_query else ""
        req = _current_request()
        if not self._by_path:
            return self._given(resolved) + query + self._variant(req)
        path = path if path is not None else self._path_for(resolved.app, args, view_args)
        if not resolved.responses.careful:
            return self._plain_key(resolved, path, query)
        site = _origin(req.environ) if req is not None else _app_origin(resolved.app)
        key = view_key(resolved.head, *site, query, path) + self._variant(req)
        if not self._endpoints(resolved.app):
            return key + self._arguments(args, view_args)
        declared = state.varying.get(key) if req is not None else None
        if req is None or declared is None:
            return key
        return variant_key(key, http.variant_text(req, declared.names))

    def _wanted_query(self, resolved: Resolved, query_args: QueryArgs | None) -> str:
        if query_args is not None:
            return self._query_digest(resolved, _as_multi_dict(query_args))
        if has_request_context():
            return self._query_digest(resolved, request.args)
        return self._query_digest(resolved, MultiDict())

    def _path_for(self, app: Flask, args: tuple[Any, ...], view_args: dict[str, Any]) -> str:
        """The path that leads to this view with these arguments."""
        named = {**dict(zip(self._shape.positional, args, strict=False)), **view_args}
        rules = app.url_map.bind("localhost")
        for endpoint in (*self._endpoints(app), self.uncached.__name__):
            try:
                return unquote(rules.build(endpoint, named).partition("?")[0])
            except BuildError:
                continue
        if has_request_context():
            return request.path
        raise ConfigError(
            f"{self!r} is no view of {app.name!r} that takes {sorted(named)}: give path=..."
        )

    def _endpoints(self, app: Flask) -> list[str]:
        """The endpoints that this function is the view of."""
        own = inspect.unwrap(self.uncached)
        return [name for name, view in app.view_functions.items() if inspect.unwrap(view) is own]

    def delete(
        self,
        path: str | None,
        query_args: QueryArgs | None,
        view_args: dict[str, Any],
    ) -> bool:
        """`Cache.delete_cached`."""
        state = self.owner.state()
        resolved = self._resolve(state)
        if self._make_key is not None or not (self._by_path and resolved.responses.careful):
            own = {"path": path, "query_args": query_args} if self._make_key is None else {}
            key = self.make_cache_key(**own, **view_args)
            return bool(state.versions.forget((key,)))
        there = state.store.get_many(
            self._default_key(path=path, query_args=query_args, **view_args)
        )
        path = path if path is not None else self._path_for(resolved.app, (), view_args)
        exactly = self._by_query and (query_args is not None or has_request_context())
        query = self._wanted_query(resolved, query_args) if exactly else None
        state.versions.replace((view_stamp(self.name, path, query),))
        return bool(there and there[0] is not None)


class CachedCoroutine(Awaited[P, R], CachedFunction[P, R]):
    """What `Cache.cached` makes of a coroutine function."""

    makes = CachedCoroutineCall


def _current_request() -> Request | None:
    try:
        req: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    except RuntimeError:
        return None
    return req


def _identify_page(resolved: Resolved, req: Request) -> tuple[str, tuple[str, ...]]:
    """The key of a page that nothing but its address makes, and its stamp."""
    key = view_key(resolved.head, *_origin(req.environ), "", req.path)
    return key, (resolved.stamp_head + req.path,)


def _origin(environ: Mapping[str, Any]) -> tuple[str, str, str]:
    """Scheme, host and mount of a request."""
    host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    return environ["wsgi.url_scheme"], host, environ.get("SCRIPT_NAME", "")


def _app_origin(app: Flask) -> tuple[str, str, str]:
    host = app.config["SERVER_NAME"] or "localhost"
    return app.config["PREFERRED_URL_SCHEME"], host, app.config["APPLICATION_ROOT"].rstrip("/")


def _as_multi_dict(query_args: QueryArgs) -> MultiDict[str, str]:
    if isinstance(query_args, MultiDict):
        pairs: Iterable[tuple[Any, Any]] = query_args.items(multi=True)
    elif isinstance(query_args, str):
        pairs = parse_qsl(query_args.lstrip("?"), keep_blank_values=True)
    elif isinstance(query_args, Mapping):
        pairs = query_args.items()
    else:
        pairs = query_args
    return MultiDict([(str(name), str(value)) for name, value in pairs])


def cached(cache: Cache, options: CachedOptions, function: Callable[P, R]) -> CachedFunction[P, R]:
    kind: Any = CachedCoroutine if inspect.iscoroutinefunction(function) else CachedFunction
    made: CachedFunction[P, R] = kind(cache, function, options)
    return made


def check(options: CachedOptions) -> None:
    """Raise for options that can be known to be wrong before there is a function."""
    if callable(options.timeout):
        raise UsageError("cached needs parentheses: write @cache.cached().")
    to_seconds(options.timeout, 0)
    Policy.check(options.flight)
    if options.policy is not None:
        http.policy_of(options.policy, "policy")
