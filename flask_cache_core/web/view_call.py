"""One call of a cached view or function: computing its answer, judging it, keeping it.

Asks `http` what may be stored, and in what form. Must not know how keys are made.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Flask, Request, after_this_request, has_request_context
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from .. import signals
from ..decorators.base import joined
from ..engine.call import Call, Outcome, Policy, Raised
from ..keys.builders import HashMethod, variant_key
from ..typing import Timeout
from . import policy as http

if TYPE_CHECKING:
    from flask.sessions import SessionMixin

    from ..decorators.cached import CachedFunction
    from ..engine.state import AppState

__all__ = ["CachedCall", "CachedCoroutineCall", "Resolved"]


class Resolved(NamedTuple):
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
        resolved: Resolved,
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


def _indicate(response: Any) -> Any:
    response.headers["hit_cache"] = True
    return response


def _in_one(chunks: list[Any]) -> Any:
    return joined(chunk for chunk in chunks)
