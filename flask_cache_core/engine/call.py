"""What `lookup` is asked for: one call of something cached, the policy for it, and its outcome.

Decorators subclass `Call`. Must not know how anything is looked up, stored or computed once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypedDict

from ..errors import ConfigError, UsageError
from ..timeouts import to_seconds
from ..typing import LockMode, Timeout

if TYPE_CHECKING:
    from ..config import Settings

__all__ = ["Call", "FlightOptions", "GivenCall", "Later", "Outcome", "Policy", "Raised"]


class FlightOptions(TypedDict, total=False):
    """How a decorator's values are computed and kept; each defaults to a ``CACHE_*`` setting."""

    lock: LockMode
    lock_timeout: Timeout
    stale_while_revalidate: Timeout
    stale_if_error: Timeout
    jitter: float
    beta: float


@dataclass(frozen=True, slots=True)
class Policy:
    """`FlightOptions` with nothing left open. Durations are in seconds."""

    lock: LockMode
    lock_timeout: float
    stale_while_revalidate: float
    stale_if_error: float
    jitter: float
    beta: float

    @classmethod
    def check(cls, options: FlightOptions) -> None:
        """Raise for options that are unknown or wrong, before any app is."""
        unknown = sorted(options.keys() - FlightOptions.__annotations__.keys())
        if unknown:
            raise UsageError(f"unexpected keyword arguments: {', '.join(unknown)}")
        if options.get("lock", "local") not in ("local", "distributed", False):
            raise ConfigError(
                f"lock must be 'local', 'distributed' or False, not {options.get('lock')!r}."
            )
        durations: list[Any] = [value for name, value in options.items() if name != "lock"]
        for value in durations:
            to_seconds(value, 0)

    @classmethod
    def of(cls, options: FlightOptions, settings: Settings) -> Policy:
        return cls(
            lock=options.get("lock", settings.lock),
            lock_timeout=to_seconds(options.get("lock_timeout"), settings.lock_timeout),
            stale_while_revalidate=to_seconds(
                options.get("stale_while_revalidate"), settings.stale_while_revalidate
            ),
            stale_if_error=to_seconds(options.get("stale_if_error"), settings.stale_if_error),
            jitter=to_seconds(options.get("jitter"), settings.jitter),
            beta=to_seconds(options.get("beta"), settings.beta),
        )

    @property
    def minds_hits(self) -> bool:
        """Whether a hit is more than an answer: it may be early, or is to be remembered."""
        return bool(self.beta or self.stale_if_error)

    @property
    def grace(self) -> float:
        """Seconds that an entry is kept beyond its time."""
        return max(self.stale_while_revalidate, self.stale_if_error)

    @property
    def lease(self) -> float:
        """Seconds after which the lock of a process that died is free."""
        return max(self.lock_timeout / 3, 1.0)


class Later(Protocol):
    """A value that arrives after its computation has returned, such as a stream."""

    def arrives(self, keep: Callable[[Outcome], object], end: Callable[[], object]) -> None:
        """Call *keep* with what there is to store, if anything, then *end* in any case."""


class Outcome(NamedTuple):
    """What a `Call` says about the value that it computed."""

    stored: object
    """The form in which the value is kept."""
    store: bool = True
    """Whether it may be kept, and shared with those who wait."""
    timeout: Timeout | None = None
    """Overrides the call's."""
    vary: tuple[str, ...] = ()
    """The request headers by which it differs."""
    failed: bool = False
    """It is an error, for which an old value is a better answer if one is allowed."""
    later: Later | None = None
    """It is not all there yet: this will tell when it is."""


class Raised(NamedTuple):
    """A value that reaches its caller as an exception, and is stored like any other."""

    error: Exception


class Call(ABC):
    """One call of something cached. Subclasses say how it is made, and what is done with it."""

    __slots__ = ("forced", "key", "stamps")

    #: Where the value is kept.
    key: str
    #: The keys of the stamps that it stands under.
    stamps: tuple[str, ...]
    #: Compute, even where a value is stored.
    forced: bool

    @property
    @abstractmethod
    def policy(self) -> Policy:
        """How the value is computed and kept."""

    @property
    @abstractmethod
    def timeout(self) -> Timeout | None:
        """For how long; ``None`` is the default."""

    @property
    def maker(self) -> str:
        """Tells apart what may be stored under one key by several makers."""
        return ""

    @property
    def base(self) -> str:
        """The key of the page that `key` may be a variant of."""
        return self.key

    @abstractmethod
    def run(self) -> Any:
        """Compute; a coroutine where the caller is one."""

    def judge(self, value: Any) -> Outcome:
        """Decide what becomes of a computed value."""
        return Outcome(value)

    def reveal(self, stored: Any) -> Any:
        """The value for the caller, from the form in which it is kept."""
        return stored

    def is_stale(self, stored: Any) -> bool:
        """Whether the app wants a stored value replaced."""
        return False

    def variant(self, names: tuple[str, ...]) -> str:
        """The key of the variant, by these request headers, that this call is for."""
        return self.base

    def announce(self, hit: bool) -> None:  # noqa: B027 - optional
        """Tell the app whether the value was there."""


class GivenCall(Call):
    """A call whose key, policy and timeout are simply given, and so is what makes the value."""

    __slots__ = ("_make", "_maker", "_policy", "_timeout")

    def __init__(
        self,
        key: str,
        stamps: tuple[str, ...],
        policy: Policy,
        timeout: Timeout | None,
        make: Callable[[], Any],
        maker: str = "",
    ) -> None:
        self.key = key
        self.stamps = stamps
        self.forced = False
        self._policy = policy
        self._timeout = timeout
        self._make = make
        self._maker = maker

    def run(self) -> Any:
        return self._make()

    @property
    def policy(self) -> Policy:
        return self._policy

    @property
    def timeout(self) -> Timeout | None:
        return self._timeout

    @property
    def maker(self) -> str:
        return self._maker
