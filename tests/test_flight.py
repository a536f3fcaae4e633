"""Single-flight in one process: threads, loops, recursion, failures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from flask_cache_core import Cache


@pytest.fixture
def cache() -> Iterator[Cache]:
    app = Flask(__name__)
    yield Cache(app, config={"CACHE_TYPE": "simple", "CACHE_LOCK_TIMEOUT": 20})
    assert app.extensions


def together(count: int, function: Callable[[], Any]) -> list[Any]:
    """Call *function* from *count* threads that all start at once; results or exceptions."""
    barrier = threading.Barrier(count)

    def call() -> Any:
        barrier.wait(10)
        try:
            return function()
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return [future.result(30) for future in [pool.submit(call) for _ in range(count)]]


class Gate:
    """A computation that tells when it has begun, and waits until it may go on."""

    def __init__(self) -> None:
        self.calls = 0
        self.begun = threading.Event()
        self.may_end = threading.Event()

    def pass_through(self) -> int:
        self.calls += 1
        self.begun.set()
        assert self.may_end.wait(10)
        return self.calls


def until(condition: Callable[[], bool]) -> None:
    """Wait until the interleaving that a test is about has come about."""
    deadline = threading.Event()
    for _ in range(2000):
        if condition():
            return
        deadline.wait(0.005)
    raise AssertionError("it never came about")


def test_fifty_threads_that_miss_together_compute_once(cache: Cache) -> None:
    gate = Gate()
    compute = cache.memoize()(gate.pass_through)
    with ThreadPoolExecutor(50) as pool:
        futures = [pool.submit(compute) for _ in range(50)]
        until(lambda: cache.stats().waits == 49)
        gate.may_end.set()
        assert [future.result(10) for future in futures] == [1] * 50
    assert gate.calls == 1


def test_followers_get_copies_of_a_mutable_value(cache: Cache) -> None:
    gate = Gate()

    @cache.memoize()
    def compute() -> list[int]:
        gate.pass_through()
        return [1]

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(compute) for _ in range(3)]
        until(lambda: cache.stats().waits == 2)
        gate.may_end.set()
        values = [future.result(10) for future in futures]
    assert values == [[1]] * 3
    assert len({id(value) for value in values}) == 3


def test_who_misses_while_the_leader_lands_does_not_compute_again(cache: Cache) -> None:
    """The read of a miss may be older than the landing of the flight that it then does not find."""
    gate = Gate()
    gate.may_end.set()
    compute = cache.memoize()(gate.pass_through)
    state = cache.state()
    real, paused, go_on = state.get_many, threading.Event(), threading.Event()

    def slow_read(*keys: str) -> list[Any] | None:
        found = real(*keys)
        if threading.current_thread().name == "late":
            state.get_many = real
            paused.set()
            assert go_on.wait(10)
        return found

    state.get_many = slow_read
    late = threading.Thread(target=compute, name="late")
    late.start()
    assert paused.wait(10)
    assert compute() == 1
    go_on.set()
    late.join(10)
    assert gate.calls == 1


def test_the_leaders_exception_is_its_own_and_followers_try_one_at_a_time(cache: Cache) -> None:
    running, most, calls = 0, 0, 0
    lock = threading.Lock()
    gate = threading.Event()

    @cache.memoize()
    def fail() -> None:
        nonlocal running, most, calls
        with lock:
            running, calls = running + 1, calls + 1
            most = max(most, running)
        assert gate.wait(10)
        with lock:
            running -= 1
        raise LookupError(str(calls))

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(fail) for _ in range(8)]
        until(lambda: cache.stats().waits >= 7)
        gate.set()
        errors = [future.exception(10) for future in futures]
    assert all(isinstance(error, LookupError) for error in errors)
    assert calls == 8
    assert most == 1


def test_a_follower_of_a_failure_that_succeeds_serves_the_others(cache: Cache) -> None:
    gate = Gate()

    @cache.memoize()
    def second_time_lucky() -> str:
        if gate.pass_through() == 1:
            raise LookupError
        return "value"

    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(second_time_lucky) for _ in range(5)]
        until(lambda: cache.stats().waits == 4)
        gate.may_end.set()
        outcomes = [future.exception(10) or future.result() for future in futures]
    assert sorted(map(str, outcomes)) == ["", "value", "value", "value", "value"]
    assert gate.calls == 2


def test_a_follower_that_waited_long_enough_computes_for_itself(cache: Cache) -> None:
    gate = Gate()
    compute = cache.memoize(lock_timeout=0.05)(gate.pass_through)
    leader = threading.Thread(target=compute)
    leader.start()
    assert gate.begun.wait(10)
    follower = threading.Thread(target=compute)
    follower.start()
    until(lambda: gate.calls == 2)
    gate.may_end.set()
    leader.join(10)
    follower.join(10)


def test_values_that_may_not_be_stored_are_computed_by_each_caller_at_once(cache: Cache) -> None:
    """Nobody waits in line for what is for one caller only."""
    gate = Gate()
    all_three = threading.Barrier(3)

    @cache.memoize(response_filter=lambda value: False)
    def private() -> str:
        if not gate.begun.is_set():
            gate.pass_through()
            return "leader"
        all_three.wait(10)  # passed only by three at the same time
        return "follower"

    with ThreadPoolExecutor(4) as pool:
        leader = pool.submit(private)
        assert gate.begun.wait(10)
        followers = [pool.submit(private) for _ in range(3)]
        until(lambda: cache.stats().waits == 3)
        gate.may_end.set()
        assert leader.result(10) == "leader"
        assert [future.result(10) for future in followers] == ["follower"] * 3


def test_a_function_that_calls_itself_with_the_same_arguments_does_not_wait(cache: Cache) -> None:
    depth = 0

    @cache.memoize()
    def again() -> int:
        nonlocal depth
        depth += 1
        return 7 if depth > 3 else again()

    assert again() == 7


def test_functions_that_call_each_other_from_two_threads_do_not_deadlock(cache: Cache) -> None:
    both_lead = threading.Barrier(2)

    @cache.memoize()
    def one(depth: int) -> str:
        if depth == 0:
            both_lead.wait(10)
            return "one" + two(1)
        return "1"

    @cache.memoize()
    def two(depth: int) -> str:
        if depth == 0:
            both_lead.wait(10)
            return "two" + one(0)
        return "2"

    # one(0) waits for nothing of two(0), but two(0) for one(0): no cycle, both end
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(one, 0), pool.submit(two, 0)
        assert first.result(10) == "one2"
        assert second.result(10) == "twoone2"


def test_a_cycle_of_waiting_over_two_threads_is_broken_at_once(cache: Cache) -> None:
    both_lead = threading.Barrier(2)
    inside = threading.local()

    @cache.memoize()
    def ping() -> str:
        if getattr(inside, "busy", False):
            return "ping"
        inside.busy = True
        both_lead.wait(10)
        return "ping " + pong()

    @cache.memoize()
    def pong() -> str:
        if getattr(inside, "busy", False):
            return "pong"
        inside.busy = True
        both_lead.wait(10)
        return "pong " + ping()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(ping), pool.submit(pong)
        assert first.result(10).startswith("ping ")  # 20 seconds is what they would wait
        assert second.result(10).startswith("pong ")


def test_gather_of_one_key_on_one_loop_computes_once(cache: Cache) -> None:
    calls = 0

    @cache.memoize()
    async def compute(x: int) -> int:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.01)
        return x

    async def main() -> list[int]:
        return list(await asyncio.gather(*(compute(1) for _ in range(20))))

    assert asyncio.run(main()) == [1] * 20
    assert calls == 1


def test_loops_of_several_threads_and_plain_threads_share_one_computation(cache: Cache) -> None:
    gate = Gate()

    @cache.memoize()
    async def compute() -> int:
        return await asyncio.to_thread(gate.pass_through)

    async def thrice() -> list[int]:
        return list(await asyncio.gather(compute(), compute(), compute()))

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(asyncio.run, thrice()) for _ in range(3)]
        until(lambda: cache.stats().waits == 8)
        gate.may_end.set()
        assert [future.result(10) for future in futures] == [[1, 1, 1]] * 3
    assert gate.calls == 1


def test_a_task_started_inside_a_computation_may_ask_for_the_same_key(cache: Cache) -> None:
    depth = 0

    @cache.memoize()
    async def compute() -> int:
        nonlocal depth
        depth += 1
        if depth == 1:
            return sum(await asyncio.gather(compute(), compute()))
        return 1

    assert asyncio.run(compute()) == 2


def test_a_cancelled_leader_leaves_the_work_to_a_follower(cache: Cache) -> None:
    calls = 0

    async def main() -> int:
        begun, may_end = asyncio.Event(), asyncio.Event()

        @cache.memoize()
        async def compute() -> int:
            nonlocal calls
            calls += 1
            begun.set()
            await may_end.wait()
            return calls

        leader = asyncio.create_task(compute())
        await begun.wait()
        follower = asyncio.create_task(compute())
        while cache.stats().waits == 0:
            await asyncio.sleep(0)
        leader.cancel()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await leader
        return await follower

    assert asyncio.run(main()) == 2


def test_a_cancelled_follower_harms_nobody(cache: Cache) -> None:
    async def main() -> int:
        may_end = asyncio.Event()

        @cache.memoize()
        async def compute() -> int:
            await may_end.wait()
            return 5

        leader = asyncio.create_task(compute())
        await asyncio.sleep(0)
        follower = asyncio.create_task(compute())
        while cache.stats().waits == 0:
            await asyncio.sleep(0)
        follower.cancel()
        with pytest.raises(asyncio.CancelledError):
            await follower
        may_end.set()
        assert await leader == 5
        return await compute()

    assert asyncio.run(main()) == 5


def test_lock_false_lets_every_caller_compute(cache: Cache) -> None:
    barrier = threading.Barrier(3)

    @cache.memoize(lock=False)
    def compute() -> int:
        return barrier.wait(10)  # passed only by three at the same time

    assert sorted(together(3, compute)) == [0, 1, 2]


def test_different_functions_with_cold_stamps_keep_all_their_values(cache: Cache) -> None:
    """Computations that begin while the stamp of their function is absent agree on one."""
    calls: list[int] = []
    barrier = threading.Barrier(4)

    @cache.memoize()
    def compute(x: int) -> int:
        calls.append(x)
        barrier.wait(10)
        return x

    numbers: Iterator[int] = iter(range(4))
    lock = threading.Lock()

    def next_one() -> int:
        with lock:
            number = next(numbers)
        return compute(number)

    together(4, next_one)
    assert sorted(compute(number) for number in range(4)) == [0, 1, 2, 3]
    assert sorted(calls) == [0, 1, 2, 3]
