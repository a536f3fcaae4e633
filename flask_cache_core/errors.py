"""Every exception and warning of the library.

::

    CacheError
    ├── ConfigError (ValueError)          a setting is wrong; raised by init_app
    │   ├── UnknownBackendError           CACHE_TYPE names nothing that is installed
    │   ├── AmbiguousBackendError         two distributions offer one short name
    │   ├── BrokenPluginError             a plug-in that was asked for cannot be loaded
    │   └── NotACacheError                CACHE_TYPE resolves to something else than a cache
    ├── NotInitializedError (RuntimeError)   no init_app for this app, or no app at all
    ├── UsageError (TypeError)            called in a way that cannot work
    ├── InvalidKeyError (TypeError)       a key that is not a string
    ├── InvalidTimeoutError (ValueError)  a negative or non-numeric timeout
    ├── UnkeyableError (TypeError)        an argument that has no stable identity
    ├── UnknownNameError (LookupError)    delete_memoized("name"): nothing is called so
    │   └── AmbiguousNameError            …or more than one thing is
    ├── SerializationError (ValueError)   a value that cannot be stored
    │   └── ValueTooLargeError            …because it exceeds what the backend takes
    ├── DecodeError (ValueError)          stored bytes that cannot be verified or decoded
    └── BackendError (RuntimeError)       the backend failed, or is left alone after a failure

    CacheWarning (UserWarning)

This module imports nothing of the package.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = [
    "AmbiguousBackendError",
    "AmbiguousNameError",
    "BackendError",
    "BrokenPluginError",
    "CacheError",
    "CacheWarning",
    "ConfigError",
    "DecodeError",
    "InvalidKeyError",
    "InvalidTimeoutError",
    "NotACacheError",
    "NotInitializedError",
    "SerializationError",
    "UnkeyableError",
    "UnknownBackendError",
    "UnknownNameError",
    "UsageError",
    "ValueTooLargeError",
    "warn",
]


class CacheError(Exception):
    """Base of everything that this library raises on its own account."""


class ConfigError(CacheError, ValueError):
    """A setting is wrong. The text names the setting and the fix."""


class UnknownBackendError(ConfigError):
    """``CACHE_TYPE`` names no registered, installed or importable backend."""


class AmbiguousBackendError(ConfigError):
    """Two installed distributions offer the short name in ``CACHE_TYPE``."""


class BrokenPluginError(ConfigError):
    """The plug-in that ``CACHE_TYPE`` or ``CACHE_PLUGINS`` asks for cannot be loaded."""


class NotACacheError(ConfigError):
    """``CACHE_TYPE`` resolved to an object without the cache API."""


class NotInitializedError(CacheError, RuntimeError):
    """The cache was used for an app that it was never initialised for."""


class UsageError(CacheError, TypeError):
    """A decorator or a method was called in a way that cannot work."""


class InvalidKeyError(CacheError, TypeError):
    """A cache key is not a string."""


class InvalidTimeoutError(CacheError, ValueError):
    """A timeout is negative, not finite, or neither a number nor a timedelta."""


class UnkeyableError(CacheError, TypeError):
    """An argument has no identity that a key could be made from."""


class UnknownNameError(CacheError, LookupError):
    """No memoized function of this cache has the given name."""


class AmbiguousNameError(UnknownNameError):
    """Several memoized functions of this cache have the given name."""


class SerializationError(CacheError, ValueError):
    """A value cannot be turned into bytes by the configured serializer."""


class ValueTooLargeError(SerializationError):
    """A value is larger than the backend can hold."""


class DecodeError(CacheError, ValueError):
    """Stored bytes cannot be verified or decoded. Readers see a miss."""


class BackendError(CacheError, RuntimeError):
    """The backend failed, or failed lately and is being left alone."""


class CacheWarning(UserWarning):
    """Something that works, but not as its author may think."""


def warn(message: str) -> None:
    """Warn with a `CacheWarning` that points at the first line outside of this library."""
    frame = sys._getframe(1)  # noqa: SLF001 - documented, and the only way to the caller
    while _is_ours(frame) and frame.f_back is not None:
        frame = frame.f_back
    warnings.warn_explicit(
        message,
        CacheWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        frame.f_globals.get("__name__"),
        frame.f_globals.setdefault("__warningregistry__", {}),
    )


def _is_ours(frame: FrameType) -> bool:
    """Whether *frame* is of the core, of one of our plug-ins, or of what calls their hooks."""
    package = str(frame.f_globals.get("__name__")).partition(".")[0]
    return package.startswith("flask_cache_core") or package == "pluggy"
