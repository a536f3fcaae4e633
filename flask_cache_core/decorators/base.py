"""What `cached` and `memoize` have in common: an object that stands for the decorated function.

It keeps the function's name and signature, binds as a method does, and stays a coroutine
function if it was one. Must not know what is looked up.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    TypeAlias,
    TypeVar,
    overload,
)

from ..engine.call import Raised
from ..engine.lookup import fetch, glance
from ..engine.reading import Missed
from ..storage.entry import Entry

if TYPE_CHECKING:
    from ..engine.call import Call
    from ..engine.state import AppState
    from ..extension import Cache
    from ..typing import Timeout

#: A key, its stamps, the options as they are resolved, and what else the call has to know.
Asked: TypeAlias = tuple[str, tuple[str, ...], Any, Any]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


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


class Decorated(ABC, Generic[P, R]):
    """A function whose values are cached.

    :ivar uncached: the function itself.
    :ivar cache_timeout: seconds, a timedelta, or ``None`` for the default; may be changed.
    """

    binds: ClassVar[type[Bound[..., Any]]] = Bound
    __name__: str

    def __init__(self, cache: Cache, function: Callable[P, R], timeout: Timeout | None) -> None:
        functools.update_wrapper(self, function)
        self.owner = cache
        self.uncached = function
        self.cache_timeout = timeout

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        state = self.owner.state()
        asked = self.asked(state, args, kwargs) if state.enabled else None
        if asked is None:
            return self.uncached(*args, **kwargs)
        key, stamps, resolved, _ = asked
        missed: Missed | None = None
        if resolved.plain and key not in state.varying and key not in state.inherited:
            seen = glance(state, key, stamps)
            if type(seen) is Entry:
                return seen.value if type(seen.value) is str else self.revealed(state, seen.value)  # type: ignore[return-value]
            missed = seen  # type: ignore[assignment]
        return self.answer(state, self.call_of(asked, args, kwargs), missed)

    @overload
    def __get__(self, instance: None, owner: type | None = None, /) -> Decorated[P, R]: ...

    @overload
    def __get__(
        self: Decorated[Concatenate[S, Q], R], instance: S, owner: type | None = None, /
    ) -> Bound[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        return self if instance is None else self.binds(self, instance)

    @abstractmethod
    def asked(self, state: AppState, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Asked | None:
        """What to look up for these arguments; ``None`` where the cache is to be bypassed."""

    @abstractmethod
    def call_of(
        self, asked: Asked, args: tuple[Any, ...], kwargs: dict[str, Any], *, forced: bool = False
    ) -> Call:
        """The call of what was asked for; *forced*, even where a value is stored."""

    def revealed(self, state: AppState, stored: Any) -> R:
        """The value, or the exception, that a stored one stands for."""
        value: R = stored
        return value

    def answer(self, state: AppState, call: Call, missed: Missed | None = None) -> R:
        """The value of *call*, or the exception that it stands for."""
        return _delivered(fetch(state, call, missed))  # type: ignore[no-any-return]

    def anew(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        """Compute the value for these arguments, store it and return it."""
        state = self.owner.state()
        asked = self.asked(state, args, kwargs) if state.enabled else None
        if asked is None:
            return self.uncached(*args, **kwargs)
        return self.answer(state, self.call_of(asked, args, kwargs, forced=True))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__module__}.{self.__wrapped__.__qualname__}>"  # type: ignore[attr-defined]


# `inspect.iscoroutinefunction`, and so Flask and asgiref, look through `functools.partial`: that
# is how an object passes for the coroutine function that it stands for, on every Python.


class BoundCoroutine(Bound[P, R], functools.partial[Any]):
    """A decorated coroutine method, reached through an instance."""

    def __new__(cls, decorated: Decorated[Any, R], instance: object) -> BoundCoroutine[P, R]:
        return functools.partial.__new__(cls, decorated.uncached)


class Awaited(Decorated[P, R], functools.partial[Any]):
    """A coroutine function whose values are cached."""

    binds = BoundCoroutine

    def __new__(cls, cache: Cache, function: Callable[P, R], *rest: object) -> Awaited[P, R]:
        return functools.partial.__new__(cls, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        return self._awaited(args, kwargs)

    async def _awaited(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Begin only when awaited, as a coroutine function does."""
        state = self.owner.state()
        asked = self.asked(state, args, kwargs) if state.enabled else None
        if asked is None:
            return await self.uncached(*args, **kwargs)  # type: ignore[misc]
        return await self.answer(state, self.call_of(asked, args, kwargs))

    async def answer(  # type: ignore[override]
        self, state: AppState, call: Call, missed: Missed | None = None
    ) -> Any:
        from ..engine import aio  # imports asyncio, which an app without coroutines does not need

        return _delivered(await aio.fetch(state, call))


def _delivered(value: Any) -> Any:
    if type(value) is Raised:
        raise value.error
    return value


def joined(value: Any) -> Any:
    """The items of a generator, which can be read only once: text and bytes in one piece."""
    if not inspect.isgenerator(value):
        return value
    items: list[Any] = list(value)
    if items and all(isinstance(item, str) for item in items):
        return "".join(items)
    if items and all(isinstance(item, bytes) for item in items):
        return b"".join(items)
    return items
