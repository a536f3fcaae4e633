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
from typing import Any, NamedTuple

from .arguments import Identities

__all__ = ["Names", "source_digest"]

_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})


class _Given(NamedTuple):
    """Whom a name was given to. The values under it may outlive the function."""

    function: weakref.ref[types.FunctionType]
    code: str
    #: All that the function closes over is plain data, and so is in its name.
    plain: bool

    def fits(self, function: types.FunctionType) -> bool:
        """Whether *function* behaves as the one that the name was given to does, or did."""
        earlier = self.function()
        if earlier is not None:
            return _alike(earlier, function)
        return self.plain and self.code == _code_digest(function.__code__)


class Names:
    """The names given out by one cache."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._given: dict[str, _Given] = {}

    def name(self, function: Callable[..., Any]) -> str:
        """The name of *function*, unlike that of any function that behaves otherwise."""
        name = f"{function.__module__}:{function.__qualname__}"
        if not isinstance(function, types.FunctionType):
            return name
        if "<lambda>" in name:
            name += f"#{_code_digest(function.__code__)}"
        if function.__closure__:
            name += f"#{self._closure_digest(function)}"
        return self._unshared(name, function)

    def _unshared(self, name: str, function: types.FunctionType) -> str:
        for candidate in (name, f"{name}@{function.__code__.co_firstlineno}"):
            given = self._given.get(candidate)
            if given is None or given.fits(function):
                plain = all(_is_plain(_contents(cell)) for cell in function.__closure__ or ())
                code = _code_digest(function.__code__)
                self._given[candidate] = _Given(weakref.ref(function), code, plain)
                return candidate
        return f"{name}@{secrets.token_hex(8)}"

    def _closure_digest(self, function: types.FunctionType) -> str:
        """From what the function closes over by now, as far as that is the same everywhere."""
        parts = [self._content(_contents(cell)) for cell in function.__closure__ or ()]
        return hashlib.sha256("|".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def _content(self, value: object) -> str:
        if _is_plain(value):
            return self._identities.of(value)
        if isinstance(value, (type, types.FunctionType)):
            return f"{value.__module__}:{value.__qualname__}"
        return type(value).__qualname__


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
    if one.__globals__ is not other.__globals__ or not _same_code(one.__code__, other.__code__):
        return False
    return all(
        mine is yours or _equal_plain(_contents(mine), _contents(yours))
        for mine, yours in zip(one.__closure__ or (), other.__closure__ or (), strict=True)
    )


def _is_plain(value: object) -> bool:
    """Whether *value* can neither change nor differ in anything but what identifies it."""
    if type(value) is tuple or type(value) is frozenset:
        return all(map(_is_plain, value))
    return type(value) in _PLAIN


def _equal_plain(one: object, other: object) -> bool:
    return _is_plain(one) and type(one) is type(other) and repr(one) == repr(other)


def _same_code(one: types.CodeType, other: types.CodeType) -> bool:
    return one is other or _code_digest(one) == _code_digest(other)


def _code_digest(code: types.CodeType) -> str:
    """From the instructions, names and constants; constants that are code by theirs."""
    constants = [_constant(constant) for constant in code.co_consts]
    content = repr((code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _constant(constant: object) -> str:
    if isinstance(constant, types.CodeType):
        return _code_digest(constant)
    if isinstance(constant, frozenset):  # whose order differs between processes
        return repr(sorted(map(repr, constant)))
    return repr(constant)


def source_digest(function: Callable[..., Any]) -> str:
    """A digest of the function's source, or of its code where there is no source."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        return _code_digest(code) if code is not None else ""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]
