"""The part of the contract about threads, processes and fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest

from ..storage.base import BaseCache
from ._base import Contract, MakeBackend
from ._parallel import Forked, Meet, in_processes, in_threads

T = TypeVar("T")

THREADS = 8
PROCESSES = 4
ROUNDS = 20
STEPS = 5
KEYS = 20


def race_to_add(backend: BaseCache, number: int, meet: Meet) -> list[bool]:
    """Whether this worker won, for each key. Several in a round: who is late catches up."""
    won = []
    for round_number in range(ROUNDS):
        meet()
        won += [backend.add(f"race {round_number} {step}", number, 60) for step in range(KEYS)]
    return won


def count(backend: BaseCache, number: int, meet: Meet) -> list[list[int | None]]:
    """Count in a new counter in each round; what it said."""
    answers = []
    for round_number in range(ROUNDS):
        meet()
        answers.append([backend.inc(f"up {round_number}", 3) for _ in range(STEPS)])
    return answers


def count_down(backend: BaseCache, number: int, meet: Meet) -> list[int | None]:
    """Count in one counter, in all rounds; what it said."""
    answers = []
    for _ in range(ROUNDS):
        meet()
        answers += [backend.dec("down", 2) for _ in range(STEPS)]
    return answers


def use(backend: BaseCache, number: int, meet: Meet) -> None:
    """Write, read and delete what nobody else does; every answer must be its own."""
    meet()
    for step in range(100):
        key, value = f"worker {number}/{step % 7}", [number, step, "x" * step]
        assert backend.set(key, value, 60) is not False
        assert backend.get(key) == value
        assert backend.get_many(key, "absent", key) == [value, None, value]
        if step % 10 == 9:
            assert backend.delete(key) is True
            assert backend.has(key) is False


def use_until(backend: BaseCache, stop: threading.Event, number: int) -> None:
    while not stop.is_set():
        backend.set(f"thread {number}", number, 60)
        backend.get(f"thread {number}")


def in_child(
    work: Callable[[BaseCache, int, Meet], T],
    make_backend: MakeBackend,
    prefix: str,
    number: int,
    meet: Meet,
) -> T:
    """Do *work* with a backend that this process made itself, as a worker of a server does."""
    return work(make_backend(prefix), number, meet)


def check_race(backend: BaseCache, results: list[list[bool]]) -> None:
    kept = backend.get_many(*(f"race {r} {step}" for r in range(ROUNDS) for step in range(KEYS)))
    for stored, answers in zip(kept, zip(*results, strict=True), strict=True):
        winners = [number for number, won in enumerate(answers) if won]
        assert len(winners) == 1, f"{len(winners)} workers added one key: add is not atomic"
        assert stored == winners[0]


def check_count(results: list[list[list[int | None]]]) -> None:
    for rounds in zip(*results, strict=True):
        answers = sorted(answer or 0 for steps in rounds for answer in steps)
        wanted = [3 * (number + 1) for number in range(len(results) * STEPS)]
        assert answers == wanted, "inc is not atomic: counts were lost or given twice"


class ThreadsContract(Contract):
    """One backend object, many threads."""

    def test_threads_do_not_disturb_each_other(self, backend: BaseCache) -> None:
        in_threads(THREADS, partial(use, backend))

    def test_add_is_atomic_across_threads(self, backend: BaseCache) -> None:
        self.require(backend.atomic_add, "add of this backend is not atomic")
        check_race(backend, in_threads(THREADS, partial(race_to_add, backend)))

    def test_inc_is_atomic_across_threads(self, backend: BaseCache) -> None:
        self.require(self.atomic_counters, "counters of this backend are not atomic")
        check_count(in_threads(THREADS, partial(count, backend)))

    def test_dec_is_atomic_across_threads(self, backend: BaseCache) -> None:
        self.require(self.atomic_counters, "counters of this backend are not atomic")
        total = 2 * THREADS * ROUNDS * STEPS
        backend.set("down", total, 60)
        results = in_threads(THREADS, partial(count_down, backend))
        answers = sorted(answer or 0 for steps in results for answer in steps)
        assert answers == list(range(0, total, 2)), "dec is not atomic"


class ProcessesContract(Contract):
    """One store, many processes."""

    def test_add_is_atomic_across_processes(
        self, shared_backend: BaseCache, make_backend: MakeBackend, prefix: str
    ) -> None:
        self.require(shared_backend.atomic_add, "add of this backend is not atomic")
        work = partial(in_child, race_to_add, make_backend, prefix)
        check_race(shared_backend, in_processes(PROCESSES, work))

    def test_inc_is_atomic_across_processes(
        self, shared_backend: BaseCache, make_backend: MakeBackend, prefix: str
    ) -> None:
        self.require(self.atomic_counters, "counters of this backend are not atomic")
        check_count(in_processes(PROCESSES, partial(in_child, count, make_backend, prefix)))

    def test_both_sides_of_a_fork_work(self, backend: BaseCache) -> None:
        """With what the parent had opened before, at the same time, and the parent afterwards."""
        if not hasattr(os, "fork"):
            pytest.skip("this system cannot fork")
        backend.set("before", "the fork", 60)
        assert backend.get("before") == "the fork"
        children = Forked(2, partial(use_after_fork, backend), parties=3)
        use(backend, 9, children.meet)
        children.results()
        use(backend, 9, int)
        if backend.shared:
            assert backend.get_many("child 0", "child 1") == [0, 1]

    def test_a_fork_beside_busy_threads(self, backend: BaseCache) -> None:
        """A lock that a thread holds at that moment is not held for ever in the child."""
        if not hasattr(os, "fork"):
            pytest.skip("this system cannot fork")
        backend.set("before", "the fork", 60)
        stop = threading.Event()
        threads = [threading.Thread(target=use_until, args=(backend, stop, n)) for n in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                Forked(2, partial(use_after_fork, backend)).results()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        use(backend, 9, int)


def use_after_fork(backend: BaseCache, number: int, meet: Meet) -> None:
    assert backend.get("before") == "the fork"
    use(backend, number, meet)
    backend.set(f"child {number}", number, 60)
