"""A throw-away memcached that asks for a user and a password, for tests.

Needs ``flask-cache-core[testing]``. Must not know the backends.
"""

from __future__ import annotations

import os
import subprocess

from flask_cache_core_memcached.testing import MemcachedServer

from flask_cache_core.testing import program

__all__ = ["SaslMemcachedServer"]


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
