"""flask-cache-core: caching for Flask, with a small core and plug-in backends."""

from . import hookspecs
from .backend import BaseCache
from .errors import CacheError, CacheWarning
from .extension import Cache
from .hookspecs import hookimpl
from .http import CachedResponse
from .signals import cache_memoize_hit, cache_memoize_miss, cache_view_hit, cache_view_miss
from .state import CacheStats
from .templates import make_template_fragment_key
from .typing import MISSING

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
