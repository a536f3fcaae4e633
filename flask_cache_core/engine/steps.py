"""What a lookup asks its driver to do: run the call, wait for another's computation, pause.

A lookup decides and never blocks: it is a generator that yields steps. Two drivers do them, one
in a thread (`Lookup.value`), one in an event loop (``aio``). A driver puts the result of a step
into the step. Must not know why a step is wanted.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from .flight import Flight

__all__ = ["Pause", "Ran", "Run", "Step", "Steps", "Wait"]

T = TypeVar("T")


class Ran(NamedTuple, Generic[T]):
    """How a call, or a whole lookup, ended: with a value, or with an error."""

    value: T | None = None
    error: BaseException | None = None


class Run(Generic[T]):
    """Run the call. The driver sets `ran`."""

    __slots__ = ("ran",)
    ran: Ran[T]


class Wait:
    """Wait for another's computation, *seconds* at most. The driver sets `completed`."""

    __slots__ = ("completed", "flight", "seconds")
    completed: bool

    def __init__(self, flight: Flight, seconds: float) -> None:
        self.flight = flight
        self.seconds = seconds


class Pause(NamedTuple):
    """Do nothing for *seconds*."""

    seconds: float


Step: TypeAlias = Run[T] | Wait | Pause
Steps: TypeAlias = Generator[Step[T], None, Ran[T]]
