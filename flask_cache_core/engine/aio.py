"""The asynchronous twin of `lookup.fetch`'s driver. Imported only where a coroutine is cached."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .call import Call
from .flight import Flight
from .lookup import Pause, Ran, Steps, Wait, fresh, hit, resolve
from .reading import read

if TYPE_CHECKING:
    from .state import AppState


async def fetch(state: AppState, call: Call) -> Any:
    """Like `lookup.fetch`, for a call whose ``run`` is a coroutine."""
    reading = read(state, call)
    if fresh(state, call, reading):
        return hit(state, call, reading.entry)
    ran = await _drive(resolve(state, call, reading), call)
    if ran.error is not None:
        raise ran.error
    return ran.value


async def _drive(steps: Steps, call: Call) -> Ran:
    reply: object = None
    try:
        while True:
            step = steps.send(reply)
            if isinstance(step, Wait):
                reply = await _landing(step.flight, step.seconds)
            elif isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            else:
                reply = await _run(call)
    except StopIteration as done:
        ran: Ran = done.value
        return ran
    finally:
        steps.close()


async def _run(call: Call) -> Ran:
    try:
        return Ran(await call.run())
    except BaseException as error:
        return Ran(error=error)


async def _landing(flight: Flight, seconds: float) -> bool:
    """Wait for a computation of whichever thread or loop."""
    loop = asyncio.get_running_loop()
    landed = asyncio.Event()
    flight.on_landing(_Wake(loop, landed))
    try:
        await asyncio.wait_for(landed.wait(), seconds)
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
