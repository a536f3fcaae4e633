"""memcached as a backend of flask-cache-core: ``CACHE_TYPE = "memcached"``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask_cache_core import BaseCache, hookimpl

from .adapting import adapted
from .backend import MemcachedCache
from .configuring import build
from .options import CredentialsOptions, MemcachedOptions

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["CredentialsOptions", "MemcachedCache", "MemcachedOptions", "build"]


@hookimpl
def flask_cache_backend(
    name: str, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
) -> BaseCache | None:
    if name in ("memcached", "gaememcached"):
        return build(MemcachedCache, config, args, kwargs)
    return None


@hookimpl
def flask_cache_adapt(client: object, config: Mapping[str, Any]) -> BaseCache | None:
    return adapted(client, config)
