"""The servers of the plug-ins under the names that they had here. Imports a plug-in when asked."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

#: The extra that brings each of them, in the module ``testing`` of its plug-in.
_EXTRAS: Final = {
    "RedisServer": "redis",
    "RedisSentinel": "redis",
    "RedisCluster": "redis",
    "MemcachedServer": "memcached",
    "SaslMemcachedServer": "saslmemcached",
}


def moved(module: str, name: str) -> Any:
    """What *module* does not define: a server that lives in a plug-in.

    Raise `ImportError` where the plug-in is not installed, `AttributeError` for other names.
    """
    if name not in _EXTRAS:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    extra = _EXTRAS[name]
    home = f"flask_cache_core_{extra}.testing"
    try:
        return getattr(import_module(home), name)
    except ImportError as error:
        raise ImportError(
            f"{name} is in {home}, which is not installed: pip install flask-cache-core[{extra}]"
        ) from error
