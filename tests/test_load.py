"""Real servers under load, with invalidations going on: no error, no outdated answer."""

from __future__ import annotations

import http.client
import os
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask_cache_core_redis.testing import RedisServer

from flask_cache_core.testing import Server

SUPPORT = Path(__file__).with_name("support")
REQUESTS = 5000
CLIENTS = 8
KEYS = 5


class Gunicorn(Server):
    """`site_app.py` under gunicorn."""

    def __init__(self, redis: RedisServer, *arguments: str) -> None:
        super().__init__()
        self._redis = redis
        self._arguments = arguments

    def command(self) -> list[str]:
        return [
            sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{self.port}",
            "--pythonpath", str(SUPPORT), "--workers", "2", *self._arguments, "site_app:app",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        return {**os.environ, "SITE_CACHE_TYPE": "redis", "SITE_REDIS_URL": self._redis.url}


class Visitors:
    """Clients that know how old an answer may be at most."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._newest = [0] * KEYS
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def visit(self, number: int) -> None:
        """One request; every twentieth is a change."""
        key = random.randrange(KEYS)
        if number % 20 == 0:
            value = int(self._ask("POST", f"/change/{key}"))
            with self._lock:
                self._newest[key] = max(self._newest[key], value)
            return
        oldest = self._newest[key]
        kind = ("function", "view", "fragment")[number % 3]
        value = int(self._ask("GET", f"/{kind}/{key}"))
        assert value >= oldest, f"{kind} {key} answers {value}, which was replaced by {oldest}"

    def _ask(self, method: str, path: str) -> str:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            self._local.connection = connection
            self._connections.append(connection)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read().decode()
        except (http.client.RemoteDisconnected, ConnectionResetError):
            connection.close()  # a worker may close an idle connection at any time
            self._local.connection = None
            return self._ask(method, path)
        assert response.status == 200, body
        return body


@pytest.mark.parametrize(
    "arguments",
    [("--threads", "4"), ("--threads", "4", "--preload"), ("--worker-class", "gevent")],
    ids=["threads", "preload", "gevent"],
)
def test_five_thousand_requests_and_no_outdated_answer(arguments: tuple[str, ...]) -> None:
    with RedisServer() as redis, Gunicorn(redis, *arguments) as site:
        visitors = Visitors(site.port)
        with ThreadPoolExecutor(CLIENTS) as pool:
            for _ in pool.map(visitors.visit, range(REQUESTS)):
                pass
        visitors.close()
        log = (site.directory / "log").read_text()
    assert "Traceback" not in log
    assert "does not answer" not in log
