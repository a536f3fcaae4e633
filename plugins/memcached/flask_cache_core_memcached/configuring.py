"""Settings → the arguments of a backend. Must not know what the backend does with them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from flask_cache_core.errors import ConfigError

from .backend import MemcachedCache
from .options import MemcachedOptions

K = TypeVar("K", bound=MemcachedCache)


def build(
    kind: type[K], config: Mapping[str, Any], args: list[Any], kwargs: Mapping[str, Any]
) -> K:
    """A backend of *kind*. ``CACHE_OPTIONS`` (in *kwargs*) go before settings.

    Raises `ConfigError` for an option that *kind* does not know.
    """
    options = common(config)
    if not args:
        options["servers"] = MemcachedOptions.memcached_servers.read(config)
    options.update(kwargs)
    if "threshold" not in (config.get("CACHE_OPTIONS") or {}):
        options.pop("threshold", None)
    known = _parameters(kind)
    unknown = sorted(set(options) - known)
    if unknown:
        raise ConfigError(
            f"CACHE_OPTIONS holds {', '.join(map(repr, unknown))}, which {kind.__name__} does not "
            f"know. It knows {', '.join(sorted(known))}."
        )
    return kind(*args, **options)


def _parameters(kind: type) -> set[str]:
    """All keyword arguments of *kind*, those that it passes on to its bases included."""
    return {
        name
        for base in kind.__mro__
        if "__init__" in vars(base)
        for name, parameter in inspect.signature(vars(base)["__init__"]).parameters.items()
        if name != "self"
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def common(config: Mapping[str, Any]) -> dict[str, Any]:
    """What every kind of memcached backend takes from the settings."""
    return {
        "client": MemcachedOptions.memcached_client.read(config),
        "timeout": MemcachedOptions.backend_timeout.read(config),
        "retry_after": max(1, MemcachedOptions.breaker_duration.read(config)),
    }
