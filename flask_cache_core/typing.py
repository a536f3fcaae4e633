"""The types that several modules share, and the ``MISSING`` sentinel.

Imports nothing of the package.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

__all__ = ["MISSING", "HashMethod", "LockMode", "Missing", "QueryArgs", "Serializer", "Timeout"]


class Missing(enum.Enum):
    """The type of `MISSING`; an enum, because type checkers narrow it with ``is``."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


#: What a lookup returns where there is nothing. ``None`` is a value.
MISSING: Final = Missing.MISSING

#: Seconds, or a timedelta. 0 never expires.
Timeout: TypeAlias = int | float | timedelta


class Digest(Protocol):
    """What a hash constructor makes, as far as keys need it."""

    def hexdigest(self) -> str: ...


#: ``hashlib.sha256`` and its like.
HashMethod: TypeAlias = Callable[[bytes], Digest]

LockMode: TypeAlias = Literal["local", "distributed", False]

QueryArgs: TypeAlias = str | Mapping[str, object] | Iterable[tuple[str, object]]


@runtime_checkable
class Serializer(Protocol):
    """Value to bytes and back. ``loads`` may raise anything on bytes that it does not know."""

    def dumps(self, value: object, /) -> bytes: ...

    def loads(self, data: bytes, /) -> object: ...
