# mypy: disable-error-code="no-untyped-call"
"""What of a response may be stored, and the form that it is kept in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, Request, Response, make_response, session
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, HTTPException, MethodNotAllowed, NotFound, Unauthorized
from werkzeug.test import EnvironBuilder

from flask_cache_core import CachedResponse
from flask_cache_core.engine.call import Outcome
from flask_cache_core.errors import ConfigError
from flask_cache_core.keys.arguments import Identities
from flask_cache_core.keys.requests import SiteKeys, VaryOn
from flask_cache_core.web.policy import (
    Permissive,
    ResponsePolicy,
    Safe,
    current_session,
    policy_of,
)
from flask_cache_core.web.stored import StoredAbort, StoredResponse, restored
from flask_cache_core.web.stream import STREAM_LIMIT, StreamTee

REQUEST = Request(EnvironBuilder().get_environ())


def storable(
    policy: ResponsePolicy, response: Response, session: Any = None, *, custom: bool = False
) -> bool:
    return policy.is_storable(REQUEST, response, session, custom=custom)


def test_policies_by_name_import_string_and_function() -> None:
    assert type(policy_of("safe")) is Safe
    assert type(policy_of("permissive")) is Permissive
    for wanted in ("operator.truth", lambda response: True):
        policy = policy_of(wanted)
        assert policy.keys is SiteKeys
        assert storable(policy, Response(status=500))


@pytest.mark.parametrize("wanted", ["Safe", "no.such.thing", "math.pi", 5, None, ""])
def test_what_is_no_policy_is_told_with_its_setting(wanted: Any) -> None:
    with pytest.raises(ConfigError, match="CACHE_RESPONSE_POLICY"):
        policy_of(wanted)


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 410, 414])
def test_statuses_that_last_are_kept(status: int) -> None:
    assert storable(Safe(), Response(status=status))


@pytest.mark.parametrize(
    "status", [201, 202, 206, 302, 303, 304, 307, 400, 401, 403, 418, 429, 500, 501, 502, 503, 504]
)
def test_statuses_that_pass_are_not_kept(status: int) -> None:
    assert not storable(Safe(), Response(status=status))
    assert storable(Permissive(), Response(status=status))


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("Set-Cookie", "a=b", False),
        ("Cache-Control", "private", False),
        ("Cache-Control", "max-age=5, Private", False),
        ("Cache-Control", 'private="set-cookie"', False),
        ("Cache-Control", "no-store", False),
        ("Cache-Control", "no-cache", False),
        ("Cache-Control", "public, max-age=60", True),
        ("Vary", "*", False),
        ("Vary", "Accept, *", False),
        ("Vary", "Accept", True),
    ],
)
def test_headers_that_forbid_it(name: str, value: str, kept: bool) -> None:
    assert storable(Safe(), Response(headers={name: value})) is kept


def test_sessions(app: Flask) -> None:
    for use, plain, own_key in [
        (lambda: None, True, True),
        (lambda: session.get("a"), False, True),
        (lambda: "a" in session, False, True),
        (lambda: session.update(a=1), False, False),
    ]:
        with app.test_request_context():
            use()
            found = current_session()
            assert found is not None
            assert storable(Safe(), Response(), found) is plain
            assert storable(Safe(), Response(), found, custom=True) is own_key


def test_looking_at_the_session_is_no_use_of_it(app: Flask) -> None:
    assert current_session() is None
    with app.test_request_context():
        found = current_session()
        assert found is not None
        assert not found.accessed


@pytest.mark.parametrize("methods", [None, {"GET", "HEAD"}])
@pytest.mark.parametrize(
    ("method", "authorized", "key_headers", "allowed"),
    [
        ("GET", False, set(), True),
        ("HEAD", False, set(), True),
        ("POST", False, set(), False),
        ("POST", False, {"authorization"}, False),
        ("POST", False, None, False),
        ("GET", True, set(), False),
        ("GET", True, {"authorization"}, True),
        ("GET", True, None, True),
    ],
)
def test_requests_that_are_looked_up(
    app: Flask,
    method: str,
    authorized: bool,
    key_headers: set[str] | None,
    allowed: bool,
    methods: set[str] | None,
) -> None:
    """``None`` for the headers in the key: the app makes it. The default methods written out
    make no difference.
    """
    headers = {"Authorization": "x"} if authorized else {}
    in_key = None if key_headers is None else frozenset(key_headers)
    with app.test_request_context(method=method, headers=headers) as context:
        assert Safe().allows(context.request, methods, in_key) is allowed


@pytest.mark.parametrize("methods", [None, {"GET", "HEAD"}])
def test_a_head_is_never_stored_under_the_key_of_its_get(
    app: Flask, methods: set[str] | None
) -> None:
    with app.test_request_context(method="HEAD") as context:
        for custom in (False, True):
            assert not Safe().is_storable(context.request, Response(), None, custom=custom)


def said(app: Flask, names: list[Any], **options: Any) -> str:
    with app.test_request_context(**options) as context:
        return VaryOn(names, Identities()).text(context.request)


def test_what_a_request_says(app: Flask) -> None:
    variants: list[tuple[list[Any], dict[str, Any]]] = [
        (["Accept"], {}),
        (["Accept"], {"headers": {"Accept": ""}}),
        (["Accept"], {"headers": {"Accept": "a"}}),
        (["Accept", "X-B"], {"headers": {"Accept": "a"}}),
        (["Accept", "X-B"], {"headers": {"X-B": "a"}}),
        (["cookie:a"], {}),
        (["cookie:a"], {"headers": {"Cookie": "a=1"}}),
        (["cookie"], {"headers": {"Cookie": "a=1"}}),
        (["cookie"], {"headers": {"Cookie": "a=2"}}),
        ([lambda: 1], {}),
        ([lambda: "1"], {}),
        ([lambda: None], {}),
    ]
    assert len({said(app, names, **options) for names, options in variants}) == len(variants)
    assert said(app, ["accept"], headers={"Accept": "a"}) == said(
        app, ["accept"], headers={"ACCEPT": "a", "X-B": "b"}
    )


def test_a_stored_response_is_the_same_and_a_new_one_each_time(app: Flask) -> None:
    with app.test_request_context():
        made = make_response("ü", 299, [("X-A", "1"), ("X-A", "2"), ("Content-Type", "text/x")])
        stored = StoredResponse.of(made)
    hash(stored)
    one, other = stored.response(app), stored.response(app)
    assert one is not other
    assert type(one) is app.response_class
    assert (one.get_data(), one.status) == (made.get_data(), made.status)
    assert list(one.headers) == list(made.headers)
    one.headers["X-A"] = "changed"
    one.set_data("changed")
    assert other.headers.getlist("X-A") == ["1", "2"]
    assert stored.response(app).get_data() == made.get_data()


@pytest.mark.parametrize("error", [NotFound(), NotFound("no such user"), Forbidden("x")])
def test_a_stored_abort_is_raised_as_it_was(app: Flask, error: HTTPException) -> None:
    stored = StoredAbort.of(error)
    assert stored is not None
    back = restored(stored, app)
    assert type(back) is type(error)
    assert isinstance(back, HTTPException)
    assert (back.code, back.description) == (error.code, error.description)


class Special(NotFound):
    """More than its code."""


@pytest.mark.parametrize(
    "error",
    [
        Special(),
        NotFound(response=Response("x")),
        MethodNotAllowed(valid_methods=["GET"]),
        Unauthorized(www_authenticate=WWWAuthenticate("x")),
        HTTPException(),
    ],
)
def test_what_is_more_than_its_code_is_no_stored_abort(error: HTTPException) -> None:
    assert StoredAbort.of(error) is None


@pytest.mark.parametrize("value", ["text", None, 5, [1], {"a": 1}, ("a", 200)])
def test_other_values_are_restored_as_they_are(app: Flask, value: Any) -> None:
    assert restored(value, app) is value


@pytest.mark.parametrize("timeout", [None, 5, 0.5, timedelta(hours=1)])
def test_a_cached_response_keeps_its_timeout(timeout: Any) -> None:
    inner = Response("x", 203, {"X-A": "b"})
    response = CachedResponse(response=inner, timeout=timeout)
    assert response.timeout == timeout
    assert (response.status_code, response.get_data(), response.headers["X-A"]) == (203, b"x", "b")


# -- streams -----------------------------------------------------------------------------------


class Keeper:
    """What a lookup does with a stream."""

    def __init__(self, chunks: Iterator[Any], *, store: bool = True) -> None:
        self.kept: list[Outcome] = []
        self.ends = 0
        self.tee = StreamTee(chunks, lambda found: Outcome(list(found), store=store))
        self.tee.on_complete(self.kept.append, self.end)

    def end(self) -> None:
        self.ends += 1


def test_a_stream_is_kept_when_it_is_over() -> None:
    keeper = Keeper(iter(["a", b"b"]))
    assert next(keeper.tee) == "a"
    assert (keeper.kept, keeper.ends) == ([], 0)
    assert list(keeper.tee) == [b"b"]
    assert [outcome.stored for outcome in keeper.kept] == [["a", b"b"]]
    keeper.tee.close()
    assert (len(keeper.kept), keeper.ends) == (1, 1)


def test_a_stream_that_is_not_to_be_stored_is_not() -> None:
    keeper = Keeper(iter(["a"]), store=False)
    assert list(keeper.tee) == ["a"]
    assert (keeper.kept, keeper.ends) == ([], 1)


def failing() -> Iterator[str]:
    yield "a"
    raise LookupError("broken")


def closed_early(tee: StreamTee) -> None:
    next(tee)
    tee.close()


def broken(tee: StreamTee) -> None:
    with pytest.raises(LookupError):
        list(tee)


ENDS: list[tuple[Callable[[], Iterator[Any]], Callable[[StreamTee], object]]] = [
    (failing, broken),
    (lambda: iter("ab"), closed_early),
    (lambda: iter([b"a" * STREAM_LIMIT, b"b"]), list),
    (lambda: iter([5]), list),
]


@pytest.mark.parametrize(("make", "read"), ENDS)
def test_a_stream_that_breaks_ends_early_or_is_too_long_is_not_kept(
    make: Callable[[], Iterator[Any]], read: Callable[[StreamTee], object]
) -> None:
    keeper = Keeper(make())
    read(keeper.tee)
    keeper.tee.close()
    assert (keeper.kept, keeper.ends) == ([], 1)


def test_a_stream_of_just_the_limit_is_kept() -> None:
    keeper = Keeper(iter([b"a" * (STREAM_LIMIT - 1), b"b"]))
    assert len(list(keeper.tee)) == 2
    assert len(keeper.kept) == 1


def test_closing_closes_what_is_behind() -> None:
    closed: list[int] = []

    def chunks() -> Iterator[str]:
        try:
            yield "a"
        finally:
            closed.append(1)

    keeper = Keeper(chunks())
    closed_early(keeper.tee)
    assert closed == [1]


def test_a_tee_that_nobody_wants_just_passes_on() -> None:
    tee = StreamTee(iter("ab"), lambda chunks: Outcome(math.nan))
    assert list(tee) == ["a", "b"]
    tee.close()
