"""``cache.lock``: one holder of a name at a time."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from processes import shared_backend

from flask_cache_core import Cache


def count_up(config: dict[str, Any], path: Path, times: int) -> None:
    """Read, add one, write: only a lock makes this right."""
    app = Flask(__name__)
    cache = Cache(app, config=config)
    for _ in range(times):
        with cache.lock("counter", timeout=60):
            path.write_text(str(int(path.read_text()) + 1))


@pytest.mark.parametrize("name", ["redis", "memcached", "filesystem"])
def test_processes_hold_it_one_at_a_time(name: str, tmp_path: Path) -> None:
    path = tmp_path / "counter"
    path.write_text("0")
    context = multiprocessing.get_context("spawn")
    with shared_backend(name, tmp_path) as config:
        processes = [context.Process(target=count_up, args=(config, path, 25)) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert path.read_text() == "100"


@pytest.fixture
def app() -> Flask:
    return Flask(__name__)


def test_threads_hold_it_one_at_a_time(app: Flask) -> None:
    cache = Cache(app, config={"CACHE_TYPE": "simple"})
    inside, most = 0, 0

    def enter() -> None:
        nonlocal inside, most
        with cache.lock("name"):
            inside += 1
            most = max(most, inside)
            threading.Event().wait(0.002)
            inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == 1


def test_who_waits_too_long_is_told(app: Flask) -> None:
    cache = Cache(app, config={"CACHE_TYPE": "simple"})
    held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with cache.lock("name"):
            held.set()
            assert may_end.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    with pytest.raises(TimeoutError, match="name"), cache.lock("name", timeout=0.01):
        pass
    may_end.set()
    thread.join(10)
    with cache.lock("name", timeout=0.01):
        pass


def test_it_is_free_after_an_exception(app: Flask) -> None:
    cache = Cache(app, config={"CACHE_TYPE": "simple"})
    with pytest.raises(LookupError), cache.lock("name"):
        raise LookupError
    with cache.lock("name", timeout=0.01):
        pass
