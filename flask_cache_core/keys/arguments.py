"""A call → its canonical arguments → text that is equal only for equal arguments.

The signature is read once, when a function is decorated. Must not know keys, caches or Flask.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import inspect
import ipaddress
import itertools
import os
import pathlib
import pickle
import re
import secrets
import sys
import types
import uuid
import warnings
import weakref
from collections.abc import Callable, Collection, Mapping, Set
from typing import Any, Final

from ..errors import CacheWarning, UnkeyableError

__all__ = ["CallShape", "Identities", "holds_address", "own_identity"]

#: Types whose ``repr`` is exact, and differs between types.
_SCALARS: Final = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis)})

#: Further value types of the standard library with an exact ``repr``.
_VALUES: Final = (
    datetime.date,
    datetime.timedelta,
    datetime.timezone,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    range,
    pathlib.PurePath,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
)
#: Types whose subclasses are identified as they are, in this order.
_TEXTS_AND_NUMBERS: Final = (str, bytes, int, float, complex)

#: What answers, on a werkzeug ``LocalProxy``, the object that it stands for now.
_BEHIND: Final = "_get_current_object"

#: How many types are remembered with their way of being identified.
_KNOWN_TYPES: Final = 1024

#: What looks like an address in a ``repr``: of the object itself, or of one that it holds.
_ADDRESS: Final = re.compile(r"\bat 0x[0-9A-Fa-f]+|\b0x[0-9A-Fa-f]{9,16}\b")

#: The flag of classes that Python code made, of which two may have one name.
_HEAP_TYPE: Final = 1 << 9


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
            _tokens.pin(default)
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
            if _SCALARS.issuperset(map(type, arguments)):
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
        if kind in _SCALARS:
            return repr(value) if kind is not int else _scalar(value)
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
            return _class_identity
        for name in ("__cache_key__", "__caching_id__"):
            if hasattr(kind, name):
                return _Named(kind, name, functools.partial(self._of_method, name))
        for base in kind.__mro__:
            if base in self._registered:
                function = self._registered[base]
                return _Named(kind, "registered", functools.partial(self._of_result, function))
        if kind in _CONTAINERS:
            return functools.partial(_CONTAINERS[kind], self)
        for known, describe in _KNOWN:
            if isinstance(value, known):
                return _Named(kind, "", functools.partial(describe, self))
        return self._choose_by_content(value, kind)

    def _of_method(self, name: str, value: object) -> str:
        return self.of(getattr(value, name)())

    def _of_result(self, function: Callable[[Any], object], value: object) -> str:
        return self.of(function(value))

    def _choose_by_content(self, value: Any, kind: type) -> Callable[[Any], str]:
        if dataclasses.is_dataclass(kind) and hasattr(kind.__repr__, "__wrapped__"):
            names = [field.name for field in dataclasses.fields(kind)]
            return _Named(kind, "", lambda v: self.of([getattr(v, name) for name in names]))
        if isinstance(value, _TEXTS_AND_NUMBERS):
            return _Named(kind, "", _scalar)
        if hasattr(kind, "__array__") or _is_buffer(value):
            return _Named(kind, "", functools.partial(_content, self))
        if _has_default_repr(kind):
            return _Named(kind, "object", _tokens.of)
        return _Named(kind, "repr", _own_repr)


class _Named:
    """An identity with its class, and the way in which it was found, in front."""

    def __init__(self, kind: type, way: str, identity: Callable[[Any], str]) -> None:
        self._prefix = f"<{_class_name(kind)} {way} "
        self._identity = identity

    def __call__(self, value: Any) -> str:
        return f"{self._prefix}{self._identity(value)}>"


def _scalar(value: Any) -> str:
    """The exact ``repr``, whatever a subclass makes of it."""
    try:
        if isinstance(value, int):
            return int.__repr__(value)
    except ValueError:
        return hex(value)
    base: Any = next(kind for kind in _TEXTS_AND_NUMBERS if isinstance(value, kind))
    return str(base.__repr__(value))


def _own_repr(value: object) -> str:
    text = repr(value)
    return _tokens.of(value) if holds_address(text, value) else repr(text)


def holds_address(text: str, value: object) -> bool:
    """Whether *text*, which *value* gives of itself, changes its meaning with what lives where."""
    return ("0x" in text and _ADDRESS.search(text) is not None) or str(id(value)) in text


def _is_buffer(value: Any) -> bool:
    try:
        memoryview(value)
    except TypeError:
        return False
    except (ValueError, BufferError):
        return True
    return True


def _content(self: Identities, value: Any) -> str:
    """Buffers and arrays, whose ``repr`` is cut off where it gets long.

    A subclass may hold more than its buffer, such as a mask.
    """
    try:
        view = memoryview(value) if type(value).__base__ is object else None
    except (TypeError, ValueError, BufferError):
        view = None
    if view is None:
        return "array " + hashlib.sha256(_pickled(value)).hexdigest()
    if "O" in view.format:
        return f"objects {view.format!r} {view.shape} {self.of(value.tolist())}"
    return f"buffer {view.format} {view.shape} {hashlib.sha256(view.tobytes()).hexdigest()}"


def _has_default_repr(kind: Any) -> bool:
    return kind.__repr__ is object.__repr__


class _Tokens:
    """A token for each object that has nothing else to be known by, for as long as it lives."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Callable[[], object], str]] = {}
        self._process = secrets.token_hex(8)
        self._numbers = itertools.count()

    def of(self, value: object) -> str:
        address = id(value)
        known = self._known.get(address)
        if known is not None and known[0]() is value:
            return known[1]
        token = f"{self._process}-{next(self._numbers)}"
        try:
            reference = weakref.ref(value, functools.partial(self._forget, address))
        except TypeError:
            _warn_of_no_identity(
                type(value), "so that calls with it are never answered from the cache"
            )
            return token
        if not isinstance(value, (types.FunctionType, types.MethodType, type)):
            _warn_of_no_identity(type(value), "so that only this very object counts as the same")
        self._known[address] = (reference, token)
        return token

    def pin(self, value: object) -> None:
        """Give a bare ``object()``, as sentinels are, a token for the life of the process."""
        if type(value) is object:
            token = f"{self._process}-{next(self._numbers)}"
            self._known.setdefault(id(value), (lambda: value, token))

    def _forget(self, address: int, reference: weakref.ref[object]) -> None:
        known = self._known.get(address)
        if known is not None and known[0] is reference:
            del self._known[address]

    def start_anew(self) -> None:
        """After a fork: what was one object goes separate ways in each process."""
        self._process = secrets.token_hex(8)
        for address, (reference, _) in list(self._known.items()):
            if isinstance(reference, weakref.ref):
                del self._known[address]


_tokens: Final = _Tokens()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tokens.start_anew)
_warned: Final[set[type]] = set()


def own_identity(value: object) -> str:
    """An identity that *value* shares with nothing else, for as long as it lives."""
    return _tokens.of(value)


def _warn_of_no_identity(kind: type, consequence: str) -> None:
    if kind in _warned:
        return
    _warned.add(kind)
    warnings.warn(
        f"{kind.__qualname__} has no identity that a cache key could be made from (only the "
        f"default repr), {consequence}. Give the class __cache_key__() or __repr__(), or "
        f"call cache.register_key({kind.__name__}, function).",
        CacheWarning,
        stacklevel=2,
    )


def _class_name(kind: type) -> str:
    name = f"{kind.__module__}.{kind.__qualname__}"
    if _importable(kind) or not kind.__flags__ & _HEAP_TYPE:
        return name
    return f"{name} {_tokens.of(kind)}"


def _class_identity(value: type) -> str:
    return f"<class {_class_name(value)}>"


def _importable(value: Any) -> bool:
    """Whether the value's qualified name leads back to it."""
    found: object = sys.modules.get(getattr(value, "__module__", None) or "")
    for part in getattr(value, "__qualname__", "").split("."):
        found = getattr(found, part, None)
    return found is value


def _function(self: Identities, value: Any) -> str:
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    return name if _importable(value) else f"{name} {_tokens.of(value)}"


def _method(self: Identities, value: types.MethodType) -> str:
    return f"{_function(self, value.__func__)} {self.of(value.__self__)}"


def _partial(self: Identities, value: functools.partial[object]) -> str:
    return self.of((value.func, value.args, value.keywords))


def _in_order(self: Identities, value: Any) -> str:
    return ",".join(map(self.of, value))


def _unordered(self: Identities, value: Any) -> str:
    return ",".join(sorted(map(self.of, value)))


def _pairs(self: Identities, value: Mapping[object, object]) -> str:
    return ",".join(sorted(f"{self.of(k)}:{self.of(v)}" for k, v in value.items()))


def _items(self: Identities, value: Any) -> str:
    """Of a werkzeug ``MultiDict``, ``items`` answers the first value of each name only."""
    return _pairs(self, dict(value.lists()) if hasattr(value, "lists") else value)


def _moment(self: Identities, value: Any) -> str:
    zone = value.tzinfo
    return f"{value.replace(tzinfo=None)!r} {'naive' if zone is None else self.of(zone)}"


def _pickled(value: object) -> bytes:
    try:
        return pickle.dumps(value, 5)
    except Exception as error:
        raise UnkeyableError(
            f"A {type(value).__qualname__} cannot be part of a key: {error}. "
            "Use cache.register_key() to say what identifies it."
        ) from error


_CONTAINERS: Final[dict[type, Callable[[Identities, Any], str]]] = {
    tuple: lambda self, value: f"({_in_order(self, value)})",
    list: lambda self, value: f"[{_in_order(self, value)}]",
    set: lambda self, value: f"{{{_unordered(self, value)}}}",
    frozenset: lambda self, value: f"frozen{{{_unordered(self, value)}}}",
    dict: lambda self, value: f"dict{{{_pairs(self, value)}}}",
}

_KNOWN: Final[tuple[tuple[Any, Callable[[Identities, Any], str]], ...]] = (
    (types.ModuleType, lambda self, value: value.__name__),
    ((types.FunctionType, types.BuiltinFunctionType), _function),
    (types.MethodType, _method),
    (functools.partial, _partial),
    (slice, lambda self, value: self.of((value.start, value.stop, value.step))),
    (re.Pattern, lambda self, value: self.of((value.pattern, value.flags))),
    ((datetime.datetime, datetime.time), _moment),
    (_VALUES, lambda self, value: repr(value)),
    (enum.Enum, lambda self, value: value.name or self.of(value.value)),
    ((bytearray, array.array, memoryview), _content),
    (collections.OrderedDict, lambda self, value: self.of(list(value.items()))),
    (Mapping, _items),
    (Set, _unordered),
    ((list, tuple), _in_order),
    (collections.deque, lambda self, value: f"{value.maxlen} {_in_order(self, value)}"),
)


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)
