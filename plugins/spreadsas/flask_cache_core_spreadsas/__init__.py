"""Large values on memcached with SASL: ``CACHE_TYPE = "spreadsaslmemcached"``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask_cache_core_saslmemcached import build

from flask_cache_core import BaseCache, hookimpl

from .backend import SpreadSASLMemcachedCache

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["SpreadSASLMemcachedCache"]


@hookimpl
def flask_cache_backend(
    name: str, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
) -> BaseCache | None:
    if name == "spreadsaslmemcached":
        return build(SpreadSASLMemcachedCache, config, args, kwargs)
    return None
