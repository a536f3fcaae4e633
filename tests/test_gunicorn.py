"""Apps under gunicorn with two workers of four threads each, over real HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest

DEMO = Path(__file__).parents[1] / "examples" / "demo" / "demo.py"

APP = """
import itertools, os, time
from flask import Flask, render_template_string
from flask_cache_core import Cache

app = Flask(__name__)
app.config["CACHE_TYPE"] = "simple"
cache = Cache(app)
computed = {name: itertools.count(1) for name in ("view", "function", "fragment")}

def work(name):
    number = next(computed[name])
    time.sleep(0.2)
    return f"{number}"

@app.after_request
def tell(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response

@app.get("/worker")
def worker():
    return ""

@app.get("/stats")
def stats():
    return cache.stats()._asdict()

@app.get("/view")
@cache.cached()
def view():
    return work("view")

@app.get("/function")
def function():
    return memoized("function")

@cache.memoize()
def memoized(name):
    return work(name)

@app.get("/fragment")
def fragment():
    template = "{% cache 60, 'fragment' %}{{ work('fragment') }}{% endcache %}"
    return render_template_string(template, work=work)
"""


class Answer(NamedTuple):
    """What one worker answered."""

    worker: str
    text: str


def ask(connection: HTTPConnection, path: str) -> Answer:
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read().decode()
    assert response.status == 200, body
    return Answer(response.headers["X-Worker"], body)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A connection that comes before the app is up waits for it in the socket's queue."""
    (tmp_path / "counting.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        number = listener.fileno()
        command = [
            sys.executable, "-W", "error", "-m", "gunicorn", "counting:app", "--bind",
            f"fd://{number}", "--workers", "2", "--threads", "4", "--keep-alive", "60",
            "--log-level", "warning",
        ]  # fmt: skip
        port: int = listener.getsockname()[1]
        server = subprocess.Popen(command, pass_fds=[number], cwd=tmp_path)
    yield port
    server.terminate()
    assert server.wait(30) == 0


@pytest.fixture
def connections(port: int) -> Iterator[dict[str, list[HTTPConnection]]]:
    """Three open connections to each worker: while one is stopped, the other accepts."""
    with ExitStack() as stack:
        one = ask(_open(port, stack), "/worker").worker
        others = _opened_without(one, port, stack)
        (other,) = {ask(connection, "/worker").worker for connection in others}
        yield {other: others, one: _opened_without(other, port, stack)}


def _open(port: int, stack: ExitStack) -> HTTPConnection:
    return stack.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=30)))


def _opened_without(worker: str, port: int, stack: ExitStack) -> list[HTTPConnection]:
    os.kill(int(worker), signal.SIGSTOP)
    try:
        opened = [_open(port, stack) for _ in range(3)]
        assert worker not in {ask(connection, "/worker").worker for connection in opened}
        return opened
    finally:
        os.kill(int(worker), signal.SIGCONT)


@pytest.mark.parametrize("path", ["/view", "/function", "/fragment"])
def test_each_worker_computes_once_and_then_answers_from_its_memory(
    path: str, connections: dict[str, list[HTTPConnection]]
) -> None:
    for worker, several in connections.items():
        with ThreadPoolExecutor(3) as threads:
            cold = list(threads.map(ask, several, [path] * 3))
        assert cold == [Answer(worker, "1")] * 3
        assert [ask(several[0], path) for _ in range(20)] == [Answer(worker, "1")] * 20
        stats = json.loads(ask(several[0], "/stats").text)
        assert (stats["misses"], stats["stores"], stats["errors"]) == (1, 1, 0)
        assert stats["hits"] + stats["waits"] == 22


def test_the_demo_finds_warm_pages_in_the_cache_and_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(DEMO)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if " ms " in line]
    assert len(rows) == 9
    assert all("miss" in row and "hit" in row for row in rows)
