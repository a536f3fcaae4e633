"""memcached with SASL as a backend of flask-cache-core: ``CACHE_TYPE = "saslmemcached"``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask_cache_core import BaseCache, hookimpl

from .backend import SASLMemcachedCache, build

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["SASLMemcachedCache", "build"]


@hookimpl
def flask_cache_backend(
    name: str, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
) -> BaseCache | None:
    if name == "saslmemcached":
        return build(SASLMemcachedCache, config, args, kwargs)
    return None
