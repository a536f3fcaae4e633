# mypy: disable-error-code="no-untyped-call"
"""A page that declares ``Vary``: each value is for who asked for the very key it was made for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, make_response, request
from processes import shared_backend
from shared_store import Server, SharedStore

from flask_cache_core import Cache
from flask_cache_core.backends import SimpleCache


class Gate:
    """A place where a thread waits until it is let through."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def pass_through(self) -> None:
        self.reached.set()
        assert self.opened.wait(30)


def personal(user: str) -> Response:
    response = make_response(user)
    response.vary.add("X-User")
    return response


class Process:
    """One app over the store of `Server`, with one page that varies by its user."""

    def __init__(self, kind: object, answer: Callable[[], Any], **options: Any) -> None:
        self.app = Flask("process")
        self.app.config["PROPAGATE_EXCEPTIONS"] = False
        self.cache = Cache(self.app, config={"CACHE_TYPE": kind, "CACHE_BREAKER_DURATION": 0})
        view = self.cache.cached(300, **options)(answer)
        self.app.add_url_rule("/", "page", view)

    def get(self, user: str) -> str:
        return self.app.test_client().get("/", headers={"X-User": user}).text


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


@pytest.fixture(autouse=True)
def server() -> None:
    Server.store = SimpleCache(threshold=10_000)
    Server.is_down = False


@pytest.mark.parametrize("kind", ["redis", "filesystem"])
def test_eight_users_at_once_get_their_own_pages(
    kind: str, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    """Plain load, nothing forced, one computation at a time over all processes."""
    app = Flask("load")
    with ExitStack() as stack:
        cache = Cache(app, config=stack.enter_context(shared_backend(kind, tmp_path)))

        @app.get("/<number>")
        @cache.cached(300, lock="distributed")
        def page(number: str) -> Response:
            threading.Event().wait(0.005)
            return personal(request.headers["X-User"])

        def get(number: int, user: str, together: threading.Barrier) -> tuple[str, str]:
            together.wait()
            return user, app.test_client().get(f"/{number}", headers={"X-User": user}).text

        for number in range(10):
            get(number, "first", threading.Barrier(1))
            together = threading.Barrier(8)
            users = [f"user{index}" for index in range(8)]
            futures = [pool.submit(get, number, user, together) for user in users]
            for future in futures:
                user, text = future.result(60)
                assert text == user


def test_who_joins_before_the_page_is_known_to_vary_computes_for_himself(
    pool: ThreadPoolExecutor,
) -> None:
    gate = Gate()

    def answer() -> Response:
        if request.headers["X-User"] == "ann":
            gate.pass_through()
        return personal(request.headers["X-User"])

    process = Process("simple", answer)
    ann = pool.submit(process.get, "ann")
    assert gate.reached.wait(30)
    bob = pool.submit(process.get, "bob")
    with process.app.app_context():
        wait_until_followed(process.cache, bob)
    gate.opened.set()
    assert (ann.result(30), bob.result(30)) == ("ann", "bob")
    assert [process.get(user) for user in ("ann", "bob", "ann")] == ["ann", "bob", "ann"]
    with process.app.app_context():
        assert process.cache.stats().misses == 2


def wait_until_followed(cache: Cache, follower: Future[str]) -> None:
    """Until somebody waits for the computation that runs, or did not have to."""
    flights = cache.state().flights
    while not follower.done():
        if any(flight.followed for flight in list(flights._running)):
            return
        threading.Event().wait(0.005)


def test_a_leader_that_learns_of_variants_leaves_its_followers_alone(
    pool: ThreadPoolExecutor,
) -> None:
    """Another process computes for carl. Here ann leads, waiting for its lease, and bob joins her.
    When carl's page is stored, both know that the page varies: ann has no page for bob.
    """
    gate = Gate()

    def answer() -> Response:
        if request.headers["X-User"] == "carl":
            gate.pass_through()
        return personal(request.headers["X-User"])

    there = Process(SharedStore, answer, lock="distributed")
    here = Process(SharedStore, answer, lock="distributed")
    carl = pool.submit(there.get, "carl")
    assert gate.reached.wait(30)
    ann = pool.submit(here.get, "ann")
    with here.app.app_context():
        flights = here.cache.state().flights
        while not flights._joinable:
            threading.Event().wait(0.005)
        bob = pool.submit(here.get, "bob")
        wait_until_followed(here.cache, bob)
    gate.opened.set()
    assert [future.result(30) for future in (carl, ann, bob)] == ["carl", "ann", "bob"]


@pytest.mark.parametrize("stored", ["bob", "carl"])
def test_a_leader_hands_a_hit_on_only_under_the_key_that_was_asked_for(
    pool: ThreadPoolExecutor, stored: str
) -> None:
    """As above, but the page that the other process stored is the leader's own: a hit for bob,
    and nothing for dora who waits for him.
    """
    gate = Gate()

    def answer() -> Response:
        if gate.opened.is_set() or request.headers["X-User"] == "dora":
            return personal(request.headers["X-User"])
        gate.pass_through()
        return personal(request.headers["X-User"])

    there = Process(SharedStore, answer, lock="distributed")
    here = Process(SharedStore, answer, lock="distributed")
    first = pool.submit(there.get, stored)
    assert gate.reached.wait(30)
    bob = pool.submit(here.get, "bob")
    with here.app.app_context():
        while not here.cache.state().flights._joinable:
            threading.Event().wait(0.005)
        dora = pool.submit(here.get, "dora")
        wait_until_followed(here.cache, dora)
    gate.opened.set()
    assert [future.result(30) for future in (first, bob, dora)] == [stored, "bob", "dora"]


class Broken:
    """A page that fails on demand."""

    def __init__(self) -> None:
        self.is_broken = False

    def __call__(self) -> Response:
        if self.is_broken:
            raise LookupError("the database is down")
        return personal(f"account of {request.headers['X-User']}")

    __name__ = __qualname__ = "broken"


def test_an_old_page_covers_for_an_error_of_its_own_user_only() -> None:
    answer = Broken()
    process = Process(SharedStore, lambda: answer(), stale_if_error=3600)
    assert process.get("ann") == "account of ann"
    Server.is_down = answer.is_broken = True
    assert "account" not in process.get("bob")
    assert process.get("ann") == "account of ann"


def test_a_deleted_page_covers_for_no_error_in_any_variant() -> None:
    answer = Broken()
    process = Process(SharedStore, lambda: answer(), stale_if_error=3600)
    view: Any = process.app.view_functions["page"]
    with process.app.test_request_context("/"):
        key = view.make_cache_key()  # nothing is known of variants yet
    for _ in range(2):
        assert process.get("ann") == "account of ann"
    with process.app.test_request_context("/"):
        assert process.cache.delete(key)
    Server.is_down = answer.is_broken = True
    assert "account" not in process.get("ann")


def test_two_apps_of_one_cache_keep_their_policies_apart(pool: ThreadPoolExecutor) -> None:
    """The first app's view resolves its settings while the second app's does."""
    cache = Cache()
    safe, permissive = Flask("safe"), Flask("permissive")
    cache.init_app(safe, config={"CACHE_TYPE": "simple"})
    cache.init_app(
        permissive, config={"CACHE_TYPE": "simple", "CACHE_RESPONSE_POLICY": "permissive"}
    )

    @cache.cached()
    def view() -> Response:
        user = request.headers["X-User"]
        return Response(user, headers={"Set-Cookie": f"user={user}"})

    for app in (safe, permissive):
        app.add_url_rule("/", "view", view)
    bind, gate = type(view)._bind, Gate()

    def slow_bind(self: Any, state: Any) -> Any:
        binding = bind(self, state)
        if state.app is safe:
            gate.pass_through()
        return binding

    def get(app: Flask, user: str) -> str:
        return app.test_client().get("/", headers={"X-User": user}).text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(view), "_bind", slow_bind)
        ann = pool.submit(get, safe, "ann")
        assert gate.reached.wait(30)
        assert get(permissive, "boris") == "boris"
        gate.opened.set()
        assert ann.result(30) == "ann"
    assert get(safe, "bob") == "bob"


@pytest.mark.parametrize(
    "options",
    [
        {"policy": "permissive"},
        {"make_cache_key": lambda: request.path},
        {"key_prefix": lambda: request.path},
        {"key_prefix": "constant"},
        {},
    ],
    ids=["permissive", "make_cache_key", "callable prefix", "constant", "safe"],
)
def test_vary_on_counts_whatever_else_makes_the_key(
    app: Flask, cache: Cache, options: dict[str, Any]
) -> None:
    @app.get("/")
    @cache.cached(vary_on=("X-User", "Cookie: theme"), query=("q",), **options)
    def page() -> str:
        return f"{request.headers['X-User']} {request.cookies.get('theme')} {request.args['q']}"

    client = app.test_client(use_cookies=False)
    for user in ("ann", "bob"):
        for theme in ("dark", "light"):
            for query in ("1", "2"):
                headers = {"X-User": user, "Cookie": f"theme={theme}"}
                text = client.get(f"/?q={query}", headers=headers).text
                assert text == f"{user} {theme} {query}"
    assert (cache.stats().hits, cache.stats().misses) == (0, 8)
    client.get("/?q=1", headers={"X-User": "ann", "Cookie": "theme=dark"})
    assert cache.stats().hits == 1


@pytest.mark.parametrize("methods", [{}, {"methods": ("GET", "HEAD")}], ids=["default", "written"])
@pytest.mark.parametrize(
    "key",
    [{"make_cache_key": lambda: "mine"}, {"key_prefix": lambda: "mine"}, {"key_prefix": "mine"}],
)
def test_a_post_is_carried_out_whoever_makes_the_key(
    app: Flask, cache: Cache, methods: dict[str, Any], key: dict[str, Any]
) -> None:
    """The default methods written out make no difference; a HEAD has no page to store."""
    saved = []

    @app.route("/", methods=["GET", "POST"])
    @cache.cached(**key, **methods)
    def page() -> str:
        if request.method == "POST":
            saved.append(1)
            return "saved"
        return "" if request.method == "HEAD" else "form"

    client = app.test_client()
    client.head("/")
    assert client.get("/").text == "form"
    assert [client.post("/").text, client.post("/").text] == ["saved", "saved"]
    assert len(saved) == 2


@pytest.mark.parametrize(
    "options",
    [{"vary_on": "X-User"}, {"vary_on": ("cookies:x",)}, {"query": "page"}, {"methods": "GET"}],
)
def test_what_names_nothing_is_an_error_where_it_is_written(
    cache: Cache, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        cache.cached(**options)(lambda: "")
