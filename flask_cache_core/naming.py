"""A function → the name that its cached values live under: one name per behaviour.

Two functions share a name only where a caller could not tell them apart: closures of one
factory, functions of one name in two scopes and lambdas of one module do not. Names are the
same in every process, as far as what they are made from is.
"""

from __future__ import annotations

import hashlib
import inspect
import secrets
import types
import weakref
from collections.abc import Callable
from typing import Any

from .arguments import Identities

__all__ = ["Names", "source_digest"]

_PLAIN = (type(None), bool, int, float, complex, str, bytes)


class Names:
    """The names given out by one cache."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._given: dict[str, weakref.ref[types.FunctionType]] = {}

    def name(self, function: Callable[..., Any]) -> str:
        """The name of *function*, unlike that of any living function that behaves otherwise."""
        name = f"{function.__module__}:{function.__qualname__}"
        if not isinstance(function, types.FunctionType):
            return name
        if "<lambda>" in name:
            name += f"#{_code_digest(function.__code__)}"
        if function.__closure__:
            name += f"#{self._closure_digest(function)}"
        return self._unshared(name, function)

    def _unshared(self, name: str, function: types.FunctionType) -> str:
        earlier = self._given.get(name, _nothing)()
        if earlier is None or _alike(earlier, function):
            self._given[name] = weakref.ref(function)
            return name
        if earlier.__code__ is not function.__code__:
            line = f"{name}@{function.__code__.co_firstlineno}"
            if line not in self._given or self._given[line]() is None:
                self._given[line] = weakref.ref(function)
                return line
        return f"{name}@{secrets.token_hex(8)}"

    def _closure_digest(self, function: types.FunctionType) -> str:
        """From what the function closes over, as far as that is plain data by now."""
        parts = []
        for cell in function.__closure__ or ():
            value = _contents(cell)
            parts.append(self._identities.of(value) if isinstance(value, _PLAIN) else "…")
        return hashlib.sha256("|".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _nothing() -> None:
    return None


class _Unset:
    """A cell that its scope has not filled yet."""


def _contents(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return _Unset


def _alike(one: types.FunctionType, other: types.FunctionType) -> bool:
    """Whether both run the same code over the same cells, or over equal plain data."""
    if one is other:
        return True
    if not _same_code(one.__code__, other.__code__):
        return False
    return all(
        mine is yours or _equal_plain(_contents(mine), _contents(yours))
        for mine, yours in zip(one.__closure__ or (), other.__closure__ or (), strict=True)
    )


def _equal_plain(one: object, other: object) -> bool:
    return isinstance(one, _PLAIN) and type(one) is type(other) and one == other


def _same_code(one: types.CodeType, other: types.CodeType) -> bool:
    return one is other or _code_digest(one) == _code_digest(other)


def _code_digest(code: types.CodeType) -> str:
    """From the instructions, names and constants; constants that are code by theirs."""
    constants = [
        _code_digest(constant) if isinstance(constant, types.CodeType) else repr(constant)
        for constant in code.co_consts
    ]
    content = repr((code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def source_digest(function: Callable[..., Any]) -> str:
    """A digest of the function's source, or of its code where there is no source."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        return _code_digest(code) if code is not None else ""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]
