"""``@memoize``: a function's values by its arguments, and their invalidation.

Must not know requests or templates; what is a hit is decided in ``engine``.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, Final, NamedTuple, ParamSpec, TypeVar, overload

from .. import signals
from ..engine.call import Call, FlightOptions, Outcome, Policy, collected
from ..errors import ConfigError, UsageError
from ..keys.arguments import CallShape
from ..keys.builders import MEMO, digest, function_version, instance_version
from ..keys.functions import source_digest
from ..options import to_seconds
from ..typing import HashMethod, Timeout
from .base import Awaited, Bound, BoundCoroutine, Decorated, Prepared
from .predicates import TagsOption

if TYPE_CHECKING:
    from ..apps import AppState, CacheBase

__all__ = ["BoundMemoized", "MemoizeOptions", "Memoized", "decorate"]

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


@dataclass(frozen=True, slots=True)
class MemoizeBinding:
    """A memoized function on one app: what the app's settings make of the decorator's options.

    :ivar head: what its keys begin with.
    :ivar version_keys: where the function's version is stored.
    :ivar hashed: arguments do not stand in keys as they are.
    :ivar plain: nothing but the entry itself decides whether it is a hit.
    """

    state: AppState
    policy: Policy
    head: str
    version_keys: tuple[str, ...]
    hash_method: HashMethod
    hashed: bool
    plain: bool


class BoundMemoized(Bound[P, R]):
    """A memoized method, reached through an instance: what it invalidates is the instance's."""

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """See `Memoized.invalidate`."""
        self.__func__.invalidate(self.__self__, *args, **kwargs)

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """See `Memoized.refresh`."""
        value: R = self.__func__.refresh(self.__self__, *args, **kwargs)
        return value


class Memoized(Decorated[P, R, MemoizeBinding]):
    """What `Cache.memoize` makes of a function. Call it as the function. Since 1.0."""

    binds = BoundMemoized

    def __init__(self, cache: CacheBase, function: Callable[P, R], options: MemoizeOptions) -> None:
        super().__init__(cache, function, options, CallShape(function, options.args_to_ignore))
        self.options = options
        self._version_keys = (function_version(self.name),)
        self._make_key: Callable[..., str] | None = None
        self._binding: MemoizeBinding | None = None

    @overload
    def __get__(self, instance: None, owner: type | None = None, /) -> Memoized[P, R]: ...

    @overload
    def __get__(
        self: Memoized[Concatenate[S, Q], R], instance: S, owner: type | None = None, /
    ) -> BoundMemoized[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        return self if instance is None else self.binds(self, instance)

    # -- a call -------------------------------------------------------------------------------

    def prepare(
        self, state: AppState, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Prepared[MemoizeBinding] | None:
        if self._unless is not None and self._unless(self.uncached, *args, **kwargs):
            return None
        binding = self._binding
        if binding is None or binding.state is not state:
            binding = self._bind(state)
        try:
            key, version_keys = self._key(binding, args, kwargs)
        except Exception:
            self._report_no_key(state, args, kwargs)
            return None
        return Prepared(key, version_keys, binding, None)

    def bind_call(
        self, prepared: Prepared[MemoizeBinding], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> MemoizedCall[R]:
        forced = self._forced is not None and self._forced(*args, **kwargs)
        return MemoizedCall(self, prepared, args, kwargs, forced)

    def _report_no_key(
        self, state: AppState, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Log that the cache is bypassed; for wrong arguments, the function itself raises."""
        try:
            self.shape.canonical(args, kwargs)
        except TypeError:
            return
        if state.debug:
            raise  # the error that this is called for
        logger.warning("%r is not cached: no key.", self, exc_info=True)

    def _bind(self, state: AppState) -> MemoizeBinding:
        """What the settings of one app make of the options."""
        settings, options = state.settings, self.options
        by_source = settings.source_check if options.source_check is None else options.source_check
        name = options.make_name(self.name) if options.make_name is not None else self.name
        if by_source:
            name += "#" + source_digest(self.uncached)
        policy = Policy.of(options.flight, settings) if options.flight else state.policy
        binding = MemoizeBinding(
            state=state,
            policy=policy,
            head=f"{MEMO}{name}|",
            version_keys=self._version_keys,
            hash_method=options.hash_method or settings.hash_method,
            hashed=not state.backend.in_process or options.hash_method is not None,
            plain=not (
                self._forced or self.is_stale or settings.enable_signals or policy.minds_hits
            ),
        )
        self._binding = binding
        return binding

    def _key(
        self, binding: MemoizeBinding, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[str, tuple[str, ...]]:
        """The key of one argument list, and the version keys that it stands under."""
        arguments = self.shape.canonical(args, kwargs)
        identities = self.owner.identities
        version_keys = binding.version_keys
        if self.shape.is_method:
            instance = identities.of(arguments[0])
            version_keys += (instance_version(self.name, instance),)
            text = f"{instance}.{identities.text(arguments[1:])}"
        else:
            text = identities.text(arguments)
        if self._tags is not None:
            version_keys += self._tags.version_keys(args, kwargs)
        if self._make_key is not None:
            return self._make_key(self.uncached, *args, **kwargs), version_keys
        if binding.hashed or len(text) > _LONG:
            text = digest(text, binding.hash_method)
        return binding.head + text, version_keys

    # -- from outside -------------------------------------------------------------------------

    @property
    def make_cache_key(self) -> Callable[..., str]:
        """The function that makes the key: ``make_cache_key(f.uncached, *args, **kwargs)``.

        It may be replaced by one of the app's own, with the same parameters. Since 1.0.
        """
        return self._make_key or self._key_of

    @make_cache_key.setter
    def make_cache_key(self, function: Callable[..., str]) -> None:
        self._make_key = function

    def _key_of(self, f: Callable[..., Any], /, *args: Any, **kwargs: Any) -> str:
        """The key for the given arguments; *f* is the undecorated function, as in Flask-Cache."""
        return self._key(self._bind(self.owner.state()), args, kwargs)[0]

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the value for these arguments, and what is just being computed for them.

        :param args: those of a call.
        :param kwargs: likewise.

        Since 1.0. ::

            @cache.memoize()
            def square(number):
                return number * number

            square(2)
            square.invalidate(2)
        """
        state = self.owner.state()
        key, _ = self._key(self._bind(state), args, kwargs)
        state.versions.delete_keys((key,))

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute the value for these arguments now, store it and return it.

        :param args: those of a call.
        :param kwargs: likewise.
        :returns: the new value. Raises what the function raises.

        Since 1.0. ::

            @cache.memoize()
            def square(number):
                return number * number

            assert square.refresh(2) == 4
        """
        return self.compute(args, kwargs)

    def delete_memoized(self) -> None:
        """Forget all values of this function.

        Since 1.0. ::

            @cache.memoize()
            def square(number):
                return number * number

            square.delete_memoized()
        """
        self.owner.state().versions.replace(self._version_keys)

    def delete_instance(self, instance: object) -> None:
        """Forget all values of this method for one instance; of a class method, all values.

        :param instance: what the method is called on.

        Since 1.0.
        """
        if not self.shape.is_method:
            return self.delete_memoized()
        identity = self.owner.identities.of(instance)
        return self.owner.state().versions.replace((instance_version(self.name, identity),))


class BoundMemoizedCoroutine(BoundMemoized[P, R], BoundCoroutine[P, R]):
    """A memoized coroutine method, reached through an instance."""


class MemoizedCoroutine(Awaited[P, R, MemoizeBinding], Memoized[P, R]):
    """What `Cache.memoize` makes of a coroutine function."""

    binds = BoundMemoizedCoroutine


class MemoizedCall(Call[R]):
    """One call of a memoized function."""

    __slots__ = ("_args", "_kwargs", "_memoized", "_state")

    def __init__(
        self,
        memoized: Memoized[..., R],
        prepared: Prepared[MemoizeBinding],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        forced: bool,
    ) -> None:
        self.key = prepared.key
        self.version_keys = prepared.version_keys
        self.policy = prepared.binding.policy
        self.timeout = memoized.seconds
        self.forced = forced
        self._state = prepared.binding.state
        self._memoized = memoized
        self._args = args
        self._kwargs = kwargs

    def run(self) -> Any:
        value = self._memoized.uncached(*self._args, **self._kwargs)
        return collected(value) if inspect.isgenerator(value) else value

    def storability(self, value: R) -> Outcome:
        options = self._memoized.options
        store = not inspect.isasyncgen(value) and (options.cache_none or value is not None)
        if store and options.response_filter is not None:
            store = bool(options.response_filter(value))
        return Outcome(value, store)

    def restore(self, stored: Any) -> R:
        value: R = stored
        return value

    def is_stale(self, stored: object) -> bool:
        condition = self._memoized.is_stale
        return condition is not None and condition(stored, *self._args, **self._kwargs)

    def announce(self, hit: bool) -> None:
        if not self._state.settings.enable_signals:
            return
        signal = signals.cache_memoize_hit if hit else signals.cache_memoize_miss
        signal.send(
            cache=self._memoized.owner,
            cache_key=self.key,
            f=self._memoized.uncached,
            args=self._args,
            kwargs=self._kwargs,
        )


def decorate(cache: CacheBase, options: MemoizeOptions, function: Callable[P, R]) -> Memoized[P, R]:
    """Decorate *function*, which may be wrapped as a class or static method already."""
    kind: Any = MemoizedCoroutine if inspect.iscoroutinefunction(function) else Memoized
    made: Memoized[P, R] = kind(cache, function, options)
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
