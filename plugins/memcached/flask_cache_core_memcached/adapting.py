"""A bare client that a custom factory returned → a backend on the same servers.

The client itself is used only where its credentials cannot be read; otherwise its servers are
taken, since it is neither thread-safe nor does it hand out bytes as they are stored.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from flask_cache_core.errors import warn
from flask_cache_core.settings import Settings

from .backend import MemcachedCache
from .clients import Connect
from .configuring import common
from .options import CredentialsOptions


def adapted(client: Any, config: Mapping[str, Any]) -> MemcachedCache | None:
    """The backend, or ``None`` for what is no memcached client."""
    options: dict[str, Any] = {
        "default_timeout": Settings.default_timeout.read(config),
        **common(config),
    }
    if _is_a(client, "pylibmc", "Client"):
        return _from_pylibmc(client, config, options)
    if _is_a(client, "memcache", "Client"):
        addresses = [_memcache_address(host) for host in client.servers]
        return MemcachedCache(addresses, **{**options, "client": "memcache"})
    servers = _pymemcache_servers(client)
    return MemcachedCache(servers, **{**options, "client": "pymemcache"}) if servers else None


class _WithCredentials(MemcachedCache):
    """Has the credentials of a client that were set once more, as it does not tell them."""

    options = CredentialsOptions


class _Cloned(MemcachedCache):
    """Uses copies of one pylibmc client, with the servers and credentials that it has."""

    def __init__(self, client: Any, options: Mapping[str, Any]) -> None:
        self._original = client
        super().__init__(client.addresses[:1], **options)

    def _connector(self, client: str | None) -> Connect:
        from .clients.through_pylibmc import PylibmcClient

        original = self._original
        return lambda link: PylibmcClient(link, original.clone())


def _from_pylibmc(
    client: Any, config: Mapping[str, Any], options: dict[str, Any]
) -> MemcachedCache:
    options["client"] = "pylibmc"
    if not client.binary:
        return MemcachedCache(client.addresses, **options)
    username = CredentialsOptions.memcached_username.read(config)
    password = CredentialsOptions.memcached_password.read(config)
    if username is not None and password is not None:
        return _WithCredentials(client.addresses, username=username, password=password, **options)
    warn(
        "The pylibmc.Client in CACHE_TYPE uses the binary protocol, and its credentials cannot be "
        "read: it unpickles whatever others flagged as a pickle. Set CACHE_MEMCACHED_USERNAME and "
        "CACHE_MEMCACHED_PASSWORD, or CACHE_TYPE='saslmemcached'; without SASL, drop binary=True."
    )
    return _Cloned(client, options)


def _is_a(client: object, module: str, name: str) -> bool:
    """No library is imported to find out: who has a client has imported its library."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(client, kind)


def _memcache_address(host: Any) -> str:
    address = host.address
    return address if isinstance(address, str) else f"[{address[0]}]:{address[1]}"


def _pymemcache_servers(client: Any) -> list[object]:
    if any(
        _is_a(client, "pymemcache.client.base", name) for name in ("Client", "PooledClient")
    ) or _is_a(client, "pymemcache.client.retrying", "RetryingClient"):
        return [_normal(client.server)]
    if _is_a(client, "pymemcache.client.hash", "HashClient"):
        return [_normal(each.server) for each in client.clients.values()]
    return []


def _normal(server: Any) -> object:
    return server if isinstance(server, str) else f"[{server[0]}]:{server[1]}"
