"""The plug-in of the core: ``null``, ``simple``, and foreign caches with the werkzeug API.

It enters through the same hooks as any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..hookspecs import hookimpl
from ..storage.base import BaseCache
from .adapter import Adapted
from .null import NullCache
from .simple import SimpleCache

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["NullCache", "SimpleCache", "flask_cache_adapt", "flask_cache_backend"]


@hookimpl
def flask_cache_backend(
    name: str, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
) -> BaseCache | None:
    if name == "null":
        return NullCache.factory(app, config, args, kwargs)
    if name == "simple":
        return SimpleCache.factory(app, config, args, kwargs)
    return None


@hookimpl(trylast=True)
def flask_cache_adapt(client: object, config: Mapping[str, Any]) -> BaseCache | None:
    """Whatever has the three methods, after all plug-ins that know the client itself."""
    if all(callable(getattr(client, name, None)) for name in ("get", "set", "delete")):
        return Adapted(client, config.get("CACHE_DEFAULT_TIMEOUT"))
    return None
