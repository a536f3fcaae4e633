"""Settings to connections, checked, and how messages speak of the place. Connects to nothing.

The one module that reads the configuration. No text that it makes holds a password.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

from redis.connection import ConnectionPool
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    RedisError,
    TimeoutError,  # noqa: A004 - redis-py's own, on purpose
)
from redis.sentinel import SentinelConnectionPool

from flask_cache_core.backend import to_seconds
from flask_cache_core.errors import ConfigError

from .cluster import Cluster, Topology
from .connections import Address, Recipe, limits
from .nodes import Nodes, Single
from .sentinel import Master

SINGLE_SETTINGS: Final = frozenset(
    {
        "CACHE_REDIS_URL",
        "CACHE_REDIS_HOST",
        "CACHE_REDIS_PORT",
        "CACHE_REDIS_PASSWORD",
        "CACHE_REDIS_DB",
    }
)
SENTINEL_SETTINGS: Final = frozenset(
    {
        "CACHE_REDIS_SENTINELS",
        "CACHE_REDIS_SENTINEL_MASTER",
        "CACHE_REDIS_SENTINEL_PASSWORD",
        "CACHE_REDIS_PASSWORD",
        "CACHE_REDIS_DB",
    }
)
CLUSTER_SETTINGS: Final = frozenset({"CACHE_REDIS_CLUSTER", "CACHE_REDIS_PASSWORD"})

_OF_STORE: Final = ("default_timeout", "key_prefix")
_SCHEMES: Final = ("redis://", "rediss://", "unix://")
_SENTINEL_PORT: Final = 26379
_REDIS_PORT: Final = 6379


@dataclass(frozen=True)
class Place:
    """What messages say of a store.

    :param name: address and settings.
    :param password: where its password is set.
    :param db: where the number of its database is set.
    :param timeout: seconds that it is given.
    """

    name: str
    password: str
    db: str
    timeout: float

    def advice(self, error: Exception) -> str:
        """What to do about *error*, as the end of a message; empty where it says so itself."""
        text = str(error)
        if isinstance(error, AuthenticationError) or "AuthenticationError" in text:
            return f" Check {self.password}."
        if "DB index" in text:
            return f" Check {self.db}."
        if isinstance(error, TimeoutError):
            return f" It had {self.timeout:g} seconds (CACHE_BACKEND_TIMEOUT)."
        if isinstance(error, NoPermissionError):
            return " The README of flask-cache-core-redis lists what its user must be allowed."
        if "used memory > 'maxmemory'" in text:
            return " Let the server evict: maxmemory-policy allkeys-lru, for one."
        return ""


class Connected(NamedTuple):
    """A store to use, and how to speak of it."""

    nodes: Nodes
    place: Place


@dataclass(frozen=True)
class Options:
    """The configuration of one backend: ``app.config``, and ``CACHE_OPTIONS`` sorted by taker."""

    config: Mapping[str, Any]
    of_store: Mapping[str, Any]
    of_client: Mapping[str, Any]
    timeout: float

    @classmethod
    def of(cls, config: Mapping[str, Any], args: list[Any], kwargs: Mapping[str, Any]) -> Self:
        if args:
            raise ConfigError(
                "CACHE_ARGS is not for Redis. Use CACHE_OPTIONS, whose names go to the client."
            )
        if kwargs.get("decode_responses"):
            raise ConfigError("CACHE_OPTIONS['decode_responses'] must be off: a cache holds bytes.")
        given = config.get("CACHE_OPTIONS") or {}
        own = (*_OF_STORE, *(() if "threshold" in given else ("threshold",)))
        return cls(
            config,
            {name: kwargs[name] for name in _OF_STORE if name in kwargs},
            {name: value for name, value in kwargs.items() if name not in own},
            budget(config),
        )

    def get(self, option: str, setting: str, default: Any = None) -> Any:
        """The client's *option*, from ``CACHE_OPTIONS`` or its own setting."""
        value = self.of_client.get(option, self.config.get(setting))
        return default if value is None else value

    def arguments(self, **more: Any) -> dict[str, Any]:
        """What the client is built with; ``CACHE_OPTIONS`` overrides all."""
        password = self.config.get("CACHE_REDIS_PASSWORD")
        if not isinstance(password, (str, bytes, NoneType)):  # a number, from a file of settings
            password = str(password)
        credentials = {} if password is None else {"password": password}
        return {**limits(self.timeout), **credentials, **more, **self.of_client}

    def db(self) -> int:
        return _whole("CACHE_REDIS_DB", self.get("db", "CACHE_REDIS_DB", 0), 2**31)


def budget(config: Mapping[str, Any]) -> float:
    """``CACHE_BACKEND_TIMEOUT`` in seconds; the core has checked it."""
    value = config["CACHE_BACKEND_TIMEOUT"]
    return to_seconds(float(value) if isinstance(value, str) else value, 0.25)


# -- one server ---------------------------------------------------------------------------


def single(options: Options) -> Connected:
    """``CACHE_REDIS_URL``, or a client in ``CACHE_REDIS_HOST``, or host, port, password and db."""
    url = options.config.get("CACHE_REDIS_URL")
    if url:
        return _from_url(url, options)
    host = options.get("host", "CACHE_REDIS_HOST", "localhost")
    if not isinstance(host, str):
        return single_as(host, options.config, "the client in CACHE_REDIS_HOST")
    address = {
        "host": _host("CACHE_REDIS_HOST", host),
        "port": _port("CACHE_REDIS_PORT", options.get("port", "CACHE_REDIS_PORT", _REDIS_PORT)),
        "db": options.db(),
    }
    recipe = _checked("CACHE_OPTIONS", Recipe.of, **options.arguments(**address))
    name = _name(recipe, "CACHE_REDIS_HOST, CACHE_REDIS_PORT")
    place = Place(name, "CACHE_REDIS_PASSWORD", "CACHE_REDIS_DB", options.timeout)
    return Connected(Single(recipe), place)


def single_as(client: Any, config: Mapping[str, Any], source: str) -> Connected:
    """A ready ``redis.Redis``: its address, credentials and TLS, within our budget."""
    pool = getattr(client, "connection_pool", None)
    if not isinstance(pool, ConnectionPool):
        raise ConfigError(
            f"CACHE_REDIS_HOST must be a host name or a redis.Redis, not {type(client).__name__}. "
            "A redis.RedisCluster is for CACHE_TYPE='rediscluster' with CACHE_REDIS_CLUSTER."
        )
    timeout = budget(config)
    recipe = _checked(source, Recipe.like, pool, timeout)
    if isinstance(pool, SentinelConnectionPool):
        sentinels = [
            Recipe.like(known.connection_pool, timeout) for known in pool.sentinel_manager.sentinels
        ]
        nodes: Nodes = Master(pool.service_name, sentinels, recipe)
        name = f"Redis master {pool.service_name!r} ({source})"
    else:
        nodes, name = Single(recipe), _name(recipe, source)
    return Connected(
        nodes, Place(name, f"the password of {source}", f"the db of {source}", timeout)
    )


def _from_url(url: object, options: Options) -> Connected:
    recipe = _checked(
        "CACHE_REDIS_URL and CACHE_OPTIONS",
        Recipe.of_url,
        _url(url),
        **options.arguments(db=options.db()),
    )
    _host("CACHE_REDIS_URL", recipe.arguments.get("host", "localhost"))
    place = Place(
        _name(recipe, "CACHE_REDIS_URL"),
        "the user and password in CACHE_REDIS_URL",
        "the number at the end of CACHE_REDIS_URL",
        options.timeout,
    )
    return Connected(Single(recipe), place)


def _url(url: object) -> str:
    """A mistake in a password can shift the parts of a URL: no part of it is quoted here."""
    if not isinstance(url, str) or not url.startswith(_SCHEMES):
        raise ConfigError(
            "CACHE_REDIS_URL must be redis://[user:password@]host[:port][/db], rediss://... for "
            "TLS, or unix://[user:password@]/path/to/socket[?db=0]."
        )
    if not _is_sound(url):
        raise ConfigError(
            "CACHE_REDIS_URL does not parse: its port is no number from 1 to 65535, or its user or "
            "password has one of :/?#@ that is not percent-encoded (urllib.parse.quote)."
        )
    db = urlsplit(url).path.strip("/")
    if db and not db.isdecimal() and not url.startswith("unix://"):
        raise ConfigError("CACHE_REDIS_URL must end with /, or / and the number of a database.")
    return url


def _is_sound(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.port != 0 and not parts.fragment and "@" not in parts.path + parts.query
    except ValueError:
        return False


# -- sentinel -----------------------------------------------------------------------------


def sentinel(options: Options) -> Connected:
    """``CACHE_REDIS_SENTINELS``, each of which gets its share of the budget."""
    given = options.config.get("CACHE_REDIS_SENTINELS") or [("127.0.0.1", _SENTINEL_PORT)]
    addresses = _addresses("CACHE_REDIS_SENTINELS", given, _SENTINEL_PORT)
    master = options.config.get("CACHE_REDIS_SENTINEL_MASTER") or "mymaster"
    of_sentinels = {
        **limits(options.timeout / len(addresses)),
        "password": options.config.get("CACHE_REDIS_SENTINEL_PASSWORD"),
        **options.of_client.get("sentinel_kwargs", {}),
    }
    arguments = options.arguments(db=options.db())
    arguments.pop("sentinel_kwargs", None)
    sentinels = _checked("CACHE_OPTIONS['sentinel_kwargs']", Recipe.of, **of_sentinels)
    template = _checked("CACHE_OPTIONS", Recipe.of, **arguments)
    place = Place(
        f"Redis master {master!r} of the sentinels {_listed(addresses)} "
        "(CACHE_REDIS_SENTINELS, CACHE_REDIS_SENTINEL_MASTER)",
        "CACHE_REDIS_PASSWORD and CACHE_REDIS_SENTINEL_PASSWORD",
        "CACHE_REDIS_DB",
        options.timeout,
    )
    nodes = Master(str(master), [sentinels.at(address) for address in addresses], template)
    return Connected(nodes, place)


# -- cluster ------------------------------------------------------------------------------


def cluster(options: Options) -> Connected:
    """``CACHE_REDIS_CLUSTER``: some of its nodes, which know the others."""
    given = options.config.get("CACHE_REDIS_CLUSTER")
    if not given:
        raise ConfigError("CACHE_REDIS_CLUSTER is missing. Set it to 'host:port,host:port'.")
    addresses = _addresses("CACHE_REDIS_CLUSTER", given, _REDIS_PORT)
    template = _checked("CACHE_OPTIONS", Recipe.of, **options.arguments())
    place = Place(
        f"Redis Cluster at {_listed(addresses)} (CACHE_REDIS_CLUSTER)",
        "CACHE_REDIS_PASSWORD",
        "the db, which must be 0 in a cluster",
        options.timeout,
    )
    return Connected(Cluster(Topology(template, addresses, options.timeout)), place)


def cluster_as(client: Any, config: Mapping[str, Any]) -> Connected:
    """A ready ``redis.RedisCluster``: its nodes, credentials and TLS, within our budget."""
    source = "the redis.RedisCluster that CACHE_TYPE gave"
    timeout = budget(config)
    addresses = [(str(node.host), int(node.port)) for node in client.get_nodes()]
    known = client.get_redis_connection(client.get_default_node()).connection_pool
    template = _checked(source, Recipe.like, known, timeout)
    place = Place(f"Redis Cluster at {_listed(addresses)} ({source})", source, source, timeout)
    return Connected(Cluster(Topology(template, addresses, timeout)), place)


# -- checks -------------------------------------------------------------------------------


def _checked(source: str, cook: Callable[..., Recipe], *args: Any, **kwargs: Any) -> Recipe:
    """A recipe, and one connection by it that is not connected, to see that it can be made."""
    try:
        recipe = cook(*args, **kwargs)
        recipe.make()
    except (TypeError, ValueError, AttributeError, RedisError) as error:
        raise ConfigError(f"{source}: the redis client refuses it: {error}") from None
    return recipe


def _whole(setting: str, value: object, most: int, least: int = 0) -> int:
    if isinstance(value, str) and value.isdecimal():  # from an environment variable
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise ConfigError(f"{setting} must be a whole number from {least} to {most}, not {value!r}.")


def _port(setting: str, value: object) -> int:
    return _whole(setting, value, most=65535, least=1)


def _host(setting: str, host: str) -> str:
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


def _addresses(setting: str, given: object, default_port: int) -> list[Address]:
    """``"host:port,host:port"``, or a list of such or of (host, port)."""
    parts = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, Iterable):
        raise ConfigError(f"{setting} must be 'host:port,host:port' or a list of (host, port).")
    addresses = [_address(setting, part, default_port) for part in parts]
    if not addresses:
        raise ConfigError(f"{setting} is empty. Set it to 'host:port,host:port'.")
    return addresses


def _address(setting: str, part: object, default_port: int) -> Address:
    if isinstance(part, (tuple, list)) and len(part) == 2:
        host, port = str(part[0]), part[1]
    elif isinstance(part, str):
        name, colon, number = part.strip().rpartition(":")
        host, port = (name, number) if colon and not part.endswith("]") else (part.strip(), None)
    else:
        raise ConfigError(f"{setting} must be 'host:port,host:port' or a list of (host, port).")
    return (
        _host(setting, host.removeprefix("[").removesuffix("]")),
        default_port if port is None else _port(setting, port),
    )


def _listed(addresses: Iterable[Address]) -> str:
    return ", ".join(f"{host}:{port}" for host, port in addresses)


def _name(recipe: Recipe, settings: str) -> str:
    given = recipe.arguments
    host, port, db = given.get("host", "localhost"), given.get("port", 6379), given.get("db", 0)
    address = given.get("path", f"{host}:{port}")
    return f"Redis at {address}, db {db} ({settings})"
