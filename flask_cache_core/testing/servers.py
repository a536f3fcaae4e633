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
from abc import ABC, abstractmethod
from contextlib import ExitStack
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


class Server(ABC):
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

    def ask(self, *command: str) -> str:
        """What it answers to *command*. Raises `RuntimeError` for an error."""
        done = subprocess.run(
            [program("redis-cli"), "-e", "-p", str(self.port), *command],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()


class RedisSentinel(Server):
    """One redis-sentinel that watches *master*. *directives* are lines of its configuration."""

    #: What the master is called.
    service = "mymaster"

    def __init__(self, master: RedisServer, *directives: str) -> None:
        super().__init__()
        self._config = self.directory / "sentinel.conf"
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.directory}",
            f"sentinel monitor {self.service} 127.0.0.1 {master.port} 1",
            f"sentinel down-after-milliseconds {self.service} 300",
            f"sentinel failover-timeout {self.service} 2000",
            *directives,
        ]
        self._config.write_text("\n".join(lines) + "\n")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [program("redis-server"), str(self._config), "--sentinel"]


class RedisCluster:
    """Primaries that share all slots; *replicas* follow the first one. A context manager.

    :param node_timeout: milliseconds after which a silent node is taken for dead.
    """

    SLOTS = 16384

    def __init__(self, primaries: int = 3, replicas: int = 0, node_timeout: int = 5_000) -> None:
        self._node_timeout = str(node_timeout)
        self.primaries = [self._node() for _ in range(primaries)]
        self.replicas = [self._node() for _ in range(replicas)]
        self._running = ExitStack()

    def _node(self) -> RedisServer:
        return RedisServer(
            cluster_enabled="yes",
            cluster_port=str(free_port()),
            cluster_node_timeout=self._node_timeout,
            repl_diskless_sync_delay="0",
        )

    @property
    def nodes(self) -> list[RedisServer]:
        return [*self.primaries, *self.replicas]

    @property
    def addresses(self) -> str:
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def __enter__(self) -> Self:
        with ExitStack() as running:
            for node in self.nodes:
                running.enter_context(node)
            self._form()
            self._running = running.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.close()

    def _form(self) -> None:
        first = self.primaries[0]
        for number, node in enumerate(self.nodes, 1):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number))
            bus = first.options["cluster_port"]
            node.ask("CLUSTER", "MEET", "127.0.0.1", str(first.port), bus)
        count = len(self.primaries)
        bounds = [self.SLOTS * number // count for number in range(count + 1)]
        for node, start, end in zip(self.primaries, bounds, bounds[1:], strict=False):
            node.ask("CLUSTER", "ADDSLOTSRANGE", str(start), str(end - 1))
        self._wait_until_it_stands()
        for replica in self.replicas:
            replica.ask("CLUSTER", "REPLICATE", first.ask("CLUSTER", "MYID"))

    def _wait_until_it_stands(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        signs = ("cluster_state:ok", f"cluster_known_nodes:{len(self.nodes)}")
        waiting = self.nodes
        while waiting:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the cluster {self.addresses} did not form")
            known = waiting[0].ask("CLUSTER", "INFO").split()
            if all(sign in known for sign in signs):
                waiting = waiting[1:]
            else:
                time.sleep(0.02)


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


class SaslMemcachedServer(MemcachedServer):
    """A ``memcached -S`` with a user database of its own, which holds one user."""

    user = "alice"
    password = "s3cret-w0rd"

    def __init__(self, *arguments: str) -> None:
        super().__init__("-S", *arguments)
        database = self.directory / "sasldb2"
        (self.directory / "memcached.conf").write_text(
            f"mech_list: plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
            f"sasldb_path: {database}\n"
        )
        command = [
            program("saslpasswd2"), "-p", "-c", "-f", str(database), "-a", "memcached",
            "-u", os.uname().nodename, self.user,
        ]  # fmt: skip
        subprocess.run(command, input=self.password.encode(), check=True, timeout=30)

    def environment(self) -> dict[str, str]:
        return {**os.environ, "SASL_CONF_PATH": str(self.directory)}
