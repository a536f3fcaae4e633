"""Processes of an app that a test drives, and the shared backends that they meet on."""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flask_cache_core_memcached.testing import MemcachedServer
from flask_cache_core_redis.testing import RedisServer

WORKER = Path(__file__).with_name("worker.py")


class Worker:
    """One process that runs `worker.py`."""

    def __init__(self, config: dict[str, Any], source: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), json.dumps(config), str(source)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        #: Computations that began, and answers, by the number of their command.
        self.begun: list[int] = []
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._ready = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        assert self._ready.wait(30)

    @property
    def pid(self) -> int:
        return self._process.pid

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            if event["event"] == "ready":
                self._ready.set()
            elif event["event"] == "begun":
                with self._changed:
                    self.begun.append(event["id"])
                    self._changed.notify_all()
            else:
                self._answers[event["id"]].put(event)

    def start(self, do: str, **more: Any) -> int:
        """Begin a command in a thread of the process; its number."""
        number = next(self._numbers)
        self._answers[number] = queue.Queue()
        self._send({"id": number, "do": do, **more})
        return number

    def result(self, number: int, seconds: float = 30) -> Any:
        answer = self._answers[number].get(timeout=seconds)
        assert answer["event"] == "done", answer
        return answer["value"]

    def call(self, do: str, **more: Any) -> Any:
        return self.result(self.start(do, **more))

    def wait_until_begun(self, number: int, seconds: float = 30) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: number in self.begun, seconds)

    def go(self) -> None:
        """Let the computations that hold go on."""
        self._send({"do": "go"})

    def hold(self) -> None:
        """Let computations hold again."""
        self._send({"do": "hold again"})

    def _send(self, command: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def shared_backend(name: str, directory: Path) -> Iterator[dict[str, Any]]:
    """The configuration of an app on a backend that processes share, with its server running."""
    if name == "redis":
        with RedisServer() as redis:
            yield {"CACHE_TYPE": "redis", "CACHE_REDIS_URL": redis.url}
    elif name == "memcached":
        with MemcachedServer() as memcached:
            yield {"CACHE_TYPE": "memcached", "CACHE_MEMCACHED_SERVERS": [memcached.address]}
    else:
        yield {"CACHE_TYPE": "filesystem", "CACHE_DIR": str(directory / "cache")}
