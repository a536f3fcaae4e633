"""Every way to name a server, and what a wrong setting says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from flask_cache_core_redis import RedisBackend, RedisClusterBackend, flask_cache_adapt
from flask_cache_core_redis.testing import RedisServer

from flask_cache_core.backend import Batch
from flask_cache_core.errors import BackendError, ConfigError
from flask_cache_core.testing import free_port, program

SECRET = "s3cr3t-Pa:ss/w#rd?"
QUOTED = "s3cr3t-Pa%3Ass%2Fw%23rd%3F"


def works(backend: RedisBackend) -> bool:
    backend.set("key", ["a", 1], 60)
    return bool(backend.get("key") == ["a", 1])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    command = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return directory


@pytest.fixture(scope="module")
def guarded_server(certificate: Path) -> Iterator[RedisServer]:
    """One with a password, a user, TLS and a socket."""
    tls = {"tls_cert_file": "cert.pem", "tls_key_file": "key.pem", "tls_ca_cert_file": "cert.pem"}
    options: dict[str, Any] = {name: str(certificate / file) for name, file in tls.items()}
    server = RedisServer(
        requirepass=SECRET,
        tls_port=str(free_port()),
        tls_auth_clients="no",
        unixsocket=str(certificate / "redis.sock"),
        databases="4",
        user=f"alice on >{SECRET} ~* &* +@all",
        **options,
    )
    with server as running:
        yield running


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{QUOTED}@127.0.0.1:{{port}}/1",
        f"redis://alice:{QUOTED}@127.0.0.1:{{port}}",
        f"rediss://alice:{QUOTED}@127.0.0.1:{{tls}}/2?ssl_ca_certs={{directory}}/cert.pem",
        f"unix://alice:{QUOTED}@{{directory}}/redis.sock?db=3",
    ],
)
def test_urls(build: Any, guarded_server: RedisServer, certificate: Path, url: str) -> None:
    ports = {"port": guarded_server.port, "tls": guarded_server.options["tls_port"]}
    backend = build("redis", CACHE_REDIS_URL=url.format(**ports, directory=certificate))
    assert works(backend)
    assert QUOTED not in backend.where()
    assert SECRET not in backend.where()


def test_host_port_password_and_db(build: Any, guarded_server: RedisServer) -> None:
    backend = build(
        "redis",
        CACHE_REDIS_HOST="127.0.0.1",
        CACHE_REDIS_PORT=str(guarded_server.port),
        CACHE_REDIS_PASSWORD=SECRET,
        CACHE_REDIS_DB="2",
        username="alice",
        client_name="shop",
    )
    assert works(backend)
    assert "127.0.0.1" in backend.where()
    assert "db 2" in backend.where()


def test_options_override_settings(build: Any, server: RedisServer) -> None:
    assert works(build("redis", CACHE_REDIS_PORT=1, port=server.port, max_connections=1))


@pytest.mark.parametrize("decode", [False, True])
def test_a_ready_client(build: Any, server: RedisServer, decode: bool) -> None:
    client = redis.Redis(port=server.port, db=3, decode_responses=decode)
    backend = build("redis", CACHE_REDIS_HOST=client)
    assert works(backend)
    assert client.dbsize() == 1
    assert "db 3" in backend.where()
    client.close()


def test_a_ready_client_of_a_sentinel(build: Any, sentinel_server: Any) -> None:
    make: Any = redis.Sentinel
    manager = make([("127.0.0.1", sentinel_server.port)])
    backend = build("redis", CACHE_REDIS_HOST=manager.master_for("mymaster"))
    assert works(backend)
    assert "mymaster" in backend.where()


def test_a_ready_client_of_a_dead_server_fails_at_once(build: Any) -> None:
    """Its own retries would take seconds."""
    client = redis.Redis(port=free_port())
    with pytest.raises(BackendError, match="the client in CACHE_REDIS_HOST"):
        build("redis", CACHE_REDIS_HOST=client).get("key")


def test_bare_clients_are_adapted(server: RedisServer, cluster_servers: Any) -> None:
    config = {"CACHE_BACKEND_TIMEOUT": 10, "CACHE_DEFAULT_TIMEOUT": 7}
    single = flask_cache_adapt(redis.Redis(port=server.port), config)
    assert isinstance(single, RedisBackend)
    assert single.default_timeout == 7
    assert works(single)
    with redis.RedisCluster(host="127.0.0.1", port=cluster_servers.primaries[0].port) as client:
        cluster = flask_cache_adapt(client, config)
    assert isinstance(cluster, RedisClusterBackend)
    assert works(cluster)
    assert flask_cache_adapt(object(), config) is None


def test_a_user_with_the_documented_permissions_can_do_everything(
    build: Any, server: RedisServer, client: Any
) -> None:
    commands = "+mget +get +set +unlink +del +exists +incrby +eval +scan"
    client.execute_command("ACL", "SETUSER", "bob", "on", ">word", "~shop:*", *commands.split())
    url = f"redis://bob:word@127.0.0.1:{server.port}"
    backend = build("redis", CACHE_REDIS_URL=url, key_prefix="shop")
    assert works(backend)
    assert backend.add("added", 1, 60)
    assert backend.has("added")
    assert backend.inc("added") == 2
    assert backend.store(Batch({"a": 1}, 60, {"b": "c"}, 60, ("lock", "token")))
    assert backend.delete_many("a", "c") == ["a"]
    assert backend.clear() is True
    with pytest.raises(BackendError, match="README"):
        build("redis", CACHE_REDIS_URL=url, key_prefix="other").get("key")


@pytest.mark.parametrize(
    ("name", "settings", "text"),
    [
        (
            "redis",
            {"CACHE_REDIS_URL": f"localhost:6379/{SECRET}"},
            "CACHE_REDIS_URL must be redis://",
        ),
        ("redis", {"CACHE_REDIS_URL": 6379}, "CACHE_REDIS_URL must be redis://"),
        ("redis", {"CACHE_REDIS_URL": f"redis://:{SECRET}@localhost"}, "percent-encoded"),
        ("redis", {"CACHE_REDIS_URL": f"redis://:12#{SECRET}@localhost"}, "percent-encoded"),
        ("redis", {"CACHE_REDIS_URL": f"redis://:{QUOTED}@localhost:70000"}, "65535"),
        ("redis", {"CACHE_REDIS_URL": f"redis://:{QUOTED}@[::1"}, "does not parse"),
        ("redis", {"CACHE_REDIS_URL": f"redis://:{QUOTED}@h\uff03st"}, "does not parse"),
        ("redis", {"CACHE_REDIS_URL": f"redis://:{QUOTED}@localhost/zero"}, "number of a database"),
        ("redis", {"CACHE_REDIS_URL": f"redis://:{QUOTED}@localhost?bogus=1"}, "bogus"),
        ("redis", {"CACHE_REDIS_URL": f"redis://:{QUOTED}@local host"}, "does not name a host"),
        ("redis", {"CACHE_REDIS_HOST": "localhost:6379"}, "CACHE_REDIS_PORT"),
        ("redis", {"CACHE_REDIS_HOST": f"redis://:{QUOTED}@localhost"}, "CACHE_REDIS_URL"),
        ("redis", {"CACHE_REDIS_HOST": 5}, "CACHE_REDIS_HOST must be"),
        ("redis", {"CACHE_REDIS_HOST": ""}, "CACHE_REDIS_HOST"),
        ("redis", {"CACHE_REDIS_PORT": "sixty"}, "CACHE_REDIS_PORT"),
        ("redis", {"CACHE_REDIS_PORT": 0}, "CACHE_REDIS_PORT"),
        ("redis", {"CACHE_REDIS_DB": -1}, "CACHE_REDIS_DB"),
        ("redis", {"CACHE_REDIS_DB": "first"}, "CACHE_REDIS_DB"),
        ("redis", {"bogus": 1}, "CACHE_OPTIONS.*bogus"),
        ("redis", {"threshold": 9}, "CACHE_OPTIONS.*threshold"),
        ("redis", {"decode_responses": True}, "decode_responses"),
        ("redissentinel", {"CACHE_REDIS_SENTINELS": "a:b"}, "CACHE_REDIS_SENTINELS"),
        ("redissentinel", {"CACHE_REDIS_SENTINELS": 5}, "CACHE_REDIS_SENTINELS"),
        ("redissentinel", {"CACHE_REDIS_SENTINELS": [("a", 1, 2)]}, "CACHE_REDIS_SENTINELS"),
        ("redissentinel", {"sentinel_kwargs": {"bogus": 1}}, "sentinel_kwargs.*bogus"),
        ("rediscluster", {}, "CACHE_REDIS_CLUSTER is missing"),
        ("rediscluster", {"CACHE_REDIS_CLUSTER": "host:0"}, "CACHE_REDIS_CLUSTER"),
        ("rediscluster", {"CACHE_REDIS_CLUSTER": "host,,host"}, "CACHE_REDIS_CLUSTER"),
    ],
)
def test_wrong_settings(build: Any, name: str, settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        build(name, CACHE_REDIS_PASSWORD=SECRET, **settings)
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value.__cause__)


def test_arguments_are_refused(server: RedisServer) -> None:
    config = {"CACHE_BACKEND_TIMEOUT": 1}
    with pytest.raises(ConfigError, match="CACHE_ARGS"):
        RedisBackend.factory(Flask(__name__), config, ["localhost"], {})


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"CACHE_REDIS_PASSWORD": "s3cr3t-wrong"}, "CACHE_REDIS_HOST.*Check CACHE_REDIS_PASSWORD"),
        ({}, "Check CACHE_REDIS_PASSWORD"),
        ({"CACHE_REDIS_PASSWORD": SECRET, "CACHE_REDIS_DB": 4}, "out of range.*CACHE_REDIS_DB"),
        ({"CACHE_REDIS_URL": "redis://:s3cr3t-x@127.0.0.1:{port}"}, "password in CACHE_REDIS_URL"),
        ({"CACHE_REDIS_URL": f"redis://:{QUOTED}@127.0.0.1:{{port}}/9"}, "end of CACHE_REDIS_URL"),
        ({"CACHE_REDIS_PORT": 1}, "refused"),
        ({"CACHE_REDIS_HOST": "no-such-host.invalid"}, "no-such-host.invalid.*CACHE_REDIS_HOST"),
    ],
)
def test_first_failures_name_host_setting_and_cause(
    build: Any, guarded_server: RedisServer, settings: dict[str, Any], text: str
) -> None:
    given = {"CACHE_REDIS_HOST": "127.0.0.1", "CACHE_REDIS_PORT": guarded_server.port, **settings}
    if "CACHE_REDIS_URL" in given:
        given["CACHE_REDIS_URL"] = given["CACHE_REDIS_URL"].format(port=guarded_server.port)
    backend = build("redis", **given)
    with pytest.raises(BackendError, match=text) as caught:
        backend.get("key")
    assert "s3cr3t" not in f"{caught.value} {caught.value.__cause__!r}"


def test_first_failures_of_a_cluster_and_of_sentinels(build: Any, server: RedisServer) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(BackendError, match=rf"{nobody} \(CACHE_REDIS_CLUSTER\).*refused"):
        build("rediscluster", CACHE_REDIS_CLUSTER=nobody).get("key")
    with pytest.raises(BackendError, match="cluster support disabled"):
        build("rediscluster", CACHE_REDIS_CLUSTER=f"127.0.0.1:{server.port}").get("key")
    with pytest.raises(
        BackendError, match=rf"'mymaster'.*{nobody} \(CACHE_REDIS_SENTINELS.*refused"
    ):
        build("redissentinel", CACHE_REDIS_SENTINELS=nobody).get("key")
