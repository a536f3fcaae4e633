"""Timing side by side: rounds of each contender by turns, medians, and a table of ratios."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from time import process_time
from typing import Any, NamedTuple, TypeAlias

Clock: TypeAlias = Callable[[], float]


class Target(NamedTuple):
    """What a ratio must reach: at least, or at most."""

    ratio: float
    at_most: bool = False

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.ratio:g}"

    def met_by(self, ratio: float) -> bool:
        return ratio <= self.ratio if self.at_most else ratio >= self.ratio


class Contender(NamedTuple):
    """Something to call again and again, within a context that is entered once per round."""

    call: Callable[[], object]
    context: Callable[[], AbstractContextManager[object]] = nullcontext


def by_turns(
    *contenders: Contender, rounds: int = 15, seconds: float = 0.02, clock: Clock = process_time
) -> list[list[float]]:
    """Microseconds per call of each contender in each round.

    By default of the processor, so that what else the machine does counts for little; a
    contender that waits for a server needs `time.perf_counter`.
    """
    counts = [_calls_in(seconds, contender, clock) for contender in contenders]
    measured: list[list[float]] = [[] for _ in contenders]
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for contender, count, times in zip(contenders, counts, measured, strict=True):
                times.append(_timed(contender, count, clock) / count * 1e6)
    finally:
        gc.enable()
    return measured


def medians(*contenders: Contender, **how: Any) -> list[float]:
    """Microseconds per call of each contender: the median of its rounds."""
    return [statistics.median(times) for times in by_turns(*contenders, **how)]


def overhead(times: Sequence[float], without: Sequence[float]) -> float:
    """The median difference of rounds that were measured next to each other."""
    return statistics.median(one - other for one, other in zip(times, without, strict=True))


def _timed(contender: Contender, count: int, clock: Clock) -> float:
    call = contender.call
    with contender.context():
        began = clock()
        for _ in range(count):
            call()
        return clock() - began


def _calls_in(seconds: float, contender: Contender, clock: Clock) -> int:
    """How many calls take about *seconds*, once the first ones are over."""
    _timed(contender, 3, clock)
    count = 1
    while (took := _timed(contender, count, clock)) < seconds / 4:
        count *= 4
    return max(round(count * seconds / took), 1)


class Table:
    """Prints one line for each comparison."""

    def __init__(self, ours: str, theirs: str) -> None:
        print(f"{'microseconds per call':<46}{ours:>18}{theirs:>22}{'ratio':>9}  target")

    def line(self, what: str, measured: Sequence[float], target: Target | None) -> None:
        ours, theirs = measured
        at_most = target is not None and target.at_most
        ratio = ours / theirs if at_most else theirs / ours
        verdict = ""
        if target is not None:
            verdict = f"{target!s:<9}{'ok' if target.met_by(ratio) else 'short'}"
        print(f"{what:<46}{ours:>18.2f}{theirs:>22.2f}{ratio:>8.2f}x  {verdict}")
