"""``@cached``: a view's answers by the request, or a function's value under a key of the app's own.

Builds the key and asks `http` what may be stored; what is a hit is `lookup`'s to say.
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

from flask import Flask, Request, after_this_request, has_request_context, request
from flask.views import View
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BuildError
from werkzeug.wrappers import Response

from . import http, signals
from .arguments import CallShape
from .call import Call, FlightOptions, Outcome, Policy, Raised
from .decorated import Awaited, Bound, Decorated, joined
from .entry import to_seconds
from .errors import ConfigError
from .keys import (
    HashMethod,
    check_key,
    digest,
    variant_key,
    view_head,
    view_key,
    view_stamp,
)
from .naming import source_digest
from .options import Condition, Tags, TagsOption
from .typing import QueryArgs, Timeout

if TYPE_CHECKING:
    from flask.sessions import SessionMixin

    from .extension import Cache
    from .state import AppState

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


class _Resolved(NamedTuple):
    """What the settings of one app make of the options."""

    state: AppState
    app: Flask
    policy: Policy
    responses: http.Policy
    head: str
    stamp_head: str
    source: str
    hash_method: HashMethod
    #: Nobody but the entry has a say in what is a hit.
    plain: bool
    #: Nothing but the address makes the key.
    by_address: bool


class CachedCall(Call):
    """One call of a cached view or function."""

    __slots__ = (
        "_args", "_base", "_cached", "_kwargs", "_request", "_resolved", "_session", "_was_read",
    )  # fmt: skip

    def __init__(
        self,
        cached: CachedFunction[..., Any],
        resolved: _Resolved,
        key: str,
        stamps: tuple[str, ...],
        req: Request | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        forced: bool,
    ) -> None:
        self._base = self.key = key
        self.stamps = stamps
        self.forced = forced
        self.plain = resolved.plain and not forced
        self._resolved = resolved
        self._cached = cached
        #: The request that this call answers; ``None`` for a function that is no view.
        self._request = req
        self._args = args
        self._kwargs = kwargs

    @property
    def base(self) -> str:
        return self._base

    @property
    def policy(self) -> Policy:
        return self._resolved.policy

    @property
    def timeout(self) -> Timeout | None:
        return self._cached.cache_timeout

    def run(self) -> Any:
        self._watch_session()
        try:
            return self._received(self._cached.uncached(*self._args, **self._kwargs))
        except HTTPException as error:
            return Raised(error)
        finally:
            self._unwatch_session()

    def _watch_session(self) -> None:
        """Of a function that is no view, only what it reads itself counts."""
        self._was_read = False
        self._session: SessionMixin | None = http.current_session()
        if self._session is not None and self._request is None:
            self._was_read = self._session.accessed
            self._session.accessed = False

    def _unwatch_session(self) -> None:
        if self._session is not None and self._request is None:
            read = self._session.accessed
            self._session.accessed = read or self._was_read
            self._was_read = read

    def _received(self, value: Any) -> Any:
        """Streams of a view pass through; other generators can be read only once."""
        if self._request is None:
            return joined(value)
        if inspect.isgenerator(value):
            return http.Recording(value, lambda chunks: self._judge_value(_in_one(chunks)))
        if isinstance(value, Response) and value.is_streamed and not value.direct_passthrough:
            head = (value.status, list(value.headers))  # before the app's hooks change them
            value.response = http.Recording(
                iter(value.response), lambda chunks: self._judge_stream(*head, chunks)
            )
        return value

    def judge(self, value: Any) -> Outcome:
        if isinstance(value, http.Recording):
            return Outcome(None, store=False, later=value)
        if isinstance(value, Response) and isinstance(value.response, http.Recording):
            return Outcome(None, store=False, later=value.response)
        return self._judge_value(value)

    def _judge_stream(
        self, status: str, headers: list[tuple[str, str]], chunks: list[Any]
    ) -> Outcome:
        body = b"".join(c.encode() if isinstance(c, str) else c for c in chunks)
        return self._judge_value(Response(body, status=status, headers=headers))

    def _judge_value(self, value: Any) -> Outcome:
        options = self._cached.options
        if value is None and not options.cache_none:
            return Outcome(value, store=False)
        answer = value
        if type(value) is Raised:
            assert isinstance(value.error, HTTPException)
            answer = value.error.get_response()
        keep = options.response_filter is None or bool(options.response_filter(answer))
        if self._request is None:
            return Outcome(self._kept(value), store=keep and self._is_for_all(value))
        return self._judge_answer(value, self._as_response(answer), keep)

    def _judge_answer(self, value: Any, response: Response | None, keep: bool) -> Outcome:
        """Whether the answer to a request may be stored."""
        assert self._request is not None
        if response is None or response.is_streamed or response.direct_passthrough:
            return Outcome(None, store=False)
        own_key = self._cached.own_key
        responses = self._resolved.responses
        keep = keep and responses.keeps(response, self._session, own_key)
        if responses.careful and self._request.method == "HEAD" and not own_key:
            keep = False
        vary: tuple[str, ...] = ()
        if responses.careful and not own_key:
            declared = {name.lower() for name in response.vary}
            vary = tuple(sorted(declared - {n.lower() for n in self._headers_in_key()}))
        stored = self._kept(value)
        keep = keep and type(stored) is not Raised
        timeout = value.timeout if isinstance(value, http.CachedResponse) else None
        return Outcome(stored, keep, timeout or None, vary, failed=response.status_code >= 500)

    def _headers_in_key(self) -> list[str]:
        return [name for name in self._cached.vary_on if isinstance(name, str)]

    def _is_for_all(self, value: Any) -> bool:
        """Of a function that is no view: whether another user would get the same."""
        return type(value) is not Raised and (self._cached.own_key or not self._was_read)

    def _as_response(self, answer: Any) -> Response | None:
        """The answer as Flask will see it; ``None`` for what is no answer."""
        if isinstance(answer, Response):
            return answer
        try:
            return self._resolved.app.make_response(answer)
        except TypeError:
            return None

    def _kept(self, value: Any) -> Any:
        """The form in which a value is kept; a `Raised` where there is none."""
        if type(value) is Raised:
            assert isinstance(value.error, HTTPException)
            return http.StoredAbort.of(value.error) or value
        if isinstance(value, Response) and not value.is_streamed:
            return http.StoredResponse.of(value)
        if isinstance(value, tuple) and self._request is not None:
            return http.StoredResponse.of(self._resolved.app.make_response(value))
        return value

    def reveal(self, stored: Any) -> Any:
        if type(stored) is str:
            return stored
        value = http.revealed(stored, self._resolved.app)
        return Raised(value) if type(stored) is http.StoredAbort else value  # type: ignore[arg-type]

    def is_stale(self, stored: Any) -> bool:
        condition = self._cached.is_stale
        if condition is None:
            return False
        return condition(http.revealed(stored, self._resolved.app), *self._args, **self._kwargs)

    def variant(self, names: tuple[str, ...]) -> str:
        if self._request is None:
            return self.base
        return variant_key(self.base, http.variant_text(self._request, names))

    def announce(self, hit: bool) -> None:
        if hit and self._cached.options.response_hit_indication and has_request_context():
            after_this_request(_indicate)
        if not self._resolved.state.settings.enable_signals:
            return
        signal = signals.cache_view_hit if hit else signals.cache_view_miss
        signal.send(
            cache=self._cached.owner, cache_key=self.key, args=self._args, kwargs=self._kwargs
        )


class CachedCoroutineCall(CachedCall):
    """One call of a cached coroutine function."""

    __slots__ = ()

    async def run(self) -> Any:
        self._watch_session()
        try:
            return self._received(await self._cached.uncached(*self._args, **self._kwargs))
        except HTTPException as error:
            return Raised(error)
        finally:
            self._unwatch_session()


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
        self._resolved: _Resolved | None = None

    @overload
    def __get__(self, instance: None, owner: type | None = None, /) -> CachedFunction[P, R]: ...

    @overload
    def __get__(
        self: CachedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None, /
    ) -> Bound[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        return self if instance is None else self.binds(self, instance)

    def call_for(
        self,
        state: AppState,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        forced: bool = False,
    ) -> CachedCall | None:
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
        if self._forced is not None:
            forced = forced or self._forced(*args, **kwargs)
        req = req if is_view else None
        return self.makes(self, resolved, key, stamps, req, args, kwargs, forced)

    def _is_view(self, app: Flask, req: Request, args: tuple[Any, ...]) -> bool:
        """Whether this call answers the request, rather than being made on the way to it."""
        views: list[Any] = [app.view_functions.get(req.endpoint or "")]
        if args and isinstance(args[0], View):
            names = ("dispatch_request", req.method.lower(), "get")
            views += [getattr(type(args[0]), name, None) for name in names]
        own = inspect.unwrap(self.uncached)
        return any(view is not None and inspect.unwrap(view) is own for view in views)

    def _resolve(self, state: AppState) -> _Resolved:
        settings, options = state.settings, self.options
        by_source = settings.source_check if options.source_check is None else options.source_check
        wanted = options.policy if options.policy is not None else settings.response_policy
        policy = Policy.of(options.flight, settings)
        source = source_digest(self.uncached) if by_source else ""
        setting = "CACHE_RESPONSE_POLICY" if options.policy is None else "policy"
        responses = http.policy_of(wanted, setting)
        self._resolved = _Resolved(
            state,
            state.app,
            policy,
            responses,
            view_head(str(options.key_prefix), self.name + source),
            view_stamp(self.name, ""),
            source,
            options.hash_method or settings.hash_method,
            not (
                self.is_stale
                or settings.enable_signals
                or options.response_hit_indication
                or policy.beta
            ),
            self._by_address and responses.careful,
        )
        return self._resolved

    def _identify(
        self,
        resolved: _Resolved,
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

    def _given(self, resolved: _Resolved) -> str:
        prefix = self.options.key_prefix
        return check_key(prefix() if callable(prefix) else prefix) + resolved.source

    def _plain_key(self, resolved: _Resolved, path: str, query: str) -> str:
        return self._prefix.replace("%s", path) + query + resolved.source

    def _variant(self, req: Request | None) -> str:
        if not self.vary_on or req is None:
            return ""
        return "|" + digest(http.variant_text(req, self.vary_on))

    def _query_digest(self, resolved: _Resolved, args: MultiDict[str, str]) -> str:
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

    def _wanted_query(self, resolved: _Resolved, query_args: QueryArgs | None) -> str:
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


def _indicate(response: Any) -> Any:
    response.headers["hit_cache"] = True
    return response


def _in_one(chunks: list[Any]) -> Any:
    return joined(chunk for chunk in chunks)


def _identify_page(resolved: _Resolved, req: Request) -> tuple[str, tuple[str, ...]]:
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
        raise TypeError("cached needs parentheses: write @cache.cached().")
    to_seconds(options.timeout, 0)
    Policy.check(options.flight)
    if options.policy is not None:
        http.policy_of(options.policy, "policy")
