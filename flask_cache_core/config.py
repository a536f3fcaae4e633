"""``app.config`` → one `Settings`: the table of the core, with every name, check and default.

Backends have tables of their own. Must not know any backend.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self, TypedDict, cast

from .errors import ConfigError, InvalidTimeoutError, UsageError
from .options import (
    Options,
    Setting,
    WantedError,
    anything,
    choice,
    count,
    flag,
    mapping,
    positive_seconds,
    seconds,
    sequence,
    text,
)
from .typing import HashMethod, LockMode, Serializer, Timeout

__all__ = ["DEFAULTS", "BackendSettings", "FlightOptions", "FlightSettings", "Settings"]


class _SecretKeys(Setting[tuple[bytes, ...]]):
    """Its default is what the app signs with already."""

    def given(self, config: Mapping[str, object]) -> object:
        keys = super().given(config)
        if keys is not None:
            return keys
        fallbacks = config.get("SECRET_KEY_FALLBACKS")
        older = fallbacks if isinstance(fallbacks, Iterable) else ()
        return [key for key in (config.get("SECRET_KEY"), *older) if key]


def _secret_keys(value: object) -> tuple[bytes, ...]:
    keys = [value] if isinstance(value, (str, bytes)) else value
    if isinstance(keys, Iterable):
        found = [key.encode() if isinstance(key, str) else key for key in keys]
        if all(isinstance(key, bytes) and key for key in found):
            return tuple(found)
    raise WantedError("a list of non-empty strings or bytes, newest first")


def _hash_method(value: object) -> HashMethod:
    if callable(value):
        return cast("HashMethod", value)
    raise WantedError("a hash constructor such as hashlib.sha256")


def _serializer(value: object) -> Serializer | None:
    made = value() if isinstance(value, type) else value
    if made is None or isinstance(made, Serializer):
        return made
    raise WantedError(
        "None, a name that a plug-in offers, or a class or object with "
        "dumps(value) -> bytes and loads(bytes) -> value"
    )


def _names(value: object) -> tuple[str, ...]:
    return tuple(map(str, sequence(value)))


class FlightOptions(TypedDict, total=False):
    """How a decorator's values are computed and kept: `FlightSettings`, for one decorator.

    Durations are seconds or a timedelta.
    """

    lock: LockMode
    lock_timeout: Timeout
    stale_while_revalidate: Timeout
    stale_if_error: Timeout
    jitter: float
    beta: float


class FlightSettings(Options):
    """The settings that a decorator may override. Durations are in seconds."""

    lock: Setting[LockMode] = Setting(
        choice("local", "distributed", False),
        "local",
        'Who computes when many miss: `"local"`, one caller of each process; `"distributed"`, one '
        "of all; `False`, everybody.",
    )
    lock_timeout = Setting(
        seconds, 10, "How long the others wait before they compute for themselves."
    )
    stale_while_revalidate = Setting(
        seconds, 0, "How long after its time a value is still answered while one caller computes."
    )
    stale_if_error = Setting(
        seconds,
        0,
        "How long after its time a value is still answered if its computation fails.",
    )
    jitter = Setting(
        seconds,
        0,
        "Values expire earlier by up to this fraction (below 1) or this many seconds.",
    )
    beta = Setting(seconds, 0, "Early recomputation by cost (XFetch); 1 is a good value, 0 is off.")

    @classmethod
    def check(cls, options: FlightOptions) -> None:
        """Raise for options that are unknown or wrong; no app is needed.

        Raise `UsageError`, `ConfigError`, or `InvalidTimeoutError` for a duration.
        """
        unknown = sorted(options.keys() - FlightOptions.__annotations__.keys())
        if unknown:
            raise UsageError(f"unexpected keyword arguments: {', '.join(unknown)}")
        for name, value in options.items():
            _checked(name, cls.attributes[name], value)

    @classmethod
    def of(cls, options: FlightOptions, settings: FlightSettings) -> Self:
        """Return *options*, and from *settings* what they leave open, which ``None`` does too."""
        made = cls.__new__(cls)
        for name, row in cls.attributes.items():
            value = options.get(name)
            found = getattr(settings, name) if value is None else _checked(name, row, value)
            object.__setattr__(made, name, found)
        return made


def _checked(option: str, row: Setting[object], value: object) -> object:
    """Check what a decorator was given, and speak of it by the decorator's own name."""
    if row.check is not seconds:
        return row.checked(value, option)
    try:
        return None if value is None else row.checked(value, option)
    except ConfigError as error:
        raise InvalidTimeoutError(str(error)) from None


class BackendSettings(Options):
    """The settings that the core checks for all, and only some backends read.

    A backend that reads one has the same row among its own.
    """

    threshold = Setting(
        count(1),
        500,
        "How many entries a backend of bounded size, such as `simple`, holds at most.",
    )
    key_prefix = Setting(
        text,
        "flask_cache_",
        "Stands in front of every key in a shared store, with a `:` behind it, so that `shop` and "
        "`shop_admin` never meet.",
    )
    clear_all = Setting(
        flag,
        False,
        "With an empty prefix, `clear()` would delete everything that is in the store; it refuses "
        "unless this is `True`.",
    )
    secret_keys = _SecretKeys(
        _secret_keys,
        None,
        "Keys, newest first: the first signs, all verify. `None`: the app's `SECRET_KEY` and "
        "`SECRET_KEY_FALLBACKS`. Only values that are no plain data are signed, as they are "
        "pickled.",
        secret=True,
    )
    serializer = Setting(
        _serializer,
        None,
        "`None` is a typed format that cannot execute code. Else a name that a plug-in offers, or "
        "a class or object with `dumps` and `loads`.",
    )
    compression = Setting(
        choice(None, "zlib", "zstd", "lz4"), None, '`"zlib"`, `"zstd"` or `"lz4"`.'
    )
    compress_min = Setting(count(0), 1024, "Bytes from which on a value is compressed.")


class Settings(FlightSettings, BackendSettings):
    """The settings of one cache on one app, checked. Durations are in seconds."""

    type = Setting(
        anything,
        "null",
        'The backend: a short name, an import string such as `"my_app.caching:factory"`, or the '
        "object that it would name. Historical spellings (`SimpleCache`, "
        "`flask_caching.backends.RedisCache`) work.",
    )
    no_null_warning = Setting(flag, False, "`True`: no warning where `CACHE_TYPE` is `null`.")
    null_when_testing = Setting(
        flag,
        True,
        "With `TESTING`, cache nothing. `False`: use the configured backend in tests too.",
    )
    args = Setting(sequence, (), "Positional arguments for the backend's factory.")
    options = Setting(
        mapping,
        None,
        "A dict of keyword arguments for it, over `default_timeout` and `threshold`.",
    )
    default_timeout = Setting(
        seconds, 300, "How long values live where nothing else is said; 0 never expires."
    )
    plugins = Setting(_names, (), "Entry-point names of further plug-ins to load.")
    response_policy = Setting(
        text,
        "safe",
        'Which answers of views are stored: `"safe"`, those that are the same for everybody; '
        '`"permissive"`, all; or the import string of a function that takes a response.',
    )
    source_check = Setting(
        flag,
        False,
        "A function's source is part of its keys, so that a deployment that changes it starts "
        "afresh.",
    )
    hash_method = Setting(
        _hash_method,
        hashlib.sha256,
        "What hashes the long parts of keys.",
        shown="`hashlib.sha256`",
    )
    enable_signals = Setting(
        flag,
        False,
        "Send the signals `cache_view_hit`, `cache_view_miss`, `cache_memoize_hit` and "
        "`cache_memoize_miss`.",
    )
    backend_timeout = Setting(positive_seconds, 0.25, "How long one operation may take.")
    breaker_duration = Setting(
        seconds, 5, "How long a backend that failed is left alone; 0: it is always tried."
    )
    ignore_errors = Setting(
        flag,
        False,
        "`True`: `cache.get()` and its like treat a failed backend as an empty cache. `False`: "
        "they raise `BackendError`. Decorators never raise because of a backend, except in debug "
        "mode.",
    )


#: The settings of the core and their defaults.
DEFAULTS: Final[dict[str, Any]] = {name: row.default for name, row in Settings.rows().items()}
