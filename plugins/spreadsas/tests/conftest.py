"""Servers that ask for a user and a password, and the right ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask_cache_core_saslmemcached.testing import SaslMemcachedServer


@pytest.fixture(scope="session")
def spread_servers() -> Iterator[list[SaslMemcachedServer]]:
    """Three servers, for tests that only store values under prefixes of their own."""
    with (
        SaslMemcachedServer("-m", "256") as one,
        SaslMemcachedServer() as two,
        SaslMemcachedServer() as three,
    ):
        yield [one, two, three]


@pytest.fixture
def spread_options() -> dict[str, object]:
    return {
        "username": SaslMemcachedServer.user,
        "password": SaslMemcachedServer.password,
        "timeout": 5,
    }
