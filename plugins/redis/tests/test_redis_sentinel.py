"""A master that dies or is demoted, and a Sentinel with a password."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Any

import pytest
import redis
from flask_cache_core_redis.testing import RedisServer

from flask_cache_core.errors import BackendError


@pytest.fixture
def watched(request: Any) -> Any:
    """A master, its replica, and a Sentinel that knows both and wants a password."""
    sentinel_type = request.getfixturevalue("sentinel_type")
    with ExitStack() as stack:
        master = stack.enter_context(RedisServer(repl_diskless_sync_delay="0"))
        follow = f"127.0.0.1 {master.port}"
        replica = stack.enter_context(RedisServer(replicaof=follow))
        sentinel = stack.enter_context(sentinel_type(master, "requirepass watch-word"))
        yield master, replica, sentinel


def in_sync(replica: RedisServer) -> bool:
    with redis.Redis(port=replica.port) as client:
        return bool(client.info("replication")["master_link_status"] == "up")


def known_replicas(sentinel: Any) -> int:
    with redis.Redis(port=sentinel.port, password="watch-word") as client:
        return len(client.sentinel_slaves("mymaster"))


def succeeds(operation: Any) -> bool:
    with suppress(BackendError):
        return operation() is True
    return False


def test_a_failover_is_survived(build: Any, watched: Any, until: Any) -> None:
    master, replica, sentinel = watched
    until(lambda: in_sync(replica) and known_replicas(sentinel))
    backend = build(
        "redissentinel",
        CACHE_REDIS_SENTINELS=[("127.0.0.1", 1), ("127.0.0.1", sentinel.port)],
        CACHE_REDIS_SENTINEL_MASTER="mymaster",
        CACHE_REDIS_SENTINEL_PASSWORD="watch-word",
        key_prefix="shop",
    )
    assert backend.set("key", "before", 60) is True
    with redis.Redis(port=replica.port) as client:
        until(lambda: client.dbsize() == 1)
    master.kill()
    with pytest.raises(BackendError, match="mymaster"):
        backend.set("key", "lost", 60)
    until(lambda: succeeds(lambda: backend.set("new", 1, 60)))
    assert backend.get_many("key", "new") == ["before", 1]
    assert backend.inc("new") == 2
    assert backend.clear() is True


def test_a_demoted_master_is_left(build: Any, watched: Any) -> None:
    """It still answers on the same connection, and refuses writes."""
    master, replica, sentinel = watched
    backend = build(
        "redissentinel",
        CACHE_REDIS_SENTINELS=f"127.0.0.1:{sentinel.port}",
        CACHE_REDIS_SENTINEL_PASSWORD="watch-word",
    )
    assert backend.set("key", 1, 60) is True
    with redis.Redis(port=sentinel.port, password="watch-word") as client:
        client.sentinel_remove("mymaster")
        client.sentinel_monitor("mymaster", "127.0.0.1", replica.port, 1)
    with redis.Redis(port=replica.port) as client:
        client.replicaof("NO", "ONE")
    with redis.Redis(port=master.port) as client:
        client.replicaof("127.0.0.1", replica.port)
    with pytest.raises(BackendError, match="read only replica"):
        backend.inc("counter")
    assert backend.inc("counter") == 1
    with redis.Redis(port=replica.port) as client:
        assert client.exists(backend.address("counter"))


def test_a_wrong_sentinel_password_is_told(build: Any, watched: Any) -> None:
    backend = build(
        "redissentinel",
        CACHE_REDIS_SENTINELS=f"127.0.0.1:{watched[2].port}",
        CACHE_REDIS_SENTINEL_PASSWORD="s3cr3t",
    )
    with pytest.raises(BackendError, match="CACHE_REDIS_SENTINEL_PASSWORD") as caught:
        backend.get("key")
    assert "s3cr3t" not in str(caught.value)


def test_an_unknown_master_is_told(build: Any, sentinel_server: Any) -> None:
    backend = build(
        "redissentinel",
        CACHE_REDIS_SENTINELS=f"127.0.0.1:{sentinel_server.port}",
        CACHE_REDIS_SENTINEL_MASTER="other",
    )
    with pytest.raises(BackendError, match=r"CACHE_REDIS_SENTINEL_MASTER.*knows a master 'other'"):
        backend.get("key")
