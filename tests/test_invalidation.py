"""Whatever was read before an invalidation is never served after it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template_string
from processes import Worker, shared_backend

from flask_cache_core import Cache, make_template_fragment_key

PAIRS = [
    ("tagged", "invalidate tagged"),
    ("function", "invalidate function"),
    ("function", "invalidate arguments"),
    ("method", "invalidate method"),
    ("view", "invalidate view"),
    ("fragment", "invalidate fragment"),
    ("constant", "invalidate constant"),
    ("get_or_set", "invalidate get_or_set"),
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_text("old")
    return path


@pytest.fixture(params=["redis", "memcached", "filesystem"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    with shared_backend(request.param, tmp_path) as config:
        yield config


def test_an_invalidation_in_another_process_beats_a_computation_that_has_begun(
    shared: dict[str, Any], source: Path
) -> None:
    with Worker(shared, source) as reader, Worker(shared, source) as writer:
        held = {}
        for read, _ in PAIRS:
            if read not in held:
                held[read] = reader.start(read, hold=True)
                reader.wait_until_begun(held[read])
        source.write_text("new")
        for _, invalidate in PAIRS:
            writer.call(invalidate)
        late = {read: reader.start(read) for read in held}  # must not join what began before
        assert {read: reader.result(number) for read, number in late.items()} == dict.fromkeys(
            held, "new"
        )
        reader.go()
        assert {read: reader.result(number) for read, number in held.items()} == dict.fromkeys(
            held, "old"
        )
        for worker in (reader, writer):
            assert {read: worker.call(read) for read in held} == dict.fromkeys(held, "new")


def test_an_invalidation_in_the_same_process_beats_a_computation_that_has_begun(
    source: Path,
) -> None:
    with Worker({"CACHE_TYPE": "simple"}, source) as worker:
        for read, invalidate in PAIRS:
            source.write_text("old")
            worker.hold()
            worker.call(invalidate)
            held = worker.start(read, hold=True)
            worker.wait_until_begun(held)
            source.write_text("new")
            worker.call(invalidate)
            assert worker.call(read) == "new", invalidate
            worker.go()
            assert worker.result(held) == "old", invalidate
            assert worker.call(read) == "new", invalidate


def test_what_is_stored_is_forgotten_in_all_processes(shared: dict[str, Any], source: Path) -> None:
    with Worker(shared, source) as one, Worker(shared, source) as other:
        for read, invalidate in PAIRS:
            source.write_text("old")
            other.call(invalidate)
            before = len(one.begun) + len(other.begun)
            assert [one.call(read), other.call(read), one.call(read)] == ["old"] * 3, invalidate
            assert len(one.begun) + len(other.begun) == before + 1, invalidate
            source.write_text("new")
            other.call(invalidate)
            assert [one.call(read), other.call(read)] == ["new"] * 2, invalidate


def test_who_joins_a_computation_around_an_invalidated_one_gets_no_old_value(
    shared: dict[str, Any], source: Path
) -> None:
    """Its tags are known only when it is over, so what it made is compared then."""
    with Worker(shared, source) as reader, Worker(shared, source) as writer:
        held = reader.start("nested", hold=True)
        reader.wait_until_begun(held)
        source.write_text("new")
        writer.call("invalidate tagged")
        late = reader.start("nested")
        while reader.call("stats")["waits"] == 0:
            threading.Event().wait(0.005)
        reader.go()
        assert reader.result(held) == "old"
        assert reader.result(late) == "new"
        assert reader.call("nested") == "new"


def test_in_one_process_it_does_not_even_wait_for_the_old_computation(source: Path) -> None:
    config = {"CACHE_TYPE": "simple", "CACHE_LOCK_TIMEOUT": 60}  # longer than a result is awaited
    with Worker(config, source) as worker:
        held = worker.start("nested", hold=True)
        worker.wait_until_begun(held)
        source.write_text("new")
        worker.call("invalidate tagged")
        assert worker.call("nested") == "new"
        worker.go()
        assert worker.result(held) == "old"
        assert worker.call("nested") == "new"


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config["CACHE_TYPE"] = "simple"
    return app


@pytest.fixture
def cache(app: Flask) -> Cache:
    return Cache(app)


def test_tags_of_what_a_value_used_are_its_own_computed_or_hit(app: Flask, cache: Cache) -> None:
    source = {"name": "old"}

    @cache.memoize(tags=("user:{user_id}",))
    def name(user_id: int) -> str:
        return source["name"]

    @cache.memoize()
    def greeting(user_id: int) -> str:
        return f"Hello {name(user_id)}"

    @cache.memoize(tags=("pages",))
    def page(user_id: int) -> str:
        return f"<p>{greeting(user_id)}</p>"

    with app.app_context():
        name(2)  # a hit for the functions around it
        assert page(1) == "<p>Hello old</p>"
        assert page(2) == "<p>Hello old</p>"
        source["name"] = "new"
        assert page(1) == "<p>Hello old</p>"
        cache.invalidate_tags("user:1")
        assert page(1) == "<p>Hello new</p>"
        assert page(2) == "<p>Hello old</p>"
        cache.invalidate_tags("user:2")
        assert page(2) == "<p>Hello new</p>"


def test_a_page_goes_with_the_fragments_in_it(app: Flask, cache: Cache) -> None:
    source = {"price": 1}

    @app.route("/")
    @cache.cached()
    def index() -> str:
        return render_template_string(
            "{% cache 60, 'outer' %}{% cache 60, 'inner', tags=['prices'] %}{{ price }}"
            "{% endcache %}{% endcache %}",
            price=source["price"],
        )

    client = app.test_client()
    assert client.get("/").text == "1"
    source["price"] = 2
    assert client.get("/").text == "1"
    with app.app_context():
        cache.invalidate_tags("prices")
    assert client.get("/").text == "2"


def test_followers_inherit_the_tags_of_the_computation_they_waited_for(
    cache: Cache, app: Flask
) -> None:
    begun, may_end = threading.Event(), threading.Event()
    source = {"value": "old"}

    @cache.memoize(tags=("source",))
    def inner() -> str:
        value = source["value"]
        begun.set()
        assert may_end.wait(10)
        return value

    @cache.memoize()
    def outer(number: int) -> str:
        return inner()

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(outer, 1)
        assert begun.wait(10)
        follower = pool.submit(outer, 2)
        while cache.stats().waits == 0:
            threading.Event().wait(0.001)
        may_end.set()
        assert (leader.result(10), follower.result(10)) == ("old", "old")
    source["value"] = "new"
    cache.invalidate_tags("source")
    assert (outer(1), outer(2)) == ("new", "new")


def test_an_inherited_tag_that_is_invalidated_during_the_outer_computation(
    cache: Cache, app: Flask
) -> None:
    source = {"value": "old"}
    after_inner: list[Callable[[], None]] = []

    @cache.memoize(tags=("source",))
    def inner() -> str:
        return source["value"]

    @cache.memoize()
    def outer() -> str:
        value = inner()
        for action in after_inner:
            action()
        return value

    def change() -> None:
        after_inner.clear()
        source["value"] = "new"
        cache.invalidate_tags("source")

    after_inner.append(change)
    assert outer() == "old"
    assert outer() == "new"


def test_set_and_get_or_set_take_tags(cache: Cache, app: Flask) -> None:
    assert cache.set("plain", 1, tags=("a",)) is True
    assert cache.get_or_set("made", lambda: 2, tags=("a", "b")) == 2
    assert cache.get_many("plain", "made") == [1, 2]
    cache.invalidate_tags("b")
    assert cache.get_many("plain", "made") == [1, None]
    cache.invalidate_tags("a")
    assert cache.get("plain", "gone") == "gone"
    assert cache.get_or_set("made", lambda: 3, tags=("a", "b")) == 3


def test_tags_of_a_callable_get_the_arguments(cache: Cache, app: Flask) -> None:
    calls = []

    @cache.memoize(tags=lambda a, b=2: [f"sum:{a + b}"])
    def add(a: int, b: int = 2) -> int:
        calls.append((a, b))
        return a + b

    add(1)
    add(1, b=2)
    cache.invalidate_tags("sum:4")
    add(1)
    assert len(calls) == 1
    cache.invalidate_tags("sum:3")
    add(1)
    assert len(calls) == 2


def test_a_fragment_of_a_deleted_key_is_rendered_anew(cache: Cache, app: Flask) -> None:
    with app.test_request_context():
        template = "{% cache 60, 'key', 7 %}{{ value }}{% endcache %}"
        assert render_template_string(template, value=1) == "1"
        assert cache.delete(make_template_fragment_key("key", vary_on=[7])) is True
        assert render_template_string(template, value=2) == "2"


def test_eviction_of_a_stamp_only_costs_a_computation(cache: Cache, app: Flask) -> None:
    calls = []

    @cache.memoize(tags=("tag",))
    def compute() -> int:
        calls.append(1)
        return len(calls)

    assert compute() == 1
    for key in list(cache.cache._items):  # type: ignore[attr-defined]
        if key.startswith("~"):
            cache.cache.delete(key)
            expected = len(calls) + 1
            assert compute() == expected
            assert compute() == expected


def test_a_stamp_evicted_during_a_computation_does_not_revive_it(cache: Cache, app: Flask) -> None:
    source = {"value": "old"}
    meanwhile: list[Callable[[], Any]] = []

    @cache.memoize(tags=("tag",))
    def compute() -> str:
        value = source["value"]
        while meanwhile:
            meanwhile.pop(0)()
        return value

    def change() -> None:
        source["value"] = "new"
        cache.invalidate_tags("tag")

    def evict() -> None:
        for key in list(cache.cache._items):  # type: ignore[attr-defined]
            cache.cache.delete(key)

    meanwhile.extend([change, evict])
    assert compute() == "old"
    assert compute() == "new"


def test_a_tag_must_be_a_string_and_tags_a_list(cache: Cache, app: Flask) -> None:
    with pytest.raises(TypeError, match="tags must be a list"):
        cache.memoize(tags="users")(lambda: None)
    with pytest.raises(TypeError, match="must be a str"):
        cache.set("key", 1, tags=(1,))  # type: ignore[arg-type]
