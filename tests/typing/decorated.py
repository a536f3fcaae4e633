"""What type checkers see of decorated functions. Checked by mypy and pyright, never run.

A line that is wrong says so in the way of each checker; both report a remark that is not needed.
"""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, assert_type

from flask import Flask, Response

from flask_cache_core import BaseCache, Cache, CacheStats

app = Flask(__name__)
cache = Cache(app)


@cache.memoize(timeout=timedelta(minutes=1))
def add(one: int, two: int = 2, *, scale: float = 1.0) -> float:
    """Keeps its signature."""
    return (one + two) * scale


assert_type(add(1), float)
assert_type(add(1, 2, scale=0.5), float)
assert_type(add.uncached(1), float)
assert_type(add.refresh(1, two=3), float)
add.invalidate(1, scale=2)
add.cache_timeout = 5
add.delete_memoized()
cache.delete_memoized(add, 1)

add("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
add(1, 2, 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
add()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
add.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
add.refresh(scale=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
text: str = add(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


class Store:
    """Methods are bound: what is left is their signature without the instance."""

    @cache.memoize()
    def price(self, item: str, count: int = 1) -> int:
        return len(item) * count

    @staticmethod
    @cache.memoize()
    def rate(currency: str) -> float:
        return float(len(currency))

    @cache.memoize()
    async def stock(self, item: str) -> int:
        return len(item)

    @cache.cached(key_prefix="report")
    def report(self) -> list[str]:
        return []


store = Store()
assert_type(store.price("tea"), int)
assert_type(store.price.refresh("tea", count=2), int)
store.price.invalidate("tea")
assert_type(Store.price(store, "tea"), int)
assert_type(Store.rate("EUR"), float)
assert_type(store.report(), list[str])

store.price(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
store.price()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
store.price.invalidate(store, "tea")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Store.price("tea")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]


@cache.memoize(lock="distributed", stale_while_revalidate=30, tags=("users", "user:{user_id}"))
async def user(user_id: int) -> dict[str, str]:
    """A coroutine function stays one."""
    return {"id": str(user_id)}


async def greet() -> str:
    coroutine: Coroutine[Any, Any, dict[str, str]] = user(1)
    assert_type(await coroutine, dict[str, str])
    assert_type(await user(1), dict[str, str])
    assert_type(await store.stock("tea"), int)
    assert_type(await user.refresh(1), dict[str, str])
    await user("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return (await user(user_id=1))["id"]


cache.memoize(lock="sideways")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
cache.memoize(patience=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@app.route("/<name>")
@cache.cached(timeout=60, query=("page",), vary_on=("Accept-Language", "cookie:theme"))
def page(name: str) -> Response:
    """A view is called by Flask, and may be called by anybody."""
    return Response(name)


assert_type(page(name="x"), Response)
assert_type(cache.delete_cached(page, name="x"), bool)
page(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def count() -> int:
    return 1


assert_type(cache.get_or_set("count", count, timeout=5, tags=["counts"]), int)
assert_type(cache.get_dict("a", "b"), dict[str, Any])
assert_type(cache.inc("visits"), int | None)
assert_type(cache.set_many({"a": 1}, timeout=0.5), list[str])
assert_type(cache.stats(), CacheStats)
assert_type(cache.cache, BaseCache)
with cache.lock("nightly", timeout=1.5):
    pass

cache.set(1, "value")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
cache.set("key", "value", timeout="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
