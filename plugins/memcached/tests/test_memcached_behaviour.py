"""What memcached needs beyond the contract: round trips, generations, outages, foreign values."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pylibmc
import pymemcache
import pytest
from flask_cache_core_memcached import MemcachedCache
from flask_cache_core_memcached.backend import expiry
from flask_cache_core_memcached.ring import Ring
from flask_cache_core_memcached.servers import Server, parse_servers
from flask_cache_core_memcached.testing import MemcachedServer

from flask_cache_core.backend import Batch
from flask_cache_core.errors import BackendError, CacheWarning
from flask_cache_core.testing import CountingProxy, free_port

# python-memcached leaves sockets that could not connect to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*socket:pytest.PytestUnraisableExceptionWarning",
    "ignore:unclosed.*socket:ResourceWarning",
)

CLIENTS = ["pylibmc", "pymemcache", "memcache"]


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    name: str = request.param
    return name


@pytest.fixture
def prefix() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def make(memcached_servers: list[MemcachedServer], prefix: str) -> Callable[..., MemcachedCache]:
    """Backends under one new prefix, on one server unless *servers* says otherwise."""
    default = [memcached_servers[0].address]

    def backend(servers: list[str] = default, **options: Any) -> MemcachedCache:
        options = {"key_prefix": prefix, "timeout": 5, **options}
        return MemcachedCache(servers, **options)

    return backend


@pytest.fixture
def raw() -> Iterator[Callable[[MemcachedServer], Any]]:
    """A client that sees what is on a server as it is."""
    clients: list[Any] = []

    def connect(server: MemcachedServer) -> Any:
        address = ("127.0.0.1", server.port)
        clients.append(pymemcache.Client(address, timeout=30, default_noreply=False))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


# -- round trips --------------------------------------------------------------------------


def test_a_hit_is_one_round_trip_and_a_miss_two(
    make: Callable[..., MemcachedCache], memcached_proxy: Any, client: str
) -> None:
    backend = make([memcached_proxy.address], client=client)
    backend.get("connect")
    versions = {f"version {number}": "token" for number in range(3)}
    memcached_proxy.count()
    assert backend.get_many("entry", *versions) == [None] * 4
    assert memcached_proxy.count() == 1
    assert backend.store(Batch({"entry": "value"}, 60, versions, 600)) is True
    assert memcached_proxy.count() == 1
    assert backend.get_many("entry", *versions) == ["value", "token", "token", "token"]
    assert memcached_proxy.count() == 1


def test_looking_at_the_generation_costs_a_hit_nothing(
    make: Callable[..., MemcachedCache], memcached_proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_cache_core_memcached.share.TRUSTED", 0)
    backend = make([memcached_proxy.address])
    backend.set("key", 1)
    memcached_proxy.count()
    assert backend.get_many("key", "other") == [1, None]
    assert memcached_proxy.count() == 1


def test_a_counter_is_counted_in_two_round_trips(
    make: Callable[..., MemcachedCache], memcached_proxy: CountingProxy, client: str
) -> None:
    """The first shows that the connection is open, so that nothing is ever counted twice."""
    backend = make([memcached_proxy.address], client=client)
    backend.inc("n", 5)
    memcached_proxy.count()
    assert [backend.inc("n"), memcached_proxy.count()] == [6, 2]
    assert [backend.dec("n"), memcached_proxy.count()] == [5, 2]


# -- generations --------------------------------------------------------------------------


def test_others_see_a_clear_and_write_into_the_new_generation(
    make: Callable[..., MemcachedCache],
) -> None:
    """What is written by somebody who has not seen the clear yet is not lost."""
    one, other = make(), make()
    one.set("key", "old")
    assert other.get("key") == "old"
    assert one.clear() is True
    assert one.get("key") is None
    other.set("key", "new")
    assert (one.get("key"), other.get("key")) == ("new", "new")
    one.clear()
    assert one.set("key", "newer") is True
    assert other.delete("key") is True
    assert one.get("key") is None


def test_a_lost_generation_brings_nothing_back(
    make: Callable[..., MemcachedCache],
    memcached_servers: list[MemcachedServer],
    prefix: str,
    raw: Any,
) -> None:
    make().set("key", "before")
    marker = f"{prefix}:~generation"
    first = raw(memcached_servers[0]).get(marker)
    backend = make()
    backend.clear()
    backend.set("key", "after")
    raw(memcached_servers[0]).delete(marker)
    assert make().get("key") is None
    assert raw(memcached_servers[0]).get(marker) > first


@pytest.mark.parametrize("stored", ["first", b"garbage", b"", b"f" * 22])
def test_an_older_generation_is_replaced_by_whoever_knows_a_newer_one(
    make: Callable[..., MemcachedCache],
    memcached_servers: list[MemcachedServer],
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    stored: str | bytes,
    raw: Any,
) -> None:
    """A server that was away, or a stranger, put it there."""
    server, marker = raw(memcached_servers[0]), f"{prefix}:~generation"
    backend = make()
    backend.set("key", "before the clear")
    first = server.get(marker)
    backend.clear()
    server.set(marker, first if stored == "first" else stored)
    monkeypatch.setattr("flask_cache_core_memcached.share.TRUSTED", 0)
    assert backend.get("key") is None
    backend.set("key", "again")
    assert make().get("key") == backend.get("key") == "again"


def test_clear_never_flushes_unless_told_to(prefix: str, raw: Any) -> None:
    with MemcachedServer() as server:
        server_client = raw(server)
        server_client.set("foreign", b"1")
        backend = MemcachedCache([server.address], key_prefix=prefix, clear_all=True)
        assert backend.clear() is True
        with pytest.warns(CacheWarning, match="CACHE_CLEAR_ALL"):
            assert MemcachedCache([server.address], key_prefix="").clear() is False
        assert server_client.get("foreign") == b"1"
        assert MemcachedCache([server.address], key_prefix="", clear_all=True).clear() is True
        assert server_client.get("foreign") is None


# -- keys, values, times ------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "shop", "a\r\nflush_all\r\n", "ł" * 300, "#" * 9])
def test_every_key_on_the_server_is_valid(prefix: str, client: str, raw: Any) -> None:
    keys = ["plain", "a b", "a\r\nflush_all\r\nb", "é", "k" * 251, "#" + "0" * 64, "", "\x7f"]
    with MemcachedServer() as server:
        backend = MemcachedCache([server.address], key_prefix=prefix, client=client, timeout=5)
        backend.set("kept", 1)
        assert backend.set_many(dict.fromkeys(keys, 2)) == keys
        assert backend.get_many("kept", *keys) == [1] + [2] * len(keys)
        assert raw(server).stats()[b"cmd_flush"] == 0
        if prefix == "":
            assert raw(server).get("plain") == b"2"
            backend.inc("plain")
            assert raw(server).get("plain") == b"3"


LOCK = """
import sys
from flask_cache_core_memcached import MemcachedCache
backend = MemcachedCache([sys.argv[1]], client=sys.argv[2], key_prefix=sys.argv[3], timeout=30)
print(backend.add("lock", "token", 60), backend.renew_lock("lock", "token", 60))
"""


def test_the_key_that_is_sent_is_the_one_that_was_meant(
    memcached_servers: list[MemcachedServer], client: str, prefix: str
) -> None:
    """Here, memory is overwritten once it is freed: a library that sends it is seen."""
    done = subprocess.run(
        [sys.executable, "-c", LOCK, memcached_servers[0].address, client, prefix],
        env=os.environ | {"PYTHONMALLOC": "debug"},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "True True\n"


def test_a_foreign_pickle_is_never_loaded(prefix: str, client: str, raw: Any) -> None:
    with MemcachedServer() as server:
        foreign = raw(server)
        for flags in (1, 2, 4, 8, 16, 255):
            foreign.set("key", pickle.dumps({"a": 1}), flags=flags)
            backend = MemcachedCache([server.address], key_prefix="", client=client, timeout=5)
            with contextlib.suppress(BackendError):  # where the library cannot read it at all
                assert backend.get("key") is None
            assert backend.set("other", "fine", 60) is True
            assert backend.get_many("other", "absent") == ["fine", None]


def test_timeouts_in_the_terms_of_the_server() -> None:
    now = int(time.time())
    assert [expiry(seconds) for seconds in (0, 0.001, 1, 59.5)] == [0, 1, 1, 60]
    assert expiry(30 * 86_400) == 30 * 86_400
    assert now + 31 * 86_400 <= expiry(31 * 86_400) <= now + 31 * 86_400 + 2
    assert expiry(1e15) == 0


def test_counters_below_zero_and_beyond_the_server(
    make: Callable[..., MemcachedCache], client: str
) -> None:
    backend = make(client=client)
    assert [backend.dec("n", 5), backend.inc("n", 2), backend.inc("n", 3)] == [-5, -3, 0]
    assert backend.inc("n", 2**70) == 2**70
    assert backend.dec("n", 2**70 - 1) == 1


def test_a_server_that_takes_less_refuses_and_is_counted(prefix: str, client: str) -> None:
    with MemcachedServer("-I", "512k") as server:
        backend = MemcachedCache([server.address], key_prefix=prefix, client=client, timeout=5)
        backend.set("key", "old")
        with pytest.warns(CacheWarning, match="max|takes"):
            assert backend.set("key", bytes(700_000)) is False
        assert backend.get("key") is None
        assert backend.counters()["rejected"] == 1
        backend.set_many({"a": 1, "key": bytes(700_000), "b": 2}, 60)
        assert backend.get_many("a", "key", "b") == [1, None, 2]


# -- outages ------------------------------------------------------------------------------


def test_an_app_starts_with_the_server_down_and_errors_say_where(client: str) -> None:
    port = free_port()
    backend = MemcachedCache([f"127.0.0.1:{port}"], client=client, timeout=5)
    for _ in range(2):
        with pytest.raises(BackendError, match=f"127.0.0.1:{port}.*CACHE_MEMCACHED_SERVERS") as it:
            backend.set("key", 1)
        assert it.value.__cause__ is not None
    with MemcachedServer(port=port):
        assert backend.set("key", 1) is True


def test_a_restart_is_survived(client: str, prefix: str) -> None:
    with MemcachedServer() as server:
        backend = MemcachedCache([server.address], key_prefix=prefix, client=client, timeout=5)
        operations: list[tuple[Callable[[], object], list[object]]] = [
            (lambda: backend.set("key", 1), [1, None]),
            (lambda: backend.inc("n"), [None, 1]),
            (lambda: backend.add("key", 2), [2, None]),
            # What was computed before the restart may have been cleared since: it is not found.
            (lambda: backend.store(Batch({"key": 3}, 9, {}, 9)), [None, None]),
            (lambda: backend.get_many("key", "n") == [None, None], [None, None]),
        ]
        for operation, found in operations:
            backend.get_many("key", "other")
            server.kill()
            server.start()
            assert operation()
            assert backend.get_many("key", "n") == found


@pytest.mark.parametrize("prefixed", [True, False])
def test_a_server_that_hangs_is_told(client: str, prefix: str, prefixed: bool) -> None:
    """Also by a library that answers a read as if nothing were there."""
    with MemcachedServer() as server:
        key_prefix = prefix if prefixed else ""
        backend = MemcachedCache(
            [server.address], key_prefix=key_prefix, client=client, timeout=0.1
        )
        settle(lambda: backend.set("key", "value"))
        operations: list[Callable[[], object]] = [
            lambda: backend.get_many("key", "other"),
            lambda: backend.get("other"),
            lambda: backend.has("key"),
            lambda: backend.set("key", 2),
            lambda: backend.inc("n"),
            lambda: backend.dec("n"),
            lambda: backend.add("other", 1),
            lambda: backend.delete("key"),
            lambda: backend.store(Batch({"key": 1}, 9, {"version": "x"}, 9)),
            lambda: backend.renew_lock("key", "token", 9),
            lambda: backend.release_lock("other", "token"),
        ]
        for operation in operations:
            server.pause()
            with pytest.raises(BackendError):
                operation()
            server.resume()  # and the server may yet carry out what nobody waits for any more
            settle(lambda: backend.set("another key", "again"))
            assert settle(lambda: backend.get("another key")) == "again"


def settle(operation: Callable[[], Any]) -> Any:
    """Do it until the server answers in time: the machine may be busy for longer than that."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return operation()
        except BackendError:
            if time.monotonic() > deadline:
                raise


@pytest.mark.parametrize(
    "read",
    [
        lambda backend: backend.get_many("key", "key") == ["value"] * 2,
        lambda backend: backend.has("key"),
        lambda backend: backend.renew_lock("key", "value", 60),
        lambda backend: backend.inc("n", 0) == 5,
        lambda backend: backend.dec("n", 0) == 5,
        lambda backend: backend.inc("below", 0) == -5,
    ],
)
def test_a_connection_that_was_cut_is_no_miss(
    make: Callable[..., MemcachedCache],
    memcached_proxy: CountingProxy,
    client: str,
    read: Callable[[MemcachedCache], bool],
) -> None:
    """What was stored is there still, with the generation: only the connection is gone."""
    backend = make([memcached_proxy.address], client=client, timeout=30)
    backend.set_many({"key": "value", "n": 5, "below": -5}, 60)
    for _ in range(3):
        memcached_proxy.hang_up()
        assert read(backend)


class CutShort:
    """Forwards a port; of the answers on each connection, so many bytes and then none."""

    def __init__(self, port: int, most: int) -> None:
        self._port, self._most = port, most
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = [self._listener]
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._open += [client, server]
                for each in ((client, server, sys.maxsize), (server, client, self._most)):
                    threading.Thread(target=self._forward, args=each, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, most: int) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data[:most])
                most -= min(most, len(data))

    def __enter__(self) -> CutShort:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.mark.parametrize("prefixed", [True, False])
def test_half_an_answer_is_no_answer(client: str, prefix: str, prefixed: bool) -> None:
    """The first value comes whole, the second one in part, and then the network is silent."""
    key_prefix = prefix if prefixed else ""
    with MemcachedServer() as server, CutShort(server.port, 60_000) as network:
        backend, reader = (
            MemcachedCache([address], key_prefix=key_prefix, client=client, timeout=seconds)
            for address, seconds in ((server.address, 30), (network.address, 0.3))
        )
        backend.set_many({"one": os.urandom(40_000), "two": os.urandom(40_000)}, 60)
        assert len(settle(lambda: reader.get("one"))) == 40_000
        with pytest.raises(BackendError):
            reader.get_many("one", "two")
        with pytest.raises(BackendError):
            reader.get_many("one", "two", "absent")


@pytest.mark.parametrize("prefixed", [True, False])
def test_what_the_server_lost_is_a_miss(client: str, prefix: str, prefixed: bool, raw: Any) -> None:
    """With everything else, as in a flush, or alone, as by eviction."""
    key_prefix = prefix if prefixed else ""
    with MemcachedServer() as server:
        backend = MemcachedCache([server.address], key_prefix=key_prefix, client=client, timeout=5)
        backend.set_many({"key": 1, "other": 2}, 60)
        raw(server).flush_all()
        assert backend.get_many("key", "other") == [None, None]
        assert backend.set("key", 3, 60) is True
        assert backend.get_many("key", "other") == [3, None]


def test_a_blocking_pool_opens_no_more_than_it_may(
    make: Callable[..., MemcachedCache],
) -> None:
    backend = make(pool_size=1, pool_blocking=True, timeout=0.1)
    node = backend._nodes[0]
    assert node.run(lambda _: 1) == 1
    with pytest.raises(BackendError, match="pool_size"):
        node.run(lambda _: node.run(lambda _: 1))
    assert backend.set("key", 1) is True


# -- several servers ----------------------------------------------------------------------


def test_a_dead_server_loses_its_own_keys_only(client: str, prefix: str) -> None:
    keys = [f"key {number}" for number in range(60)]
    with MemcachedServer() as one, MemcachedServer() as two, MemcachedServer() as three:
        servers = [one.address, two.address, three.address]
        backend, other = (
            MemcachedCache(servers, key_prefix=prefix, client=client, timeout=2) for _ in range(2)
        )
        backend.set_many(dict.fromkeys(keys, "first"), 60)
        two.kill()
        found = backend.get_many(*keys).count("first")
        assert 20 <= found < 60
        assert sorted(backend.set_many(dict.fromkeys(keys, "second"), 60)) == sorted(keys)
        assert set(other.get_many(*keys)) <= {"first", "second", None}
        backend.set_many(dict.fromkeys(keys, "third"), 60)
        assert set(backend.get_many(*keys)) == set(other.get_many(*keys)) == {"third"}
        assert sorted(backend.delete_many(*keys)) == sorted(keys)
        assert backend.get_many(*keys) == [None] * 60


def test_what_a_server_held_while_it_was_away_is_not_believed(prefix: str) -> None:
    keys = [f"key {number}" for number in range(60)]
    with MemcachedServer() as one, MemcachedServer() as two, MemcachedServer() as three:
        servers = [one.address, two.address, three.address]
        backend = MemcachedCache(servers, key_prefix=prefix, timeout=1, retry_after=0.5)
        for outage in range(3):
            backend.set_many(dict.fromkeys(keys, f"before {outage}"), 600)
            two.pause()
            backend.set_many(dict.fromkeys(keys, f"during {outage}"), 600)
            assert set(backend.get_many(*keys)) == {f"during {outage}"}
            two.resume()
            deadline = time.monotonic() + 30
            while 1 in backend._cluster._dead_until and time.monotonic() < deadline:
                assert set(backend.get_many(*keys)) <= {f"during {outage}", None}
            assert set(backend.get_many(*keys)) <= {f"during {outage}", None}


def test_clear_reaches_what_stands_in_for_a_dead_server(prefix: str) -> None:
    keys = [f"key {number}" for number in range(60)]
    with MemcachedServer() as one, MemcachedServer() as two, MemcachedServer() as three:
        servers = [one.address, two.address, three.address]
        backend = MemcachedCache(servers, key_prefix=prefix, timeout=2)
        backend.set_many(dict.fromkeys(keys, 1), 600)
        assert backend.clear() is True
        assert set(backend.get_many(*keys)) == {None}
        two.kill()
        backend.set_many(dict.fromkeys(keys, 1), 600)
        assert set(backend.get_many(*keys)) == {1}
        assert backend.clear() is False, "one server could not be told"
        assert set(backend.get_many(*keys)) == {None}
        one.kill()
        three.kill()
        for _ in range(2):
            with pytest.raises(BackendError, match=r"127\.0\.0\.1"):
                backend.get("key")


def owned_by(servers: list[str], owner: int) -> list[str]:
    """Keys that belong to the server at that index."""
    ring = Ring(parse_servers(servers))
    return [key for key in (f"key {n}" for n in range(100)) if ring.owner(address(key)) == owner]


def address(key: str) -> str:
    return MemcachedCache(["127.0.0.1:1"], key_prefix="p").address(key)


def test_no_server_stands_in_for_the_one_of_a_counter(client: str, prefix: str) -> None:
    """It would count from the start, and two would count where not all see the same dead."""
    with MemcachedServer() as one, MemcachedServer() as two, MemcachedServer() as three:
        servers = [one.address, two.address, three.address]
        backend = MemcachedCache(servers, key_prefix=prefix, client=client, timeout=5)
        (lost, *_), (kept, *_) = owned_by(servers, 1), owned_by(servers, 0)
        assert [backend.inc(lost, 10), backend.inc(kept, 10)] == [10, 10]
        two.kill()
        for count in (backend.inc, backend.dec):
            with pytest.raises(BackendError, match=two.address):
                count(lost)
        assert backend.get(lost) is None
        assert [backend.inc(kept), backend.dec(kept, 2)] == [11, 9]


def test_a_counter_counts_on_once_its_server_is_back(client: str, prefix: str) -> None:
    with MemcachedServer() as one, MemcachedServer() as two:
        servers = [one.address, two.address]
        backend = MemcachedCache(
            servers, key_prefix=prefix, client=client, timeout=5, retry_after=0.01
        )
        (key, *_) = owned_by(servers, 1)
        two.kill()
        with pytest.raises(BackendError):
            backend.inc(key)
        two.start()
        assert [settle(lambda: backend.inc(key)), backend.inc(key)] == [1, 2]


def test_the_ring_is_even_and_moves_little() -> None:
    servers = [Server("10.0.0.1", 11211), Server("10.0.0.2", 11211), Server("10.0.0.3", 11211, 2)]
    ring, less = Ring(servers), Ring(servers[:2])
    keys = [f"key {number}" for number in range(4000)]
    owners = [ring.owner(key) for key in keys]
    assert all(700 < owners.count(index) < 1300 for index in (0, 1))
    assert 1600 < owners.count(2) < 2400
    assert [less.owner(k) for k, o in zip(keys, owners, strict=True) if o != 2] == [
        o for o in owners if o != 2
    ]
    assert sorted(ring.candidates("key")) == [0, 1, 2]


# -- bare clients -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pylibmc", "binary", "pymemcache", "pooled", "hash", "memcache"])
def test_a_bare_client_is_adapted(memcached_servers: list[MemcachedServer], kind: str) -> None:
    from flask import Flask

    from flask_cache_core.plugins import registry

    ports = [server.port for server in memcached_servers]
    addresses = [server.address for server in memcached_servers]

    def factory(app: Any, config: Any, args: Any, kwargs: Any) -> Any:
        if kind == "memcache":
            return pytest.importorskip("memcache").Client(addresses)
        return {
            "pylibmc": lambda: pylibmc.Client(addresses),
            "binary": lambda: pylibmc.Client(addresses, binary=True),
            "pymemcache": lambda: pymemcache.Client(("localhost", ports[0])),
            "pooled": lambda: pymemcache.PooledClient(addresses[0]),
            "hash": lambda: pymemcache.HashClient([("127.0.0.1", port) for port in ports]),
        }[kind]()

    config = {"CACHE_BACKEND_TIMEOUT": 5, "CACHE_DEFAULT_TIMEOUT": 60}
    if kind == "binary":
        with pytest.warns(CacheWarning, match="CACHE_MEMCACHED_USERNAME"):
            backend = registry.resolve(factory, Flask("app"), config, (), {})
    else:
        backend = registry.resolve(factory, Flask("app"), config, (), {})
    assert isinstance(backend, MemcachedCache)
    key = uuid.uuid4().hex
    assert backend.set_many({key: [1, None], key + " b": "x"}) == [key, key + " b"]
    assert backend.get_many(key, "absent", key + " b") == [[1, None], None, "x"]
    assert backend.inc(key + " n", 2) == 2
