"""The typed format of values: MessagePack, with an extension type for each Python type it lacks.

It cannot execute code: reading it makes values of the types in the tables below, and of classes
that are loaded already; stored bytes never cause an import. A code, once released, keeps its
meaning. Must not know keys, signatures or compression.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import sys
import uuid
import zoneinfo
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgpack
from markupsafe import Markup
from werkzeug.wrappers import Response

from ..errors import DecodeError
from .entry import Entry, Variants

__all__ = ["Custom", "InexpressibleError", "pack", "unpack"]


class InexpressibleError(Exception):
    """A value that the typed format has no place for."""


class Custom(NamedTuple):
    """What a custom serializer made of a value."""

    data: bytes


class _Type(NamedTuple):
    """How one Python type travels: to parts that MessagePack knows, and back from them."""

    code: int
    to_parts: Callable[[Any], object]
    from_parts: Callable[[Any], object]


def _aware(value: datetime.datetime | datetime.time) -> object:
    zone = value.tzinfo
    if zone is None:
        return None
    if type(zone) is zoneinfo.ZoneInfo and zone.key:
        return zone.key
    if type(zone) is datetime.timezone:
        return [zone.utcoffset(None).total_seconds(), zone.tzname(None)]
    raise InexpressibleError(f"a {type(zone).__qualname__} has no portable form")


def _zone(parts: Any) -> datetime.tzinfo | None:
    if parts is None:
        return None
    if isinstance(parts, str):
        return zoneinfo.ZoneInfo(parts)
    offset = datetime.timedelta(seconds=parts[0])
    unnamed = datetime.timezone(offset)
    return unnamed if unnamed.tzname(None) == parts[1] else datetime.timezone(offset, parts[1])


def _moment(value: Any) -> object:
    return [value.replace(tzinfo=None).isoformat(), value.fold, _aware(value)]


def _entry(entry: Entry) -> Entry:
    """Whoever can write to the store may have made it."""
    times = (entry.created, entry.fresh_until, entry.cost)
    if (
        all(isinstance(moment, (int, float)) for moment in times)
        and all(isinstance(key, str) for key in entry.version_keys)
        and all(isinstance(token, (str, Variants)) for token in entry.versions)
        and len(entry.version_keys) == len(entry.versions)
        and isinstance(entry.barrier, (str, type(None)))
        and isinstance(entry.source, str)
    ):
        return entry
    raise DecodeError("a stored entry is not made as entries are")


def _response_parts(value: Response) -> object:
    if value.is_streamed or value.direct_passthrough:
        raise InexpressibleError("a streamed response has no stored form")
    return [_reference(type(value)), value.status, list(value.headers), value.get_data()]


def _response(parts: Any) -> Response:
    kind = _resolve(parts[0], Response)
    response: Response = kind(parts[3], status=parts[1])
    response.headers.clear()
    response.headers.extend([tuple(pair) for pair in parts[2]])
    return response


def _dataclass(parts: Any) -> object:
    kind = _resolve(parts[0], object)
    names = [field.name for field in dataclasses.fields(kind)]
    if names != parts[1]:
        raise DecodeError(f"{parts[0]} has other fields than when it was stored")
    value = object.__new__(kind)
    for name, part in zip(names, parts[2], strict=True):
        object.__setattr__(value, name, part)
    return value


_TYPES: Final[dict[type, _Type]] = {
    tuple: _Type(1, list, tuple),
    set: _Type(2, list, set),
    frozenset: _Type(3, list, frozenset),
    datetime.datetime: _Type(
        4, _moment,
        lambda p: datetime.datetime.fromisoformat(p[0]).replace(fold=p[1], tzinfo=_zone(p[2])),
    ),
    datetime.date: _Type(5, datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.time: _Type(
        6, _moment,
        lambda p: datetime.time.fromisoformat(p[0]).replace(fold=p[1], tzinfo=_zone(p[2])),
    ),
    datetime.timedelta: _Type(
        7, lambda v: [v.days, v.seconds, v.microseconds], lambda p: datetime.timedelta(*p)
    ),
    decimal.Decimal: _Type(8, str, decimal.Decimal),
    uuid.UUID: _Type(9, lambda v: v.bytes, lambda p: uuid.UUID(bytes=p)),
    Markup: _Type(10, str.__str__, Markup),
    complex: _Type(11, lambda v: [v.real, v.imag], lambda p: complex(*p)),
    bytearray: _Type(12, bytes, bytearray),
    range: _Type(13, lambda v: [v.start, v.stop, v.step], lambda p: range(*p)),
    fractions.Fraction: _Type(14, str, fractions.Fraction),
    OrderedDict: _Type(
        15, lambda v: [list(v), list(v.values())], lambda p: OrderedDict(zip(*p, strict=True))
    ),
    deque: _Type(16, lambda v: [list(v), v.maxlen], lambda p: deque(*p)),
    Counter: _Type(17, dict, Counter),
    Entry: _Type(
        18,
        lambda v: [_boxed(v.value), *v[1:4], list(v.version_keys), list(v.versions), *v[6:]],
        lambda p: _entry(Entry._make([*p[:4], tuple(p[4]), tuple(p[5]), *p[6:]])),
    ),
    Variants: _Type(19, lambda v: [list(v.names), v.token], lambda p: Variants(tuple(p[0]), p[1])),
    Custom: _Type(20, lambda v: v.data, Custom),
    int: _Type(21, hex, lambda p: int(p, 16)),  # without a limit of digits
}  # fmt: skip

# Kinds of classes of the app's own. They travel by reference, and come back only as a class
# that the reading process has loaded already: stored bytes never cause an import.
_ENUM: Final = _Type(
    40, lambda v: [_reference(type(v)), v.value], lambda p: _resolve(p[0], enum.Enum)(p[1])
)
_NAMED_TUPLE: Final = _Type(
    41, lambda v: [_reference(type(v)), list(v)], lambda p: _resolve(p[0], tuple)._make(p[1])
)
_DATACLASS: Final = _Type(
    42,
    lambda v: [
        _reference(type(v)),
        [f.name for f in dataclasses.fields(v)],
        [getattr(v, f.name) for f in dataclasses.fields(v)],
    ],
    _dataclass,
)
_RESPONSE: Final = _Type(43, _response_parts, _response)

_BY_CODE: Final = {
    kind.code: kind for kind in (*_TYPES.values(), _ENUM, _NAMED_TUPLE, _DATACLASS, _RESPONSE)
}


def _type_of(value: object) -> _Type:
    kind = _TYPES.get(type(value))
    if kind is not None:
        return kind
    if isinstance(value, enum.Enum):
        return _ENUM
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return _NAMED_TUPLE
    if dataclasses.is_dataclass(value) and _is_only_fields(value):
        return _DATACLASS
    if isinstance(value, Response):
        return _RESPONSE
    raise InexpressibleError(f"a {type(value).__qualname__} has no place in the typed format")


def _is_only_fields(value: object) -> bool:
    """Whether the fields are all that there is of a dataclass instance: no base with a state."""
    names = {field.name for field in dataclasses.fields(value)}  # type: ignore[arg-type]
    return set(getattr(value, "__dict__", ())) <= names and not isinstance(
        value, (dict, list, set, str, bytes, int, float, tuple, frozenset, BaseException)
    )


def _reference(kind: type) -> str:
    name = f"{kind.__module__}:{kind.__qualname__}"
    if _loaded(name) is not kind:
        raise InexpressibleError(f"{kind.__qualname__} cannot be found again by its name")
    return name


def _loaded(reference: str) -> object:
    module, _, path = reference.partition(":")
    found: object = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def _resolve(reference: str, base: type) -> Any:
    kind = _loaded(reference)
    if isinstance(kind, type) and issubclass(kind, base):
        return kind
    raise DecodeError(f"no class {reference} is loaded here")


def _boxed(value: object) -> object:
    """MessagePack itself would take a bytearray for bytes; inside containers, it still does."""
    return _to_extension(value) if type(value) is bytearray else value


def _to_extension(value: object) -> msgpack.ExtType:
    kind = _type_of(value)
    return msgpack.ExtType(kind.code, _packed(kind.to_parts(value)))


def _from_extension(code: int, data: bytes) -> object:
    if code not in _BY_CODE:
        raise DecodeError(f"stored bytes hold an unknown type, number {code}")
    return _BY_CODE[code].from_parts(unpack(data))


def _packed(value: object) -> bytes:
    """With a buffer of its own that is small: entries nest several of these."""
    packer = msgpack.Packer(
        default=_to_extension, strict_types=True, unicode_errors="surrogatepass", buf_size=2048
    )
    packed: Any = packer.pack(value)
    assert isinstance(packed, bytes)
    return packed


def unpack(data: bytes) -> object:
    value: object = msgpack.unpackb(
        data, ext_hook=_from_extension, strict_map_key=False, unicode_errors="surrogatepass"
    )
    return value


def pack(value: object) -> bytes:
    """*value* in the typed format. Raises `InexpressibleError` where it has no place for it."""
    return _packed(_boxed(value))
