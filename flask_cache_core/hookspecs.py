"""Every hook, on one screen. A plug-in implements those that it wants with ``@hookimpl``.

Hooks run at set-up, never per operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from flask import Flask

    from .apps import CacheBase
    from .config import Settings
    from .storage.base import BaseCache
    from .typing import Serializer

PROJECT = "flask_cache_core"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def flask_cache_backend(
    name: str, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
) -> BaseCache | None:
    """Build the backend that ``CACHE_TYPE`` calls *name* (lower case), or return ``None``.

    :param config: ``app.config`` over the defaults, the ``Cache``'s own config over both; a copy.
    :param args: a copy of ``CACHE_ARGS``.
    :param kwargs: ``default_timeout`` and ``threshold``, and ``CACHE_OPTIONS`` over them; a copy.
    """


@hookspec(firstresult=True)
def flask_cache_adapt(client: object, config: Mapping[str, Any]) -> BaseCache | None:
    """Wrap *client*, which a custom factory returned bare, or return ``None`` for an unknown one.

    The entry points ``flask_cache_core.clients`` say which plug-in is to be asked.
    """


@hookspec
def flask_cache_serializers() -> dict[str, type[Serializer]]:
    """Serializers by the names that ``CACHE_SERIALIZER`` may give."""
    return {}


@hookspec
def flask_cache_configured(app: Flask, cache: CacheBase, settings: Settings) -> None:
    """Called when ``init_app`` has set up *cache*: add metrics, panels, commands."""
