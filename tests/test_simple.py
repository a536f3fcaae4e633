"""The in-process backend: bounded, fair, and of constant cost."""

from __future__ import annotations

import collections
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from flask_cache_core import Cache, CacheError
from flask_cache_core.backends import SimpleCache
from flask_cache_core.errors import ConfigError, InvalidTimeoutError, SerializationError


def fill(store: SimpleCache, *keys: str, timeout: Any = None) -> None:
    for key in keys:
        store.set(key, key, timeout)


def kept(store: SimpleCache, *keys: str) -> str:
    return "".join(key for key in keys if store.has(key))


def test_it_holds_exactly_its_threshold() -> None:
    store = SimpleCache(threshold=3)
    fill(store, *"abc")
    assert kept(store, *"abc") == "abc"
    fill(store, "d")
    assert kept(store, *"abcd") == "bcd"
    fill(store, "b", "c")
    assert kept(store, *"abcd") == "bcd"


def test_a_threshold_of_one_holds_one() -> None:
    store = SimpleCache(threshold=1)
    fill(store, *"abc")
    assert kept(store, *"abc") == "c"


def test_what_was_used_least_recently_goes_first() -> None:
    store = SimpleCache(threshold=3)
    fill(store, *"abc")
    assert store.get("a") == "a"
    fill(store, "d")
    assert kept(store, *"abcd") == "acd"
    assert store.get_many("c", "a") == ["c", "a"]
    fill(store, "e")
    assert kept(store, *"acde") == "ace"


def test_to_ask_whether_something_is_there_is_no_use_of_it() -> None:
    store = SimpleCache(threshold=2)
    fill(store, *"ab")
    assert store.has("a")
    fill(store, "c")
    assert kept(store, *"abc") == "bc"


def test_what_has_expired_goes_first_even_if_only_just() -> None:
    store = SimpleCache(threshold=3)
    fill(store, "a")
    fill(store, "b", timeout=0.02)
    fill(store, "c")
    time.sleep(0.05)
    fill(store, "d")
    assert kept(store, *"abcd") == "acd"


def test_many_that_expired_make_room_for_many() -> None:
    store = SimpleCache(threshold=100)
    fill(store, *(f"short{n}" for n in range(90)), timeout=0.02)
    fill(store, *(f"long{n}" for n in range(10)))
    time.sleep(0.05)
    fill(store, *(f"new{n}" for n in range(90)))
    assert all(store.has(f"long{n}") for n in range(10))
    assert all(store.has(f"new{n}") for n in range(90))


def test_to_have_no_expiry_is_no_reason_to_go() -> None:
    store = SimpleCache(threshold=3)
    fill(store, "a", timeout=60)
    fill(store, "b", timeout=0)
    fill(store, "c", timeout=60)
    fill(store, "d", timeout=60)
    assert kept(store, *"abcd") == "bcd"
    fill(store, "e", timeout=60)
    assert kept(store, *"bcde") == "cde"


def test_an_early_expiry_is_no_reason_to_go() -> None:
    store = SimpleCache(threshold=2)
    fill(store, "a", timeout=3600)
    fill(store, "b", timeout=60)
    fill(store, "c", timeout=3600)
    assert kept(store, *"abc") == "bc"


def test_timeouts() -> None:
    store = SimpleCache(default_timeout=0.02)
    store.set("default", 1)
    store.set("fraction", 1, 0.02)
    store.set("delta", 1, timedelta(milliseconds=20))
    store.set("forever", 1, 0)
    store.set("huge", 1, 10**12)
    store.add("added", 1, 0.02)
    store.inc("counter")
    time.sleep(0.03)
    names = ["default", "fraction", "delta", "added", "counter", "forever", "huge"]
    assert [name for name in names if store.get(name) is not None] == ["forever", "huge"]
    assert store.add("default", 2, 60)
    assert store.get("default") == 2


@pytest.mark.parametrize("timeout", [-1, -0.001, timedelta(-1), float("nan"), float("inf"), "1"])
def test_a_wrong_timeout_changes_nothing(timeout: Any) -> None:
    store = SimpleCache()
    store.set("k", "old")
    for write in (store.set, store.add):
        with pytest.raises(InvalidTimeoutError):
            write("k", "new", timeout)
    assert store.get("k") == "old"


@pytest.mark.parametrize("threshold", [0, -1, 1.5, "10", None])
def test_a_wrong_threshold_is_refused(threshold: Any) -> None:
    with pytest.raises(ConfigError, match="CACHE_THRESHOLD"):
        SimpleCache(threshold=threshold)


def test_values_are_copies_on_the_way_in_and_out() -> None:
    store = SimpleCache()
    value = {"a": [1]}
    store.set("k", value)
    value["a"].append(2)
    store.get("k")["a"].append(3)
    store.get_many("k")[0]["a"].append(4)
    assert store.get("k") == {"a": [1]}


def test_immutable_values_are_not_copied() -> None:
    store = SimpleCache()
    for value in ("text" * 100, b"bytes" * 100, (1, ("a", None)), frozenset({1, 2}), 10**50):
        store.set("k", value)
        assert store.get("k") is value


def test_a_tuple_that_holds_something_mutable_is_copied() -> None:
    store = SimpleCache()
    store.set("k", ([1],))
    store.get("k")[0].append(2)
    assert store.get("k") == ([1],)


def test_what_cannot_be_copied_is_refused_and_leaves_what_was_there() -> None:
    store = SimpleCache()
    store.set("k", "old")
    with pytest.raises(SerializationError, match="function"):
        store.set("k", lambda: 1)
    with pytest.raises(SerializationError, match="generator") as caught:
        store.set("k", (n for n in range(3)))
    assert isinstance(caught.value, CacheError)
    assert store.get("k") == "old"


def test_counters() -> None:
    store = SimpleCache()
    assert [store.inc("n"), store.inc("n", 5), store.dec("n", 2), store.get("n")] == [1, 6, 4, 4]
    store.set("text", "1")
    assert store.inc("text") is None
    store.set("flag", True)
    assert store.inc("flag") is None
    assert store.get("text") == "1"


def test_counting_keeps_the_expiry() -> None:
    store = SimpleCache()
    store.set("n", 5, 0.05)
    assert store.inc("n") == 6
    time.sleep(0.06)
    assert store.get("n") is None
    assert store.inc("n") == 1


def test_a_stored_none_is_there() -> None:
    store = SimpleCache()
    store.set("k", None)
    assert store.has("k")
    assert not store.add("k", 1)
    assert store.delete("k")
    assert not store.delete("k")


def test_clear_forgets_all() -> None:
    store = SimpleCache()
    fill(store, *"ab", timeout=60)
    assert store.clear()
    assert kept(store, *"ab") == ""
    fill(store, *"ab", timeout=60)
    assert kept(store, *"ab") == "ab"


def test_add_is_atomic_across_threads() -> None:
    store = SimpleCache()
    barrier = threading.Barrier(8)
    won: list[int] = []

    def add(number: int) -> None:
        barrier.wait()
        won.extend(index for index in range(200) if store.add(f"k{index}", number))

    in_threads(add, 8)
    assert collections.Counter(won) == dict.fromkeys(range(200), 1)


def test_counting_is_atomic_across_threads() -> None:
    store = SimpleCache()
    in_threads(lambda number: [store.inc("n") for _ in range(500)], 8)
    assert store.get("n") == 4000


@pytest.fixture
def hurried() -> Any:
    """Threads that take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(run: Callable[[int], object], count: int) -> None:
    """Run in *count* threads; raises what one of them raised."""
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            run(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.usefixtures("hurried")
def test_threads_that_read_and_write_a_full_cache_never_fail() -> None:
    store = SimpleCache(threshold=8)

    def work(number: int) -> None:
        for turn in range(3000):
            key = f"k{turn % 16}"
            if (turn + number) % 3:
                found = store.get(key)
                assert found is None or found[0] == key
            else:
                store.set(key, (key, number), 60)
            if turn % 500 == number:
                store.clear()

    in_threads(work, 6)
    store.clear()
    fill(store, *"abcdefghij", timeout=60)
    assert kept(store, *"abcdefghij") == "cdefghij"


@pytest.mark.usefixtures("hurried")
def test_an_eviction_is_one_step_for_readers() -> None:
    """Readers take no lock, so nothing that they can disturb may be spread over two steps."""
    store = SimpleCache(threshold=4)
    keys = [f"k{n}" for n in range(9)]

    def work(number: int) -> None:
        for turn in range(60_000):
            if number < 2:
                store.set(keys[turn % 9], turn, 0)
            else:
                store.get_many(*keys)

    in_threads(work, 4)
    assert sum(map(store.has, keys)) == 4


def bookkeeping(store: SimpleCache) -> int:
    """Everything that the store holds, counted deeply."""
    seen: set[int] = set()
    ahead: list[Any] = [vars(store)]
    while ahead:
        item = ahead.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            ahead += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple, set)):
            ahead += item
        elif hasattr(item, "__dict__"):
            ahead.append(vars(item))
    return len(seen)


def test_overwriting_for_ever_leaves_nothing_behind() -> None:
    store = SimpleCache(threshold=10)
    for turn in range(100_000):
        store.set(f"k{turn % 10}", turn, 60 + turn)
    assert bookkeeping(store) < 500
    for turn in range(10_000):
        store.set(f"other{turn}", turn, 60 + turn * 7)
        store.delete(f"other{turn}")
    assert bookkeeping(store) < 500


def test_a_child_of_a_fork_has_a_cache_of_its_own() -> None:
    store = SimpleCache()
    store.set("k", "parent")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            seen = store.get("k")
            store.set("k", "child")
            os.write(writer, f"{seen} {store.get('k')} {store.inc('n')}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"parent child 1"
    assert store.get("k") == "parent"
    assert store.get("n") is None
    os.close(reader)
    os.close(writer)


def test_a_fork_while_another_thread_writes_leaves_the_child_a_working_cache() -> None:
    store = SimpleCache(threshold=4)
    stop = threading.Event()

    def write() -> None:
        turn = 0
        while not stop.is_set():
            store.set(f"k{turn % 8}", turn, 60)
            turn += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                store.set("mine", 1)
                os._exit(0 if store.get("mine") == 1 else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


def test_settings_reach_it(app: Flask) -> None:
    config = {"CACHE_TYPE": "simple", "CACHE_THRESHOLD": 2, "CACHE_DEFAULT_TIMEOUT": 0.02}
    cache = Cache(app, config=config)
    for key in "abc":
        cache.set(key, key, 60)
    assert cache.get_many(*"abc") == [None, "b", "c"]
    cache.set("short", 1)
    time.sleep(0.03)
    assert cache.get("short") is None


def test_options_go_over_settings(app: Flask) -> None:
    config = {"CACHE_TYPE": "simple", "CACHE_THRESHOLD": 2, "CACHE_OPTIONS": {"threshold": 1}}
    cache = Cache(app, config=config)
    cache.set_many({"a": 1, "b": 2})
    assert cache.get_many("a", "b") == [None, 2]


@pytest.mark.parametrize(
    "settings",
    [
        {"CACHE_ARGS": [1]},
        {"CACHE_OPTIONS": {"tresholds": 5}},
        {"CACHE_OPTIONS": {"default_timeout": -1}},
        {"CACHE_OPTIONS": {"threshold": 0}},
    ],
)
def test_options_that_do_not_fit_name_a_setting(app: Flask, settings: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, InvalidTimeoutError), match=r"CACHE_\w+"):
        Cache(app, config={"CACHE_TYPE": "simple", **settings})
    assert "cache" not in app.extensions
