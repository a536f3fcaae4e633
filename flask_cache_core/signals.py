"""The signals of `cached` and `memoize`, sent where ``CACHE_ENABLE_SIGNALS`` is set.

Each is sent with ``cache``, ``cache_key``, ``args`` and ``kwargs``; those of `memoize` also with
``f``, the undecorated function.
"""

from __future__ import annotations

from blinker import Namespace

_signals = Namespace()

#: A view was answered from the cache.
cache_view_hit = _signals.signal("cache-view-hit")

#: A view was not in the cache and is called.
cache_view_miss = _signals.signal("cache-view-miss")

#: A memoized function was answered from the cache.
cache_memoize_hit = _signals.signal("cache-memoize-hit")

#: A memoized function was not in the cache and is called.
cache_memoize_miss = _signals.signal("cache-memoize-miss")
