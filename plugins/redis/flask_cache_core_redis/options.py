"""The settings of the backends, and their checks. Connects to nothing.

A setting may hold a password in the wrong place: no text here quotes a URL or a host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from flask_cache_core.backend import ByteStoreOptions
from flask_cache_core.errors import ConfigError
from flask_cache_core.settings import Setting, Settings, WantedError

from .connections import Address

_SCHEMES: Final = ("redis://", "rediss://", "unix://")
_SENTINEL_PORT: Final = 26379
_REDIS_PORT: Final = 6379
_ADDRESSES: Final = "'host:port,host:port' or a list of (host, port)"


# -- checks -------------------------------------------------------------------------------


def _whole(least: int, most: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if isinstance(value, str) and value.isdecimal():  # from an environment variable
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise WantedError(f"a whole number from {least} to {most}")

    return check


_port = _whole(1, 65535)


def _password(value: object) -> str | bytes | None:
    if value is None or isinstance(value, (str, bytes)):
        return value
    return str(value)  # a number, from a file of settings


def _url(value: object) -> str | None:
    """A mistake in a password can shift the parts of a URL: no part of it is quoted here."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not value.startswith(_SCHEMES):
        raise WantedError(
            "redis://[user:password@]host[:port][/db], rediss://... for "
            "TLS, or unix://[user:password@]/path/to/socket[?db=0]"
        )
    if not _is_sound(value):
        raise ConfigError(
            "CACHE_REDIS_URL does not parse: its port is no number from 1 to 65535, or its user or "
            "password has one of :/?#@ that is not percent-encoded (urllib.parse.quote)."
        )
    db = urlsplit(value).path.strip("/")
    if db and not db.isdecimal() and not value.startswith("unix://"):
        raise ConfigError("CACHE_REDIS_URL must end with /, or / and the number of a database.")
    return value


def _is_sound(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.port != 0 and not parts.fragment and "@" not in parts.path + parts.query
    except ValueError:
        return False


def _host_or_client(value: object) -> object:
    return check_host("CACHE_REDIS_HOST", value) if isinstance(value, str) else value


def check_host(setting: str, host: str) -> str:
    """*host*, if the resolver can take it. It is not quoted: it may be a URL with a password."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not _is_name(host):
            raise ConfigError(
                f"{setting} does not name a host. A port goes to CACHE_REDIS_PORT, a URL or a "
                "socket to CACHE_REDIS_URL."
            ) from None
    return host


def _is_name(host: str) -> bool:
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return bool(host) and not any(
        char in "/:@?#\\" or char.isspace() or char < "!" for char in host
    )


def _sentinels(value: object) -> list[Address]:
    given = value or [("127.0.0.1", _SENTINEL_PORT)]
    return _addresses("CACHE_REDIS_SENTINELS", given, _SENTINEL_PORT)


def _nodes(value: object) -> list[Address]:
    if not value:
        raise ConfigError("CACHE_REDIS_CLUSTER is missing. Set it to 'host:port,host:port'.")
    return _addresses("CACHE_REDIS_CLUSTER", value, _REDIS_PORT)


def _addresses(setting: str, value: object, default_port: int) -> list[Address]:
    """``"host:port,host:port"``, or a list of such or of (host, port)."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Iterable):
        raise WantedError(_ADDRESSES)
    return [_address(setting, part, default_port) for part in parts]


def _address(setting: str, part: object, default_port: int) -> Address:
    if isinstance(part, (tuple, list)) and len(part) == 2:
        host, port = str(part[0]), part[1]
    elif isinstance(part, str):
        name, colon, number = part.strip().rpartition(":")
        host, port = (name, number) if colon and not part.endswith("]") else (part.strip(), None)
    else:
        raise WantedError(_ADDRESSES)
    host = check_host(setting, host.removeprefix("[").removesuffix("]"))
    return host, default_port if port is None else _port(port)


# -- tables -------------------------------------------------------------------------------


class StoreOptions(ByteStoreOptions):
    """What all of the backends read."""

    redis_password = Setting(
        _password, None, "Of the server, the master or the cluster.", secret=True
    )
    backend_timeout = Settings.backend_timeout


class _DatabaseOptions(StoreOptions):
    redis_db = Setting(_whole(0, 2**31), 0, "The number of the database.")


class RedisOptions(_DatabaseOptions):
    """The settings of `RedisBackend`."""

    redis_url = Setting(
        _url,
        None,
        "`redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS, "
        "`unix://[user:password@]/path[?db=0]`. It goes before host and port, and before the "
        "password and the db where it has its own.",
        secret=True,
    )
    redis_host = Setting(
        _host_or_client, "localhost", "A host, or a ready `redis.Redis`.", secret=True
    )
    redis_port = Setting(_port, _REDIS_PORT, "Its port.")


class SentinelOptions(_DatabaseOptions):
    """The settings of `RedisSentinelBackend`."""

    redis_sentinels = Setting(
        _sentinels,
        [("127.0.0.1", _SENTINEL_PORT)],
        'The sentinels: `(host, port)` pairs, or `"host:port,host:port"`.',
        secret=True,
    )
    redis_sentinel_master = Setting(str, "mymaster", "The name by which they know the master.")
    redis_sentinel_password = Setting(_password, None, "Of the sentinels.", secret=True)


class ClusterOptions(StoreOptions):
    """The settings of `RedisClusterBackend`."""

    redis_cluster = Setting(
        _nodes,
        None,
        'Some of its nodes, `"host:port,host:port"` or pairs.',
        secret=True,
        shown="required",
    )
