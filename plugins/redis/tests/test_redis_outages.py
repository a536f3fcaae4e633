"""A server that is not there yet, goes, hangs, restarts, or closes connections."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import redis
from flask_cache_core_redis.testing import RedisServer

from flask_cache_core.errors import BackendError


@pytest.fixture
def own_server() -> Any:
    with RedisServer() as running:
        yield running


def test_the_server_may_come_later(build: Any) -> None:
    server = RedisServer()
    backend = build("redis", CACHE_REDIS_PORT=server.port)
    with pytest.raises(BackendError, match=f":{server.port}.*refused"):
        backend.get("key")
    with server:
        assert backend.set("key", 1, 60) is True


def test_a_connection_that_the_server_closed_is_renewed(
    build: Any, server: RedisServer, client: redis.Redis
) -> None:
    backend = build("redis", CACHE_REDIS_PORT=server.port, client_name="idle")
    for _ in range(3):
        assert backend.set("key", 1, 60) is True
        mine = [each["id"] for each in client.client_list() if each["name"] == "idle"]
        for number in mine:
            client.client_kill_filter(_id=number)
        assert mine
        assert backend.get("key") == 1


def test_a_restart_between_two_operations_is_not_noticed(build: Any, own_server: Any) -> None:
    backend = build("redis", CACHE_REDIS_PORT=own_server.port)
    backend.set("key", 1, 60)
    own_server.kill()
    own_server.start()
    assert backend.get("key") is None
    assert backend.set("key", 2, 60) is True


@pytest.mark.parametrize("kind", ["settings", "client"])
def test_a_hanging_server_is_told(build: Any, own_server: Any, until: Any, kind: str) -> None:
    ready = redis.Redis(port=own_server.port)
    address: dict[str, Any] = (
        {"CACHE_REDIS_PORT": own_server.port} if kind == "settings" else {"CACHE_REDIS_HOST": ready}
    )
    backend = build("redis", CACHE_BACKEND_TIMEOUT=0.3, **address)
    build("redis", CACHE_REDIS_PORT=own_server.port).set("key", 1, 60)
    own_server.pause()
    try:
        for _ in range(2):
            with pytest.raises(BackendError, match=r"0\.3 seconds \(CACHE_BACKEND_TIMEOUT\)"):
                backend.get_many(*map(str, range(2_000)))
    finally:
        own_server.resume()
    assert patiently(until, lambda: backend.get("key")) == 1
    ready.close()


def patiently(until: Any, operation: Callable[[], Any]) -> Any:
    """Its first answer in time: the machine may be busy for longer than that."""
    answers: list[Any] = []

    def answered() -> bool:
        with suppress(BackendError):
            answers.append(operation())
        return bool(answers)

    until(answered)
    return answers[0]


def test_replies_that_come_too_late_are_nobodys(build: Any, own_server: Any, until: Any) -> None:
    build("redis", CACHE_REDIS_PORT=own_server.port).set_many({"one": 1, "two": 2}, 60)
    backend = build("redis", CACHE_REDIS_PORT=own_server.port, CACHE_BACKEND_TIMEOUT=0.3)
    assert patiently(until, lambda: backend.get("one")) == 1
    own_server.pause()
    with pytest.raises(BackendError):
        backend.get("one")
    own_server.resume()
    assert patiently(until, lambda: backend.get("two")) == 2


def test_a_full_server_says_what_to_do(build: Any) -> None:
    with RedisServer(maxmemory="1mb", maxmemory_policy="noeviction") as full:
        backend = build("redis", CACHE_REDIS_PORT=full.port)
        with pytest.raises(BackendError, match="maxmemory-policy"):
            backend.set_many({str(number): b"x" * 100_000 for number in range(100)}, 60)
        assert backend.get("no") is None


def test_few_connections_are_shared(build: Any, server: RedisServer) -> None:
    backend = build("redis", CACHE_REDIS_PORT=server.port, max_connections=2, client_name="few")
    backend.set("count", 0, 60)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: backend.inc("count"), range(200)))
    assert backend.get("count") == 200
    with redis.Redis(port=server.port) as client:
        assert sum(each["name"] == "few" for each in client.client_list()) <= 2
