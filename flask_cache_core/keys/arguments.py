"""A call → its canonical arguments → text that is equal only for equal arguments.

The signature is read once, when a function is decorated. Must not know keys, caches or Flask.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from ..errors import UnkeyableError
from .identity import (
    CONTAINERS,
    KNOWN,
    TEXTS_AND_NUMBERS,
    Named,
    class_identity,
    content,
    has_default_repr,
    is_buffer,
    own_repr,
    scalar,
    tokens,
)

__all__ = ["CallShape", "Identities"]

#: Types whose ``repr`` is exact, and differs between types.
SCALARS: Final = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis)})

#: What returns, on a werkzeug ``LocalProxy``, the object that it stands for now.
_BEHIND: Final = "_get_current_object"

#: How many types are remembered with their way of being identified.
_KNOWN_TYPES: Final = 1024


class CallShape:
    """The signature of one function: puts the arguments of a call into one canonical order.

    :param ignore: names of parameters that do not take part in the key.
    """

    def __init__(self, function: Callable[..., Any], ignore: Collection[str] = ()) -> None:
        self.ignore = frozenset(ignore)
        parameters = _signature(function).parameters.values()
        kind = inspect.Parameter
        self._names = tuple(
            p.name
            for p in parameters
            if p.kind in (kind.POSITIONAL_ONLY, kind.POSITIONAL_OR_KEYWORD)
        )
        self._only_positional = sum(p.kind is kind.POSITIONAL_ONLY for p in parameters)
        self._only_keyword = tuple(p.name for p in parameters if p.kind is kind.KEYWORD_ONLY)
        self._var_positional = any(p.kind is kind.VAR_POSITIONAL for p in parameters)
        self._var_keyword = any(p.kind is kind.VAR_KEYWORD for p in parameters)
        self._defaults = {p.name: p.default for p in parameters if p.default is not kind.empty}
        for default in self._defaults.values():
            tokens.pin(default)
        self._plain = not (
            self._only_keyword or self._var_positional or self._var_keyword or self.ignore
        )
        self.positional = self._names
        #: Whether the first parameter is the instance that a method works on.
        self.is_method = self._names[:1] == ("self",) and "self" not in self.ignore

    def canonical(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
        """The arguments in the order of the signature, defaults filled in.

        Raises `TypeError` where the function itself would.
        """
        if self._plain and not kwargs and len(args) == len(self._names):
            return args
        return self._bound(args, dict(kwargs), self.ignore)

    def named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """All arguments by name, for formatting. Surplus ones are left out."""
        values = self._bound(args, dict(kwargs))
        return dict(zip(self._names + self._only_keyword, values, strict=False))

    def _bound(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], ignore: Collection[str] = ()
    ) -> tuple[Any, ...]:
        count = len(self._names)
        surplus = args[count:]
        if surplus and not self._var_positional:
            raise TypeError(f"takes {count} positional arguments but {len(args)} were given")
        values = list(args[:count])
        values += [
            self._take(self._names[index], kwargs, by_keyword=index >= self._only_positional)
            for index in range(len(values), count)
        ]
        values += [self._take(name, kwargs, by_keyword=True) for name in self._only_keyword]
        if kwargs and not self._var_keyword:
            raise TypeError(f"got unexpected keyword arguments {', '.join(sorted(kwargs))}")
        if ignore:
            names = self._names + self._only_keyword
            values = [
                None if name in ignore else value for name, value in zip(names, values, strict=True)
            ]
            kwargs = {name: kwargs[name] for name in kwargs if name not in ignore}
        if self._var_positional:
            values.append(surplus)
        if self._var_keyword:
            values.append(kwargs)
        return tuple(values)

    def _take(self, name: str, kwargs: dict[str, Any], *, by_keyword: bool) -> Any:
        if by_keyword and name in kwargs:
            return kwargs.pop(name)
        if name in self._defaults:
            return self._defaults[name]
        raise TypeError(f"missing a required argument: {name!r}")


class Identities:
    """What makes two arguments the same argument, for one cache.

    In this order: ``__cache_key__()``; ``__caching_id__()``; a type registered with `register`;
    a known value type; buffers and arrays by content; a class's own ``__repr__``; and for an
    object with only ``object.__repr__`` a token that is the object's own for its life.
    """

    def __init__(self) -> None:
        self._registered: dict[type, Callable[[Any], object]] = {}
        self._by_type: dict[type, Callable[[Any], str]] = {}

    def register(self, kind: type, function: Callable[[Any], object]) -> None:
        """Let *function* give the identity of every instance of *kind*."""
        self._registered[kind] = function
        self._by_type.clear()

    def text(self, arguments: tuple[Any, ...]) -> str:
        """Text that is equal only for arguments that are equal, of equal types.

        Raises `UnkeyableError` for what has no identity.
        """
        try:
            if SCALARS.issuperset(map(type, arguments)):
                return repr(arguments)
        except ValueError:  # an integer with more digits than Python likes to write
            pass
        try:
            return self.of(arguments)
        except RecursionError:
            raise UnkeyableError(
                "An argument contains itself, or is nested too deeply to be part of a key."
            ) from None

    def of(self, value: object) -> str:
        """The identity of one value."""
        kind = type(value)
        if kind in SCALARS:
            return repr(value) if kind is not int else scalar(value)
        identity = self._by_type.get(kind)
        if identity is not None:
            return identity(value)
        identity = self._choose(value, value.__class__)
        if value.__class__ is kind:  # not so for a proxy, which stands for one type after another
            if len(self._by_type) >= _KNOWN_TYPES:
                self._by_type.clear()
            self._by_type[kind] = identity
        return identity(value)

    def _choose(self, value: Any, kind: type) -> Callable[[Any], str]:
        """How values of this *kind*, of which *value* is one, are identified."""
        if hasattr(type(value), _BEHIND):
            return functools.partial(self._of_method, _BEHIND)
        if isinstance(value, type):
            return class_identity
        for name in ("__cache_key__", "__caching_id__"):
            if hasattr(kind, name):
                return Named(kind, name, functools.partial(self._of_method, name))
        for base in kind.__mro__:
            if base in self._registered:
                function = self._registered[base]
                return Named(kind, "registered", functools.partial(self._of_result, function))
        if kind in CONTAINERS:
            return functools.partial(CONTAINERS[kind], self.of)
        for known, describe in KNOWN:
            if isinstance(value, known):
                return Named(kind, "", functools.partial(describe, self.of))
        return self._choose_by_content(value, kind)

    def _of_method(self, name: str, value: object) -> str:
        return self.of(getattr(value, name)())

    def _of_result(self, function: Callable[[Any], object], value: object) -> str:
        return self.of(function(value))

    def _choose_by_content(self, value: Any, kind: type) -> Callable[[Any], str]:
        if dataclasses.is_dataclass(kind) and hasattr(kind.__repr__, "__wrapped__"):
            names = [field.name for field in dataclasses.fields(kind)]
            return Named(kind, "", lambda v: self.of([getattr(v, name) for name in names]))
        if isinstance(value, TEXTS_AND_NUMBERS):
            return Named(kind, "", scalar)
        if hasattr(kind, "__array__") or is_buffer(value):
            return Named(kind, "", functools.partial(content, self.of))
        if has_default_repr(kind):
            return Named(kind, "object", tokens.of)
        return Named(kind, "repr", own_repr)


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)
