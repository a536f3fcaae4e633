"""The filesystem backend of flask-cache-core: ``CACHE_TYPE = "filesystem"``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask_cache_core import hookimpl

from .backend import FileSystemCache
from .configuring import FileSystemOptions

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["FileSystemCache", "FileSystemOptions", "flask_cache_backend"]


@hookimpl
def flask_cache_backend(
    name: str, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
) -> FileSystemCache | None:
    """Answer to ``filesystem``."""
    return FileSystemCache.factory(app, config, args, kwargs) if name == "filesystem" else None
