"""``lock="distributed"``: one computation per key over all processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from processes import Worker, shared_backend


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_text("value")
    return path


@pytest.fixture(params=["redis", "memcached", "filesystem"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    with shared_backend(request.param, tmp_path) as config:
        yield config


def test_eight_processes_of_four_threads_compute_once(shared: dict[str, Any], source: Path) -> None:
    with ExitStack() as stack:
        with ThreadPoolExecutor(4) as pool:
            made = [pool.submit(Worker, shared, source) for _ in range(8)]
            workers = [stack.enter_context(future.result()) for future in made]
        numbers = [
            (worker, worker.start("once", hold=True)) for worker in workers for _ in range(4)
        ]
        threading.Event().wait(0.5)  # late ones must find the lock taken; early ones must wait
        for worker in workers:
            worker.go()
        assert {worker.result(number) for worker, number in numbers} == {"value"}
        assert sum(len(worker.begun) for worker in workers) == 1


def test_who_waits_for_a_process_that_died_computes_when_its_lease_is_over(
    shared: dict[str, Any], source: Path
) -> None:
    config = {**shared, "TEST_LOCK_TIMEOUT": 6}  # a lease of two seconds
    with Worker(config, source) as leader, Worker(config, source) as follower:
        leader.wait_until_begun(leader.start("once", hold=True))
        number = follower.start("once")
        threading.Event().wait(0.2)
        assert follower.begun == []
        leader.kill()
        assert follower.result(number) == "value"
        assert follower.begun == [number]


def test_a_computation_of_three_leases_keeps_its_lock_and_its_value(
    shared: dict[str, Any], source: Path
) -> None:
    config = {**shared, "TEST_LOCK_TIMEOUT": 6}  # a lease of two seconds
    with Worker(config, source) as leader, Worker(config, source) as follower:
        first = leader.start("once", seconds=6.5)
        leader.wait_until_begun(first)
        threading.Event().wait(2.5)  # without renewal, the lease would be over
        second = follower.start("once")
        assert leader.result(first) == "value"
        assert follower.result(second) == "value"
        assert follower.begun == []


def test_a_waiter_whose_time_is_over_computes_for_itself(
    shared: dict[str, Any], source: Path
) -> None:
    config = {**shared, "TEST_LOCK_TIMEOUT": 0.3}
    with Worker(config, source) as leader, Worker(config, source) as follower:
        leader.wait_until_begun(leader.start("once", hold=True))
        assert follower.call("once") == "value"
        assert len(follower.begun) == 1


def test_the_lock_of_a_failed_computation_is_free_at_once(
    shared: dict[str, Any], source: Path
) -> None:
    source.unlink()
    with Worker(shared, source) as worker, Worker(shared, source) as other:
        number = worker.start("once")
        with pytest.raises(AssertionError, match="FileNotFoundError"):
            worker.result(number)
        source.write_text("value")
        assert other.call("once") == "value"
