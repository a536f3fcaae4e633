"""The contract over SASL, and what is said when authentication fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask_cache_core_memcached.testing import MemcachedServer
from flask_cache_core_saslmemcached import SASLMemcachedCache
from flask_cache_core_saslmemcached.testing import SaslMemcachedServer

from flask_cache_core.errors import BackendError, ConfigError
from flask_cache_core.plugins import registry
from flask_cache_core.testing import BackendContract, CountingProxy, free_port


class TestContract(BackendContract):
    exact_timeouts = False

    @pytest.fixture
    def make_backend(
        self, sasl_server: MemcachedServer, sasl_credentials: dict[str, str]
    ) -> Callable[[str], SASLMemcachedCache]:
        return lambda prefix: SASLMemcachedCache(
            [sasl_server.address], key_prefix=prefix, timeout=5, **sasl_credentials
        )


def failure(backend: SASLMemcachedCache, attempts: int = 2) -> str:
    """What is said, the same each time."""
    texts = set()
    for _ in range(attempts):
        with pytest.raises(BackendError) as caught:
            backend.get("key")
        texts.add(str(caught.value))
    assert len(texts) == 1
    return texts.pop()


def test_a_wrong_password_is_called_one(sasl_server: MemcachedServer) -> None:
    backend = SASLMemcachedCache(
        [sasl_server.address], username="alice", password="wrong-pass", timeout=5
    )
    text = failure(backend)
    assert sasl_server.address in text
    assert "CACHE_MEMCACHED_PASSWORD" in text
    assert "refused" in text
    assert "wrong-pass" not in text


def test_a_server_without_sasl_is_called_one(
    plain_server: MemcachedServer, sasl_credentials: dict[str, str]
) -> None:
    text = failure(SASLMemcachedCache([plain_server.address], timeout=5, **sasl_credentials))
    assert "does not ask for SASL" in text
    assert sasl_credentials["password"] not in text


def test_a_server_that_is_down_is_called_down(sasl_credentials: dict[str, str]) -> None:
    address = f"127.0.0.1:{free_port()}"
    text = failure(SASLMemcachedCache([address], timeout=5, **sasl_credentials))
    assert address in text
    assert "CACHE_MEMCACHED_SERVERS" in text
    assert "CONNECTION" in text


@pytest.mark.parametrize("prefix", ["shop", ""])
def test_a_server_that_hangs_is_no_miss(prefix: str) -> None:
    """The binary protocol has failures of its own that pylibmc does not tell."""
    with SaslMemcachedServer() as server:
        credentials = {"username": server.user, "password": server.password}
        patient = SASLMemcachedCache([server.address], key_prefix=prefix, timeout=30, **credentials)
        backend = SASLMemcachedCache(
            [server.address], key_prefix=prefix, timeout=0.2, **credentials
        )
        operations: list[Callable[[], object]] = [
            lambda: backend.get("key"),
            lambda: backend.get_many("key", "other"),
            lambda: backend.has("key"),
            lambda: backend.inc("key"),
            lambda: backend.renew_lock("key", "token", 9),
            lambda: backend.set("another", 2),
        ]
        patient.set("key", 1, 60)
        for operation in operations:
            server.pause()
            with pytest.raises(BackendError):
                operation()
            server.resume()
            assert patient.get_many("key", "absent") == [1, None]


def test_a_connection_that_was_cut_is_no_miss(
    sasl_server: MemcachedServer, sasl_credentials: dict[str, str]
) -> None:
    with CountingProxy(sasl_server.port) as proxy:
        backend = SASLMemcachedCache(
            [proxy.address], key_prefix="cut", timeout=30, **sasl_credentials
        )
        backend.set_many({"key": "value", "n": 5}, 60)
        reads: list[Callable[[], object]] = [
            lambda: backend.get_many("key", "n") == ["value", 5],
            lambda: backend.get("key") == "value",
            lambda: backend.inc("n", 0) == 5,
        ]
        for read in reads:
            proxy.hang_up()
            assert read()


def at_depth(depth: int, backend: SASLMemcachedCache) -> bool:
    """Through `map`, which takes some of the stack of C."""
    return next(map(at_depth, [depth - 1], [backend])) if depth else backend.set("key", 1, 60)


def test_a_connection_can_be_opened_from_anywhere(
    sasl_server: MemcachedServer, sasl_credentials: dict[str, str]
) -> None:
    """Whatever the stack holds: libmemcached reads behind the end of the list of mechanisms."""
    for depth in range(100):
        backend = SASLMemcachedCache(
            [sasl_server.address], key_prefix="x", timeout=5, **sasl_credentials
        )
        assert at_depth(depth, backend) is True


SCRIPT = """
import sys
if sys.argv[3:]:
    import pylibmc
from flask_cache_core_saslmemcached import SASLMemcachedCache
backend = SASLMemcachedCache([sys.argv[1]], username="alice", password=sys.argv[2], timeout=5)
try:
    print(backend.set("key", "value", 60))
except Exception as error:
    print(type(error).__name__, error)
"""


def run(server: MemcachedServer, password: str, *more: str, **environment: str) -> str:
    base = {name: value for name, value in os.environ.items() if name != "SASL_PATH"}
    command = [sys.executable, "-c", SCRIPT, server.address, password, *more]
    done = subprocess.run(
        command, env=base | environment, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


def test_the_mechanisms_of_the_system_are_found(
    sasl_server: MemcachedServer, sasl_credentials: dict[str, str]
) -> None:
    """Whatever libsasl2 pylibmc carries, and without a SASL_PATH."""
    assert run(sasl_server, sasl_credentials["password"]) == "True\n"
    assert run(sasl_server, sasl_credentials["password"], "pylibmc is imported first") == "True\n"


def test_missing_mechanisms_are_called_missing(
    sasl_server: MemcachedServer, sasl_credentials: dict[str, str], tmp_path: Any
) -> None:
    text = run(sasl_server, sasl_credentials["password"], SASL_PATH=str(tmp_path))
    if text == "True\n":
        pytest.skip("this pylibmc uses the libsasl2 of the system")
    assert text.startswith("BackendError")
    assert "no SASL mechanism" in text
    assert "SASL_PATH" in text


@pytest.mark.parametrize("missing", ["CACHE_MEMCACHED_USERNAME", "CACHE_MEMCACHED_PASSWORD"])
def test_both_credentials_are_wanted_at_set_up(missing: str) -> None:
    config: dict[str, Any] = {
        "CACHE_MEMCACHED_USERNAME": "alice",
        "CACHE_MEMCACHED_PASSWORD": "s3cret",
        missing: None,
    }
    with pytest.raises(ConfigError, match=missing):
        registry.resolve("saslmemcached", Flask("app"), config, (), {"default_timeout": 1})


def test_the_settings_make_a_backend(
    sasl_server: MemcachedServer, sasl_credentials: dict[str, str]
) -> None:
    config = {
        "CACHE_MEMCACHED_SERVERS": [sasl_server.address],
        "CACHE_MEMCACHED_USERNAME": sasl_credentials["username"],
        "CACHE_MEMCACHED_PASSWORD": sasl_credentials["password"],
        "CACHE_BACKEND_TIMEOUT": 5,
    }
    kwargs = {"default_timeout": 60, "threshold": 500}
    backend = registry.resolve("SASLMemcachedCache", Flask("app"), config, (), kwargs)
    assert isinstance(backend, SASLMemcachedCache)
    assert backend.set("settings", "value") is True
    assert backend.get("settings") == "value"
    assert sasl_credentials["password"] not in repr(vars(backend)) + backend.where()
