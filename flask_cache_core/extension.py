"""``Cache``: the Flask extension object and its set-up for an app.

Holds nothing of any app: what belongs to one is an `AppState` in ``app.extensions``. Its other
methods are in ``keyvalue`` and ``decorating``.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Flask

from . import strays
from .apps import EXTENSION, AppState
from .backends import NullCache
from .config import DEFAULTS, Settings
from .decorating import DecoratorsMixin
from .decorators.fragments import use_for_fragments
from .errors import ConfigError, warn
from .keyvalue import KeyValueMixin
from .options import Options
from .plugins import registry
from .storage.base import BaseCache
from .web.policy import policy_of

__all__ = ["Cache"]

K = TypeVar("K")

#: All caches of this process: one that is not set up yet may be meant by names in `app.config`.
_caches: weakref.WeakSet[Cache] = weakref.WeakSet()
#: The apps whose names are not judged yet, as not all of their caches are known.
_unjudged: weakref.WeakSet[Flask] = weakref.WeakSet()


class Cache(KeyValueMixin, DecoratorsMixin):
    """Caches views, functions, template fragments and plain values of Flask apps.

    :param app: set up for this app at once, like `init_app`.
    :param with_jinja2_ext: offer ``{% cache %}`` to the app's templates.
    :param config: ``CACHE_*`` settings that go over those of any app.

    Raises one of the `ConfigError` family for a wrong setting. Since 1.0. ::

        from flask import Flask
        from flask_cache_core import Cache

        shop = Flask("shop")
        shop.config["CACHE_TYPE"] = "simple"
        shop_cache = Cache(shop)
    """

    def __init__(
        self,
        app: Flask | None = None,
        with_jinja2_ext: bool = True,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.with_jinja2_ext = with_jinja2_ext
        super().__init__(_checked_config(config))
        #: What its backends have read so far; ``None`` is one that does not say, or is to come.
        self._tables: set[type[Options] | None] = {None}
        _caches.add(self)
        if app is not None:
            self.init_app(app)

    # -- set-up ---------------------------------------------------------------------------

    def init_app(self, app: Flask, config: Mapping[str, Any] | None = None) -> None:
        """Set the cache up for *app*: *config* over ``self.config`` over ``app.config``.

        :param app: the app; one `Cache` serves any number of apps.
        :param config: ``CACHE_*`` settings for this app.

        Raises one of the `ConfigError` family, and then leaves the app as it was. Since 1.0.
        """
        self._tables.discard(None)
        own = {**_set_in(self.config), **_set_in(_checked_config(config))}
        merged = {**app.config, **DEFAULTS, **strays.given(app.config), **own}
        if isinstance(merged["CACHE_SERIALIZER"], str):
            merged["CACHE_SERIALIZER"] = registry.serializer(merged["CACHE_SERIALIZER"])
        settings = Settings(merged)
        policy_of(settings.response_policy)
        for name in settings.plugins:
            if not registry.load(name.lower()):
                raise ConfigError(
                    f"CACHE_PLUGINS names {name!r}, and no installed package has an entry point of "
                    "that name in the group flask_cache_core."
                )
        backend = self._build_backend(app, settings, merged)
        self._tell(app, settings, backend, own)
        self._put_into(app, AppState(app, settings, backend))
        self._tables.add(None if isinstance(backend, NullCache) else type(backend).options)
        if self.with_jinja2_ext:
            use_for_fragments(app.jinja_env, self)

    def _put_into(self, app: Flask, state: AppState) -> None:
        """Let *app* have the state, and plug-ins see it; where one of them fails, none of it."""
        before = {name: app.extensions.get(name) for name in (EXTENSION, "cache")}
        app.extensions[EXTENSION] = {**(before[EXTENSION] or {}), self: state}
        app.extensions["cache"] = {**(before["cache"] or {}), self: state.backend}
        known = app in self._apps
        self._apps.add(app)
        try:
            registry.hook.flask_cache_configured(app=app, cache=self, settings=state.settings)
        except BaseException:
            for name, value in before.items():
                app.extensions.pop(name)
                if value is not None:
                    app.extensions[name] = value
            if not known:
                self._apps.discard(app)
            raise

    def _build_backend(
        self, app: Flask, settings: Settings, config: Mapping[str, Any]
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
        table = type(backend).options
        if table is not None:
            table.verify(config)  # the factory may have read none of it
        backend.configure(settings)
        return backend

    def _tell(
        self, app: Flask, settings: Settings, backend: BaseCache, own: Mapping[str, Any]
    ) -> None:
        """Warn of what works, but not as its author may think."""
        names = self._names(app, backend, own)
        names.warn_of_misspelt()
        if app.config.get("TESTING") and settings.null_when_testing:
            return
        if isinstance(backend, NullCache) and not settings.no_null_warning:
            warn(
                "CACHE_TYPE is null, so nothing is cached. Set CACHE_TYPE, for example to "
                "'simple', or CACHE_NO_NULL_WARNING=True."
            )
        else:
            names.warn_of_unused(settings.type)
        if settings.lock == "distributed" and not (backend.shared and backend.atomic_add):
            warn(
                "CACHE_LOCK='distributed' needs a backend that processes share, with atomic add. "
                f"CACHE_TYPE={settings.type!r} is none, so each process computes for itself."
            )

    def _names(self, app: Flask, backend: BaseCache, own: Mapping[str, Any]) -> strays.Names:
        """Return the names that are set, with what is known of those who may read them.

        A cache with a CACHE_TYPE of its own answers for its own names. Those of the app are
        judged with the cache that takes the app's CACHE_TYPE, as soon as all caches are known.
        """
        states: Mapping[Cache, AppState] = app.extensions.get(EXTENSION, {})
        there = [
            type(state.backend).options for cache, state in states.items() if cache is not self
        ]
        coming = [
            table
            for cache in list(_caches)
            if cache is not self and cache not in states and "CACHE_TYPE" in _set_in(cache.config)
            for table in cache._tables  # noqa: SLF001 - of its own kind
        ]
        if "CACHE_TYPE" not in own:
            _unjudged.add(app)
        judges = app in _unjudged and None not in coming
        if judges:
            _unjudged.discard(app)
        return strays.Names(
            own=strays.given(own).keys(),
            shared=strays.given(app.config).keys() - own.keys(),
            table=type(backend).options,
            others=[*there, *coming],
            first=not there,
            judges_shared=judges,
        )

    def register_key(self, kind: type[K], function: Callable[[K], object]) -> None:
        """Let *function* say what identifies an argument of type *kind*, for keys.

        :param kind: the type; its subclasses count too.
        :param function: gets an instance, and returns a value that identifies it.

        Since 1.0. ::

            class Basket:
                def __init__(self, number):
                    self.number = number

            cache.register_key(Basket, lambda basket: basket.number)
        """
        self.identities.register(kind, function)


def _checked_config(config: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if config is None or isinstance(config, Mapping):
        return config
    raise ConfigError(f"config must be a dict of CACHE_* settings or None, not {config!r}.")


def _set_in(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """A name that is ``None`` is not set."""
    return {name: value for name, value in (config or {}).items() if value is not None}
