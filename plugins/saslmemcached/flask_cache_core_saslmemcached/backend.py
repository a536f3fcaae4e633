"""`SASLMemcachedCache`: memcached over the binary protocol, with a user and a password.

Everything but the credentials and the errors that they cause is the memcached plug-in's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from flask_cache_core_memcached import CredentialsOptions, MemcachedCache
from flask_cache_core_memcached import build as build_memcached
from flask_cache_core_memcached.clients.mechanisms import pylibmc

from flask_cache_core.errors import ConfigError

from .authentication import NO_MECHANISM, connect

if TYPE_CHECKING:
    from flask_cache_core_memcached.clients import Connect, Link

K = TypeVar("K", bound="SASLMemcachedCache")


class SASLMemcachedCache(MemcachedCache):
    """memcached that asks for a user and a password (``memcached -S``). Needs pylibmc.

    :param username: as ``CACHE_MEMCACHED_USERNAME``.
    :param password: as ``CACHE_MEMCACHED_PASSWORD``.

    Everything else is as in `MemcachedCache`.
    """

    options = CredentialsOptions

    def __init__(self, servers: object = None, **options: Any) -> None:
        for name in ("username", "password"):
            if not isinstance(options.get(name), str) or not options[name]:
                raise ConfigError(
                    f"CACHE_MEMCACHED_{name.upper()} must be a non-empty string. "
                    "For a server without SASL, set CACHE_TYPE='memcached'."
                )
        super().__init__(servers, **options)

    def _connector(self, client: str | None) -> Connect:
        if client not in (None, "pylibmc"):
            raise ConfigError(
                f"CACHE_MEMCACHED_CLIENT={client!r} cannot do SASL: only pylibmc can."
            )
        if not pylibmc.support_sasl:
            raise ConfigError(
                "This pylibmc was built without SASL. Install its binary wheel, or build it "
                "against a libmemcached with SASL."
            )
        return connect

    @classmethod
    def _explain(cls, link: Link, error: Exception) -> str:
        """Errors 40 and 41 of libmemcached have no class of their own."""
        text = super()._explain(link, error)
        if "error 41 " in text:
            return (
                f"the server refused the user {link.username!r} (CACHE_MEMCACHED_USERNAME) with "
                "its CACHE_MEMCACHED_PASSWORD. If both are right, the user belongs to another "
                "realm: try 'user@realm'"
            )
        if NO_MECHANISM in text:
            return (
                "no SASL mechanism was found in this process. Install them (libsasl2-modules on "
                "Debian), and set SASL_PATH to their directory if it is an unusual one"
            )
        if isinstance(error, pylibmc.UnknownReadFailure) and _answers_without_sasl(link):
            return (
                "the server does not ask for SASL (it runs without -S). Start it with -S, or set "
                "CACHE_TYPE='memcached' without user and password"
            )
        return text


def _answers_without_sasl(link: Link) -> bool:
    """Whether a client without credentials is served, which SASL would not allow."""
    milliseconds = max(1, round(link.timeout * 1000))
    client = pylibmc.Client(
        [link.server.name],
        binary=True,
        behaviors={"connect_timeout": milliseconds, "_poll_timeout": milliseconds},
    )
    try:
        client.get("flask-cache-core:probe")
    except pylibmc.Error:
        return False
    return True


def build(
    kind: type[K], config: Mapping[str, Any], args: list[Any], kwargs: Mapping[str, Any]
) -> K:
    """A backend of *kind* with the credentials of *config*; ``CACHE_OPTIONS`` go before them."""
    credentials = {
        "username": CredentialsOptions.memcached_username.read(config),
        "password": CredentialsOptions.memcached_password.read(config),
    }
    return build_memcached(kind, config, args, {**credentials, **kwargs})
