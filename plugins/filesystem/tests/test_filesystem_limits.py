"""What a directory holds at most, and what goes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def alive(cache: Any, keys: Any) -> list[str]:
    return [key for key in keys if cache.has(key)]


def size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def test_all_entries_up_to_the_threshold_are_kept(make: Any) -> None:
    cache = make(threshold=100)
    keys = [f"k{number}" for number in range(100)]
    cache.set_many(dict.fromkeys(keys, "value"))
    assert alive(cache, keys) == keys


def test_the_threshold_holds_under_eight_processes(make: Any, together: Any) -> None:
    make(threshold=200)

    def fill(me: int) -> None:
        cache = make(threshold=200)
        for number in range(300):
            assert cache.set(f"{me}-{number}", number)

    together(8, fill)
    keys = [f"{me}-{number}" for me in range(8) for number in range(300)]
    assert 150 <= len(alive(make(threshold=200), keys)) <= 200


@pytest.mark.parametrize("threshold", [50, 5_000])
def test_what_has_expired_goes_first(make: Any, threshold: int) -> None:
    cache = make(threshold=threshold)
    half = threshold // 2
    lasting = [f"lasting{number}" for number in range(half)]
    cache.set_many(dict.fromkeys(lasting, 1), 0)
    short = {f"short{number}": 1 for number in range(half)}
    cache.set_many(short, 0.001)
    while alive(cache, short):
        pass
    cache.set_many({f"new{number}": 1 for number in range(half)}, 60)
    assert alive(cache, lasting) == lasting


def test_then_goes_what_was_not_used_lately(make: Any) -> None:
    cache = make(threshold=40)
    cache.set_many({f"k{number}": number for number in range(40)})
    used = [f"k{number}" for number in range(0, 40, 2)]
    cache.get_many(*used)
    cache.set_many({f"new{number}": number for number in range(20)})
    assert alive(cache, used) == used


def test_a_hit_writes_only_the_first_time(make: Any, tmp_path: Path) -> None:
    cache = make()
    cache.set("k", "value")
    cache.get("k")
    store = next(tmp_path.rglob("store"))
    before = store.read_bytes()
    for _ in range(10):
        assert cache.get("k") == "value"
    assert store.read_bytes() == before


def test_a_lowered_threshold_is_reached_step_by_step(make: Any) -> None:
    keys = [f"k{number}" for number in range(300)]
    make(threshold=300).set_many(dict.fromkeys(keys, 1))
    lowered = make(threshold=10)
    lowered.set("new", 1)
    assert lowered.has("new")
    assert 100 < len(alive(lowered, keys)) < 300
    for number in range(10):
        lowered.set(f"new{number}", 1)
    assert len(alive(lowered, keys)) <= 10


def test_a_raised_threshold_counts(make: Any) -> None:
    make(threshold=10).set("k", 1)
    raised = make(threshold=1000)
    keys = [f"k{number}" for number in range(1000)]
    raised.set_many(dict.fromkeys(keys, 1))
    assert alive(raised, keys) == keys


def test_deleted_entries_leave_their_room(make: Any) -> None:
    cache = make(threshold=20)
    for round_ in range(30):
        keys = [f"{round_}-{number}" for number in range(20)]
        cache.set_many(dict.fromkeys(keys, 1))
        assert alive(cache, keys) == keys
        assert cache.delete_many(*keys) == keys


@pytest.mark.parametrize("length", [10, 3_000, 20_000])
def test_the_bound_on_bytes_holds(make: Any, tmp_path: Path, length: int) -> None:
    cache = make(threshold=10_000, max_bytes=1_000_000)
    for number in range(400):
        assert cache.set(f"k{number}", "x" * length)
        assert cache.get(f"k{number}") == "x" * length
    assert size(tmp_path) <= 1_000_000
    assert len(alive(cache, [f"k{number}" for number in range(400)])) >= 20


def test_the_bound_on_bytes_holds_when_values_change_size(make: Any, tmp_path: Path) -> None:
    cache = make(max_bytes=500_000)
    for number in range(300):
        cache.set(f"k{number % 30}", "x" * (number * 7919 % 60_000))
        assert cache.get(f"k{number % 30}") == "x" * (number * 7919 % 60_000)
    assert size(tmp_path) <= 500_000


def test_large_values_leave_nothing_behind(make: Any, tmp_path: Path) -> None:
    cache = make(threshold=3)
    for number in range(10):
        cache.set(f"k{number}", b"x" * 100_000)
    assert len(list(tmp_path.rglob("large/*"))) == 3
    for number in range(10):
        cache.set(f"k{number}", b"small")
    assert not list(tmp_path.rglob("large/*"))
    cache.set("k", b"x" * 100_000)
    cache.delete("k")
    assert not list(tmp_path.rglob("large/*"))


def test_a_large_value_is_replaced_whole(make: Any, together: Any) -> None:
    make().set("k", b"0" * 200_000)

    def work(me: int) -> None:
        cache = make()
        for _ in range(60):
            if me < 2:
                cache.set("k", b"%d" % me * 200_000)
            value = cache.get("k")
            assert len(value) == 200_000
            assert len(set(value)) == 1

    together(4, work)


def test_a_reader_sees_that_the_file_was_laid_out_anew(make: Any) -> None:
    reader = make(threshold=10)
    reader.set("k", 1)
    assert reader.get("k") == 1
    make(threshold=5_000).set("k", 2)
    assert reader.get("k") == 2
    make(max_bytes=500_000).set("k", 3)
    assert reader.get("k") == 3
