"""A throw-away memcached for tests.

Needs ``flask-cache-core[testing]``. Must not know the backends.
"""

from __future__ import annotations

import os

from flask_cache_core.testing import Server, program

__all__ = ["MemcachedServer"]


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
