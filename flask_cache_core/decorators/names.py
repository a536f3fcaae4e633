"""The memoized functions of one cache, found by the function, a bound method or a name.

Must not know what is invalidated of them, beyond the three ways that a caller may mean.
"""

from __future__ import annotations

import inspect
import types
import weakref
from typing import Any

from ..errors import AmbiguousNameError, UnknownNameError, UsageError
from .base import Bound
from .memoize import Memoized

__all__ = ["MemoizedFunctions", "delete_memoized"]


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
            return found.delete_instance(instance)
        return found.invalidate(*_with_instance(instance, args), **kwargs)
    if not args and not kwargs:
        return found.delete_memoized()
    if instance is not None:
        args = _with_instance(instance, args)
    return found.invalidate(*args, **kwargs)


def _with_instance(instance: object, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """A bound method brings its instance. Flask-Cache also accepted it as the first argument."""
    return args if args and args[0] is instance else (instance, *args)
