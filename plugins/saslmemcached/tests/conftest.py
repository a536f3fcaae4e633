"""Servers that ask for a user and a password, and the right ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask_cache_core_memcached.testing import MemcachedServer
from flask_cache_core_saslmemcached.testing import SaslMemcachedServer


@pytest.fixture(scope="session")
def sasl_server() -> Iterator[SaslMemcachedServer]:
    with SaslMemcachedServer() as server:
        yield server


@pytest.fixture
def sasl_credentials() -> dict[str, str]:
    return {"username": SaslMemcachedServer.user, "password": SaslMemcachedServer.password}


@pytest.fixture
def plain_server() -> Iterator[MemcachedServer]:
    with MemcachedServer() as server:
        yield server
