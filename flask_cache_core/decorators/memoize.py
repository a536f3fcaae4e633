"""``@memoize``: a function's values by its arguments, and their invalidation.

Must not know requests or templates; what is a hit is `lookup`'s to say.
"""

from __future__ import annotations

import inspect
import logging
import types
import weakref
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Concatenate, Final, NamedTuple, ParamSpec, TypeVar, overload

from .. import signals
from ..engine.call import Call, FlightOptions, Outcome, Policy
from ..errors import AmbiguousNameError, ConfigError, UnknownNameError, UsageError
from ..keys.arguments import CallShape
from ..keys.builders import HashMethod, digest, function_stamp, instance_stamp, memoize_key
from ..keys.functions import source_digest
from ..timeouts import to_seconds
from ..typing import Timeout
from .base import Asked, Awaited, Bound, BoundCoroutine, Decorated, joined
from .predicates import Condition, Tags, TagsOption

if TYPE_CHECKING:
    from ..engine.state import AppState
    from ..extension import Cache

__all__ = ["BoundMemoized", "Memoized", "MemoizedFunctions"]

logger = logging.getLogger("flask_cache_core")

#: Characters of arguments that stand in a key of this process as they are.
_LONG: Final = 64

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class MemoizeOptions(NamedTuple):
    """The parameters of `Cache.memoize`."""

    timeout: Timeout | None
    make_name: Callable[[str], str] | None
    unless: Callable[..., object] | None
    forced_update: Callable[..., object] | None
    is_stale: Callable[..., object] | None
    response_filter: Callable[[Any], object] | None
    hash_method: HashMethod | None
    cache_none: bool
    source_check: bool | None
    args_to_ignore: Collection[str]
    tags: TagsOption
    flight: FlightOptions


class _Resolved(NamedTuple):
    """What the settings of one app make of the options."""

    state: AppState
    policy: Policy
    name: str
    stamp: str
    hash_method: HashMethod
    #: Nobody has a say in what is a hit.
    plain: bool
    #: Arguments do not stand in keys as they are.
    hashed: bool


class BoundMemoized(Bound[P, R]):
    """A memoized method, reached through an instance: what it invalidates is the instance's."""

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        self.__func__.invalidate(self.__self__, *args, **kwargs)

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        value: R = self.__func__.refresh(self.__self__, *args, **kwargs)
        return value


class Memoized(Decorated[P, R]):
    """What `Cache.memoize` makes of a function."""

    binds = BoundMemoized

    def __init__(self, cache: Cache, function: Callable[P, R], options: MemoizeOptions) -> None:
        super().__init__(cache, function, options.timeout)
        self.name = cache.names.name(function)
        self.shape = CallShape(function, options.args_to_ignore)
        self.options = options
        self._tags = Tags(options.tags, self.shape) if options.tags != () else None
        self._unless = Condition.maybe(options.unless)
        self._forced = Condition.maybe(options.forced_update)
        self.is_stale = Condition.maybe(options.is_stale, first=1)
        self._make_key: Callable[..., str] | None = None
        self._resolved: _Resolved | None = None

    @overload
    def __get__(self, instance: None, owner: type | None = None, /) -> Memoized[P, R]: ...

    @overload
    def __get__(
        self: Memoized[Concatenate[S, Q], R], instance: S, owner: type | None = None, /
    ) -> BoundMemoized[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        return self if instance is None else self.binds(self, instance)

    def asked(self, state: AppState, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Asked | None:
        if self._unless is not None and self._unless(self.uncached, *args, **kwargs):
            return None
        resolved = self._resolved
        if resolved is None or resolved.state is not state:
            resolved = self._resolve(state)
        try:
            key, stamps = self._identify(resolved, args, kwargs)
        except Exception:
            self._without_key(state, args, kwargs)
            return None
        return key, stamps, resolved, None

    def call_of(
        self, asked: Asked, args: tuple[Any, ...], kwargs: dict[str, Any], *, forced: bool = False
    ) -> MemoizedCall:
        key, stamps, resolved, _ = asked
        if self._forced is not None:
            forced = forced or self._forced(*args, **kwargs)
        return MemoizedCall(self, resolved, key, stamps, args, kwargs, forced)

    def _without_key(self, state: AppState, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Bypass the cache: the call itself tells its caller if the arguments are wrong."""
        try:
            self.shape.canonical(args, kwargs)
        except TypeError:
            return
        if state.debug:
            raise  # the error that this is called for
        logger.warning("%r is not answered from the cache: no key.", self, exc_info=True)

    def _resolve(self, state: AppState) -> _Resolved:
        settings, options = state.settings, self.options
        by_source = settings.source_check if options.source_check is None else options.source_check
        name = options.make_name(self.name) if options.make_name is not None else self.name
        if by_source:
            name += "#" + source_digest(self.uncached)
        policy = Policy.of(options.flight, settings)
        self._resolved = _Resolved(
            state,
            policy,
            name,
            function_stamp(self.name),
            options.hash_method or settings.hash_method,
            not (self._forced or self.is_stale or settings.enable_signals or policy.minds_hits),
            not state.backend.in_process or options.hash_method is not None,
        )
        return self._resolved

    def _identify(
        self, resolved: _Resolved, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[str, tuple[str, ...]]:
        """The key of one argument list, and the stamps that it stands under."""
        arguments = self.shape.canonical(args, kwargs)
        identities = self.owner.identities
        stamps: tuple[str, ...] = (resolved.stamp,)
        if self.shape.is_method:
            instance = identities.of(arguments[0])
            stamps += (instance_stamp(self.name, instance),)
            text = f"{instance}.{identities.text(arguments[1:])}"
        else:
            text = identities.text(arguments)
        if self._tags is not None:
            stamps += self._tags.stamps(args, kwargs)
        if self._make_key is not None:
            return self._make_key(self.uncached, *args, **kwargs), stamps
        if resolved.hashed or len(text) > _LONG:
            text = digest(text, resolved.hash_method)
        return memoize_key(resolved.name, text), stamps

    def _default_key(self, f: Callable[..., Any], /, *args: Any, **kwargs: Any) -> str:
        """The key for the given arguments; *f* is the undecorated function, as ever."""
        return self._identify(self._resolve(self.owner.state()), args, kwargs)[0]

    @property
    def make_cache_key(self) -> Callable[..., str]:
        """``make_cache_key(f.uncached, *args, **kwargs)``: readable and writable."""
        return self._make_key or self._default_key

    @make_cache_key.setter
    def make_cache_key(self, function: Callable[..., str]) -> None:
        self._make_key = function

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the value for these arguments."""
        state = self.owner.state()
        key, _ = self._identify(self._resolve(state), args, kwargs)
        state.versions.forget((key,))

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute the value for these arguments now, store it and return it."""
        return self.anew(args, kwargs)

    def delete_memoized(self) -> None:
        """Forget all values of this function."""
        self.owner.state().versions.replace((function_stamp(self.name),))

    def forget_instance(self, instance: object) -> None:
        """Forget all values of this method for one instance; of a class method, all values."""
        if not self.shape.is_method:
            return self.delete_memoized()
        identity = self.owner.identities.of(instance)
        return self.owner.state().versions.replace((instance_stamp(self.name, identity),))


class BoundMemoizedCoroutine(BoundMemoized[P, R], BoundCoroutine[P, R]):
    """A memoized coroutine method, reached through an instance."""


class MemoizedCoroutine(Awaited[P, R], Memoized[P, R]):
    """What `Cache.memoize` makes of a coroutine function."""

    binds = BoundMemoizedCoroutine


class MemoizedCall(Call):
    """One call of a memoized function."""

    __slots__ = ("_args", "_kwargs", "_memoized", "_resolved")

    def __init__(
        self,
        memoized: Memoized[..., Any],
        resolved: _Resolved,
        key: str,
        stamps: tuple[str, ...],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        forced: bool,
    ) -> None:
        self.key = key
        self.stamps = stamps
        self.forced = forced
        self._resolved = resolved
        self._memoized = memoized
        self._args = args
        self._kwargs = kwargs

    @property
    def policy(self) -> Policy:
        return self._resolved.policy

    @property
    def timeout(self) -> Timeout | None:
        return self._memoized.cache_timeout

    def run(self) -> Any:
        return joined(self._memoized.uncached(*self._args, **self._kwargs))

    def judge(self, value: Any) -> Outcome:
        options = self._memoized.options
        keep = not inspect.isasyncgen(value) and (options.cache_none or value is not None)
        if keep and options.response_filter is not None:
            keep = bool(options.response_filter(value))
        return Outcome(value, store=keep)

    def is_stale(self, stored: Any) -> bool:
        condition = self._memoized.is_stale
        return condition is not None and condition(stored, *self._args, **self._kwargs)

    def announce(self, hit: bool) -> None:
        if not self._resolved.state.settings.enable_signals:
            return
        signal = signals.cache_memoize_hit if hit else signals.cache_memoize_miss
        signal.send(
            cache=self._memoized.owner,
            cache_key=self.key,
            f=self._memoized.uncached,
            args=self._args,
            kwargs=self._kwargs,
        )


def memoized(cache: Cache, options: MemoizeOptions, function: Callable[P, R]) -> Memoized[P, R]:
    """Decorate *function*, which may be wrapped as a class or static method already."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(memoized(cache, options, function.__func__))  # type: ignore[return-value]
    kind: Any = MemoizedCoroutine if inspect.iscoroutinefunction(function) else Memoized
    made: Memoized[P, R] = kind(cache, function, options)
    cache.memoized.add(made)
    return made


def check(options: MemoizeOptions) -> None:
    """Raise for options that can be known to be wrong before there is a function."""
    if callable(options.timeout):
        raise UsageError("memoize needs parentheses: write @cache.memoize().")
    if isinstance(options.args_to_ignore, str):
        raise ConfigError(
            f"args_to_ignore must be a list of names: write [{options.args_to_ignore!r}]."
        )
    to_seconds(options.timeout, 0)
    Policy.check(options.flight)


class MemoizedFunctions:
    """The memoized functions of one cache, by their names."""

    def __init__(self) -> None:
        self._known: weakref.WeakSet[Memoized[..., Any]] = weakref.WeakSet()

    def add(self, function: Memoized[..., Any]) -> None:
        self._known.add(function)

    def called(self, name: str) -> Memoized[..., Any]:
        """The one function that *name* (``name``, ``Class.name`` or ``module.name``) means.

        Raises `UnknownNameError` or `AmbiguousNameError`.
        """
        known = {function.name: function for function in self._known}
        found = [known[name]] if name in known else _called(list(known.values()), name)
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(sorted(function.name for function in found))
            raise AmbiguousNameError(
                f"{name!r} may mean {names}. Use one of these, or pass the function itself."
            )
        names = ", ".join(sorted(known)) or "none"
        raise UnknownNameError(
            f"No memoized function is called {name!r}. Known in this process: {names}. Import the "
            "module that defines it, or pass the function itself."
        )

    def find(self, function: object) -> tuple[Memoized[..., Any], object]:
        """The memoized function behind whatever was passed, and its instance, if any."""
        if isinstance(function, str):
            return self.called(function), None
        if isinstance(function, Memoized):
            return function, None
        if isinstance(function, (Bound, types.MethodType)):
            inner = function.__func__
            if isinstance(inner, Memoized):
                return inner, function.__self__
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            return self.find(wrapped)
        raise UsageError(
            f"{function!r} is not memoized by this cache: pass what @cache.memoize() returned, or "
            "its name."
        )


def _called(functions: list[Memoized[..., Any]], name: str) -> list[Memoized[..., Any]]:
    """Those whose dotted name ends with *name*; if one is called exactly so, only that."""
    exactly = [function for function in functions if _dotted(function) == name]
    return exactly or [
        function
        for function in functions
        if f".{_dotted(function)}".endswith(f".{name}") or _short(function) == name
    ]


def _dotted(function: Memoized[..., Any]) -> str:
    return f"{function.uncached.__module__}.{function.uncached.__qualname__}"


def _short(function: Memoized[..., Any]) -> str:
    """As if a local function were its module's."""
    name = function.uncached.__qualname__.rpartition("<locals>.")[2]
    return f"{function.uncached.__module__}.{name}"


def delete_memoized(
    functions: MemoizedFunctions, function: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """`Cache.delete_memoized`."""
    found, instance = functions.find(function)
    if instance is not None and not inspect.isclass(instance):
        if not args and not kwargs:
            return found.forget_instance(instance)
        return found.invalidate(*_with_instance(instance, args), **kwargs)
    if not args and not kwargs:
        return found.delete_memoized()
    if instance is not None:
        args = _with_instance(instance, args)
    return found.invalidate(*args, **kwargs)


def _with_instance(instance: object, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """A bound method brings its instance; that it may be passed as well is how it once was."""
    return args if args and args[0] is instance else (instance, *args)
