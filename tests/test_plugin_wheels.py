"""Each plug-in as an installed wheel, found by its short name, shared by two workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pytest
from distributions import Environment
from flask_cache_core_memcached.testing import MemcachedServer
from flask_cache_core_redis.testing import RedisCluster, RedisSentinel, RedisServer
from flask_cache_core_saslmemcached.testing import SaslMemcachedServer

APP = """
import itertools, json, os, sys
from flask import Flask
from flask_cache_core import Cache

app = Flask(__name__)
app.config.from_file("config.json", load=json.load)
cache = Cache(app)
calls = itertools.count(1)

@cache.memoize()
def computed(name):
    return f"call {next(calls)} of worker {os.getpid()}"

@app.get("/computed")
def show():
    return {"worker": os.getpid(), "value": computed("name")}

@app.get("/forgotten")
def forget():
    cache.delete_memoized(computed, "name")
    return {"worker": os.getpid()}

@app.get("/files")
def files():
    kinds = [kind for kind in type(cache.cache).__mro__ if kind.__module__ != "builtins"]
    modules = {kind.__module__ for kind in kinds} | {"flask_cache_core"}
    return {"worker": os.getpid(), "value": [
        sys.modules[module].__file__ for module in modules if "flask_cache_core" in module
    ]}
"""

Config = dict[str, object]


@contextmanager
def redis(place: Path) -> Iterator[Config]:
    with RedisServer() as server:
        yield {"CACHE_REDIS_URL": server.url}


@contextmanager
def redissentinel(place: Path) -> Iterator[Config]:
    with RedisServer() as master, RedisSentinel(master) as sentinel:
        yield {"CACHE_REDIS_SENTINELS": sentinel.address}


@contextmanager
def rediscluster(place: Path) -> Iterator[Config]:
    with RedisCluster(primaries=3) as servers:
        yield {"CACHE_REDIS_CLUSTER": servers.addresses}


@contextmanager
def memcached(place: Path) -> Iterator[Config]:
    with MemcachedServer() as server:
        yield {"CACHE_MEMCACHED_SERVERS": [server.address]}


@contextmanager
def saslmemcached(place: Path) -> Iterator[Config]:
    with SaslMemcachedServer() as server:
        yield {
            "CACHE_MEMCACHED_SERVERS": [server.address],
            "CACHE_MEMCACHED_USERNAME": server.user,
            "CACHE_MEMCACHED_PASSWORD": server.password,
        }


@contextmanager
def filesystem(place: Path) -> Iterator[Config]:
    yield {"CACHE_DIR": str(place / "cache")}


STORES: dict[str, Callable[[Path], AbstractContextManager[Config]]] = {
    "redis": redis,
    "redissentinel": redissentinel,
    "rediscluster": rediscluster,
    "memcached": memcached,
    "gaememcached": memcached,
    "saslmemcached": saslmemcached,
    "spreadsaslmemcached": saslmemcached,
    "filesystem": filesystem,
}


class Answer(NamedTuple):
    worker: int
    value: Any = None


class Site:
    """The app behind one port. While a worker is stopped, the other one answers."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, path: str) -> Answer:
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=30)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200, body
            return Answer(**json.loads(body))

    def ask_another(self, than: int, path: str) -> Answer:
        """The answer of the other worker. ``/files`` changes nothing, whoever answers it."""
        os.kill(than, signal.SIGSTOP)
        try:
            deadline = monotonic() + 30
            while self.ask("/files").worker == than:
                assert monotonic() < deadline
            return self.ask(path)
        finally:
            os.kill(than, signal.SIGCONT)


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The core with all plug-ins, from their wheels, and a server for apps."""
    environment = Environment(tmp_path_factory.mktemp("installed") / "venv")
    environment.install("--find-links", dist, "flask-cache-core[all]", "gunicorn")
    return environment


@contextmanager
def serving(environment: Environment, place: Path, config: Config) -> Iterator[Site]:
    """Connections that come before the app is up wait for it in the socket's queue."""
    (place / "shared.py").write_text(APP)
    (place / "config.json").write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        command = [
            str(environment.python), "-I", "-W", "error", "-m", "gunicorn", "shared:app",
            "--workers", "2", "--bind", f"fd://{listener.fileno()}", "--log-level", "warning",
        ]  # fmt: skip
        server = subprocess.Popen(command, pass_fds=[listener.fileno()], cwd=place)
        site = Site(listener.getsockname()[1])
    try:
        yield site
    finally:
        server.terminate()
        ended = server.wait(30)
    assert ended == 0


@pytest.mark.parametrize("name", STORES)
def test_two_workers_share_what_one_computes_and_what_one_forgets(
    installed: Environment, name: str, tmp_path: Path
) -> None:
    with STORES[name](tmp_path) as settings:
        config = {"CACHE_TYPE": name, "CACHE_BACKEND_TIMEOUT": 10, "SECRET_KEY": "x", **settings}
        with serving(installed, tmp_path, config) as site:
            files = site.ask("/files").value
            assert len(files) >= 3
            assert all(Path(file).is_relative_to(installed.place) for file in files)

            one, first = site.ask("/computed")
            assert first == f"call 1 of worker {one}"
            other, second = site.ask_another(one, "/computed")
            assert (other != one, second) == (True, first)

            assert site.ask_another(one, "/forgotten").worker == other
            assert site.ask_another(other, "/computed") == (one, f"call 2 of worker {one}")
            assert site.ask_another(one, "/computed") == (other, f"call 2 of worker {one}")
