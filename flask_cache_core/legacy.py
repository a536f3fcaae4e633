"""What exists only for Flask-Cache, Flask-Caching and the libraries of their time.

Spellings of ``CACHE_TYPE``, and factories that pass on whatever they are given. Must not know
which backends there are.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

__all__ = ["accepted", "called", "spellings"]

_MODULES: Final = re.compile(
    r"^(flask_caching\.backends|flask_cache\.backends|flask\.ext\.cache\.backends"
    r"|werkzeug\.contrib\.cache)\.(\w+\.)?(?P<name>\w+)$"
)

#: What every backend is offered, whether its class takes it or not.
_OFFERED: Final = ("threshold", "default_timeout")


def spellings(cache_type: str) -> list[str]:
    """Return the short names that *cache_type* may stand for, the likeliest first.

    ``flask_caching.backends.SimpleCache`` and ``SimpleCache`` were written for ``simple``.
    """
    historical = _MODULES.match(cache_type)
    name = (historical["name"] if historical else cache_type).lower()
    if "." in name or ":" in name:
        return []
    short = name.removesuffix("cache")
    return [name, short] if short and short != name else [name]


def accepted(kind: type, kwargs: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    """Return *kwargs* without what is offered to all, unless *kind* or the app wants it.

    :param wanted: names that the app gave itself: if they do not suit, it is to know.
    """
    try:
        parameters: Collection[str] = inspect.signature(kind).parameters
    except (TypeError, ValueError):  # it is written in C
        parameters = ()
    return {
        name: value
        for name, value in kwargs.items()
        if name not in _OFFERED or name in parameters or name in wanted
    }


def called(
    make: Callable[[dict[str, Any]], object], kwargs: Mapping[str, Any], wanted: Collection[str]
) -> object:
    """Return what a factory makes of *kwargs*, without what it cannot take of the offered ones.

    A factory as Flask-Cache documents it passes its *kwargs* on to a class without knowing what
    is in there. No signature tells which class that is; only the TypeError does, which names
    the parameter that was refused.
    """
    given = dict(kwargs)
    while True:
        try:
            return make(dict(given))
        except TypeError as error:
            refused = next((name for name in _OFFERED if f"'{name}'" in str(error)), None)
            if refused is None or refused not in given or refused in wanted:
                raise
            del given[refused]
