"""The key of a page: what is asked for, and one class for each way to make a key of it.

A `PageRequest` is a page as it is asked for, by a live request or from outside of one. A
`KeyScheme` makes its key and names the versions that it stands under: `SiteKeys` for a page by
its whole address, `PathKeys` by its path only, as Flask-Caching does, `GivenKeys` under a key of
the app's own. The query, ``vary_on`` and the arguments of a function are added in one place, for
all of them. Must not know what may be stored, nor under which policy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from urllib.parse import parse_qsl

from flask import Flask, Request
from flask.views import View
from werkzeug.datastructures import MultiDict

from ..errors import ConfigError
from ..typing import HashMethod, QueryArgs
from .builders import check_key, digest, joined, view_head, view_key, view_version

if TYPE_CHECKING:
    from .arguments import CallShape, Identities

__all__ = [
    "GivenKeys", "Key", "KeyOptions", "KeyScheme", "PageRequest", "PathKeys", "SiteKeys", "VaryOn",
    "VaryOnOption", "headers_text",
]  # fmt: skip

#: What a page's key depends on besides its address: a request header, ``"cookie:name"``, or a
#: callable without arguments.
VaryOnOption: TypeAlias = Iterable[str | Callable[[], object]]

Arguments: TypeAlias = tuple[tuple[Any, ...], Mapping[str, Any]]

_COOKIE: Final = "cookie:"


@dataclass(slots=True)
class PageRequest:
    """A page as it is asked for, by a live request or from outside of one.

    :ivar request: the live request; ``None`` outside of one, where nobody sends headers.
    :ivar root: where the app is mounted.
    :ivar given_query: ``None``: that of the live request.
    """

    request: Request | None
    scheme: str
    host: str
    root: str
    path: str
    given_query: MultiDict[str, str] | None = None

    @classmethod
    def current(cls, request: Request) -> PageRequest:
        """The page that *request* asks for."""
        environ = request.environ
        host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
        root = environ.get("SCRIPT_NAME", "")
        return cls(request, environ["wsgi.url_scheme"], host, root, request.path)

    @classmethod
    def at(
        cls, app: Flask, request: Request | None, path: str, query_args: QueryArgs | None
    ) -> PageRequest:
        """The page at *path* of the site that *request* asks, or else of the app's own.

        :param query_args: by default the query of *request*, if any.
        """
        query = None if query_args is None else _as_multi_dict(query_args)
        if request is not None:
            return replace(cls.current(request), path=path, given_query=query)
        host = app.config["SERVER_NAME"] or "localhost"
        root = app.config["APPLICATION_ROOT"].rstrip("/")
        return cls(None, app.config["PREFERRED_URL_SCHEME"], host, root, path, query)

    @property
    def query(self) -> MultiDict[str, str]:
        if self.given_query is not None:
            return self.given_query
        return self.request.args if self.request is not None else MultiDict()

    @property
    def has_query(self) -> bool:
        """Whether it is known which query is meant."""
        return self.given_query is not None or self.request is not None


class VaryOn:
    """``vary_on``: headers, cookies and callables, checked once for many requests."""

    def __init__(self, option: VaryOnOption, identities: Identities) -> None:
        if isinstance(option, str):
            raise ConfigError(f"vary_on must be a list or a tuple: write vary_on=({option!r},).")
        self._identities = identities
        self._names = tuple(_normal_name(name) for name in option)
        #: The headers among them, in lower case.
        self.headers = frozenset(
            name.lower()
            for name in self._names
            if isinstance(name, str) and not name.startswith(_COOKIE)
        )

    def __bool__(self) -> bool:
        return bool(self._names)

    def text(self, request: Request) -> str:
        """What *request* says to each of them."""
        return joined(self._said(request, name) for name in self._names)

    def _said(self, request: Request, name: str | Callable[[], object]) -> str:
        if not isinstance(name, str):
            return self._identities.text((name(),))
        if name.startswith(_COOKIE):
            return f"{name}={request.cookies.get(name[len(_COOKIE) :])!r}"
        return f"{name}={request.headers.get(name)!r}"


def _normal_name(name: object) -> str | Callable[[], object]:
    """A name as it is looked up. Raises `ConfigError` for what names nothing."""
    if callable(name):
        return name
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(
            f"vary_on holds {name!r}; it takes names of request headers, 'cookie:name', and "
            "callables without arguments."
        )
    kind, colon, cookie = name.partition(":")
    if not colon:
        return name.strip()
    if kind.strip().lower() == "cookie" and cookie.strip():
        return _COOKIE + cookie.strip()
    raise ConfigError(
        f"vary_on holds {name!r}, which is neither the name of a request header nor 'cookie:name'."
    )


def headers_text(request: Request, names: Iterable[str]) -> str:
    """What *request* says to each of these headers, for the variants that a response declares."""
    return joined(f"{name}={request.headers.get(name)!r}" for name in names)


class KeyOptions(NamedTuple):
    """What the keys of one decorated function are made from, as one app has it set."""

    prefix: str
    name: str
    """The function's."""
    source: str
    """A digest of the function's source, ``""`` where it is no part of the key."""
    shape: CallShape
    identities: Identities
    vary_on: VaryOn
    by_query: bool
    query: frozenset[str] | None
    """The parameters of the query that count; ``None``: all."""
    hash_method: HashMethod


#: Where a page is stored, and where the versions are that it stands under.
Key: TypeAlias = tuple[str, tuple[str, ...]]


class KeyScheme(ABC):
    """One way to make keys of pages."""

    #: The app makes the key, and answers for whom the value under it is for.
    is_custom = False
    #: The path of the page is part of the key.
    has_path = True
    #: Parameters of one name keep their order: a view reads the first one.
    keeps_order = True

    def __init__(self, options: KeyOptions) -> None:
        self._options = options
        self._has_details = options.by_query or bool(options.vary_on)

    @abstractmethod
    def key(self, page: PageRequest | None, arguments: Arguments, *, is_view: bool) -> Key:
        """The key of *page*, or of a call outside of any request.

        :param arguments: what the function is called with.
        :param is_view: the call answers the request; its arguments are part of the address.
        """

    def version_keys(self, page: PageRequest) -> tuple[str, ...]:
        """What to replace in order to forget *page*; nothing where it has no version."""
        return ()

    def details(self, page: PageRequest | None) -> tuple[str, str]:
        """What the key depends on besides the address: digests of the query and of ``vary_on``."""
        options = self._options
        if page is None:
            if options.by_query:
                raise RuntimeError("its key depends on a request, and there is none")
            return "", ""
        query = self.query_digest(page) if options.by_query else ""
        if not options.vary_on or page.request is None:
            return query, ""
        return query, digest(options.vary_on.text(page.request))

    def query_digest(self, page: PageRequest) -> str:
        """A digest of the parameters that count, whatever their order."""
        options, query = self._options, page.query
        names = sorted(query.keys() if options.query is None else options.query & query.keys())
        if self.keeps_order:
            return digest(repr([(n, query.getlist(n)) for n in names]), options.hash_method)
        pairs = sorted((name, value) for name in names for value in query.getlist(name))
        return digest(repr(tuple(pairs)), options.hash_method)

    def arguments_text(self, arguments: Arguments) -> str:
        """For a function that is no view: it may be called with several within one request."""
        args, kwargs = arguments
        if not args and not kwargs:
            return ""
        if args and isinstance(args[0], View):  # made for one request, and no part of its value
            args = (type(args[0]), *args[1:])
        options = self._options
        return "|" + digest(options.identities.text(options.shape.canonical(args, kwargs)))


class SiteKeys(KeyScheme):
    """A page by function, scheme, host, mount and path, under the versions of function and path."""

    def __init__(self, options: KeyOptions) -> None:
        super().__init__(options)
        self._head = view_head(options.prefix, options.name + options.source)
        self._version_head = view_version(options.name, "")

    def key(self, page: PageRequest | None, arguments: Arguments, *, is_view: bool) -> Key:
        if page is None:
            raise RuntimeError("its key depends on a request, and there is none")
        query, vary = self.details(page) if self._has_details else ("", "")
        key = view_key(self._head, page.scheme, page.host, page.root, query, page.path)
        if vary:
            key += "|" + vary
        if not is_view:
            key += self.arguments_text(arguments)
        if query:
            return key, (self._version_head + page.path, self._query_version(page, query))
        return key, (self._version_head + page.path,)

    def version_keys(self, page: PageRequest) -> tuple[str, ...]:
        if self._options.by_query and page.has_query:
            return (self._query_version(page, self.query_digest(page)),)
        return (self._version_head + page.path,)

    def _query_version(self, page: PageRequest, query: str) -> str:
        return view_version(self._options.name, page.path, query)


class PathKeys(KeyScheme):
    """A page by its path, whatever the function and the site: as Flask-Caching does."""

    keeps_order = False

    def key(self, page: PageRequest | None, arguments: Arguments, *, is_view: bool) -> Key:
        if page is None:
            raise RuntimeError("its key depends on a request, and there is none")
        query, vary = self.details(page)
        key = self._options.prefix.replace("%s", page.path) + query + self._options.source
        return f"{key}|{vary}" if vary else key, ()


class GivenKeys(KeyScheme):
    """One key of the app's own: a constant."""

    has_path = False

    def key(self, page: PageRequest | None, arguments: Arguments, *, is_view: bool) -> Key:
        query, vary = self.details(page)
        key = check_key(self.given(arguments)) + query
        return f"{key}|{vary}" if vary else key, ()

    def given(self, arguments: Arguments) -> str:
        return self._options.prefix + self._options.source


class PrefixKeys(GivenKeys):
    """A key that the app's ``key_prefix`` makes, without arguments."""

    is_custom = True

    def __init__(self, options: KeyOptions, make: Callable[[], str]) -> None:
        super().__init__(options)
        self._make = make

    def given(self, arguments: Arguments) -> str:
        return check_key(self._make()) + self._options.source


class MadeKeys(GivenKeys):
    """A key that the app's ``make_cache_key`` makes of the arguments."""

    is_custom = True

    def __init__(self, options: KeyOptions, make: Callable[..., str]) -> None:
        super().__init__(options)
        self._make = make

    def given(self, arguments: Arguments) -> str:
        args, kwargs = arguments
        return self._make(*args, **kwargs)


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
