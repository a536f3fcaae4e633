"""Work that begins at the same moment in several threads or processes. Knows no backend."""

from __future__ import annotations

import multiprocessing
import queue
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

#: Waits until all workers have come to the same point.
Meet: TypeAlias = Callable[[], object]

#: ``work(number, meet)``: what worker *number* does.
Work: TypeAlias = Callable[[int, Meet], T]

#: Seconds after which what should happen counts as not happening. Never part of a measurement.
PATIENCE = 30.0


class _Barrier(Protocol):
    def wait(self) -> int: ...

    def abort(self) -> None: ...


def _run(work: Work[Any], number: int, barrier: _Barrier, report: Callable[[Any], None]) -> None:
    """Report (number, error text or ``None``, result)."""
    try:
        result = work(number, barrier.wait)
    except threading.BrokenBarrierError:
        report((number, "another worker failed", None))
    except BaseException:  # a report is the only way to tell of it
        barrier.abort()
        report((number, traceback.format_exc(), None))
    else:
        report((number, None, result))


def _collect(count: int, receive: Callable[[float], Any]) -> list[Any]:
    """Return the results by worker, or raise one error with all that went wrong."""
    results: dict[int, Any] = {}
    errors: set[str] = set()
    deadline = time.monotonic() + PATIENCE
    for _ in range(count):
        try:
            number, error, result = receive(max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            errors.add(f"a worker did not end within {PATIENCE} seconds: it hangs, or it died")
            break
        results[number] = result
        if error is not None:
            errors.add(error)
    if errors:
        raise AssertionError("\n".join(sorted(errors, key=len, reverse=True)))
    return [results[number] for number in range(count)]


@contextmanager
def _impatient_interpreter() -> Iterator[None]:
    """Threads take turns as often as the interpreter can, so that races show."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def in_threads(count: int, work: Work[T]) -> list[T]:
    """Do *work* in *count* threads; the results in the order of their numbers."""
    barrier = threading.Barrier(count, timeout=PATIENCE)
    reports: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with _impatient_interpreter():
        for number in range(count):
            arguments = (work, number, barrier, reports.put)
            threading.Thread(target=_run, args=arguments, daemon=True).start()
        return _collect(count, lambda seconds: reports.get(timeout=seconds))


class Forked(Generic[T]):
    """*count* forked processes that do *work*; `results` waits for them and ends them.

    :param parties: how many call ``meet``: more than *count* where the parent does, too.
    """

    def __init__(self, count: int, work: Work[T], parties: int | None = None) -> None:
        context = multiprocessing.get_context("fork")
        barrier = context.Barrier(parties or count, timeout=PATIENCE)
        self.meet: Meet = barrier.wait
        self._reports = context.Queue()
        self._processes: list[BaseProcess] = [
            context.Process(
                target=_run, args=(work, number, barrier, self._reports.put), daemon=True
            )
            for number in range(count)
        ]
        with warnings.catch_warnings():  # fork beside threads is what is being tested
            warnings.simplefilter("ignore", DeprecationWarning)
            for process in self._processes:
                process.start()

    def results(self) -> list[T]:
        try:
            return _collect(len(self._processes), self._receive)
        finally:
            for process in self._processes:
                process.join(1)
                process.kill()
                process.join()
            self._reports.close()
            self._reports.join_thread()

    def _receive(self, seconds: float) -> Any:
        return self._reports.get(timeout=seconds)


def in_processes(count: int, work: Work[T]) -> list[T]:
    """Do *work* in *count* forked processes; the results in the order of their numbers."""
    return Forked(count, work).results()


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until *condition* holds; fail with *what* when patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {PATIENCE} seconds: {what}")
        time.sleep(0.01)
