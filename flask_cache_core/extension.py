"""``Cache``: the Flask extension object and its set-up for an app.

Holds nothing of any app: what belongs to one is an `AppState` in ``app.extensions``. Its other
methods are in ``keyvalue`` and ``decorating``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Flask

from .apps import EXTENSION, AppState
from .backends import NullCache
from .config import DEFAULTS, Settings, warn_about_misspelt, warn_about_unused
from .decorating import DecoratorsMixin
from .decorators.fragments import use_for_fragments
from .errors import CacheWarning, ConfigError
from .keyvalue import KeyValueMixin
from .plugins import registry
from .storage.base import BaseCache
from .web.policy import policy_of

__all__ = ["Cache"]

K = TypeVar("K")


class Cache(KeyValueMixin, DecoratorsMixin):
    """Caches views, functions, template fragments and plain values of Flask apps.

    :param app: set up for this app at once, like `init_app`.
    :param with_jinja2_ext: offer ``{% cache %}`` to the app's templates.
    :param config: ``CACHE_*`` settings that go over those of any app.
    """

    def __init__(
        self,
        app: Flask | None = None,
        with_jinja2_ext: bool = True,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.with_jinja2_ext = with_jinja2_ext
        super().__init__(_checked_config(config))
        if app is not None:
            self.init_app(app)

    # -- set-up ---------------------------------------------------------------------------

    def init_app(self, app: Flask, config: Mapping[str, Any] | None = None) -> None:
        """Set the cache up for *app*: *config* over ``self.config`` over ``app.config``.

        Raises one of the `ConfigError` family, and then leaves the app as it was.
        """
        own = {**(self.config or {}), **(_checked_config(config) or {})}
        given = {**{k: v for k, v in app.config.items() if k.startswith("CACHE_")}, **own}
        merged = {**DEFAULTS, **app.config, **own}
        serializer = registry.serializer(merged["CACHE_SERIALIZER"])
        settings = Settings.from_config(merged, serializer)
        policy_of(settings.response_policy)
        for name in settings.plugins:
            if not registry.load(name.lower()):
                raise ConfigError(
                    f"CACHE_PLUGINS names {name!r}, and no installed package has an entry point of "
                    "that name in the group flask_cache_core."
                )
        backend = self._build_backend(app, settings, merged, given)
        self._tell(app, settings, backend, given)
        state = AppState(app, settings, backend)
        app.extensions.setdefault(EXTENSION, {})[self] = state
        app.extensions.setdefault("cache", {})[self] = backend
        self._apps.add(app)
        if self.with_jinja2_ext:
            use_for_fragments(app.jinja_env, self)
        try:
            registry.hook.flask_cache_configured(app=app, cache=self, settings=settings)
        except Exception:
            del app.extensions[EXTENSION][self], app.extensions["cache"][self]
            self._apps.discard(app)
            raise

    def _build_backend(
        self, app: Flask, settings: Settings, config: Mapping[str, Any], given: Mapping[str, Any]
    ) -> BaseCache:
        cache_type = settings.type
        if settings.null_when_testing and app.config.get("TESTING"):
            cache_type = "null"
        kwargs = {
            "default_timeout": settings.default_timeout,
            "threshold": settings.threshold,
            **settings.options,
        }
        backend = registry.resolve(cache_type, app, config, settings.args, kwargs)
        backend.configure(settings)
        return backend

    def _tell(
        self, app: Flask, settings: Settings, backend: BaseCache, given: Mapping[str, Any]
    ) -> None:
        """Warnings at set-up."""
        warn_about_misspelt(given)
        if app.config.get("TESTING") and settings.null_when_testing:
            return
        if isinstance(backend, NullCache) and not settings.no_null_warning:
            warnings.warn(
                "CACHE_TYPE is null, so nothing is cached. Set CACHE_TYPE, for example to "
                "'simple', or CACHE_NO_NULL_WARNING=True.",
                CacheWarning,
                stacklevel=4,
            )
        elif backend.settings is not None:
            warn_about_unused(given, settings.type, backend.settings)
        if settings.lock == "distributed" and not (backend.shared and backend.atomic_add):
            warnings.warn(
                "CACHE_LOCK='distributed' needs a backend that processes share, with atomic add. "
                f"CACHE_TYPE={settings.type!r} is none, so each process computes for itself.",
                CacheWarning,
                stacklevel=4,
            )

    def register_key(self, kind: type[K], function: Callable[[K], object]) -> None:
        """Let *function* say what identifies an argument of type *kind*, for keys."""
        self.identities.register(kind, function)


def _checked_config(config: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if config is None or isinstance(config, Mapping):
        return config
    raise ConfigError(f"config must be a dict of CACHE_* settings or None, not {config!r}.")
