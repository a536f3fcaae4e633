"""What an app passes to a decorator, prepared once for many calls: conditions and tags.

Must not know what is cached.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from ..errors import InvalidKeyError
from ..keys.arguments import CallShape
from ..keys.builders import tag_version

__all__ = ["Condition", "Tags", "TagsOption"]

#: Tags: names, possibly with ``{argument}`` in them, or a callable that gets the arguments.
TagsOption: TypeAlias = Iterable[str] | Callable[..., Iterable[str]]


class Condition:
    """``unless``, ``forced_update``, ``is_stale`` …: a callable that may or may not want arguments.

    :param first: how many arguments it gets in any case; it gets all if it takes more.
    """

    def __init__(self, function: Callable[..., object], first: int = 0) -> None:
        self._function = function
        self._first = first
        self._wants_all = _positional(function) > first

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        if self._wants_all:
            return bool(self._function(*args, **kwargs))
        return bool(self._function(*args[: self._first]))

    @classmethod
    def maybe(cls, function: Callable[..., object] | None, first: int = 0) -> Condition | None:
        """``None`` stays ``None``; so does what is not callable, as in Flask-Cache."""
        return cls(function, first) if callable(function) else None


def _positional(function: Callable[..., object]) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 0
    return sum(p.kind is not inspect.Parameter.KEYWORD_ONLY for p in parameters)


class Tags:
    """The tags of one decorated function: constant ones, formatted ones, or from a callable."""

    def __init__(self, tags: TagsOption, shape: CallShape) -> None:
        self._shape = shape
        self._make = tags if callable(tags) else None
        names = () if callable(tags) else checked(tags)
        self.constant = tuple(tag_version(name) for name in names if "{" not in name)
        self._formats = tuple(name for name in names if "{" in name)

    def version_keys(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
        """Where the versions of the tags of one call are stored."""
        if self._make is not None:
            return tag_versions(self._make(*args, **kwargs))
        if not self._formats:
            return self.constant
        named = self._shape.named(args, kwargs)
        formatted = (tag_version(text.format(**named)) for text in self._formats)
        return tuple(dict.fromkeys((*self.constant, *formatted)))


def checked(tags: Iterable[str]) -> tuple[str, ...]:
    """*tags* as a tuple of strings. A single string is an error: it would count as its letters."""
    if isinstance(tags, str):
        raise InvalidKeyError(f"tags must be a list or a tuple: write tags=({tags!r},).")
    return tuple(tags)


def tag_versions(tags: Iterable[str]) -> tuple[str, ...]:
    """Where the versions of *tags* are stored."""
    return tuple(dict.fromkeys(tag_version(tag) for tag in checked(tags)))
