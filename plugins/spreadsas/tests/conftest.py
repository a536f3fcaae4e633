"""A ``memcached -S`` with a user database of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from flask_cache_core.testing.servers import MemcachedServer, program

USER, PASSWORD = "alice", "s3cret-w0rd"


class SaslMemcachedServer(MemcachedServer):
    """Takes `USER` with `PASSWORD`, and nobody else."""

    def __init__(self, *arguments: str) -> None:
        super().__init__("-S", *arguments)
        database = self.directory / "sasldb2"
        (self.directory / "memcached.conf").write_text(
            f"mech_list: plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
            f"sasldb_path: {database}\n"
        )
        command = [
            program("saslpasswd2"), "-p", "-c", "-f", str(database), "-a", "memcached",
            "-u", os.uname().nodename, USER,
        ]  # fmt: skip
        subprocess.run(command, input=PASSWORD.encode(), check=True, timeout=30)

    def environment(self) -> dict[str, str]:
        return {**os.environ, "SASL_CONF_PATH": str(self.directory)}


@pytest.fixture(scope="session")
def spread_servers() -> Iterator[list[SaslMemcachedServer]]:
    """Three servers, for tests that only store values under prefixes of their own."""
    with (
        SaslMemcachedServer("-m", "256") as one,
        SaslMemcachedServer() as two,
        SaslMemcachedServer() as three,
    ):
        yield [one, two, three]


@pytest.fixture
def spread_options() -> dict[str, object]:
    return {"username": USER, "password": PASSWORD, "timeout": 5}
