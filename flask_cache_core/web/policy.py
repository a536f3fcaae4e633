"""Which requests are looked up, and which responses are stored (RFC 9111, section 3).

`Safe` behaves as a careful shared cache does, and is the default; `Permissive` stores whatever a
view returns, as Flask-Caching does. Must not know how anything is looked up or restored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, ClassVar, Final

from flask import Request, has_request_context
from flask.globals import request_ctx
from werkzeug.http import parse_list_header
from werkzeug.utils import import_string
from werkzeug.wrappers import Response

from ..errors import ConfigError
from ..keys.requests import KeyScheme, PathKeys, SiteKeys

if TYPE_CHECKING:
    from flask.sessions import SessionMixin

__all__ = ["Permissive", "ResponsePolicy", "Safe", "current_session", "policy_of"]

#: Statuses that may be stored without an explicit lifetime (RFC 9110, section 15.1), less those
#: that are transient or partial.
STORABLE_STATUSES: Final = frozenset({200, 203, 204, 300, 301, 308, 404, 410, 414})

#: Directives of ``Cache-Control`` with which nothing is stored, in whichever case.
FORBIDDING: Final = frozenset({"private", "no-store", "no-cache"})

#: The methods of a decorator that names none.
DEFAULT_METHODS: Final = ("GET", "HEAD")


class ResponsePolicy(ABC):
    """What is looked up and stored for views."""

    #: How the key of a page is made from its address.
    keys: ClassVar[type[KeyScheme]]

    @abstractmethod
    def allows(
        self, request: Request, methods: Collection[str] | None, key_headers: frozenset[str] | None
    ) -> bool:
        """Whether *request* may be answered from the cache at all.

        :param methods: those that the decorator names; ``None`` where it names none.
        :param key_headers: the headers that are part of the key, in lower case; ``None``: the app
            makes the key.
        """

    @abstractmethod
    def is_storable(
        self, request: Request, response: Response, session: SessionMixin | None, *, custom: bool
    ) -> bool:
        """Whether *response* may be stored.

        :param session: that of the request, as the view left it.
        :param custom: the app makes the key, and answers for whom the value under it is for.
        """

    @abstractmethod
    def variants(self, response: Response, key_headers: frozenset[str] | None) -> tuple[str, ...]:
        """The request headers, in lower case, by which *response* says that it varies, beyond
        those that are part of the key.
        """


class Permissive(ResponsePolicy):
    """Store what the view returns, under its path, for every method: as Flask-Caching does."""

    keys = PathKeys

    def allows(
        self, request: Request, methods: Collection[str] | None, key_headers: frozenset[str] | None
    ) -> bool:
        return methods is None or request.method in methods

    def is_storable(
        self, request: Request, response: Response, session: SessionMixin | None, *, custom: bool
    ) -> bool:
        return True

    def variants(self, response: Response, key_headers: frozenset[str] | None) -> tuple[str, ...]:
        return ()


class Safe(ResponsePolicy):
    """Store what is the same for everybody."""

    keys = SiteKeys

    def allows(
        self, request: Request, methods: Collection[str] | None, key_headers: frozenset[str] | None
    ) -> bool:
        if methods is not None:
            if request.method not in methods:
                return False
        elif request.method not in DEFAULT_METHODS and not _is_made_for(request, key_headers):
            return False
        if key_headers is None or "HTTP_AUTHORIZATION" not in request.environ:
            return True
        return "authorization" in key_headers

    def is_storable(
        self, request: Request, response: Response, session: SessionMixin | None, *, custom: bool
    ) -> bool:
        if request.method == "HEAD":  # which has no body, and shares its key with GET
            return False
        if response.status_code not in STORABLE_STATUSES or "Set-Cookie" in response.headers:
            return False
        if "*" in _listed(response, "Vary"):
            return False
        if not FORBIDDING.isdisjoint(_listed(response, "Cache-Control")):
            return False
        if session is None:
            return True
        return not session.modified and (custom or not session.accessed)

    def variants(self, response: Response, key_headers: frozenset[str] | None) -> tuple[str, ...]:
        if key_headers is None:
            return ()
        return tuple(sorted(_listed(response, "Vary") - key_headers))


def _listed(response: Response, header: str) -> set[str]:
    """The names in *header*, in lower case, of all its lines: they count as one list (RFC 9110,
    section 5.3).
    """
    items = parse_list_header(", ".join(response.headers.getlist(header)))
    return {item.partition("=")[0].strip().lower() for item in items} - {""}


def _is_made_for(request: Request, key_headers: frozenset[str] | None) -> bool:
    """Whether the app makes a key for an endpoint that takes no GET: it can only mean the others,
    as in a search by POST under a digest of its body.
    """
    rule = request.url_rule
    return key_headers is None and rule is not None and "GET" not in (rule.methods or ())


class Judged(Safe):
    """`Safe`, but a function of the app decides which responses are stored."""

    def __init__(self, function: Callable[[Response], object]) -> None:
        self._function = function

    def is_storable(
        self, request: Request, response: Response, session: SessionMixin | None, *, custom: bool
    ) -> bool:
        return request.method != "HEAD" and bool(self._function(response))


def policy_of(wanted: object, setting: str = "CACHE_RESPONSE_POLICY") -> ResponsePolicy:
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
