"""What ``CACHE_MEMCACHED_SERVERS`` may hold → a list of `Server`.

Must not know clients, sockets or keys.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from flask_cache_core.errors import ConfigError

DEFAULT_PORT: Final = 11211
_TCP: Final = re.compile(
    r"^(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^:/\s\[\]]+))(?::(?P<port>\d+))?(?::(?P<weight>\d+))?$"
)
_FIX: Final = (
    "Give a list such as ['10.0.0.1:11211', '[::1]:11211', '/run/memcached.sock'], "
    "each optionally with a weight: 'host:port:weight'."
)


class Server(NamedTuple):
    """One server. *port* is 0 for a Unix socket, whose path is then *host*."""

    host: str
    port: int
    weight: int = 1

    @property
    def name(self) -> str:
        if not self.port:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_servers(value: object, setting: str = "CACHE_MEMCACHED_SERVERS") -> list[Server]:
    """The servers in *value*: ``None``, a string, or a list of strings and ``(host, number)``.

    Raises `ConfigError` naming *setting* for what does not parse, and for a server named twice.
    """
    if value is None:
        value = ["127.0.0.1"]
    if isinstance(value, str):
        value = re.split(r"[,;\s]+", value.strip())
    if not isinstance(value, Sequence) or isinstance(value, bytes) or not value:
        raise ConfigError(f"{setting} must be a list of servers, not {value!r}. {_FIX}")
    if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int):
        value = [tuple(value)]
    servers = [_parse(entry, setting) for entry in value]
    names = [server.name for server in servers]
    if len(set(names)) != len(names):
        raise ConfigError(f"{setting} names a server twice: {', '.join(names)}.")
    return servers


def _parse(entry: object, setting: str) -> Server:
    """``(host, port)``, ``("host:port", weight)`` or the text of either."""
    if isinstance(entry, Server):
        return entry
    if isinstance(entry, (tuple, list)) and len(entry) == 2:
        entry = f"{entry[0]}:{entry[1]}"
    if not isinstance(entry, str):
        raise ConfigError(f"{setting} holds {entry!r}, which is no address. {_FIX}")
    text = entry.removeprefix("unix:")
    if text.startswith("/"):
        path, _, weight = text.partition(":")
        if weight.isdecimal() or not weight:
            return _checked(Server(path, 0, int(weight or 1)), entry, setting)
    found = _TCP.match(text)
    if found is None:
        raise ConfigError(f"{setting} holds {entry!r}, which is no address. {_FIX}")
    server = Server(
        found["v6"] or found["host"],
        int(found["port"] or DEFAULT_PORT),
        int(found["weight"] or 1),
    )
    if not 0 < server.port < 65536:
        raise ConfigError(f"{setting} holds {entry!r}: no port is called {server.port}. {_FIX}")
    return _checked(server, entry, setting)


def _checked(server: Server, entry: str, setting: str) -> Server:
    if not 0 < server.weight <= 100:
        raise ConfigError(f"{setting} holds {entry!r}: a weight is 1 to 100. {_FIX}")
    return server
