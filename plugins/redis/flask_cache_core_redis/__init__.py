"""The plug-in: short names to backends, and bare redis clients to backends.

Must not know how a backend is built or what it sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import redis

from flask_cache_core import BaseCache, hookimpl

from .backends import RedisBackend, RedisClusterBackend, RedisSentinelBackend
from .options import ClusterOptions, RedisOptions, SentinelOptions

if TYPE_CHECKING:
    from flask import Flask

__all__ = [
    "ClusterOptions",
    "RedisBackend",
    "RedisClusterBackend",
    "RedisOptions",
    "RedisSentinelBackend",
    "SentinelOptions",
]

_BACKENDS: Final[dict[str, type[RedisBackend]]] = {
    "redis": RedisBackend,
    "redissentinel": RedisSentinelBackend,
    "rediscluster": RedisClusterBackend,
}


@hookimpl
def flask_cache_backend(
    name: str, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
) -> BaseCache | None:
    kind = _BACKENDS.get(name)
    return None if kind is None else kind.factory(app, config, args, kwargs)


@hookimpl
def flask_cache_adapt(client: object, config: Mapping[str, Any]) -> BaseCache | None:
    if isinstance(client, redis.RedisCluster):
        return RedisClusterBackend.around(client, config)
    if isinstance(client, redis.Redis):
        return RedisBackend.around(client, config)
    return None
