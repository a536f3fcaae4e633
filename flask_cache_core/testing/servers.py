"""Throw-away servers on free loopback ports, for tests. Each is a context manager.

They keep what they write in a private directory and leave nothing behind. Where the program is
missing, the test is skipped on a laptop, and fails where ``CI`` is set.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def program(name: str) -> str:
    """The path of a server program; a skip on a laptop and an error under CI if it is missing."""
    found = shutil.which(name)
    if found is not None:
        return found
    message = f"{name} is not installed: the Debian packages are in the Makefile, `make servers`"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


class Server:
    """One process that listens on a port of its own, in a directory of its own.

    Subclasses give the command. Servers can be paused and killed: outages are real here.
    """

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="flask-cache-core-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{type(self).__name__} was not started")
        return self._process.pid

    def command(self) -> list[str]:
        """The program and its arguments."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def start(self) -> Self:
        """Start the process and wait until it accepts connections."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.directory, env=self.environment()
            )
        self._wait_until_it_listens()
        return self

    def _wait_until_it_listens(self, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        log = (self.directory / "log").read_text(errors="replace")
        raise RuntimeError(f"{self.command()} does not listen on port {self.port}:\n{log}")

    def pause(self) -> None:
        """Stop answering without closing anything (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once (SIGKILL). `start` brings it back on the same port, empty."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class RedisServer(Server):
    """A redis-server that persists nothing. *options* are directives of its configuration."""

    def __init__(self, port: int | None = None, **options: str) -> None:
        super().__init__(port)
        self.options = options

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        command = [
            program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1",
            "--save", "", "--appendonly", "no", "--dir", str(self.directory),
        ]  # fmt: skip
        for name, value in self.options.items():
            command += ["--" + name.replace("_", "-"), *value.split()]
        return command


class MemcachedServer(Server):
    """A memcached. *arguments* are further ones of its command line."""

    def __init__(self, *arguments: str, port: int | None = None) -> None:
        super().__init__(port)
        self.arguments = arguments

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        user = ["-u", "root"] if os.geteuid() == 0 else []
        return [
            program("memcached"), "-l", "127.0.0.1", "-p", str(self.port), "-U", "0",
            *user, *self.arguments,
        ]  # fmt: skip
