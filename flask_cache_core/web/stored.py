"""A response as immutable data, and back.

Must not know whether a response may be stored.
"""

from __future__ import annotations

from typing import NamedTuple

from flask import Flask
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.wrappers import Response

from ..options import to_seconds
from ..typing import Timeout

__all__ = ["CachedResponse", "StoredAbort", "StoredResponse", "restored"]


class CachedResponse(Response):
    """A response that says for how long it may be cached, whatever its view's decorator says.

    :param response: the response to return; it is taken over, not copied.
    :param timeout: seconds or a timedelta; ``None`` leaves it to the decorator.

    ::

        @app.get("/rates")
        @cache.cached(timeout=3600)
        def rates():
            current, response = fetch_rates()
            return CachedResponse(response, timeout=3600 if current else 10)

    Since 1.0.
    """

    def __init__(self, response: Response, timeout: Timeout | None = None) -> None:
        self.__dict__ = response.__dict__
        self.timeout = timeout

    @property
    def lifetime(self) -> float | None:
        """Its timeout in seconds; ``None`` where the decorator decides, as for 0."""
        return to_seconds(self.timeout, 0) or None


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


def restored(stored: object, app: Flask) -> object:
    """What a view returned, from the form in which it is stored."""
    if type(stored) is StoredResponse:
        return stored.response(app)
    if type(stored) is StoredAbort:
        return stored.error()
    return stored
