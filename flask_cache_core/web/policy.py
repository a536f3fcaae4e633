"""What of a response may be stored, what its key varies on, and the form that it is kept in.

A policy is what a shared HTTP cache is to a careful person (RFC 9111, section 3): `Safe` is the
default, `Permissive` stores whatever a view returns. Must not know how
anything is looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

from flask import Flask, Request, has_request_context
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.utils import import_string
from werkzeug.wrappers import Response

from ..engine.call import Outcome
from ..errors import ConfigError
from ..keys.builders import joined

if TYPE_CHECKING:
    from flask.sessions import SessionMixin

__all__ = ["CachedResponse", "Permissive", "Policy", "Recording", "Safe", "VaryOn", "policy_of"]

#: What a page's key depends on besides its address: a request header, ``"cookie:name"``, or a
#: callable without arguments.
VaryOn: TypeAlias = Iterable[str | Callable[[], object]]

#: Statuses that a cache may keep without being told for how long (RFC 9110, section 15.1), less
#: those that are transient or partial.
KEPT_STATUSES: Final = frozenset({200, 203, 204, 300, 301, 308, 404, 410, 414})

#: Directives of ``Cache-Control`` with which nothing is kept, in whichever case.
FORBIDDING: Final = frozenset({"private", "no-store", "no-cache"})

#: Bytes of a stream that are kept while it passes through.
STREAM_LIMIT: Final = 1 << 20


class CachedResponse(Response):
    """A response that says for how long it may be cached, whatever its view's decorator says.

    :param response: the response to return; it is taken over, not copied.
    :param timeout: seconds or a timedelta; ``None`` leaves it to the decorator.
    """

    def __init__(self, response: Response, timeout: Any = None) -> None:
        self.__dict__ = response.__dict__
        self.timeout = timeout


class Policy(Protocol):
    """Which requests are looked up, and which responses are stored."""

    #: Whether the key holds what `Permissive` leaves out: the function and the origin.
    careful: bool

    def admits(
        self, request: Request, methods: Iterable[str], own_key: bool, by_authorization: bool
    ) -> bool:
        """Whether *request* may be answered from the cache at all.

        :param by_authorization: who asks is part of the key.
        """
        ...

    def keeps(self, response: Response, session: SessionMixin | None, own_key: bool) -> bool:
        """Whether *response* may be stored; *own_key*: the app made the key, and answers for it."""
        ...


class Permissive:
    """Store what the view returns, under its path, for every method: as Flask-Caching does."""

    careful = False

    def admits(
        self, request: Request, methods: Iterable[str], own_key: bool, by_authorization: bool
    ) -> bool:
        return methods is ANY_METHOD or request.method in methods

    def keeps(self, response: Response, session: SessionMixin | None, own_key: bool) -> bool:
        return True


class Safe:
    """Store what is the same for everybody."""

    careful = True

    def admits(
        self, request: Request, methods: Iterable[str], own_key: bool, by_authorization: bool
    ) -> bool:
        if own_key:
            return methods is ANY_METHOD or request.method in methods
        allowed = ("GET", "HEAD") if methods is ANY_METHOD else methods
        if "HTTP_AUTHORIZATION" in request.environ and not by_authorization:
            return False
        return request.method in allowed

    def keeps(self, response: Response, session: SessionMixin | None, own_key: bool) -> bool:
        if response.status_code not in KEPT_STATUSES or "Set-Cookie" in response.headers:
            return False
        if "*" in response.vary or not FORBIDDING.isdisjoint(
            map(str.lower, response.cache_control)
        ):
            return False
        if session is None:
            return True
        return not session.modified and (own_key or not session.accessed)


class Judged(Safe):
    """`Safe`, but a function of the app decides which responses are stored."""

    def __init__(self, function: Callable[[Response], object]) -> None:
        self._function = function

    def keeps(self, response: Response, session: SessionMixin | None, own_key: bool) -> bool:
        return bool(self._function(response))


#: ``methods`` where the decorator names none.
ANY_METHOD: Final = ("GET", "HEAD")


def policy_of(wanted: object, setting: str = "CACHE_RESPONSE_POLICY") -> Policy:
    """The policy that a name, an import string or a callable means. Raises `ConfigError`."""
    if wanted == "safe":
        return Safe()
    if wanted == "permissive":
        return Permissive()
    if isinstance(wanted, str):
        try:
            wanted = import_string(wanted)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"{setting}={wanted!r} must be 'safe', 'permissive' or the import string of a "
                f"function that takes a response: {error}"
            ) from error
    if callable(wanted):
        return Judged(wanted)
    raise ConfigError(
        f"{setting} must be 'safe', 'permissive' or a function that takes a response, not "
        f"{wanted!r}."
    )


def current_session() -> SessionMixin | None:
    """The session of this request, if any, without counting as an access to it."""
    if not has_request_context():
        return None
    session: SessionMixin | None = getattr(request_ctx, "_session", None)
    return session if session is not None else request_ctx.__dict__.get("session")


def variant_text(request: Request, names: Iterable[str | Callable[[], object]]) -> str:
    """What *request* says to each of *names*."""
    return joined(_said(request, name) for name in names)


def _said(request: Request, name: str | Callable[[], object]) -> str:
    if callable(name):
        return repr(name())
    kind, colon, cookie = name.partition(":")
    is_cookie = colon and kind == "cookie"
    value = request.cookies.get(cookie) if is_cookie else request.headers.get(name)
    return f"{name}={value!r}"


# -- how a response is kept --------------------------------------------------------------------


class StoredResponse(NamedTuple):
    """A response in an immutable form."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def of(cls, response: Response) -> StoredResponse:
        return cls(response.status, tuple(response.headers), response.get_data())

    def response(self, app: Flask) -> Response:
        """A new response, the caller's to change."""
        response = app.response_class(self.body, status=self.status)
        response.headers.clear()
        response.headers.extend(self.headers)
        return response


class StoredAbort(NamedTuple):
    """What ``abort()`` raised."""

    code: int
    description: str | None

    @classmethod
    def of(cls, error: HTTPException) -> StoredAbort | None:
        """``None`` for an exception that is more than its code and its description."""
        if error.code is None or error.response is not None:
            return None
        if type(error) is not default_exceptions.get(error.code):
            return None
        if error.get_headers() != default_exceptions[error.code]().get_headers():
            return None
        return cls(error.code, error.description)

    def error(self) -> HTTPException:
        return default_exceptions[self.code](self.description)


def revealed(stored: object, app: Flask) -> object:
    """What a view returned, from the form in which it is kept."""
    if type(stored) is StoredResponse:
        return stored.response(app)
    if type(stored) is StoredAbort:
        return stored.error()
    return stored


class Recording:
    """An iterator that passes a stream on as it comes, and keeps it if it turns out small.

    :param finish: makes of all chunks what is to be kept.
    """

    def __init__(self, stream: Iterator[Any], finish: Callable[[list[Any]], Outcome]) -> None:
        self._stream = stream
        self._finish = finish
        self._chunks: list[Any] = []
        self._left = STREAM_LIMIT
        self._keep: Callable[[Outcome], object] | None = None
        self._end: Callable[[], object] | None = None

    def arrives(self, keep: Callable[[Outcome], object], end: Callable[[], object]) -> None:
        """See `lookup.Later`."""
        self._keep, self._end = keep, end

    def __iter__(self) -> Recording:
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._stream)
        except StopIteration:
            self._arrived()
            self._over()
            raise
        except BaseException:
            self._over()
            raise
        self._left -= len(chunk) if isinstance(chunk, (str, bytes)) else STREAM_LIMIT + 1
        if self._left >= 0:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()
        return chunk

    def _arrived(self) -> None:
        if self._keep is None or self._left < 0:
            return
        outcome = self._finish(self._chunks)
        if outcome.store:
            self._keep(outcome)

    def close(self) -> None:
        """Called by the server when it is done with the response, at its end or before."""
        self._over()
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()

    def _over(self) -> None:
        end, self._end, self._keep = self._end, None, None
        if end is not None:
            end()
