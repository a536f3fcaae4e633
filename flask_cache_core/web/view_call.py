"""One call of a cached view or function: run it, judge what it returns, restore a stored value.

Asks `policy` what may be stored, and `stored` in what form. Must not know how keys are made.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Request, after_this_request, has_request_context
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from .. import signals
from ..engine.call import Call, Outcome, Policy, Raised, collected
from ..keys.builders import variant_key
from ..keys.requests import headers_text
from .policy import current_session
from .stored import CachedResponse, StoredAbort, StoredResponse, restored
from .stream import StreamTee

if TYPE_CHECKING:
    from flask.sessions import SessionMixin

    from ..apps import AppState, CacheBase
    from ..keys.requests import KeyScheme
    from .policy import ResponsePolicy

__all__ = ["CoroutineViewCall", "ViewBinding", "ViewCall"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ViewBinding:
    """A cached function on one app: what the app's settings make of the decorator's options.

    :ivar plain: nothing but the entry itself decides whether it is a hit.
    :ivar key_headers: the headers that are part of the key, in lower case; ``None``: the app
        makes the key.
    """

    cache: CacheBase
    state: AppState
    function: Callable[..., Any]
    policy: Policy
    responses: ResponsePolicy
    keys: KeyScheme
    key_headers: frozenset[str] | None
    is_stale: Callable[..., bool] | None
    response_filter: Callable[[Any], object] | None
    cache_none: bool
    hit_indication: bool
    plain: bool


class ViewCall(Call[T]):
    """One call of a cached view or function.

    :param request: the request that this call answers; ``None`` for a function that is no view.
    """

    __slots__ = ("_args", "_binding", "_kwargs", "_request", "_session", "_was_read")

    def __init__(
        self,
        binding: ViewBinding,
        key: str,
        version_keys: tuple[str, ...],
        timeout: float | None,
        request: Request | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.key = key
        self.version_keys = version_keys
        self.policy = binding.policy
        self.timeout = timeout
        self.forced = False
        self._binding = binding
        self._request = request
        self._args = args
        self._kwargs = kwargs

    # -- run ----------------------------------------------------------------------------------

    def run(self) -> Any:
        self._watch_session()
        try:
            return self._received(self._binding.function(*self._args, **self._kwargs))
        except HTTPException as error:
            return Raised(error)
        finally:
            self._unwatch_session()

    def _watch_session(self) -> None:
        """Of a function that is no view, only what it reads itself counts."""
        self._was_read = False
        self._session: SessionMixin | None = current_session()
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
            return collected(value)
        if inspect.isgenerator(value):
            return StreamTee(value, self._judge_chunks)
        if isinstance(value, Response) and value.is_streamed and not value.direct_passthrough:
            head = (value.status, list(value.headers))  # before the app's hooks change them
            value.response = StreamTee(
                iter(value.response), lambda chunks: self._judge_stream(*head, chunks)
            )
        return value

    # -- judge --------------------------------------------------------------------------------

    def storability(self, value: Any) -> Outcome:
        if isinstance(value, StreamTee):
            return Outcome(None, store=False, deferred=value)
        if isinstance(value, Response) and isinstance(value.response, StreamTee):
            return Outcome(None, store=False, deferred=value.response)
        return self._judge(value)

    def _judge_chunks(self, chunks: list[Any]) -> Outcome:
        return self._judge(collected(chunk for chunk in chunks))

    def _judge_stream(
        self, status: str, headers: list[tuple[str, str]], chunks: list[Any]
    ) -> Outcome:
        body = b"".join(c.encode() if isinstance(c, str) else c for c in chunks)
        return self._judge(Response(body, status=status, headers=headers))

    def _judge(self, value: Any) -> Outcome:
        binding = self._binding
        if value is None and not binding.cache_none:
            return Outcome(value, store=False)
        returned = value
        if type(value) is Raised:
            assert isinstance(value.error, HTTPException)
            returned = value.error.get_response()
        wanted = binding.response_filter is None or bool(binding.response_filter(returned))
        if self._request is None:
            return Outcome(self._to_stored(value), store=wanted and self._is_for_all(value))
        return self._judge_response(self._request, value, self._as_response(returned), wanted)

    def _judge_response(
        self, request: Request, value: Any, response: Response | None, wanted: bool
    ) -> Outcome:
        """Whether the response to a request may be stored."""
        if response is None or response.is_streamed or response.direct_passthrough:
            return Outcome(None, store=False)
        binding, headers = self._binding, self._binding.key_headers
        storable = wanted and binding.responses.is_storable(
            request, response, self._session, custom=headers is None
        )
        stored = self._to_stored(value)
        return Outcome(
            stored,
            storable and type(stored) is not Raised,
            value.lifetime if isinstance(value, CachedResponse) else None,
            binding.responses.variants(response, headers),
            failed=response.status_code >= 500,
        )

    def _is_for_all(self, value: Any) -> bool:
        """Of a function that is no view: whether another user would get the same."""
        return type(value) is not Raised and (
            self._binding.key_headers is None or not self._was_read
        )

    def _as_response(self, returned: Any) -> Response | None:
        """The response that Flask will make of it; ``None`` where it makes none."""
        if isinstance(returned, Response):
            return returned
        try:
            return self._binding.state.app.make_response(returned)
        except TypeError:
            return None

    def _to_stored(self, value: Any) -> Any:
        """The form in which a value is stored; a `Raised` where there is none."""
        if type(value) is Raised:
            assert isinstance(value.error, HTTPException)
            return StoredAbort.of(value.error) or value
        if isinstance(value, Response) and not value.is_streamed:
            return StoredResponse.of(value)
        if isinstance(value, tuple) and self._request is not None:
            return StoredResponse.of(self._binding.state.app.make_response(value))
        return value

    # -- restore ------------------------------------------------------------------------------

    def restore(self, stored: Any) -> Any:
        if type(stored) is str:
            return stored
        if type(stored) is StoredAbort:
            return Raised(stored.error())
        return restored(stored, self._binding.state.app)

    def is_stale(self, stored: object) -> bool:
        condition = self._binding.is_stale
        if condition is None:
            return False
        value = restored(stored, self._binding.state.app)
        return condition(value, *self._args, **self._kwargs)

    def variant(self, names: tuple[str, ...]) -> str:
        if self._request is None:
            return self.key
        return variant_key(self.key, headers_text(self._request, names))

    def announce(self, hit: bool) -> None:
        binding = self._binding
        if hit and binding.hit_indication and has_request_context():
            after_this_request(_indicate)
        if not binding.state.settings.enable_signals:
            return
        signal = signals.cache_view_hit if hit else signals.cache_view_miss
        signal.send(cache=binding.cache, cache_key=self.key, args=self._args, kwargs=self._kwargs)


class CoroutineViewCall(ViewCall[T]):
    """One call of a cached coroutine function."""

    __slots__ = ()

    async def run(self) -> Any:  # type: ignore[override] # awaited by the driver in ``aio``
        self._watch_session()
        try:
            return self._received(await self._binding.function(*self._args, **self._kwargs))
        except HTTPException as error:
            return Raised(error)
        finally:
            self._unwatch_session()


def _indicate(response: Response) -> Response:
    response.headers["hit_cache"] = "True"
    return response
