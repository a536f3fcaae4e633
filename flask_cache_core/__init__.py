"""flask-cache-core: caching for Flask, with a small core and plug-in backends."""

from .backend import BaseCache
from .hookspecs import hookimpl
from .typing import MISSING

__all__ = ["MISSING", "BaseCache", "hookimpl"]
