"""The driver of a lookup in an event loop. Imported only where a coroutine is cached."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar, cast

from .lookup import Lookup
from .steps import Ran, Run, Wait

if TYPE_CHECKING:
    from .call import Call
    from .flight import Flight
    from .reading import FastMiss
    from .state import CacheState

__all__ = ["value"]

T = TypeVar("T")


async def value(state: CacheState, call: Call[T], missed: FastMiss | None = None) -> T:
    """Like `Lookup.value`, for a call whose ``run`` is a coroutine."""
    steps = Lookup(state, call, missed).steps()
    try:
        while True:
            step = next(steps)
            if isinstance(step, Run):
                step.ran = await _run(call)
            elif isinstance(step, Wait):
                step.completed = await _completed(step.flight, step.seconds)
            else:
                await asyncio.sleep(step.seconds)
    except StopIteration as end:
        ran: Ran[T] = end.value
    finally:
        steps.close()
    if ran.error is not None:
        raise ran.error
    return ran.value  # type: ignore[return-value] # there is one where there is no error


async def _run(call: Call[T]) -> Ran[T]:
    try:
        return Ran(await cast("Awaitable[T]", call.run()))
    except BaseException as error:
        return Ran(error=error)


async def _completed(flight: Flight, seconds: float) -> bool:
    """Wait for a computation of whichever thread or loop."""
    loop = asyncio.get_running_loop()
    completed = asyncio.Event()
    flight.on_completion(_Wake(loop, completed))
    try:
        await asyncio.wait_for(completed.wait(), seconds)
    except TimeoutError:
        return False
    return True


class _Wake:
    """Sets an event of one loop from any thread; a loop that is closed waits for nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
        self._loop = loop
        self._event = event

    def __call__(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:
            return
