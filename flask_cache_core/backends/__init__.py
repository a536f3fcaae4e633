"""The backends that come with the core. They enter through the same hook as any plug-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..backend import BaseCache
from ..hookspecs import hookimpl
from .null import NullCache
from .simple import SimpleCache

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["NullCache", "SimpleCache", "flask_cache_backend"]


@hookimpl
def flask_cache_backend(
    name: str, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
) -> BaseCache | None:
    if name == "null":
        return NullCache.factory(app, config, args, kwargs)
    if name == "simple":
        return SimpleCache.factory(app, config, args, kwargs)
    return None
