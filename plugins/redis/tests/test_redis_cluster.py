"""A cluster that is resharded, loses a primary, or moves keys while it is cleared."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from redis.crc import key_slot

from flask_cache_core.backend import Batch
from flask_cache_core.errors import BackendError


@pytest.fixture
def backend(build: Any, cluster_servers: Any) -> Any:
    made = build("rediscluster", CACHE_REDIS_CLUSTER=cluster_servers.addresses, key_prefix="shop")
    made.clear()
    return made


@pytest.fixture
def moving(cluster_servers: Any, backend: Any) -> Iterator[tuple[Any, Any, int]]:
    """The slot of ``key``, on its way from one node to another; brought back afterwards."""
    slot = key_slot(backend.address("key").encode())
    clients = [cluster_servers.client(node) for node in cluster_servers.primaries]
    ids = {client.execute_command("CLUSTER MYID"): client for client in clients}
    owner = next(c for c in clients if slot in range(*owned(c)))
    other = next(c for c in clients if c is not owner)
    names = {client: name for name, client in ids.items()}
    other.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", names[owner])
    owner.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", names[other])
    yield owner, other, slot
    for client in (owner, other):
        client.execute_command("CLUSTER SETSLOT", slot, "STABLE")
    other.flushdb()
    for client in (owner, other):
        client.execute_command("CLUSTER SETSLOT", slot, "NODE", names[owner])


def owned(client: Any) -> tuple[int, int]:
    """The range of slots of a node, from a cluster whose nodes have one range each."""
    name = client.execute_command("CLUSTER MYID")
    for first, last, primary, *_ in client.execute_command("CLUSTER", "SLOTS", NEVER_DECODE=True):
        if primary[2].decode() == name:
            return first, last + 1
    raise AssertionError(name)


def test_clear_reaches_every_primary(backend: Any, build: Any, cluster_servers: Any) -> None:
    other = build("rediscluster", CACHE_REDIS_CLUSTER=cluster_servers.addresses, key_prefix="shop_")
    many = {f"key {n}": n for n in range(3_000)}
    for each in (backend, other):
        assert len(each.set_many(many, 60)) == 3_000
    clients = [cluster_servers.client(node) for node in cluster_servers.primaries]
    assert all(client.dbsize() > 500 for client in clients)
    assert backend.clear() is True
    assert backend.get_many(*many) == [None] * 3_000
    assert other.get_many(*many) == list(many.values())
    other.clear_all = True
    other.delimited_prefix = ""
    assert other.clear() is True
    assert [client.dbsize() for client in clients] == [0, 0, 0]


def test_a_slot_that_is_moving_is_followed(backend: Any, moving: Any) -> None:
    """ASK: some keys are still here, new ones are there already."""
    owner, other, slot = moving
    assert backend.get("key") is None
    assert backend.set("key", 1, 60) is True
    assert other.execute_command("CLUSTER COUNTKEYSINSLOT", slot) == 1
    assert owner.execute_command("CLUSTER COUNTKEYSINSLOT", slot) == 0
    assert backend.inc("key") == 2
    assert backend.add("key", 9, 60) is False
    assert backend.get_many("a", "key", "b") == [None, 2, None]
    assert backend.store(Batch({"key": "new", "a": 1}, 60, {"s": "t"}, 60, ("lock", "x"))) is True
    assert backend.delete_many("key", "c") == ["key"]


def test_clear_says_when_keys_moved_meanwhile(backend: Any, moving: Any) -> None:
    backend.set("key", 1, 60)
    assert backend.clear() is False


def test_a_slot_that_has_moved_is_followed(backend: Any, moving: Any) -> None:
    """MOVED."""
    owner, other, slot = moving
    backend.set("key", 1, 60)
    name = other.execute_command("CLUSTER MYID")
    for client in (other, owner):
        client.execute_command("CLUSTER SETSLOT", slot, "NODE", name)
    assert backend.get("key") == 1
    assert backend.set_many({"key": 2, "a": 3}, 60) == ["key", "a"]
    assert backend.clear() is True
    assert backend.get("key") is None


def test_nothing_fails_during_a_resharding(backend: Any, cluster_servers: Any, until: Any) -> None:
    """Whole slots go from one node to another and back while threads use them."""
    clients = [cluster_servers.client(node) for node in cluster_servers.primaries]
    source, target = clients[0], clients[1]
    names = [client.execute_command("CLUSTER MYID") for client in clients]
    keys = [str(n) for n in range(400)]
    backend.set_many(dict.fromkeys(keys, 0), 600)
    slots = sorted(
        {slot for key in keys if (slot := _slot_of(backend, key)) in range(*owned(source))}
    )
    stop = threading.Event()
    errors: list[BaseException] = []

    def use(number: int) -> None:
        try:
            while not stop.is_set():
                backend.inc(keys[number])
                assert None not in backend.get_many(*keys)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        for slot in slots[:30]:
            _move(slot, source, target, names[0], names[1])
        for slot in slots[:30]:
            _move(slot, target, source, names[1], names[0])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert min(backend.get_many(*keys[:2])) > 0


def _slot_of(backend: Any, key: str) -> int:
    slot: int = key_slot(backend.address(key).encode())
    return slot


def _move(slot: int, source: Any, target: Any, source_name: str, target_name: str) -> None:
    target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source_name)
    source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", target_name)
    port = target.connection_pool.connection_kwargs["port"]
    while keys := source.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
        source.execute_command("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)
    for client in (target, source):
        client.execute_command("CLUSTER SETSLOT", slot, "NODE", target_name)


def test_a_hanging_primary_does_not_take_the_others_down(build: Any, cluster_servers: Any) -> None:
    nodes = cluster_servers.addresses
    backend = build("rediscluster", CACHE_REDIS_CLUSTER=nodes, CACHE_BACKEND_TIMEOUT=1)
    first = owned(cluster_servers.client(cluster_servers.primaries[0]))
    keys = [str(n) for n in range(20)]
    backend.set_many(dict.fromkeys(keys, 1), 60)
    lost = [key for key in keys if _slot_of(backend, key) in range(*first)]
    cluster_servers.primaries[0].pause()
    try:
        for _ in range(2):
            with pytest.raises(BackendError, match="CACHE_BACKEND_TIMEOUT"):
                backend.get(lost[0])
            assert all(backend.get(key) == 1 for key in keys if key not in lost)
    finally:
        cluster_servers.primaries[0].resume()
    assert backend.get_many(*keys) == [1] * 20


def test_a_lost_primary_is_replaced(build: Any, cluster_type: Any, until: Any) -> None:
    with cluster_type(primaries=3, replicas=1, node_timeout=1500) as servers:
        clients = [servers.client(node) for node in servers.nodes]
        primary, replica = clients[0], clients[-1]
        until(lambda: replica.info("replication").get("master_link_status") == "up")
        until(lambda: all(" slave " in _node_list(client).replace(",", " ") for client in clients))
        backend = build("rediscluster", CACHE_REDIS_CLUSTER=servers.addresses, key_prefix="shop")
        many = {str(n): n for n in range(100)}
        assert len(backend.set_many(many, 60)) == 100
        until(lambda: replica.dbsize() == primary.dbsize())
        servers.primaries[0].kill()
        with pytest.raises(BackendError, match="CACHE_REDIS_CLUSTER"):
            backend.get_many(*many)
        until(lambda: readable(backend, many))
        assert len(backend.set_many(many, 60)) == 100
        assert backend.clear() is True


def _node_list(client: Any) -> str:
    return str(client.execute_command("CLUSTER", "NODES", NEVER_DECODE=True))


def readable(backend: Any, many: dict[str, int]) -> bool:
    with suppress(BackendError):
        return bool(backend.get_many(*many) == list(many.values()))
    return False
