"""The settings of the backends. Must not know what they do with them."""

from __future__ import annotations

from flask_cache_core.backend import ByteStoreOptions
from flask_cache_core.settings import Setting, Settings, optional, text

from .servers import parse_servers


class MemcachedOptions(ByteStoreOptions):
    """The settings of `MemcachedCache`."""

    memcached_servers = Setting(
        parse_servers,
        ["127.0.0.1:11211"],
        '`"host"`, `"host:port"`, `"host:port:weight"`, `"[::1]:11211"`, `"/path/of.sock"`, '
        '`("host", port)`; a list of them, or text with commas.',
    )
    memcached_client = Setting(
        optional(text),
        None,
        '`"pylibmc"`, `"pymemcache"`, `"memcache"` (python-memcached) or `"appengine"`.',
        shown="the first one installed",
    )
    backend_timeout = Settings.backend_timeout
    breaker_duration = Settings.breaker_duration


class CredentialsOptions(MemcachedOptions):
    """The settings of a backend for servers that ask who is there."""

    memcached_username = Setting(
        optional(text), None, "Also `username` in `CACHE_OPTIONS`.", shown="required"
    )
    memcached_password = Setting(
        optional(text),
        None,
        "Also `password` in `CACHE_OPTIONS`.",
        secret=True,
        shown="required",
    )
