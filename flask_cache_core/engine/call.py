"""What a lookup is asked for: one call of something cached, its policy, and its outcome.

Decorators subclass `Call`. Must not know how anything is looked up, stored or computed once.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, Self, TypeVar

from ..config import FlightOptions, FlightSettings

__all__ = [
    "Call",
    "Deferred",
    "FlightOptions",
    "GivenCall",
    "Outcome",
    "Policy",
    "Raised",
    "collected",
]

T = TypeVar("T")


class Policy(FlightSettings):
    """`FlightOptions` with nothing left open. Durations are in seconds.

    :ivar grace: seconds that an entry is kept beyond its time.
    :ivar minds_hits: a hit is more than its value: it may be early, or is to be remembered.
    """

    grace: float
    minds_hits: bool

    def __init__(self, config: Mapping[str, object] = MappingProxyType({}), /, **values: object):
        super().__init__(config, **values)
        self._derive()

    @classmethod
    def of(cls, options: FlightOptions, settings: FlightSettings) -> Self:
        made = super().of(options, settings)
        made._derive()  # noqa: SLF001 - an instance of its own
        return made

    def _derive(self) -> None:
        """Once, since reading is on the way of every miss, and instances never change."""
        grace = max(self.stale_while_revalidate, self.stale_if_error)
        object.__setattr__(self, "grace", grace)
        object.__setattr__(self, "minds_hits", bool(self.beta or self.stale_if_error))

    @property
    def lease(self) -> float:
        """Seconds after which the lock of a process that died is free."""
        return max(self.lock_timeout / 3, 1.0)


class Deferred(Protocol):
    """A value that is complete some time after its computation returned, such as a stream."""

    def on_complete(self, store: Callable[[Outcome], object], end: Callable[[], object]) -> None:
        """Call *store* with what there is to store, if anything, then *end* in any case."""


class Outcome(NamedTuple):
    """What becomes of a computed value (RFC 9111, section 3: storability)."""

    stored: object
    """The form in which the value is stored."""
    store: bool = True
    """Whether it may be stored, and shared with those who wait."""
    timeout: float | None = None
    """Seconds; overrides the call's."""
    vary: tuple[str, ...] = ()
    """The request headers by which it differs."""
    failed: bool = False
    """It is an error, for which an old value is a better answer if one is allowed."""
    deferred: Deferred | None = None
    """It is not complete yet: this reports when it is."""


class Raised(NamedTuple):
    """A value that reaches its caller as an exception, and is stored like any other."""

    error: Exception


class Call(ABC, Generic[T]):
    """One call of something cached. Subclasses say how it is made, and what is done with it.

    :ivar key: where the value is stored. Never changes; a page that varies is stored under
        `variant` of it.
    :ivar version_keys: where the versions are stored that the value depends on.
    :ivar policy: how the value is computed and kept.
    :ivar timeout: seconds that the value is fresh; ``None``: the backend's default.
    :ivar forced: compute, even where a value is stored.
    """

    __slots__ = ("forced", "key", "policy", "timeout", "version_keys")

    key: str
    version_keys: tuple[str, ...]
    policy: Policy
    timeout: float | None
    forced: bool
    #: A digest that tells apart what several sources store under one key.
    source: str = ""
    #: Whether the app itself may ask for the value with ``cache.get``.
    is_read_by_key: ClassVar[bool] = False

    @abstractmethod
    def run(self) -> T:
        """Compute; a coroutine where the caller is one."""

    @abstractmethod
    def storability(self, value: T) -> Outcome:
        """Decide what becomes of a computed value."""

    @abstractmethod
    def restore(self, stored: Any) -> T:
        """The value for the caller, from the form in which it is stored."""

    def is_stale(self, stored: object) -> bool:
        """Whether the app wants a stored value replaced."""
        return False

    def variant(self, names: tuple[str, ...]) -> str:
        """The key of the variant, by these request headers, that this call is for."""
        return self.key

    def announce(self, hit: bool) -> None:
        """Tell the app whether the value was there."""


class GivenCall(Call[T]):
    """A call under a key of the app's own, whose value is stored as it is."""

    __slots__ = ("_make", "source")
    is_read_by_key = True

    def __init__(
        self,
        key: str,
        version_keys: tuple[str, ...],
        policy: Policy,
        timeout: float | None,
        make: Callable[[], T],
        source: str = "",
    ) -> None:
        self.key = key
        self.version_keys = version_keys
        self.policy = policy
        self.timeout = timeout
        self.forced = False
        self._make = make
        self.source = source

    def run(self) -> T:
        return self._make()

    def storability(self, value: T) -> Outcome:
        return Outcome(value)

    def restore(self, stored: Any) -> T:
        value: T = stored
        return value


def collected(value: Any) -> Any:
    """The items of a generator, which can be read only once: text and bytes in one piece."""
    if not inspect.isgenerator(value):
        return value
    items: list[Any] = list(value)
    if items and all(isinstance(item, str) for item in items):
        return "".join(items)
    if items and all(isinstance(item, bytes) for item in items):
        return b"".join(items)
    return items
