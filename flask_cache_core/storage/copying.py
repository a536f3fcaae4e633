"""One value, many owners, in one process: immutable values travel as they are, others as pickles.

The pickles never leave the memory of the process; bytes that do are the business of `codec`.
"""

from __future__ import annotations

import datetime
import decimal
import pickle
import uuid
from typing import Final, NamedTuple, overload

from ..errors import SerializationError
from .entry import Entry, Variants

IMMUTABLE: Final = frozenset(
    {
        type(None), bool, int, float, complex, str, bytes, range, type(Ellipsis),
        datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID,
    }
)  # fmt: skip


class Pickled(NamedTuple):
    """A mutable value, frozen."""

    data: bytes


@overload
def freeze(value: Entry) -> Entry: ...


@overload
def freeze(value: object) -> object: ...


def freeze(value: object) -> object:
    """Something that later changes to *value* cannot reach. Entries are frozen by their value.

    Raises `SerializationError` for a mutable value that cannot be pickled.
    """
    if type(value) is Entry:
        return value._replace(value=freeze(value.value))
    if is_immutable(value):
        return value
    try:
        return Pickled(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    except Exception as error:
        raise SerializationError(
            f"A value of type {type(value).__qualname__} cannot be copied into the cache: {error}. "
            "Cache plain data, or give the class __reduce__ or __getstate__."
        ) from error


@overload
def thaw(frozen: Entry) -> Entry: ...


@overload
def thaw(frozen: object) -> object: ...


def thaw(frozen: object) -> object:
    """The value given to `freeze`, or a copy that the caller may change at will."""
    if type(frozen) is Pickled:
        return pickle.loads(frozen.data)  # noqa: S301 - made by freeze in this process
    if type(frozen) is Entry and type(frozen.value) is Pickled:
        return frozen._replace(value=thaw(frozen.value))
    return frozen


def is_pickled(frozen: object) -> bool:
    """Whether `thaw` has anything to do."""
    value = frozen.value if type(frozen) is Entry else frozen
    return type(value) is Pickled


def is_immutable(value: object) -> bool:
    kind = type(value)
    if kind in IMMUTABLE:
        return True
    if kind is tuple or kind is frozenset or kind is Variants:
        return all(map(is_immutable, value))  # type: ignore[call-overload]
    return False
