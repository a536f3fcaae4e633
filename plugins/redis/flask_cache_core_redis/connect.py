"""Settings to connections, and how messages speak of the place. Connects to nothing.

Must not know how settings are written. No text that it makes holds a password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from redis.connection import ConnectionPool
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    RedisError,
    TimeoutError,  # noqa: A004 - redis-py's own, on purpose
)
from redis.sentinel import SentinelConnectionPool

from flask_cache_core.errors import ConfigError

from .cluster import Cluster, Topology
from .connections import Address, Recipe, limits
from .nodes import Nodes, Single
from .options import ClusterOptions, RedisOptions, SentinelOptions, StoreOptions, check_host
from .sentinel import Master

_OF_STORE: Final = ("default_timeout", "key_prefix")
#: Names in ``CACHE_OPTIONS`` that stand for a setting, and go before it.
_SAME: Final = {
    "host": "CACHE_REDIS_HOST",
    "port": "CACHE_REDIS_PORT",
    "db": "CACHE_REDIS_DB",
}


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


class Given(NamedTuple):
    """The configuration, and ``CACHE_OPTIONS`` sorted by who takes them."""

    config: Mapping[str, Any]
    of_store: Mapping[str, Any]
    of_client: Mapping[str, Any]


def sort(config: Mapping[str, Any], args: list[Any], kwargs: Mapping[str, Any]) -> Given:
    """Sort what a factory is given. Options that stand for a setting take its place."""
    if args:
        raise ConfigError(
            "CACHE_ARGS is not for Redis. Use CACHE_OPTIONS, whose names go to the client."
        )
    if kwargs.get("decode_responses"):
        raise ConfigError("CACHE_OPTIONS['decode_responses'] must be off: a cache holds bytes.")
    asked_for = config.get("CACHE_OPTIONS") or {}
    own = (*_OF_STORE, *(() if "threshold" in asked_for else ("threshold",)))
    of_client = {name: value for name, value in kwargs.items() if name not in own}
    instead = {setting: of_client[name] for name, setting in _SAME.items() if name in of_client}
    of_store = {name: kwargs[name] for name in _OF_STORE if name in kwargs}
    return Given({**config, **instead}, of_store, of_client)


def _arguments(settings: StoreOptions, of_client: Mapping[str, Any]) -> dict[str, Any]:
    """What the client is built with; ``CACHE_OPTIONS`` overrides all."""
    password = settings.redis_password
    credentials = {} if password is None else {"password": password}
    return {**limits(settings.backend_timeout), **credentials, **of_client}


# -- one server ---------------------------------------------------------------------------


def single(settings: RedisOptions, of_client: Mapping[str, Any]) -> Connected:
    """``CACHE_REDIS_URL``, or a client in ``CACHE_REDIS_HOST``, or host, port, password and db."""
    if settings.redis_url is not None:
        return _from_url(settings.redis_url, settings, of_client)
    if not isinstance(settings.redis_host, str):
        source = "the client in CACHE_REDIS_HOST"
        return single_as(settings.redis_host, settings.backend_timeout, source)
    address = {
        "host": settings.redis_host,
        "port": settings.redis_port,
        "db": settings.redis_db,
    }
    recipe = _checked("CACHE_OPTIONS", Recipe.of, **{**_arguments(settings, of_client), **address})
    name = _name(recipe, "CACHE_REDIS_HOST, CACHE_REDIS_PORT")
    place = Place(name, "CACHE_REDIS_PASSWORD", "CACHE_REDIS_DB", settings.backend_timeout)
    return Connected(Single(recipe), place)


def single_as(client: Any, timeout: float, source: str) -> Connected:
    """A ready ``redis.Redis``: its address, credentials and TLS, within our budget."""
    pool = getattr(client, "connection_pool", None)
    if not isinstance(pool, ConnectionPool):
        raise ConfigError(
            f"CACHE_REDIS_HOST must be a host name or a redis.Redis, not {type(client).__name__}. "
            "A redis.RedisCluster is for CACHE_TYPE='rediscluster' with CACHE_REDIS_CLUSTER."
        )
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


def _from_url(url: str, settings: RedisOptions, of_client: Mapping[str, Any]) -> Connected:
    recipe = _checked(
        "CACHE_REDIS_URL and CACHE_OPTIONS",
        Recipe.of_url,
        url,
        **{**_arguments(settings, of_client), "db": settings.redis_db},
    )
    check_host("CACHE_REDIS_URL", recipe.arguments.get("host", "localhost"))
    place = Place(
        _name(recipe, "CACHE_REDIS_URL"),
        "the user and password in CACHE_REDIS_URL",
        "the number at the end of CACHE_REDIS_URL",
        settings.backend_timeout,
    )
    return Connected(Single(recipe), place)


# -- sentinel -----------------------------------------------------------------------------


def sentinel(settings: SentinelOptions, of_client: Mapping[str, Any]) -> Connected:
    """``CACHE_REDIS_SENTINELS``, each of which gets its share of the budget."""
    addresses, master = settings.redis_sentinels, settings.redis_sentinel_master
    of_sentinels = {
        **limits(settings.backend_timeout / len(addresses)),
        "password": settings.redis_sentinel_password,
        **of_client.get("sentinel_kwargs", {}),
    }
    arguments = {**_arguments(settings, of_client), "db": settings.redis_db}
    arguments.pop("sentinel_kwargs", None)
    sentinels = _checked("CACHE_OPTIONS['sentinel_kwargs']", Recipe.of, **of_sentinels)
    template = _checked("CACHE_OPTIONS", Recipe.of, **arguments)
    place = Place(
        f"Redis master {master!r} of the sentinels {_listed(addresses)} "
        "(CACHE_REDIS_SENTINELS, CACHE_REDIS_SENTINEL_MASTER)",
        "CACHE_REDIS_PASSWORD and CACHE_REDIS_SENTINEL_PASSWORD",
        "CACHE_REDIS_DB",
        settings.backend_timeout,
    )
    nodes = Master(master, [sentinels.at(address) for address in addresses], template)
    return Connected(nodes, place)


# -- cluster ------------------------------------------------------------------------------


def cluster(settings: ClusterOptions, of_client: Mapping[str, Any]) -> Connected:
    """``CACHE_REDIS_CLUSTER``: some of its nodes, which know the others."""
    addresses = settings.redis_cluster
    template = _checked("CACHE_OPTIONS", Recipe.of, **_arguments(settings, of_client))
    place = Place(
        f"Redis Cluster at {_listed(addresses)} (CACHE_REDIS_CLUSTER)",
        "CACHE_REDIS_PASSWORD",
        "the db, which must be 0 in a cluster",
        settings.backend_timeout,
    )
    return Connected(Cluster(Topology(template, addresses, settings.backend_timeout)), place)


def cluster_as(client: Any, timeout: float) -> Connected:
    """A ready ``redis.RedisCluster``: its nodes, credentials and TLS, within our budget."""
    source = "the redis.RedisCluster that CACHE_TYPE gave"
    addresses = [(str(node.host), int(node.port)) for node in client.get_nodes()]
    known = client.get_redis_connection(client.get_default_node()).connection_pool
    template = _checked(source, Recipe.like, known, timeout)
    place = Place(f"Redis Cluster at {_listed(addresses)} ({source})", source, source, timeout)
    return Connected(Cluster(Topology(template, addresses, timeout)), place)


def _checked(source: str, cook: Callable[..., Recipe], *args: Any, **kwargs: Any) -> Recipe:
    """A recipe, and one connection by it that is not connected, to see that it can be made."""
    try:
        recipe = cook(*args, **kwargs)
        recipe.make()
    except (TypeError, ValueError, AttributeError, RedisError) as error:
        raise ConfigError(f"{source}: the redis client refuses it: {error}") from None
    return recipe


def _listed(addresses: Iterable[Address]) -> str:
    return ", ".join(f"{host}:{port}" for host, port in addresses)


def _name(recipe: Recipe, settings: str) -> str:
    given = recipe.arguments
    host, port, db = given.get("host", "localhost"), given.get("port", 6379), given.get("db", 0)
    address = given.get("path", f"{host}:{port}")
    return f"Redis at {address}, db {db} ({settings})"
