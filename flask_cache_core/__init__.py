"""flask-cache-core: caching for Flask, with a small core and plug-in backends."""

from . import hookspecs
from .decorators.fragments import make_template_fragment_key
from .engine.state import CacheStats
from .errors import CacheError, CacheWarning
from .extension import Cache
from .hookspecs import hookimpl
from .signals import cache_memoize_hit, cache_memoize_miss, cache_view_hit, cache_view_miss
from .storage.base import BaseCache
from .typing import MISSING
from .web.stored import CachedResponse

__all__ = [
    "MISSING",
    "BaseCache",
    "Cache",
    "CacheError",
    "CacheStats",
    "CacheWarning",
    "CachedResponse",
    "cache_memoize_hit",
    "cache_memoize_miss",
    "cache_view_hit",
    "cache_view_miss",
    "hookimpl",
    "hookspecs",
    "make_template_fragment_key",
]
