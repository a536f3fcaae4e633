"""One cache, many apps: what belongs to each is found here, through ``app.extensions``.

Must not know how an app is set up, nor what is cached.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Request, current_app

from .engine.state import CacheState
from .errors import NotInitializedError
from .keys.arguments import Identities
from .keys.functions import Names
from .keys.identity import own_identity

if TYPE_CHECKING:
    from .config import Settings
    from .storage.base import BaseCache

__all__ = ["EXTENSION", "AppState", "CacheBase"]

#: Where ``app.extensions`` holds the state of each cache.
EXTENSION: Final = "flask_cache_core"


class AppState(CacheState):
    """One cache on one app, in this process, with the app."""

    def __init__(self, app: Flask, settings: Settings, backend: BaseCache) -> None:
        super().__init__(settings, backend, debug=app.debug)
        self.app = app


class CacheBase:
    """What a cache is to its decorators, its fragments and its plug-ins.

    :ivar identities: what makes two arguments the same argument.
    :ivar names: the names that its functions' values live under.
    """

    def __init__(self, config: Mapping[str, Any] | None) -> None:
        self.config = config
        self.identities = Identities()
        for kind in (Request, Flask.app_ctx_globals_class):  # each is one user's, whatever its repr
            self.identities.register(kind, own_identity)
        self.names = Names(self.identities)
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()

    def state(self) -> AppState:
        """Return what belongs to the current app, or to the only one: for plug-ins and tests.

        Raises `NotInitializedError` where there is no such app. Since 1.0.
        """
        try:
            app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        except RuntimeError:
            app = self._only_app()
        try:
            state: AppState = app.extensions[EXTENSION][self]
        except KeyError:
            raise NotInitializedError(
                f"This Cache was not set up for the app {app.name!r}: call cache.init_app(app)."
            ) from None
        return state

    def _only_app(self) -> Flask:
        apps = list(self._apps)
        if len(apps) == 1:
            return apps[0]
        raise NotInitializedError(
            "This Cache serves several apps, so it must be used within an application context: "
            "with app.app_context()."
            if apps
            else "This Cache was not set up for any app: call cache.init_app(app)."
        )

    @property
    def cache(self) -> BaseCache:
        """The backend of the current app, or of the only one: a `BaseCache`.

        Raises `NotInitializedError` where there is no such app. Since 1.0.
        """
        return self.state().backend
