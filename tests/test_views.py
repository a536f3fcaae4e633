# mypy: disable-error-code="arg-type, call-arg, return-value, func-returns-value"
# mypy: disable-error-code="override, assignment, comparison-overlap"
"""``@cached``: pages by their requests, and functions under keys of their own."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import (
    Flask,
    Response,
    abort,
    flash,
    jsonify,
    make_response,
    redirect,
    request,
    send_file,
    session,
    stream_with_context,
)
from flask.typing import ResponseReturnValue
from flask.views import MethodView, View
from werkzeug.exceptions import NotFound

from flask_cache_core import Cache, CachedResponse
from flask_cache_core.errors import CacheWarning, ConfigError, InvalidTimeoutError


class Page:
    """Views that count their calls, under paths of their own."""

    def __init__(self, app: Flask, cache: Cache) -> None:
        self.app = app
        self.cache = cache
        self.numbers = itertools.count(1)
        self.client = app.test_client()

    def view(
        self,
        answer: Callable[..., Any] | None = None,
        path: str = "/",
        methods: tuple[str, ...] = ("GET",),
        **options: Any,
    ) -> Any:
        """A cached view that answers with *answer* of its number and arguments."""

        def shown(**arguments: Any) -> Any:
            number = next(self.numbers)
            if answer is None:
                return f"{number}"
            return answer(number, **arguments)

        shown.__name__ = shown.__qualname__ = f"view{len(self.app.view_functions)}"
        decorated = self.cache.cached(**options)(shown)
        self.app.add_url_rule(path, view_func=decorated, methods=methods)
        return decorated

    def get(self, path: str = "/", **options: Any) -> str:
        return self.client.get(path, buffered=True, **options).text

    def texts(self, *paths: str) -> list[str]:
        return [self.get(path) for path in paths]


@pytest.fixture
def page(app: Flask, cache: Cache) -> Page:
    return Page(app, cache)


# -- keys --------------------------------------------------------------------------------------


def test_a_page_is_remembered_by_its_path(page: Page) -> None:
    page.view(lambda n, name: f"{name}{n}", "/user/<name>")
    assert page.texts("/user/ann", "/user/bob", "/user/ann") == ["ann1", "bob2", "ann1"]


def test_the_query_makes_no_difference_unless_asked(page: Page) -> None:
    page.view()
    assert page.texts("/", "/?a=1") == ["1", "1"]


def test_the_query_counts_whatever_its_order(page: Page) -> None:
    page.view(query_string=True)
    paths = ["/?a=1&b=2", "/?b=2&a=1", "/?a=1", "/?a=1&b=3", "/", "/?a=1&b=2"]
    assert page.texts(*paths) == ["1", "1", "2", "3", "4", "1"]


def test_repeated_parameters_count_in_their_order(page: Page) -> None:
    page.view(lambda n: f"{request.args['a']}{n}", query_string=True)
    paths = ["/?a=1&a=2", "/?a=2&a=1", "/?a=1", "/?a=1&a=2", "/?a=1&a="]
    assert page.texts(*paths) == ["11", "22", "13", "11", "14"]


def test_borders_in_the_query_count(page: Page) -> None:
    page.view(query_string=True)
    paths = ["/?a=1%26b%3D2", "/?a=1&b=2", "/?a=", "/?a", "/?=a", "/?A=1", "/?a=%31"]
    assert page.texts(*paths) == ["1", "2", "3", "3", "4", "5", "6"]


def test_only_named_parameters_count(page: Page) -> None:
    page.view(query=["a", "b"])
    paths = ["/?a=1&utm=x", "/?utm=y&a=1", "/?a=1&b=", "/?b=2", "/"]
    assert page.texts(*paths) == ["1", "1", "2", "3", "4"]


def test_hosts_schemes_and_mounts_are_sites_of_their_own(page: Page) -> None:
    page.view(lambda n: f"{request.url}{n}")
    urls = ["http://a.test/", "http://b.test/", "https://a.test/", "http://a.test:81/"]
    answers = [page.get(base_url=url) for url in urls]
    answers.append(page.get(base_url="http://a.test/mounted"))
    assert answers == [
        "http://a.test/1", "http://b.test/2", "https://a.test/3", "http://a.test:81/4",
        "http://a.test/mounted/5",
    ]  # fmt: skip
    assert page.get(base_url="http://A.test/") == "http://a.test/1"


def test_views_with_one_path_on_one_host_are_told_apart(page: Page) -> None:
    page.view(lambda n: f"get{n}", "/x")
    page.view(lambda n: f"post{n}", "/x", methods=("POST",), make_cache_key=lambda: "post")
    assert page.get("/x") == "get1"
    assert [page.client.post("/x").text for _ in range(2)] == ["post2", "post2"]


def test_a_prefix_takes_the_path_where_it_says(page: Page) -> None:
    page.view(lambda n, x: f"{x}{n}", "/a/<x>", key_prefix="mine/%s")
    page.view(lambda n, x: f"{x}{n}", "/b/<x>", key_prefix="mine/%s")
    assert page.texts("/a/1", "/b/1", "/a/1") == ["11", "12", "11"]


def test_a_constant_prefix_is_the_key(page: Page) -> None:
    view = page.view(lambda n, x: f"{n}", "/a/<x>", key_prefix="constant")
    assert page.texts("/a/1", "/a/2") == ["1", "1"]
    assert page.cache.get("constant") == "1"
    assert view.make_cache_key() == "constant"
    assert page.cache.delete("constant")
    assert page.get("/a/1") == "2"


def test_a_callable_prefix_makes_the_key(page: Page) -> None:
    @page.app.route("/", methods=["GET", "POST"])
    @page.cache.cached(
        key_prefix=lambda: f"{request.method}{request.path}", methods=["GET", "POST"]
    )
    def view() -> str:
        return f"{request.method}{next(page.numbers)}"

    assert [page.get(), page.client.post("/").text, page.get(), page.client.post("/").text] == [
        "GET1", "POST2", "GET1", "POST2",
    ]  # fmt: skip
    assert page.cache.get("POST/") == "POST2"


def test_make_cache_key_gets_the_arguments(page: Page) -> None:
    page.view(lambda n, x: f"{n}", "/<x>", make_cache_key=lambda x: f"first letter {x[0]}")
    assert page.texts("/ab", "/ac", "/b") == ["1", "1", "2"]
    assert page.cache.get("first letter a") == "1"


def test_a_post_is_never_answered_from_the_cache_by_itself(page: Page) -> None:
    page.view(lambda n: f"{request.method}{n}", methods=("GET", "POST"))
    assert [page.client.post("/").text for _ in range(2)] == ["POST1", "POST2"]
    assert [page.get(), page.client.post("/").text, page.get()] == ["GET3", "POST4", "GET3"]


@pytest.mark.parametrize("vary_on", [["Authorization"], ["authorization", "Accept"]])
def test_a_key_with_authorization_does_not_let_a_post_in(page: Page, vary_on: list[str]) -> None:
    page.view(lambda n: f"{request.method}{n}", methods=("GET", "POST"), vary_on=vary_on)
    assert [page.get(), page.client.post("/").text, page.client.post("/").text] == [
        "GET1", "POST2", "POST3",
    ]  # fmt: skip


def test_a_post_is_remembered_by_a_key_that_the_app_makes(page: Page) -> None:
    page.view(
        lambda n: f"{request.get_data(as_text=True)}{n}",
        methods=("POST",),
        make_cache_key=lambda: hashlib.sha256(request.get_data()).hexdigest(),
    )
    answers = [page.client.post("/", data=body).text for body in ("a", "b", "a")]
    assert answers == ["a1", "b2", "a1"]


def test_methods_can_be_chosen(page: Page) -> None:
    @page.app.route("/", methods=["GET", "POST"])
    @page.cache.cached(methods=["POST"])
    def view() -> str:
        return f"{next(page.numbers)}"

    assert [page.get(), page.get()] == ["1", "2"]
    assert [page.client.post("/").text for _ in range(2)] == ["3", "3"]


def test_head_is_served_from_get_and_never_stored(page: Page) -> None:
    page.view(lambda n: f"{request.method}{n}")
    first = page.client.head("/")
    assert (first.text, first.content_length) == ("", 5)
    assert page.get() == "GET2"
    assert page.client.head("/").content_length == 4
    assert page.get() == "GET2"


def test_vary_on_headers_cookies_and_callables(page: Page) -> None:
    mood = ["fine"]
    page.view(vary_on=["Accept-Language", "cookie:theme", lambda: mood[0]])
    assert page.get(headers={"Accept-Language": "de"}) == "1"
    assert page.get(headers={"Accept-Language": "en"}) == "2"
    page.client.set_cookie("theme", "dark")
    page.client.set_cookie("other", "x")
    assert page.get(headers={"Accept-Language": "en"}) == "3"
    page.client.set_cookie("other", "y")
    assert page.get(headers={"Accept-Language": "en"}) == "3"
    mood[0] = "sad"
    assert page.get(headers={"Accept-Language": "en"}) == "4"
    mood[0] = "fine"
    assert page.get(headers={"Accept-Language": "en"}) == "3"


def test_vary_on_works_with_a_constant_key(page: Page) -> None:
    page.view(key_prefix="constant", vary_on=["X-Tenant"])
    tenants = ["a", "b", "a"]
    assert [page.get(headers={"X-Tenant": name}) for name in tenants] == ["1", "2", "1"]


def test_a_declared_vary_is_honoured(page: Page) -> None:
    def answer(number: int) -> Response:
        response = make_response(f"{request.headers.get('Accept-Language')}{number}")
        response.vary.add("Accept-Language")
        return response

    page.view(answer)
    languages = ["de", "en", "de", "en", "fr"]
    said = [page.get(headers={"Accept-Language": name}) for name in languages]
    assert said == ["de1", "en2", "de1", "en2", "fr3"]
    assert page.get() == "None4"
    assert page.get() == "None4"


def test_a_declared_vary_by_cookie_is_honoured(page: Page) -> None:
    def answer(number: int) -> Response:
        response = make_response(f"{request.cookies.get('user')}{number}")
        response.headers["Vary"] = "Cookie"
        return response

    page.view(answer)
    said = []
    for name in ("ann", "bob", "ann"):
        page.client.set_cookie("user", name)
        said.append(page.get())
    assert said == ["ann1", "bob2", "ann1"]


def test_what_varies_by_everything_is_not_stored(page: Page) -> None:
    page.view(lambda n: Response(f"{n}", headers={"Vary": "*"}))
    assert page.texts("/", "/") == ["1", "2"]


def test_a_page_whose_vary_changes_never_answers_the_wrong_one(page: Page) -> None:
    names = [["Accept-Language"], ["Accept-Language", "X-Tenant"]]

    def answer(number: int) -> Response:
        wanted = names[0] if number == 1 else names[1]
        said = "/".join(request.headers.get(name, "") for name in wanted)
        return Response(said, headers={"Vary": ", ".join(wanted)})

    page.view(answer, timeout=0.05)
    assert page.get(headers={"Accept-Language": "de"}) == "de"
    time.sleep(0.06)
    for tenant in ("a", "b", "a"):
        headers = {"Accept-Language": "de", "X-Tenant": tenant}
        assert page.get(headers=headers) == f"de/{tenant}"


# -- what may be stored ------------------------------------------------------------------------

KEPT: dict[str, Callable[[int], Any]] = {
    "text": lambda n: f"{n}",
    "bytes": lambda n: f"{n}".encode(),
    "dict": lambda n: {"n": n},
    "list": lambda n: [n],
    "tuple with status": lambda n: (f"{n}", 203),
    "tuple with headers": lambda n: (f"{n}", {"X-N": str(n)}),
    "tuple with both": lambda n: ({"n": n}, 404, {"X-N": str(n)}),
    "response": lambda n: Response(f"{n}", headers={"X-N": str(n)}, mimetype="text/x-n"),
    "json": lambda n: jsonify(n=n),
    "public": lambda n: Response(f"{n}", headers={"Cache-Control": "public, max-age=60"}),
    "not found": lambda n: (f"{n}", 404),
    "moved for ever": lambda n: redirect(f"/{n}", 301),
    "abort": lambda n: abort(404, f"{n}"),
}

PASSED: dict[str, Callable[[int], Any]] = {
    "server error": lambda n: (f"{n}", 500),
    "unavailable": lambda n: (f"{n}", 503),
    "redirect": lambda n: redirect(f"/{n}"),
    "see other": lambda n: redirect(f"/{n}", 303),
    "forbidden": lambda n: (f"{n}", 403),
    "unauthorized": lambda n: (f"{n}", 401),
    "too many": lambda n: (f"{n}", 429),
    "teapot": lambda n: (f"{n}", 418),
    "partial": lambda n: (f"{n}", 206),
    "cookie": lambda n: Response(f"{n}", headers={"Set-Cookie": "a=b"}),
    "private": lambda n: Response(f"{n}", headers={"Cache-Control": "private"}),
    "no-store": lambda n: Response(f"{n}", headers={"Cache-Control": "no-store"}),
    "private by field": lambda n: Response(f"{n}", headers={"Cache-Control": 'private="x"'}),
    "session written": lambda n: session.update(n=n) or f"{n}",
    "session read": lambda n: f"{session.get('n')}{n}",
    "session asked": lambda n: f"{'n' in session}{n}",
    "flash": lambda n: flash("x") or f"{n}",
    "abort unavailable": lambda n: abort(503, f"{n}"),
    "abort forbidden": lambda n: abort(403, f"{n}"),
}


def seen(response: Any) -> tuple[int, bytes, list[tuple[str, str]]]:
    return response.status_code, response.data, sorted(response.headers)


@pytest.mark.parametrize("kind", KEPT)
def test_what_is_for_everybody_is_stored_as_it_is(page: Page, kind: str) -> None:
    page.view(KEPT[kind])
    first, second = page.client.get("/"), page.client.get("/")
    assert seen(first) == seen(second)
    assert next(page.numbers) == 2


@pytest.mark.parametrize("kind", PASSED)
def test_what_is_for_one_or_for_now_is_not_stored(page: Page, kind: str) -> None:
    page.view(PASSED[kind])
    first = page.client.get("/")
    assert page.app.test_client().get("/").status_code == first.status_code
    assert next(page.numbers) == 3


def test_a_session_that_is_read_on_the_way_to_the_view_counts(page: Page) -> None:
    @page.app.before_request
    def load_user() -> None:
        session.get("user")

    page.view()
    assert page.texts("/", "/") == ["1", "2"]


def test_a_page_does_not_leak_to_whoever_is_logged_in(page: Page) -> None:
    @page.app.route("/login/<name>")
    def login(name: str) -> str:
        session["user"] = name
        return name

    page.view(lambda n: f"{session.get('user')}{n}", "/me")
    ann, bob = page.app.test_client(), page.app.test_client()
    ann.get("/login/ann")
    bob.get("/login/bob")
    assert [ann.get("/me").text, bob.get("/me").text, page.get("/me")] == ["ann1", "bob2", "None3"]


def test_a_request_with_authorization_passes_by(page: Page) -> None:
    page.view(lambda n: f"{request.headers.get('Authorization', 'nobody')}{n}")
    headers = {"Authorization": "Bearer ann"}
    answers = [page.get(), page.get(headers=headers), page.get(headers=headers), page.get()]
    assert answers == ["nobody1", "Bearer ann2", "Bearer ann3", "nobody1"]


def test_authorization_can_be_part_of_the_key(page: Page) -> None:
    page.view(
        lambda n: f"{request.headers.get('Authorization', 'nobody')}{n}", vary_on=["Authorization"]
    )
    said = [page.get(headers={"Authorization": name}) for name in ("ann", "bob", "ann")]
    assert said == ["ann1", "bob2", "ann1"]


def test_abort_runs_the_error_handlers_on_a_hit_too(page: Page) -> None:
    handled = []

    @page.app.errorhandler(404)
    def handle(error: NotFound) -> tuple[str, int]:
        handled.append(error)
        return f"handled {error.description} {len(handled)}", 404

    page.view(lambda n: abort(404, f"no {n}"))
    assert page.texts("/", "/") == ["handled no 1 1", "handled no 1 2"]
    assert next(page.numbers) == 2


def test_an_exception_of_the_apps_own_is_raised_each_time(page: Page) -> None:
    class OutOfTea(NotFound):
        description = "no tea"

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    @page.app.errorhandler(OutOfTea)
    def handle(error: OutOfTea) -> str:
        return f"{error.number}"

    def answer(number: int) -> str:
        raise OutOfTea(number)

    page.view(answer)
    assert page.texts("/", "/") == ["1", "2"]


def test_abort_with_a_response_is_raised_each_time(page: Page) -> None:
    page.view(lambda n: abort(make_response(f"{n}", 404)))
    assert page.texts("/", "/") == ["1", "2"]


def test_a_failing_view_is_not_remembered(page: Page) -> None:
    def answer(number: int) -> str:
        if number == 1:
            raise LookupError
        return f"{number}"

    page.view(answer)
    assert page.client.get("/").status_code == 500
    assert page.texts("/", "/") == ["2", "2"]


def test_hooks_that_change_a_response_do_not_reach_the_stored_one(page: Page) -> None:
    numbers = itertools.count(1)

    @page.app.after_request
    def stamp(response: Response) -> Response:
        number = next(numbers)
        response.headers["X-Request"] = str(number)
        response.set_cookie("request", str(number))
        if not response.is_streamed:
            response.set_data(response.get_data() + b"!")
        return response

    page.view(lambda n: Response(f"{n}"), "/response")
    page.view(lambda n: {"n": n}, "/dict")
    page.view(lambda n: Response(iter([f"{n}"])), "/stream")
    for path in ("/response", "/dict", "/stream"):
        answers = [page.client.get(path, buffered=True) for _ in range(3)]
        assert answers[0].data.rstrip(b"!") == answers[2].data.rstrip(b"!")
        assert answers[2].data.count(b"!") <= 1
        for answer in answers:
            assert len(answer.headers.getlist("X-Request")) == 1
            assert len(answer.headers.getlist("Set-Cookie")) == 1
        assert len({answer.headers["X-Request"] for answer in answers}) == 3


def test_the_caller_may_change_what_it_gets(app: Flask, cache: Cache) -> None:
    @cache.cached(key_prefix="response")
    def response() -> Response:
        return Response("as stored")

    @cache.cached(key_prefix="items")
    def items() -> list[int]:
        return [1]

    with app.test_request_context():
        for _ in range(3):
            found = response()
            assert found.get_data() == b"as stored"
            found.set_data("changed")
            assert items() == [1]
            items().append(2)


# -- options -----------------------------------------------------------------------------------


def test_a_page_expires(page: Page) -> None:
    page.view(path="/a", timeout=0.02)
    page.view(path="/b", timeout=timedelta(milliseconds=20))
    page.view(path="/c", timeout=0)
    assert page.texts("/a", "/b", "/c") == ["1", "2", "3"]
    time.sleep(0.03)
    assert page.texts("/a", "/b", "/c") == ["4", "5", "3"]


def test_a_response_can_say_for_how_long(page: Page) -> None:
    def answer(timeout: Any) -> Callable[[int], CachedResponse]:
        return lambda n: CachedResponse(make_response(f"{n}"), timeout)

    page.view(answer(0.02), "/short", timeout=60)
    page.view(answer(timedelta(seconds=60)), "/long", timeout=0.02)
    page.view(answer(None), "/given", timeout=0.02)
    first = page.texts("/short", "/long", "/given")
    time.sleep(0.03)
    second = page.texts("/short", "/long", "/given")
    assert [one == other for one, other in zip(first, second, strict=True)] == [False, True, False]


def test_unless_bypasses_the_cache(page: Page) -> None:
    page.view(path="/a", unless=lambda: bool(request.args))
    page.view(lambda n, x: f"{n}", "/b/<x>", unless=lambda f, x: x == "live")
    assert page.texts("/a?x", "/a?x", "/a", "/a", "/a?x") == ["1", "2", "3", "3", "4"]
    assert page.texts("/b/live", "/b/live", "/b/x", "/b/x") == ["5", "6", "7", "7"]


def test_forced_update_renews(page: Page) -> None:
    page.view(path="/a", forced_update=lambda: "renew" in request.args)
    page.view(lambda n, x: f"{n}", "/b/<x>", forced_update=lambda x: x == "live")
    assert page.texts("/a", "/a", "/a?renew", "/a") == ["1", "1", "2", "2"]
    assert page.texts("/b/live", "/b/live", "/b/x", "/b/x") == ["3", "4", "5", "5"]


def test_is_stale_sees_what_was_stored(page: Page) -> None:
    page.view(path="/text", is_stale=lambda stored: stored == "1")
    page.view(
        lambda n: Response(f"{n}"), "/response", is_stale=lambda stored: stored.get_data() == b"3"
    )
    page.view(lambda n, x: f"{n}", "/args/<x>", is_stale=lambda stored, x: x == "old")
    assert page.texts("/text", "/text", "/text") == ["1", "2", "2"]
    assert page.texts("/response", "/response", "/response") == ["3", "4", "4"]
    assert page.texts("/args/old", "/args/old", "/args/new", "/args/new") == ["5", "6", "7", "7"]


def test_is_stale_is_not_asked_where_an_update_is_forced(page: Page) -> None:
    asked = []
    page.view(forced_update=lambda: True, is_stale=lambda stored: asked.append(stored))
    assert page.texts("/", "/") == ["1", "2"]
    assert asked == []


def test_response_filter_sees_what_the_view_returns(page: Page) -> None:
    page.view(lambda n: (f"{n}", 200 if n > 1 else 404), "/tuple",
              response_filter=lambda answer: answer[1] < 400)  # fmt: skip
    page.view(lambda n: abort(404), "/abort",
              response_filter=lambda answer: answer.status_code < 400)  # fmt: skip
    assert page.texts("/tuple", "/tuple", "/tuple") == ["1", "2", "2"]
    assert [page.client.get("/abort").status_code for _ in range(2)] == [404, 404]
    assert next(page.numbers) == 5


def test_a_hit_can_be_told_from_its_header(page: Page) -> None:
    page.view(path="/told", response_hit_indication=True)
    page.view(path="/untold")
    told = [page.client.get("/told").headers.get("hit_cache") for _ in range(3)]
    assert told == [None, "True", "True"]
    assert [page.client.get("/untold").headers.get("hit_cache") for _ in range(2)] == [None, None]


def test_source_check_tells_versions_of_a_view_apart(app: Flask, cache: Cache) -> None:
    keys = []
    for number in (1, 2):
        namespace: dict[str, Any] = {"cache": cache, "__name__": "versions"}
        decorator = "@cache.cached(key_prefix='constant', source_check=True)"
        exec(f"{decorator}\ndef view(): return {number}", namespace)
        with app.test_request_context():
            keys.append(namespace["view"].make_cache_key())
            assert namespace["view"]() == number
    assert len(set(keys)) == 2
    assert all(key.startswith("constant") for key in keys)


def test_hash_method_makes_the_digest_of_the_query(page: Page) -> None:
    page.app.config["CACHE_RESPONSE_POLICY"] = "permissive"
    page.cache.init_app(page.app)
    keys = []
    for number, method in enumerate((hashlib.md5, hashlib.sha512)):
        view = page.view(path=f"/{number}", query_string=True, hash_method=method)
        keys.append(view.make_cache_key(path="/", query_args="a=1"))
    assert [len(key.removeprefix("view//")) for key in keys] == [32, 128]


def test_options_that_are_wrong_are_refused_where_they_are_written(cache: Cache) -> None:
    with pytest.raises(InvalidTimeoutError):
        cache.cached(-1)
    with pytest.raises(TypeError, match=r"@cache.cached\(\)"):
        cache.cached(lambda: 1)
    with pytest.raises(TypeError, match="stale_if_eror"):
        cache.cached(stale_if_eror=1)
    with pytest.raises(ConfigError, match="policy"):
        cache.cached(policy="careless")


@pytest.mark.parametrize("key", [None, 5, b"k"])
def test_a_made_key_that_is_no_string_bypasses_the_cache_or_is_an_error(
    page: Page, key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    page.view(make_cache_key=lambda: key)
    assert page.texts("/", "/") == ["1", "2"]
    assert "must be a str" in caplog.text


def test_a_policy_can_be_a_function(page: Page) -> None:
    page.view(lambda n: (f"{n}", 500), policy=lambda response: response.status_code == 500)
    assert page.texts("/", "/") == ["1", "1"]


# -- kinds of views ----------------------------------------------------------------------------


def test_pluggable_views(page: Page) -> None:
    numbers = page.numbers

    class Shown(View):
        @page.cache.cached()
        def dispatch_request(self, x: str) -> str:
            return f"{x}{next(numbers)}"

    class Methods(MethodView):
        @page.cache.cached()
        def get(self, x: str) -> str:
            return f"{x}{next(numbers)}"

        def post(self, x: str) -> str:
            return f"{x}{next(numbers)}"

    class Decorated(View):
        decorators = (page.cache.cached(),)

        def dispatch_request(self) -> str:
            return f"{next(numbers)}"

    page.app.add_url_rule("/view/<x>", view_func=Shown.as_view("shown"))
    page.app.add_url_rule("/methods/<x>", view_func=Methods.as_view("methods"))
    page.app.add_url_rule("/decorated", view_func=Decorated.as_view("decorated"))
    assert page.texts("/view/a", "/view/b", "/view/a") == ["a1", "b2", "a1"]
    assert page.texts("/methods/a", "/methods/a") == ["a3", "a3"]
    assert page.client.post("/methods/a").text == "a4"
    assert page.texts("/decorated", "/decorated") == ["5", "5"]


def test_pluggable_views_of_two_classes_are_told_apart(page: Page) -> None:
    class Base(View):
        label = "base"

        @page.cache.cached(key_prefix="view/%s")
        def dispatch_request(self) -> str:
            return f"{self.label}{next(page.numbers)}"

    class Below(Base):
        label = "below"

    page.app.add_url_rule("/a", view_func=Base.as_view("a"))
    page.app.add_url_rule("/b", view_func=Below.as_view("b"))
    assert page.texts("/a", "/b", "/a", "/b") == ["base1", "below2", "base1", "below2"]


def test_helpers_of_pluggable_views_never_answer_for_others(page: Page) -> None:
    class Shown(View):
        @page.cache.cached()
        def name_of(self, number: int) -> str:
            return f"user{number}.{next(page.numbers)}"

        def dispatch_request(self) -> str:
            return f"{self.name_of(1)} {self.name_of(2)} {self.name_of(1)}"

    page.app.add_url_rule("/", view_func=Shown.as_view("shown"))
    assert page.texts("/", "/") == ["user1.1 user2.2 user1.1"] * 2


def test_async_views(page: Page) -> None:
    @page.app.route("/<x>")
    @page.cache.cached()
    async def view(x: str) -> str:
        await asyncio.sleep(0)
        return f"{x}{next(page.numbers)}"

    @page.app.route("/missing")
    @page.cache.cached()
    async def missing() -> str:
        await asyncio.sleep(0)
        abort(404, f"{next(page.numbers)}")

    assert page.texts("/a", "/b", "/a") == ["a1", "b2", "a1"]
    assert [page.client.get("/missing").status_code for _ in range(2)] == [404, 404]
    assert next(page.numbers) == 4


def test_outside_of_requests_a_function_has_a_key_of_its_own(app: Flask, cache: Cache) -> None:
    numbers = itertools.count(1)

    @cache.cached(key_prefix="all_comments")
    def comments() -> list[int]:
        return [next(numbers)]

    assert (comments(), comments()) == ([1], [1])
    assert cache.get("all_comments") == [1]
    with app.test_request_context("/anything"):
        assert comments() == [1]


def test_a_function_whose_key_depends_on_a_request_is_not_cached_without(
    cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = itertools.count(1)

    @cache.cached()
    def f() -> int:
        return next(numbers)

    assert (f(), f()) == (1, 2)
    assert "there is none" in caplog.text


def test_helpers_within_a_request_never_share(page: Page) -> None:
    @page.cache.cached()
    def one() -> str:
        return f"one{next(page.numbers)}"

    @page.cache.cached()
    def two() -> str:
        return f"two{next(page.numbers)}"

    page.view(lambda n: f"{one()} {two()} {one()} {n}")
    assert page.texts("/", "/") == ["one2 two3 one2 1", "one2 two3 one2 1"]


def test_a_helper_with_arguments_never_answers_for_others(page: Page) -> None:
    @page.cache.cached()
    def name_of(number: int, suffix: str = "") -> str:
        return f"user{number}{suffix}"

    page.view(lambda n: f"{name_of(1)} {name_of(2)} {name_of(number=1)} {name_of(1, 'x')}")
    assert page.get() == "user1 user2 user1 user1x"


def test_a_helper_that_reads_the_session_is_not_stored(page: Page) -> None:
    @page.cache.cached(key_prefix="greeting")
    def greeting() -> str:
        return f"hello {session.get('user')}"

    @page.app.route("/<name>")
    def view(name: str) -> str:
        session["user"] = name
        return greeting()

    assert page.texts("/ann", "/bob") == ["hello ann", "hello bob"]


def test_a_helper_that_does_not_read_the_session_is_stored_whatever_its_page_does(
    page: Page,
) -> None:
    @page.cache.cached(key_prefix="menu")
    def menu() -> str:
        return f"menu{next(page.numbers)}"

    @page.app.route("/<name>")
    def view(name: str) -> Response:
        session["user"] = name
        return make_response(f"{menu()} {session['user']}")

    answers = [page.client.get(f"/{name}") for name in ("ann", "bob")]
    assert [answer.text for answer in answers] == ["menu1 ann", "menu1 bob"]
    assert all("Cookie" in answer.headers["Vary"] for answer in answers)


def test_cache_none(app: Flask, cache: Cache) -> None:
    calls = []

    @cache.cached(key_prefix="kept", cache_none=True)
    def kept() -> None:
        calls.append(1)

    @cache.cached(key_prefix="passed")
    def passed() -> None:
        calls.append(2)

    for f in (kept, kept, passed, passed):
        f()
    assert calls == [1, 2, 2]


def test_generators_of_functions_are_kept_in_one_piece(cache: Cache) -> None:
    @cache.cached(key_prefix="text")
    def text() -> Iterator[str]:
        yield from "ab"

    @cache.cached(key_prefix="numbers")
    def numbers() -> Iterator[int]:
        yield from (1, 2)

    assert (text(), text(), numbers(), numbers()) == ("ab", "ab", [1, 2], [1, 2])


# -- streams -----------------------------------------------------------------------------------


def streaming(kind: str, chunks: Iterator[Any]) -> Any:
    if kind == "generator":
        return (chunk for chunk in chunks)
    if kind == "context":
        return Response(stream_with_context(chunks), mimetype="text/x-stream")
    return Response(chunks, mimetype="text/x-stream", headers={"X-Kept": "yes"})


@pytest.mark.parametrize("kind", ["generator", "context", "response"])
def test_a_stream_is_not_delayed_and_is_served_from_the_store_afterwards(
    page: Page, kind: str
) -> None:
    produced = []

    def chunks(number: int) -> Iterator[str]:
        for index in range(3):
            produced.append(index)
            yield f"{number}.{index} "

    page.view(lambda n: streaming(kind, chunks(n)))
    first = page.client.get("/", buffered=False)
    stream = first.iter_encoded()
    assert next(iter(stream)) == b"1.0 "
    assert produced == [0]
    assert b"".join(stream) == b"1.1 1.2 "
    first.close()
    second = page.client.get("/")
    assert second.text == "1.0 1.1 1.2 "
    assert second.mimetype == first.mimetype
    assert second.headers.get("X-Kept") == first.headers.get("X-Kept")
    assert produced == [0, 1, 2]


@pytest.mark.parametrize("kind", ["generator", "response"])
def test_a_stream_that_breaks_is_not_stored(page: Page, kind: str) -> None:
    def chunks(number: int) -> Iterator[str]:
        yield f"{number}"
        if number == 1:
            raise LookupError("broken")

    page.view(lambda n: streaming(kind, chunks(n)))
    with pytest.raises(LookupError, match="broken"):
        page.get()
    assert page.texts("/", "/") == ["2", "2"]


def test_a_stream_that_nobody_reads_to_its_end_is_not_stored(page: Page) -> None:
    def chunks(number: int) -> Iterator[str]:
        yield f"{number}a"
        yield f"{number}b"

    page.view(lambda n: Response(chunks(n)))
    first = page.client.get("/", buffered=False)
    assert next(iter(first.iter_encoded())) == b"1a"
    first.close()
    assert page.texts("/", "/") == ["2a2b", "2a2b"]


def test_a_huge_stream_is_not_stored(page: Page) -> None:
    def chunks(number: int) -> Iterator[bytes]:
        for _ in range(40):
            yield b"%d" % number * (1 << 16)

    page.view(lambda n: Response(chunks(n)))
    assert [page.get()[:1] for _ in range(2)] == ["1", "2"]


def test_a_stream_for_one_is_not_stored(page: Page) -> None:
    def answer(number: int) -> Response:
        return Response(iter([f"{number}"]), headers={"Cache-Control": "private"})

    page.view(answer)
    assert page.texts("/", "/") == ["1", "2"]


def test_a_stream_that_reads_the_session_is_not_stored(page: Page) -> None:
    def chunks(number: int) -> Iterator[str]:
        yield f"{number}{session.get('user')}"

    page.view(lambda n: Response(stream_with_context(chunks(n))))
    assert page.texts("/", "/") == ["1None", "2None"]


def test_a_stream_invalidated_while_it_flows_is_not_stored(page: Page) -> None:
    def chunks(number: int) -> Iterator[str]:
        yield f"{number}"
        if number == 1:
            page.cache.delete_cached(view, "/")

    view = page.view(lambda n: Response(chunks(n)))
    assert page.texts("/", "/", "/") == ["1", "2", "2"]


def test_files_pass_through_untouched(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("one")
    page.view(lambda n: send_file(path))
    assert page.get() == "one"
    path.write_text("two")
    assert page.get() == "two"
    part = page.client.get("/", headers={"Range": "bytes=1-"}, buffered=True)
    assert (part.status_code, part.text) == (206, "wo")


# -- forgetting --------------------------------------------------------------------------------


def test_forgetting_a_page_in_every_way(page: Page) -> None:
    @page.app.route("/user/<name>")
    @page.cache.cached()
    def view(name: str) -> str:
        return f"{name}{next(page.numbers)}"

    def within(path: str) -> Any:
        with page.app.test_request_context(path):
            return page.cache.delete_cached(view)

    for forget in (
        lambda: page.cache.delete_cached(view, "/user/ann"),
        lambda: page.cache.delete_cached(view, path="/user/ann"),
        lambda: page.cache.delete_cached(view, name="ann"),
        lambda: within("/user/ann"),
        lambda: page.cache.delete(view.make_cache_key(path="/user/ann")),
        lambda: page.cache.delete(view.make_cache_key("ann")),
        lambda: page.cache.delete(view.make_cache_key(name="ann")),
    ):
        old = page.texts("/user/ann", "/user/bob")
        assert forget() is True
        new = page.texts("/user/ann", "/user/bob")
        assert new[0] != old[0]
        assert new[1] == old[1]
    assert page.cache.delete_cached(view, "/user/nobody") is False


def test_forgetting_a_page_forgets_it_on_every_host_and_in_every_variant(page: Page) -> None:
    view = page.view(vary_on=["Accept-Language"])

    def all_of_them() -> list[str]:
        return [
            page.get(base_url=f"http://{host}", headers={"Accept-Language": language})
            for host in ("a.test", "b.test")
            for language in ("de", "en")
        ]

    old = all_of_them()
    page.cache.delete_cached(view, "/")
    assert not set(old) & set(all_of_them())


def by_language(number: int) -> Response:
    said = f"{request.headers.get('Accept-Language')}{number}"
    return Response(said, headers={"Vary": "Accept-Language"})


def test_a_page_whose_response_declares_what_it_varies_by_is_forgotten_in_every_variant(
    page: Page,
) -> None:
    view = page.view(by_language)

    def both() -> list[str]:
        return [page.get(headers={"Accept-Language": language}) for language in ("de", "en")]

    assert both() == both() == ["de1", "en2"]
    page.cache.delete_cached(view, "/")
    assert both() == both() == ["de3", "en4"]
    page.cache.clear()
    assert both() == ["de5", "en6"]


def test_a_variant_can_be_read_and_deleted_under_its_key_within_its_request(page: Page) -> None:
    view = page.view(by_language)
    page.get(headers={"Accept-Language": "de"})
    page.get(headers={"Accept-Language": "en"})
    with page.app.test_request_context("/", headers={"Accept-Language": "en"}):
        assert page.cache.get(view.make_cache_key()).get_data() == b"en2"
        assert page.cache.delete(view.make_cache_key())
    assert page.get(headers={"Accept-Language": "de"}) == "de1"
    assert page.get(headers={"Accept-Language": "en"}) == "en3"


def test_forgetting_one_query_or_all(page: Page) -> None:
    view = page.view(path="/works", query_string=True)
    paths = ["/works?limit=1&a=x", "/works?limit=2"]

    def within() -> Any:
        with page.app.test_request_context("/works"):
            return page.cache.delete_cached(view, query_args={"a": "x", "limit": 1})

    for forget, gone in (
        (lambda: page.cache.delete_cached(view, "/works", "limit=1&a=x"), 1),
        (lambda: page.cache.delete_cached(view, "/works", "?a=x&limit=1"), 1),
        (lambda: page.cache.delete_cached(view, "/works", {"limit": 1, "a": "x"}), 1),
        (lambda: page.cache.delete_cached(view, "/works", [("a", "x"), ("limit", "1")]), 1),
        (lambda: within(), 1),
        (lambda: page.cache.delete_cached(view, "/works"), 2),
    ):
        old = page.texts(*paths)
        forget()
        new = page.texts(*paths)
        assert sum(one != other for one, other in zip(old, new, strict=True)) == gone


def test_a_page_can_be_read_under_its_key(page: Page) -> None:
    @page.app.route("/user/<name>")
    @page.cache.cached()
    def view(name: str) -> str:
        return f"{name}{next(page.numbers)}"

    response = page.view(lambda n: Response(f"{n}"), "/response")
    query = page.view(path="/query", query_string=True)
    page.texts("/user/ann", "/response", "/query?a=1")
    with page.app.test_request_context("/user/ann"):
        assert page.cache.get(view.make_cache_key()) == "ann1"
    with page.app.test_request_context("/other"):
        assert page.cache.get(view.make_cache_key("ann")) == "ann1"
        assert page.cache.get(view.make_cache_key(name="ann")) == "ann1"
        assert page.cache.get(response.make_cache_key()).get_data() == b"2"
    with page.app.app_context():
        assert page.cache.get(view.make_cache_key(path="/user/ann")) == "ann1"
        assert page.cache.get(query.make_cache_key(path="/query", query_args={"a": 1})) == "3"
        assert page.cache.get(query.make_cache_key(path="/query", query_args={"a": 2})) is None
    page.cache.delete_cached(view, "/user/ann")
    assert page.cache.get(view.make_cache_key(path="/user/ann")) is None


def test_a_key_without_a_path_says_what_is_missing(page: Page) -> None:
    view = page.view(lambda n, name: f"{n}", "/user/<name>")
    with pytest.raises(ConfigError, match="give path="):
        view.make_cache_key()


def test_view_arguments_with_the_names_of_our_own(page: Page) -> None:
    page.view(lambda n, path: f"{path}{n}", "/a/<path:path>")
    page.view(lambda n, query_args: f"{query_args}{n}", "/b/<query_args>", query_string=True)
    paths = ["/a/x/y", "/a/x", "/a/x/y", "/b/q?a=1", "/b/q?a=2", "/b/q?a=1"]
    assert page.texts(*paths) == ["x/y1", "x2", "x/y1", "q3", "q4", "q3"]


def test_what_is_no_cached_view_cannot_be_forgotten(page: Page) -> None:
    with pytest.raises(TypeError, match=r"cache\.cached\(\)"):
        page.cache.delete_cached(len)


def test_forgetting_what_has_a_key_of_its_own(page: Page) -> None:
    constant = page.view(path="/a", key_prefix="constant")
    made = page.view(lambda n, x: f"{n}", "/b/<x>", make_cache_key=lambda x: f"made-{x}")
    prefixed = page.view(path="/c", key_prefix=lambda: f"prefixed-{request.path}")
    old = page.texts("/a", "/b/1", "/c")
    page.cache.delete_cached(constant)
    page.cache.delete_cached(made, x="1")
    with page.app.test_request_context("/c"):
        page.cache.delete_cached(prefixed)
    assert not set(old) & set(page.texts("/a", "/b/1", "/c"))


def test_attributes_can_be_read_and_written(page: Page) -> None:
    view = page.view(timeout=50)
    assert view.cache_timeout == 50
    assert view.uncached() == "1"
    view.cache_timeout = 0.02
    assert page.get() == "2"
    time.sleep(0.03)
    assert page.get() == "3"
    view.cache_timeout = None
    view.make_cache_key = lambda: f"mine-{request.args['a']}"
    assert page.texts("/?a=1", "/?a=2", "/?a=1") == ["4", "5", "4"]
    assert page.cache.get("mine-1") == "4"


# -- as Flask-Caching does it ------------------------------------------------------------------


@pytest.fixture
def permissive(app: Flask) -> Page:
    config = {"CACHE_TYPE": "simple", "CACHE_RESPONSE_POLICY": "permissive"}
    return Page(app, Cache(app, config=config))


def test_permissive_keys_are_those_of_flask_caching(permissive: Page) -> None:
    view = permissive.view(lambda n, x: f"{n}", "/a/<x>")
    query = permissive.view(path="/works", query_string=True)
    assert view.make_cache_key(path="/a/1") == "view//a/1"
    digest = hashlib.sha256(str((("a", "1"), ("b", "2"))).encode()).hexdigest()
    assert query.make_cache_key(path="/works", query_args="b=2&a=1") == f"view//works{digest}"
    permissive.get("/a/1")
    assert permissive.cache.get("view//a/1") == "1"
    assert permissive.cache.delete("view//a/1")
    assert permissive.get("/a/1") == "2"


def test_permissive_stores_whatever_a_view_returns(permissive: Page) -> None:
    answers = [*KEPT.values(), *PASSED.values()]
    for number, answer in enumerate(answers):
        permissive.view(answer, f"/{number}", methods=("GET", "POST"))
    for number in range(len(answers)):
        before = next(permissive.numbers)
        statuses = [
            permissive.client.get(f"/{number}").status_code,
            permissive.client.post(f"/{number}").status_code,
            permissive.client.get(f"/{number}", headers={"Authorization": "x"}).status_code,
        ]
        assert len(set(statuses)) == 1
        assert next(permissive.numbers) == before + 2


def test_permissive_can_be_chosen_for_one_view(page: Page) -> None:
    page.view(lambda n: (f"{n}", 503), "/a", policy="permissive")
    page.view(lambda n: (f"{n}", 503), "/b")
    assert page.texts("/a", "/a", "/b", "/b") == ["1", "1", "2", "3"]


def annotated(app: Flask, cache: Cache) -> ResponseReturnValue:
    """For type checkers: a decorated view keeps its type."""

    @cache.cached(timeout=5)
    def view(name: str) -> str:
        return name

    return view("x")


def test_deleting_a_pages_key_forgets_all_its_variants(app: Flask, cache: Cache) -> None:
    calls = []

    @app.route("/")
    @cache.cached()
    def index() -> Response:
        calls.append(1)
        response = Response(f"{request.headers['Accept-Language']} {len(calls)}")
        response.vary.add("Accept-Language")
        return response

    client = app.test_client()

    def ask(language: str) -> str:
        return client.get("/", headers={"Accept-Language": language}).text

    assert [ask("en"), ask("de"), ask("en"), ask("de")] == ["en 1", "de 2", "en 1", "de 2"]
    assert cache.delete(index.make_cache_key(path="/")) is True
    assert [ask("en"), ask("de"), ask("en"), ask("de")] == ["en 3", "de 4", "en 3", "de 4"]
    assert cache.delete_cached(index, "/")
    assert [ask("de"), ask("en")] == ["de 5", "en 6"]


def test_a_page_that_no_longer_varies_is_one_page_again(app: Flask, cache: Cache) -> None:
    varies = True
    calls = []

    @app.route("/")
    @cache.cached()
    def index() -> Response:
        calls.append(1)
        response = Response(f"{len(calls)}")
        if varies:
            response.vary.add("Accept-Language")
        return response

    client = app.test_client()

    def ask(language: str) -> str:
        return client.get("/", headers={"Accept-Language": language}).text

    assert [ask("en"), ask("de"), ask("en")] == ["1", "2", "1"]
    cache.delete_cached(index, "/")
    varies = False
    assert [ask("en"), ask("de"), ask("fr")] == ["3", "3", "3"]


def test_a_request_as_an_argument_is_that_request_only(app: Flask, cache: Cache) -> None:
    @cache.memoize()
    def who(req: Any) -> str:
        return str(req.args["user"])

    @app.route("/")
    def index() -> str:
        return who(request)

    client = app.test_client()
    with pytest.warns(CacheWarning, match="Request"):
        assert client.get("/?user=ann").text == "ann"
    assert client.get("/?user=bob").text == "bob"
