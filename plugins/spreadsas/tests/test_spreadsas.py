"""The contract on whole and on spread values, and what is left behind."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask_cache_core_memcached.testing import MemcachedServer
from flask_cache_core_spreadsas import SpreadSASLMemcachedCache

from flask_cache_core.backend import Batch
from flask_cache_core.errors import ConfigError, ValueTooLargeError
from flask_cache_core.plugins import registry
from flask_cache_core.testing import BackendContract, CountingProxy

MakeSpread = Callable[..., SpreadSASLMemcachedCache]
BIG = os.urandom(5_000_000)


@pytest.fixture
def make(spread_servers: list[MemcachedServer], spread_options: dict[str, Any]) -> MakeSpread:
    """Backends under one new prefix, on one server."""
    prefix = uuid.uuid4().hex
    return lambda **options: SpreadSASLMemcachedCache(
        [spread_servers[0].address], key_prefix=prefix, **spread_options | options
    )


@pytest.fixture
def spread(make: MakeSpread) -> SpreadSASLMemcachedCache:
    return make()


class OnSpread(BackendContract):
    exact_timeouts = False
    count = 1
    chunksize = 999_448

    @pytest.fixture
    def make_backend(
        self, spread_servers: list[MemcachedServer], spread_options: dict[str, Any]
    ) -> Callable[[str], SpreadSASLMemcachedCache]:
        addresses = [server.address for server in spread_servers[: self.count]]
        return lambda prefix: SpreadSASLMemcachedCache(
            addresses,
            key_prefix=prefix,
            chunksize=self.chunksize,
            maxchunk=100_000,
            **spread_options,
        )


class TestWhole(OnSpread):
    pass


class TestSpreadOverThreeServers(OnSpread):
    """Nearly every value is in several chunks."""

    count = 3
    chunksize = 40


def items(backend: SpreadSASLMemcachedCache, *keys: str) -> list[str]:
    """Addresses of what is stored for *keys*: heads, and the chunks that they name."""
    heads = backend._stored_heads([backend.address(key) for key in keys])
    return [address for head in heads.values() for address in head.addresses()]


def left(backend: SpreadSASLMemcachedCache, chunks: list[str]) -> list[str]:
    found = backend.read_bytes(chunks)
    return [chunk for chunk, data in zip(chunks, found, strict=True) if data is not None]


def test_values_of_megabytes_come_back(spread: SpreadSASLMemcachedCache) -> None:
    assert spread.set("big", BIG, 60) is True
    assert len(items(spread, "big")) == 6
    assert spread.get("big") == BIG
    assert spread.has("big") is True
    assert spread.add("big", 1, 60) is False
    assert spread.add("added", BIG, 60) is True
    assert spread.set_many({"many": BIG, "small": 1}, 60) == ["many", "small"]
    assert spread.get_many("added", "absent", "small", "many") == [BIG, None, 1, BIG]
    assert spread.inc("big") is None
    assert sorted(spread.delete_many("big", "added", "absent")) == ["added", "big"]
    assert spread.get_many("big", "added") == [None, None]
    assert spread.clear() is True
    assert spread.get("many") is None


@pytest.mark.parametrize(
    "replace",
    [
        lambda backend: backend.set("key", "small", 60),
        lambda backend: backend.set("key", "small", 60, chunk=False),
        lambda backend: backend.set_many({"key": BIG}, 60),
        lambda backend: backend.store(Batch({"key": "small"}, 60, {}, 60)),
        lambda backend: backend.delete("key"),
        lambda backend: backend.get("key") and backend.store(Batch({"key": BIG}, 60, {}, 60)),
    ],
)
def test_what_is_replaced_leaves_nothing(
    spread: SpreadSASLMemcachedCache, replace: Callable[[SpreadSASLMemcachedCache], Any]
) -> None:
    spread.store(Batch({"key": BIG}, 60, {}, 60))
    before = items(spread, "key")
    assert len(left(spread, before)) == 6
    assert replace(spread)
    assert left(spread, before) == []


def test_an_add_that_loses_leaves_nothing(spread: SpreadSASLMemcachedCache) -> None:
    spread.set("key", "first", 60)
    before = current_items(spread)
    assert spread.add("key", BIG, 60) is False
    assert spread.get("key") == "first"
    assert current_items(spread) == before


def current_items(backend: SpreadSASLMemcachedCache) -> int:
    """As the server counts them."""
    node = backend._nodes[0]
    stats: Any = node.run(lambda client: client._client.get_stats())  # type: ignore[attr-defined]
    return int(stats[0][1]["curr_items"])


def test_a_small_value_is_read_in_one_round_trip_and_a_big_one_in_two(
    spread_servers: list[MemcachedServer], spread_options: dict[str, Any]
) -> None:
    with CountingProxy(spread_servers[0].port) as proxy:
        backend = SpreadSASLMemcachedCache(
            [proxy.address], key_prefix=uuid.uuid4().hex, **spread_options
        )
        backend.set_many({"small": "x", "small too": "y", "big": BIG, "big too": BIG}, 60)
        proxy.count()
        assert backend.get_many("small", "small too") == ["x", "y"]
        assert proxy.count() == 1
        assert backend.get_many("big", "small", "big too") == [BIG, "x", BIG]
        assert proxy.count() == 2


def test_a_missing_chunk_is_a_miss(spread: SpreadSASLMemcachedCache) -> None:
    spread.set("key", BIG, 60)
    chunks = items(spread, "key")
    spread.remove_bytes([chunks[3]])
    assert spread.has("key") is False
    assert spread.get_many("key", "key") == [None, None]
    assert left(spread, chunks) == []
    assert spread.add("key", "again", 60) is True


def test_two_writers_never_mix(make: MakeSpread) -> None:
    """Every read is one of the values, whole, or a miss."""
    values = [bytes([number]) * 3_000 for number in range(4)]
    backend = make(chunksize=1_000)
    stop = threading.Event()

    def write(value: bytes) -> None:
        while not stop.is_set():
            backend.set("key", value, 60)

    threads = [threading.Thread(target=write, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    try:
        found = {backend.get("key") for _ in range(300)}
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert found <= {None, *values}
    assert found - {None}


def test_more_than_maxchunk_is_an_error(make: MakeSpread) -> None:
    backend = make(chunksize=1_000, maxchunk=3)
    backend.set_many({"key": "old", "other": "old"}, 60)
    for write in (
        lambda: backend.set("key", bytes(3_000), 60),
        lambda: backend.add("key", bytes(3_000), 60),
        lambda: backend.set_many({"other": 1, "key": bytes(3_000)}, 60),
        lambda: backend.store(Batch({"key": bytes(3_000)}, 60, {}, 60)),
    ):
        with pytest.raises(ValueTooLargeError, match="maxchunk=3"):
            write()
    assert backend.get_many("key", "other") == [None, "old"]
    assert backend.counters()["rejected"] == 4
    assert backend.set("key", bytes(2_900), 60) is True


def test_without_chunks_a_value_is_in_one_item(spread: SpreadSASLMemcachedCache) -> None:
    assert spread.set("key", BIG, 60, chunk=False) is False
    assert spread.set("key", BIG[:1_040_000], 60, chunk=False) is True
    assert items(spread, "key") == []
    assert spread.get("key", chunk=False) == spread.get("key") == BIG[:1_040_000]
    spread.set("key", BIG, 60)
    assert spread.get("key", chunk=False) is None
    assert spread.get("key") == BIG


def test_a_chunk_larger_than_the_server_takes_is_told(
    spread_options: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    from flask_cache_core.errors import CacheWarning

    servers: list[MemcachedServer] = request.getfixturevalue("spread_servers")
    with type(servers[0])("-I", "512k") as server:
        backend = SpreadSASLMemcachedCache([server.address], key_prefix="x", **spread_options)
        with pytest.warns(CacheWarning, match="chunksize"):
            assert backend.set("key", BIG, 60) is False
        assert backend.get("key") is None


@pytest.mark.parametrize(
    "option", [{"chunksize": 0}, {"chunksize": 2_000_000}, {"maxchunk": "8"}, {"chunks": 3}]
)
def test_options_are_checked_at_set_up(option: dict[str, Any]) -> None:
    config = {
        "CACHE_OPTIONS": option,
        "CACHE_MEMCACHED_USERNAME": "alice",
        "CACHE_MEMCACHED_PASSWORD": "s3cret",
    }
    with pytest.raises(ConfigError, match=next(iter(option))):
        registry.resolve("spreadsaslmemcachedcache", Flask("app"), config, (), option)
