"""A throw-away server on a free loopback port, for tests: what is the same for all programs.

It keeps what it writes in a private directory and leaves nothing behind. Where the program is
missing, the test is skipped on a laptop, and fails where ``CI`` is set. Must not know a program:
each plug-in has the servers that it needs in its module ``testing``.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import pytest

from ._moved import moved

__all__ = ["Server", "free_port", "program"]


def __getattr__(name: str) -> Any:
    return moved(__name__, name)


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


class Server(ABC):
    """One process that listens on a port of its own, in a directory of its own.

    A context manager. Subclasses give the command. Servers can be paused and killed: outages are
    real here.
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

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

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
        """Stop answering without closing anything (SIGSTOP). It has stopped on return."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once (SIGKILL). `start` brings it back on the same port, empty."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
