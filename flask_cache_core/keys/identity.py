"""The identity of one value, by its type: text that is equal only for equal values.

Must not know where the text goes. What a value consists of is identified by the function *of*
that each description gets.
"""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
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
import weakref
from collections.abc import Callable, Mapping, Set
from typing import Any, Final, TypeAlias

from ..errors import UnkeyableError, warn

__all__ = ["holds_address", "own_identity"]

#: Gives the identity of a part of a value.
Of: TypeAlias = Callable[[object], str]

#: Gives the identity of a value of one type.
Describe: TypeAlias = Callable[[Of, Any], str]

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
TEXTS_AND_NUMBERS: Final = (str, bytes, int, float, complex)

#: What looks like an address in a ``repr``: of the object itself, or of one that it holds.
_ADDRESS: Final = re.compile(r"\bat 0x[0-9A-Fa-f]+|\b0x[0-9A-Fa-f]{9,16}\b")

#: The flag of classes that Python code made, of which two may have one name.
_HEAP_TYPE: Final = 1 << 9


class Named:
    """An identity with its class, and the way in which it was found, in front."""

    def __init__(self, kind: type, way: str, identity: Callable[[Any], str]) -> None:
        self._prefix = f"<{_class_name(kind)} {way} "
        self._identity = identity

    def __call__(self, value: Any) -> str:
        return f"{self._prefix}{self._identity(value)}>"


def scalar(value: Any) -> str:
    """The exact ``repr``, whatever a subclass makes of it."""
    try:
        if isinstance(value, int):
            return int.__repr__(value)
    except ValueError:
        return hex(value)
    base: Any = next(kind for kind in TEXTS_AND_NUMBERS if isinstance(value, kind))
    return str(base.__repr__(value))


def own_repr(value: object) -> str:
    text = repr(value)
    return tokens.of(value) if holds_address(text, value) else repr(text)


def holds_address(text: str, value: object) -> bool:
    """Whether *text*, which *value* gives of itself, changes its meaning with what lives where."""
    return ("0x" in text and _ADDRESS.search(text) is not None) or str(id(value)) in text


def is_buffer(value: Any) -> bool:
    try:
        memoryview(value)
    except TypeError:
        return False
    except (ValueError, BufferError):
        return True
    return True


def content(of: Of, value: Any) -> str:
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
        return f"objects {view.format!r} {view.shape} {of(value.tolist())}"
    return f"buffer {view.format} {view.shape} {hashlib.sha256(view.tobytes()).hexdigest()}"


def has_default_repr(kind: Any) -> bool:
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


tokens: Final = _Tokens()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=tokens.start_anew)
_warned: Final[set[type]] = set()


def own_identity(value: object) -> str:
    """An identity that *value* shares with nothing else, for as long as it lives."""
    return tokens.of(value)


def _warn_of_no_identity(kind: type, consequence: str) -> None:
    if kind in _warned:
        return
    _warned.add(kind)
    warn(
        f"{kind.__qualname__} has no identity that a cache key could be made from (only the "
        f"default repr), {consequence}. Give the class __cache_key__() or __repr__(), or "
        f"call cache.register_key({kind.__name__}, function)."
    )


def _class_name(kind: type) -> str:
    name = f"{kind.__module__}.{kind.__qualname__}"
    if _importable(kind) or not kind.__flags__ & _HEAP_TYPE:
        return name
    return f"{name} {tokens.of(kind)}"


def class_identity(value: type) -> str:
    return f"<class {_class_name(value)}>"


def _importable(value: Any) -> bool:
    """Whether the value's qualified name leads back to it."""
    found: object = sys.modules.get(getattr(value, "__module__", None) or "")
    for part in getattr(value, "__qualname__", "").split("."):
        found = getattr(found, part, None)
    return found is value


def _function(of: Of, value: Any) -> str:
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    return name if _importable(value) else f"{name} {tokens.of(value)}"


def _method(of: Of, value: types.MethodType) -> str:
    return f"{_function(of, value.__func__)} {of(value.__self__)}"


def _partial(of: Of, value: functools.partial[object]) -> str:
    return of((value.func, value.args, value.keywords))


def _in_order(of: Of, value: Any) -> str:
    return ",".join(map(of, value))


def _unordered(of: Of, value: Any) -> str:
    return ",".join(sorted(map(of, value)))


def _pairs(of: Of, value: Mapping[object, object]) -> str:
    return ",".join(sorted(f"{of(k)}:{of(v)}" for k, v in value.items()))


def _items(of: Of, value: Any) -> str:
    """Of a werkzeug ``MultiDict``, ``items`` returns the first value of each name only."""
    return _pairs(of, dict(value.lists()) if hasattr(value, "lists") else value)


def _moment(of: Of, value: Any) -> str:
    zone = value.tzinfo
    return f"{value.replace(tzinfo=None)!r} {'naive' if zone is None else of(zone)}"


def _pickled(value: object) -> bytes:
    try:
        return pickle.dumps(value, 5)
    except Exception as error:
        raise UnkeyableError(
            f"A {type(value).__qualname__} cannot be part of a key: {error}. "
            "Use cache.register_key() to say what identifies it."
        ) from error


CONTAINERS: Final[dict[type, Describe]] = {
    tuple: lambda of, value: f"({_in_order(of, value)})",
    list: lambda of, value: f"[{_in_order(of, value)}]",
    set: lambda of, value: f"{{{_unordered(of, value)}}}",
    frozenset: lambda of, value: f"frozen{{{_unordered(of, value)}}}",
    dict: lambda of, value: f"dict{{{_pairs(of, value)}}}",
}

KNOWN: Final[tuple[tuple[Any, Describe], ...]] = (
    (types.ModuleType, lambda of, value: value.__name__),
    ((types.FunctionType, types.BuiltinFunctionType), _function),
    (types.MethodType, _method),
    (functools.partial, _partial),
    (slice, lambda of, value: of((value.start, value.stop, value.step))),
    (re.Pattern, lambda of, value: of((value.pattern, value.flags))),
    ((datetime.datetime, datetime.time), _moment),
    (_VALUES, lambda of, value: repr(value)),
    (enum.Enum, lambda of, value: value.name or of(value.value)),
    ((bytearray, array.array, memoryview), content),
    (collections.OrderedDict, lambda of, value: of(list(value.items()))),
    (Mapping, _items),
    (Set, _unordered),
    ((list, tuple), _in_order),
    (collections.deque, lambda of, value: f"{value.maxlen} {_in_order(of, value)}"),
)
