"""What `cached` and `memoize` have in common: an object that stands for the decorated function.

It keeps the function's name and signature, binds as a method does, and stays a coroutine
function if it was one. Must not know what keys are made of, nor what is decided of a lookup.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

from flask import Request

from ..engine.call import Raised
from ..engine.lookup import Lookup, try_hit
from ..engine.reading import FastMiss
from ..keys.arguments import CallShape
from ..options import to_seconds
from .predicates import Condition, Tags, TagsOption

if TYPE_CHECKING:
    from ..apps import AppState, CacheBase
    from ..engine.call import Call
    from ..typing import Timeout

__all__ = ["Awaited", "Binding", "Bound", "BoundCoroutine", "Decorated", "Prepared"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class Binding(Protocol):
    """A decorated function on one app: what the app's settings make of the options."""

    @property
    def state(self) -> AppState: ...

    @property
    def plain(self) -> bool:
        """Whether nothing but the entry itself decides if it is a hit."""
        ...


class DecoratorOptions(Protocol):
    """What the parameters of both decorators have in common."""

    @property
    def timeout(self) -> Timeout | None: ...
    @property
    def unless(self) -> Callable[..., object] | None: ...
    @property
    def forced_update(self) -> Callable[..., object] | None: ...
    @property
    def is_stale(self) -> Callable[..., object] | None: ...
    @property
    def tags(self) -> TagsOption: ...


B = TypeVar("B", bound=Binding)


@dataclass(slots=True)
class Prepared(Generic[B]):
    """What one call of a decorated function looks up.

    :ivar request: the request that the call answers, if it does.
    """

    key: str
    version_keys: tuple[str, ...]
    binding: B
    request: Request | None


class Bound(Generic[P, R]):
    """A decorated method, reached through an instance. Other attributes are the function's."""

    def __init__(self, decorated: Any, instance: object) -> None:
        self.__func__ = decorated
        self.__self__ = instance

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        value: R = self.__func__(self.__self__, *args, **kwargs)
        return value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__func__, name)

    def __repr__(self) -> str:
        return f"<bound {self.__func__!r} of {self.__self__!r}>"


class Decorated(ABC, Generic[P, R, B]):
    """A function whose values are cached.

    :ivar uncached: the function itself.
    """

    binds: ClassVar[type[Bound[..., Any]]] = Bound
    __name__: str

    def __init__(
        self,
        cache: CacheBase,
        function: Callable[P, R],
        options: DecoratorOptions,
        shape: CallShape,
    ) -> None:
        functools.update_wrapper(self, function)
        self.owner = cache
        self.uncached = function
        self.cache_timeout = options.timeout
        self.name = cache.names.name(function)
        self.shape = shape
        self.is_stale = Condition.maybe(options.is_stale, first=1)
        self._tags = Tags(options.tags, shape) if options.tags != () else None
        self._unless = Condition.maybe(options.unless)
        self._forced = Condition.maybe(options.forced_update)

    @property
    def cache_timeout(self) -> Timeout | None:
        """Seconds, a timedelta, or ``None`` for the default; may be changed at any time.

        Raises `InvalidTimeoutError` where it is set to something else.
        """
        return self._timeout

    @cache_timeout.setter
    def cache_timeout(self, timeout: Timeout | None) -> None:
        self.seconds = None if timeout is None else to_seconds(timeout, 0)
        self._timeout = timeout

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        state = self.owner.state()
        prepared = self.prepare(state, args, kwargs) if state.enabled else None
        if prepared is None:
            return self.uncached(*args, **kwargs)
        key, memory = prepared.key, state.memory
        missed: FastMiss | None = None
        if prepared.binding.plain and key not in memory.variants and key not in memory.inherited:
            found = try_hit(state, key, prepared.version_keys)
            if not isinstance(found, FastMiss):
                value = found.value
                return value if type(value) is str else self.restored(state, value)  # type: ignore[return-value]
            missed = found
        return self.look_up(state, self.bind_call(prepared, args, kwargs), missed)

    @overload
    def __get__(self, instance: None, owner: type | None = None, /) -> Decorated[P, R, B]: ...

    @overload
    def __get__(
        self: Decorated[Concatenate[S, Q], R, B], instance: S, owner: type | None = None, /
    ) -> Bound[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        return self if instance is None else self.binds(self, instance)

    @abstractmethod
    def prepare(
        self, state: AppState, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Prepared[B] | None:
        """What to look up for these arguments; ``None`` where the cache is to be bypassed."""

    @abstractmethod
    def bind_call(
        self, prepared: Prepared[B], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Call[R]:
        """The call of what was prepared."""

    def restored(self, state: AppState, stored: Any) -> R:
        """The value, or the exception, that a stored one stands for."""
        value: R = stored
        return value

    def look_up(self, state: AppState, call: Call[R], missed: FastMiss | None = None) -> R:
        """The value of *call*, or the exception that it stands for."""
        value = Lookup(state, call, missed).value()
        return _raised(value)

    def compute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        """Compute the value for these arguments, even where one is stored, and store it."""
        state = self.owner.state()
        prepared = self.prepare(state, args, kwargs) if state.enabled else None
        if prepared is None:
            return self.uncached(*args, **kwargs)
        call = self.bind_call(prepared, args, kwargs)
        call.forced = True
        return self.look_up(state, call)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__module__}.{self.__wrapped__.__qualname__}>"  # type: ignore[attr-defined]


# `inspect.iscoroutinefunction`, and so Flask and asgiref, look through `functools.partial`: that
# is how an object passes for the coroutine function that it stands for, on every Python.


class BoundCoroutine(Bound[P, R], functools.partial[Any]):
    """A decorated coroutine method, reached through an instance."""

    def __new__(cls, decorated: Any, instance: object) -> BoundCoroutine[P, R]:
        return functools.partial.__new__(cls, decorated.uncached)


class Awaited(Decorated[P, R, B], functools.partial[Any]):
    """A coroutine function whose values are cached."""

    binds = BoundCoroutine

    def __new__(cls, cache: CacheBase, function: Callable[P, R], *rest: object) -> Awaited[P, R, B]:
        return functools.partial.__new__(cls, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        return self._awaited(args, kwargs)

    async def _awaited(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Begin only when awaited, as a coroutine function does."""
        state = self.owner.state()
        prepared = self.prepare(state, args, kwargs) if state.enabled else None
        if prepared is None:
            return await self.uncached(*args, **kwargs)  # type: ignore[misc]
        return await self.look_up(state, self.bind_call(prepared, args, kwargs))

    async def look_up(  # type: ignore[override]
        self, state: AppState, call: Call[R], missed: FastMiss | None = None
    ) -> Any:
        from ..engine import aio  # imports asyncio, which an app without coroutines does not need

        return _raised(await aio.value(state, call, missed))


def _raised(value: R) -> R:
    """*value*, or the exception that it stands for."""
    if isinstance(value, Raised):
        raise value.error
    return value
