"""Coroutine functions: cached natively, and still what they were."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator

import pytest
from flask import Flask
from jinja2 import Environment
from werkzeug.exceptions import NotFound

from flask_cache_core import Cache


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config["CACHE_TYPE"] = "simple"
    return app


@pytest.fixture
def cache(app: Flask) -> Iterator[Cache]:
    cache = Cache(app)
    with app.app_context():
        yield cache


def test_a_coroutine_function_stays_one(cache: Cache) -> None:
    @cache.memoize()
    async def compute(x: int) -> int:
        return x

    class Thing:
        @cache.memoize()
        async def method(self) -> int:
            return 1

    assert inspect.iscoroutinefunction(compute)
    assert inspect.iscoroutinefunction(Thing().method)
    assert inspect.iscoroutine(coroutine := compute(1))
    assert asyncio.run(coroutine) == 1
    assert compute.__name__ == "compute"
    assert str(inspect.signature(compute)) == "(x: 'int') -> 'int'"


def test_a_coroutine_is_awaited_once_and_its_value_kept(cache: Cache) -> None:
    calls = []

    @cache.memoize()
    async def compute(x: int) -> list[int]:
        calls.append(x)
        await asyncio.sleep(0)
        return [x]

    assert asyncio.run(compute(1)) == [1]
    assert asyncio.run(compute(1)) == [1]
    assert calls == [1]
    asyncio.run(compute.refresh(1))
    compute.invalidate(1)
    asyncio.run(compute(1))
    assert calls == [1, 1, 1]


def test_synchronous_callers_share_the_entries(app: Flask, cache: Cache) -> None:
    calls = []

    @cache.memoize()
    async def compute(x: int) -> int:
        calls.append(x)
        return x

    async def caller() -> int:
        return await compute(1)

    assert asyncio.run(caller()) == 1
    assert app.ensure_sync(compute)(1) == 1
    assert cache.get(compute.make_cache_key(compute.uncached, 1)) == 1
    assert calls == [1]


def test_asynchronous_views_are_cached(app: Flask, cache: Cache) -> None:
    calls = []

    @app.route("/")
    @cache.cached()
    async def index() -> str:
        calls.append(1)
        await asyncio.sleep(0)
        return f"page {len(calls)}"

    @app.route("/missing")
    @cache.cached()
    async def missing() -> str:
        calls.append(1)
        raise NotFound("nothing here")

    client = app.test_client()
    assert [client.get("/").text, client.get("/").text] == ["page 1"] * 2
    assert [client.get("/missing").status_code for _ in range(2)] == [404, 404]
    assert len(calls) == 2


def test_an_asynchronous_generator_is_not_swallowed(cache: Cache) -> None:
    @cache.memoize()
    def numbers() -> AsyncIterator[int]:
        async def generate() -> AsyncIterator[int]:
            yield 1
            yield 2

        return generate()

    @cache.memoize()
    async def generate() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def read() -> list[list[int]]:
        return [
            [number async for number in numbers()],
            [number async for number in numbers()],
            [number async for number in generate()],
            [number async for number in generate()],
        ]

    assert asyncio.run(read()) == [[1, 2]] * 4


def test_an_exception_reaches_the_caller_and_is_not_kept(cache: Cache) -> None:
    calls = []

    @cache.memoize()
    async def fail() -> None:
        calls.append(1)
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            asyncio.run(fail())
    assert len(calls) == 2


def test_fragments_of_an_asynchronous_environment(app: Flask, cache: Cache) -> None:
    from flask_cache_core.decorators.fragments import use_for_fragments

    environment = Environment(enable_async=True, autoescape=True)
    use_for_fragments(environment, cache)
    calls = []

    async def value() -> str:
        calls.append(1)
        return "<b>"

    template = environment.from_string("{% cache 60, 'key' %}{{ value() }}{% endcache %}")
    for _ in range(2):
        assert asyncio.run(template.render_async(value=value)) == "&lt;b&gt;"
    assert len(calls) == 1


def test_a_loop_that_is_closed_while_it_waits_harms_nobody(cache: Cache) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    @cache.memoize()
    async def compute() -> int:
        begun.set()
        await may_end.wait()
        return 1

    async def leader() -> int:
        task = asyncio.create_task(compute())
        await begun.wait()

        async def impatient() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(compute(), 0.01)

        await asyncio.to_thread(asyncio.run, impatient())
        may_end.set()
        return await task

    assert asyncio.run(leader()) == 1
