"""Serve the example app with gunicorn, request its pages cold and warm, print what happened.

``--serve`` leaves it running for a browser.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple, NoReturn

WORKERS = 2
GUNICORN = [
    sys.executable, "-m", "gunicorn", "app:app", "--chdir", str(Path(__file__).parent),
    "--workers", str(WORKERS), "--threads", "4", "--keep-alive", "60",
]  # fmt: skip

PAGES = {
    "/view": "cached view",
    "/function/12": "memoized function",
    "/fragment/Ada": "template fragment",
    "/news": "function with a tag",
}


class Answer(NamedTuple):
    """What one request told."""

    worker: str
    cache: str
    milliseconds: float

    def __str__(self) -> str:
        return f"{self.cache:<4}{self.milliseconds:8.1f} ms"


@contextmanager
def served() -> Iterator[int]:
    """The port of a running app. Connections made before it is up wait for it."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        # Connections inherit it; those of the first moment would come before gunicorn's own.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port: int = listener.getsockname()[1]
        number = listener.fileno()
        command = [*GUNICORN, "--bind", f"fd://{number}", "--log-level", "warning"]
        server = subprocess.Popen(command, pass_fds=[number])  # noqa: S603 - a fixed command
    try:
        yield port
    finally:
        server.terminate()
        server.wait(timeout=30)


def ask(connection: HTTPConnection, path: str, method: str = "GET") -> Answer:
    began = time.perf_counter()
    connection.request(method, path)
    response = connection.getresponse()
    response.read()
    took = (time.perf_counter() - began) * 1000
    if response.status >= 400:
        raise SystemExit(f"{method} {path}: {response.status} {response.reason}")
    return Answer(response.headers["X-Worker"], response.headers["X-Cache"], took)


def one_to_each_worker(port: int, stack: ExitStack) -> list[HTTPConnection]:
    """Connections that stay open, and so stay with the worker that took them."""
    found: dict[str, HTTPConnection] = {}
    deadline = time.monotonic() + 30
    while len(found) < WORKERS and time.monotonic() < deadline:
        connection = stack.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=30)))
        if found.setdefault(ask(connection, "/").worker, connection) is not connection:
            time.sleep(0.05)  # the other worker is still starting, or less quick
    return list(found.values())


def ask_again(connection: HTTPConnection, path: str) -> Answer:
    """The median of some answers; a miss, if one is."""
    answers = sorted((ask(connection, path) for _ in range(9)), key=lambda a: a.milliseconds)
    misses = [answer for answer in answers if answer.cache != "hit"]
    return misses[0] if misses else answers[len(answers) // 2]


def row(label: str, worker: int, first: Answer, again: Answer) -> None:
    print(f"{label:<38}{worker:<9}{first!s:<18}{again!s}")


def visit(connections: list[HTTPConnection]) -> bool:
    """Request every page from every worker, cold and warm; whether all warm answers were hits."""
    warm = True
    for path, what in PAGES.items():
        for number, connection in enumerate(connections, 1):
            first, again = ask(connection, path), ask_again(connection, path)
            row(f"{path} ({what})" if number == 1 else "", number, first, again)
            warm = warm and again.cache == "hit"
    return warm


def publish(connection: HTTPConnection) -> bool:
    """Invalidate a tag; whether the next answer was computed, and the one after it found."""
    ask(connection, "/news", "POST")
    first, again = ask(connection, "/news"), ask_again(connection, "/news")
    row("/news, after invalidating its tag", 1, first, again)
    return (first.cache, again.cache) == ("miss", "hit")


def demo() -> int:
    kind = os.environ.get("FLASK_CACHE_TYPE", "simple")
    print(f"gunicorn, {WORKERS} workers x 4 threads, CACHE_TYPE = {kind!r}", flush=True)
    with served() as port, ExitStack() as stack:
        connections = one_to_each_worker(port, stack)
        print(f"\n{'page':<38}{'worker':<9}{'first':<18}{'again (median)'}")
        as_promised = visit(connections) and publish(connections[0])
    if kind == "simple":
        print("\n'simple' is a cache in each worker's memory, so each worker computes once, and")
        print("invalidates for itself. The other backends are shared: then one computes for all.")
    return 0 if as_promised else 1


def serve() -> NoReturn:
    port = os.environ.get("PORT", "5000")
    print(f"Open http://127.0.0.1:{port}/ (PORT=... for another one). Ctrl-C ends it.", flush=True)
    command = [*GUNICORN, "--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
    os.execv(sys.executable, command)  # noqa: S606 - a fixed command, no shell


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    sys.exit(demo())
