"""Throw-away servers for tests: one Redis, one with a Sentinel, a cluster.

Needs ``flask-cache-core[testing]``. Must not know the backends.
"""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack
from typing import Self

from flask_cache_core.testing import Server, free_port, program

__all__ = ["RedisCluster", "RedisSentinel", "RedisServer"]


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

    def __exit__(self, *_: object) -> None:
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
