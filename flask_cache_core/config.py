"""``app.config`` → one frozen `Settings`: every ``CACHE_*`` name of the core, default and check.

Plug-ins read their own settings from the same config. Must not know any backend.
"""

from __future__ import annotations

import difflib
import hashlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .errors import CacheWarning, ConfigError, InvalidTimeoutError
from .timeouts import to_seconds
from .typing import HashMethod, LockMode, Serializer

__all__ = ["DEFAULTS", "Settings"]

#: The settings of the core and their defaults.
DEFAULTS: Final[dict[str, Any]] = {
    "CACHE_TYPE": "null",
    "CACHE_NO_NULL_WARNING": False,
    "CACHE_NULL_WHEN_TESTING": True,
    "CACHE_ARGS": (),
    "CACHE_OPTIONS": None,
    "CACHE_DEFAULT_TIMEOUT": 300,
    "CACHE_THRESHOLD": 500,
    "CACHE_KEY_PREFIX": "flask_cache_",
    "CACHE_IGNORE_ERRORS": False,
    "CACHE_SOURCE_CHECK": False,
    "CACHE_HASH_METHOD": hashlib.sha256,
    "CACHE_SERIALIZER": None,
    "CACHE_ENABLE_SIGNALS": False,
    "CACHE_PLUGINS": (),
    "CACHE_LOCK": "local",
    "CACHE_LOCK_TIMEOUT": 10,
    "CACHE_STALE_WHILE_REVALIDATE": 0,
    "CACHE_STALE_IF_ERROR": 0,
    "CACHE_JITTER": 0,
    "CACHE_BETA": 0,
    "CACHE_RESPONSE_POLICY": "safe",
    "CACHE_SECRET_KEYS": None,
    "CACHE_COMPRESSION": None,
    "CACHE_COMPRESS_MIN": 1024,
    "CACHE_BACKEND_TIMEOUT": 0.25,
    "CACHE_BREAKER_DURATION": 5,
    "CACHE_CLEAR_ALL": False,
}

#: Documented settings that only some backends read: set for another one, they do nothing.
BACKEND_SETTINGS: Final = frozenset(
    {
        "CACHE_THRESHOLD",
        "CACHE_KEY_PREFIX",
        "CACHE_SERIALIZER",
        "CACHE_COMPRESSION",
        "CACHE_CLEAR_ALL",
        "CACHE_DIR",
        "CACHE_FILE_HASH_METHOD",
        "CACHE_MAX_BYTES",
        "CACHE_MEMCACHED_CLIENT",
        "CACHE_MEMCACHED_PASSWORD",
        "CACHE_MEMCACHED_SERVERS",
        "CACHE_MEMCACHED_USERNAME",
        "CACHE_REDIS_CLUSTER",
        "CACHE_REDIS_DB",
        "CACHE_REDIS_HOST",
        "CACHE_REDIS_PASSWORD",
        "CACHE_REDIS_PORT",
        "CACHE_REDIS_SENTINELS",
        "CACHE_REDIS_SENTINEL_MASTER",
        "CACHE_REDIS_SENTINEL_PASSWORD",
        "CACHE_REDIS_URL",
    }
)


@dataclass(frozen=True)
class Settings:
    """The settings of one cache on one app, checked. Durations are in seconds."""

    type: object
    args: tuple[Any, ...]
    options: Mapping[str, Any]
    plugins: tuple[str, ...]
    default_timeout: float
    threshold: int
    key_prefix: str
    ignore_errors: bool
    no_null_warning: bool
    null_when_testing: bool
    source_check: bool
    hash_method: HashMethod
    enable_signals: bool
    lock: LockMode
    lock_timeout: float
    stale_while_revalidate: float
    stale_if_error: float
    jitter: float
    beta: float
    response_policy: str
    backend_timeout: float
    breaker_duration: float
    clear_all: bool
    secret_keys: tuple[bytes, ...]
    compression: str | None
    compress_min: int
    serializer: Serializer | None

    @classmethod
    def from_config(cls, config: Mapping[str, Any], serializer: Serializer | None) -> Settings:
        """Check *config*, which holds `DEFAULTS`. Raises `ConfigError` with name and fix."""
        read = _Reader(config)
        return cls(
            type=config["CACHE_TYPE"],
            args=read.sequence("CACHE_ARGS"),
            options=read.mapping("CACHE_OPTIONS"),
            plugins=tuple(str(name) for name in read.sequence("CACHE_PLUGINS")),
            default_timeout=read.seconds("CACHE_DEFAULT_TIMEOUT"),
            threshold=read.count("CACHE_THRESHOLD", least=1),
            key_prefix=read.text("CACHE_KEY_PREFIX"),
            ignore_errors=read.flag("CACHE_IGNORE_ERRORS"),
            no_null_warning=read.flag("CACHE_NO_NULL_WARNING"),
            null_when_testing=read.flag("CACHE_NULL_WHEN_TESTING"),
            source_check=read.flag("CACHE_SOURCE_CHECK"),
            hash_method=read.hash_method("CACHE_HASH_METHOD"),
            enable_signals=read.flag("CACHE_ENABLE_SIGNALS"),
            lock=read.choice("CACHE_LOCK", ("local", "distributed", False)),
            lock_timeout=read.seconds("CACHE_LOCK_TIMEOUT"),
            stale_while_revalidate=read.seconds("CACHE_STALE_WHILE_REVALIDATE"),
            stale_if_error=read.seconds("CACHE_STALE_IF_ERROR"),
            jitter=read.seconds("CACHE_JITTER"),
            beta=read.seconds("CACHE_BETA"),
            response_policy=read.text("CACHE_RESPONSE_POLICY"),
            backend_timeout=read.seconds("CACHE_BACKEND_TIMEOUT", positive=True),
            breaker_duration=read.seconds("CACHE_BREAKER_DURATION"),
            clear_all=read.flag("CACHE_CLEAR_ALL"),
            secret_keys=read.secrets("CACHE_SECRET_KEYS"),
            compression=read.choice("CACHE_COMPRESSION", (None, "zlib", "zstd", "lz4")),
            compress_min=read.count("CACHE_COMPRESS_MIN", least=0),
            serializer=serializer,
        )


class _Reader:
    """One check per kind of setting; each names the setting and what it takes."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def _wrong(self, name: str, wanted: str) -> ConfigError:
        return ConfigError(f"{name} must be {wanted}, not {self._config[name]!r}.")

    def flag(self, name: str) -> bool:
        value = self._config[name]
        if isinstance(value, (bool, int)) or value is None:
            return bool(value)
        raise self._wrong(name, "True or False")

    def text(self, name: str) -> str:
        value = self._config[name]
        if isinstance(value, str) or value is None:
            return value or ""
        raise self._wrong(name, "a string")

    def count(self, name: str, least: int) -> int:
        value = self._config[name]
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        raise self._wrong(name, f"a whole number >= {least}")

    def seconds(self, name: str, *, positive: bool = False) -> float:
        value: Any = self._config[name]
        number: Any = int(value) if isinstance(value, str) and value.isdecimal() else value
        try:
            seconds = to_seconds(number, DEFAULTS[name])
        except InvalidTimeoutError:
            raise self._wrong(name, "a number of seconds >= 0 or a timedelta") from None
        if positive and not seconds:
            raise self._wrong(name, "more than 0 seconds")
        return seconds

    def choice(self, name: str, choices: Sequence[Any]) -> Any:
        value = self._config[name]
        if any(value is choice or value == choice for choice in choices):
            return value
        raise self._wrong(name, "one of " + ", ".join(map(repr, choices)))

    def sequence(self, name: str) -> tuple[Any, ...]:
        value = self._config[name]
        if value is None:
            return ()
        if isinstance(value, (list, tuple, set, frozenset)):
            return tuple(value)
        raise self._wrong(name, "a list or a tuple")

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self._config[name]
        if value is None or isinstance(value, Mapping):
            return dict(value or {})
        raise self._wrong(name, "a dict")

    def hash_method(self, name: str) -> HashMethod:
        value: HashMethod = self._config[name]
        if callable(value):
            return value
        raise self._wrong(name, "a hash constructor such as hashlib.sha256")

    def secrets(self, name: str) -> tuple[bytes, ...]:
        """Never shown, not even when they are wrong."""
        value = self._config[name]
        if value is None:
            value = [
                self._config.get("SECRET_KEY"),
                *(self._config.get("SECRET_KEY_FALLBACKS") or ()),
            ]
            value = [secret for secret in value if secret]
        if isinstance(value, (str, bytes)):
            value = [value]
        if isinstance(value, Iterable) and all(isinstance(s, (str, bytes)) and s for s in value):
            return tuple(s.encode() if isinstance(s, str) else s for s in value)
        raise ConfigError(f"{name} must be a list of non-empty strings or bytes, newest first.")


def warn_about_misspelt(names: Iterable[str]) -> None:
    """Tell of ``CACHE_*`` names that are close to a known one but none."""
    known = DEFAULTS.keys() | BACKEND_SETTINGS
    for name in sorted(set(names) - known):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if name.startswith("CACHE_") and close:
            warnings.warn(
                f"{name} is no setting of flask-cache-core. Did you mean {close[0]}?",
                CacheWarning,
                stacklevel=4,
            )


def warn_about_unused(names: Iterable[str], cache_type: object, used: frozenset[str]) -> None:
    """Tell of settings in *names* that the chosen backend does not read."""
    unused = sorted((BACKEND_SETTINGS & set(names)) - used)
    if unused:
        warnings.warn(
            f"CACHE_TYPE={cache_type!r} does not use {', '.join(unused)}. "
            "Remove the setting, or choose the backend that it was meant for.",
            CacheWarning,
            stacklevel=4,
        )
