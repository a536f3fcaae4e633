"""In debug mode a failed backend raises: still nobody waits for ever, and nothing stays locked."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from shared_store import Server, SharedStore

from flask_cache_core import Cache
from flask_cache_core.backends import SimpleCache


@pytest.mark.parametrize("lock", ["local", "distributed"])
def test_a_backend_that_fails_at_the_end_leaves_no_follower_behind(app: Flask, lock: str) -> None:
    Server.store, Server.is_down = SimpleCache(threshold=100), False
    app.debug = True
    cache = Cache(app, config={"CACHE_TYPE": SharedStore, "CACHE_BREAKER_DURATION": 0})
    inside, go_on = threading.Event(), threading.Event()

    @cache.memoize(lock=lock)  # type: ignore[arg-type]
    def compute() -> int:
        inside.set()
        assert go_on.wait(30)
        Server.is_down = True
        return 1

    def call() -> int:
        with app.app_context():
            return compute()

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(call)
        assert inside.wait(30)
        follower = pool.submit(call)
        with app.app_context():
            flights = cache.state().flights
        while not any(flight.followed for flight in list(flights._running)):
            threading.Event().wait(0.005)
        go_on.set()
        with pytest.raises(ConnectionError):
            leader.result(30)
        assert follower.exception(30) is None or isinstance(follower.exception(), ConnectionError)
    assert not flights._running
    assert not flights._joinable
    Server.is_down = False
