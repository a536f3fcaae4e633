"""``CACHE_TYPE`` → backend: pluggy plug-ins, entry points, import strings; errors that help.

The one place that knows how backends are found. Must not know what any of them does.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import pluggy

from . import backends, hookspecs
from .errors import (
    AmbiguousBackendError,
    BrokenPluginError,
    CacheError,
    ConfigError,
    NotACacheError,
    UnknownBackendError,
)
from .hookspecs import PROJECT, hookimpl
from .storage.base import BaseCache
from .typing import Serializer

if TYPE_CHECKING:
    from flask import Flask

    from .storage.base import Factory

#: The short names of our own plug-ins, and the extra of the core that brings each.
OUR_EXTRAS: Final = {
    "redis": "redis",
    "redissentinel": "redis",
    "rediscluster": "redis",
    "memcached": "memcached",
    "gaememcached": "memcached",
    "saslmemcached": "saslmemcached",
    "spreadsaslmemcached": "spreadsas",
    "filesystem": "filesystem",
}
_HISTORICAL_MODULES: Final = re.compile(
    r"^(flask_caching\.backends|flask_cache\.backends|flask\.ext\.cache\.backends"
    r"|werkzeug\.contrib\.cache)\.(\w+\.)?(?P<name>\w+)$"
)


class Registry:
    """The plug-ins of one process."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._manager.register(backends, "flask_cache_core.backends")

    @property
    def hook(self) -> pluggy.HookRelay:
        return self._manager.hook

    def register(self, plugin: object, name: str | None = None) -> None:
        """Add a plug-in without an entry point."""
        self._manager.register(plugin, name)

    def load(self, name: str) -> bool:
        """Load and register the one entry point called *name*; whether there is one."""
        if self._manager.has_plugin(_plugin_name(name)):
            return True
        found = _entry_points(name)
        if not found:
            return False
        if len(found) > 1:
            owners = " and ".join(sorted(_owner(point) for point in found))
            raise AmbiguousBackendError(
                f"Both {owners} offer a cache backend called {name!r}. Uninstall one of them, or "
                "set CACHE_TYPE to the import string of the one that you mean."
            )
        plugin = _as_plugin(_loaded(found[0]), name)
        if not self._manager.is_registered(plugin):  # one module may answer to several names
            self._manager.register(plugin, _plugin_name(name))
        return True

    def resolve(
        self,
        cache_type: object,
        app: Flask,
        config: Mapping[str, Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> BaseCache:
        """Build the backend that *cache_type* names. Raises one of the `ConfigError` family."""
        try:
            return self._resolve(cache_type, _Build(app, config, args, kwargs))
        except TypeError as error:
            raise ConfigError(
                f"CACHE_TYPE={cache_type!r} cannot be built with the given CACHE_ARGS and "
                f"CACHE_OPTIONS: {error}"
            ) from error

    def _resolve(self, cache_type: object, build: _Build) -> BaseCache:
        if not isinstance(cache_type, str):
            return self._from_object(cache_type, repr(cache_type), build)
        names = _spellings(cache_type)
        for name in names:
            backend = self._by_name(name, build)
            if backend is not None:
                return self._checked(backend, cache_type, build.config)
        is_path = "." in cache_type or ":" in cache_type
        if is_path and not OUR_EXTRAS.keys() & set(names):  # the old libraries may be there, too
            return self._from_object(_imported(cache_type), cache_type, build)
        raise UnknownBackendError(_unknown(cache_type))

    def serializer(self, wanted: object) -> Serializer | None:
        """``CACHE_SERIALIZER``: a name, a class or an object with ``dumps`` and ``loads``."""
        if isinstance(wanted, str):
            known: dict[str, type[Serializer]] = {}
            for offered in self.hook.flask_cache_serializers():
                known.update(offered)
            if wanted not in known:
                names = ", ".join(sorted(known)) or "none"
                raise ConfigError(
                    f"CACHE_SERIALIZER={wanted!r} is no serializer that a plug-in offers ({names})."
                )
            wanted = known[wanted]
        try:
            made = wanted() if isinstance(wanted, type) else wanted
        except TypeError as error:
            raise ConfigError(f"CACHE_SERIALIZER={wanted!r} cannot be built: {error}") from error
        if made is None or isinstance(made, Serializer):
            return made
        raise ConfigError(
            f"CACHE_SERIALIZER={wanted!r} must be None, a name, or a class or object with "
            "dumps(value) -> bytes and loads(bytes) -> value."
        )

    def _by_name(self, name: str, build: _Build) -> BaseCache | None:
        backend = build.through_hook(self.hook, name)
        if backend is None and self.load(name):
            backend = build.through_hook(self.hook, name)
        return backend

    def _from_object(self, found: object, label: str, build: _Build) -> BaseCache:
        if not callable(found):
            raise NotACacheError(
                f"CACHE_TYPE={label!r} is {type(found).__name__}, neither a factory "
                "(app, config, args, kwargs) nor a cache class."
            )
        return self._checked(build.through_factory(found), label, build.config)

    def _checked(self, made: object, label: object, config: Mapping[str, Any]) -> BaseCache:
        if isinstance(made, BaseCache):
            return made
        if made is not None:
            self._load_adapter(made)
            adapted: BaseCache | None = self.hook.flask_cache_adapt(client=made, config=config)
            if adapted is not None:
                return adapted
        raise NotACacheError(
            f"CACHE_TYPE={label!r} gave a {type(made).__name__}, which is no cache: it lacks "
            "get, set or delete. Return a flask_cache_core.BaseCache, or an object with that API."
        )

    def _load_adapter(self, client: object) -> None:
        """Load the plug-in named like the package that a bare client comes from."""
        package = type(client).__module__.partition(".")[0].lstrip("_")
        name = {"pylibmc": "memcached", "pymemcache": "memcached", "memcache": "memcached"}.get(
            package, package
        )
        self.load(name)


class _Build:
    """One attempt after another at building a backend, each with arguments of its own."""

    def __init__(
        self,
        app: Flask,
        config: Mapping[str, Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        self.app = app
        self.config = config
        self._args = args
        self._kwargs = kwargs

    def through_hook(self, hook: pluggy.HookRelay, name: str) -> BaseCache | None:
        backend: BaseCache | None = hook.flask_cache_backend(
            name=name,
            app=self.app,
            config=dict(self.config),
            args=list(self._args),
            kwargs=dict(self._kwargs),
        )
        return backend

    def through_factory(self, found: Callable[..., Any]) -> object:
        if isinstance(found, type):
            if issubclass(found, BaseCache):
                kwargs = self._accepted(found)
                return found.factory(self.app, dict(self.config), list(self._args), kwargs)
            return found(*self._args, **self._accepted(found))
        return self._call(found)

    def _call(self, factory: Factory) -> object:
        """A factory passes ``kwargs`` on to a class that may or may not take a threshold."""
        kwargs = dict(self._kwargs)
        while True:
            try:
                return factory(self.app, dict(self.config), list(self._args), dict(kwargs))
            except TypeError as error:
                refused = next((name for name in _COMMON if f"'{name}'" in str(error)), None)
                if refused is None or refused not in kwargs or refused in self._own_options():
                    raise
                del kwargs[refused]

    def _accepted(self, kind: type) -> dict[str, Any]:
        """``kwargs`` without the common ones that the class does not name."""
        try:
            parameters = set(inspect.signature(kind).parameters)
        except (TypeError, ValueError):
            parameters = set()
        own = self._own_options()
        return {
            name: value
            for name, value in self._kwargs.items()
            if name in own or name in parameters or name not in _COMMON
        }

    def _own_options(self) -> Mapping[str, Any]:
        return self.config.get("CACHE_OPTIONS") or {}


#: What every factory is offered, whether its class takes it or not.
_COMMON: Final = ("threshold", "default_timeout")


def _plugin_name(name: str) -> str:
    return f"entry-point:{name}"


def _spellings(cache_type: str) -> list[str]:
    """The short names that *cache_type* may stand for, the likeliest first."""
    historical = _HISTORICAL_MODULES.match(cache_type)
    name = (historical["name"] if historical else cache_type).lower()
    if "." in name or ":" in name:
        return []
    short = name.removesuffix("cache")
    return [name, short] if short and short != name else [name]


def _entry_points(name: str) -> list[Any]:
    from importlib_metadata import entry_points  # scans the disk: only where a name is looked up

    return [point for point in entry_points(group=PROJECT) if point.name.lower() == name]


def _owner(point: Any) -> str:
    dist = point.dist
    return f"{dist.name} {dist.version}" if dist is not None else point.value


def _loaded(point: Any) -> object:
    try:
        loaded: object = point.load()
    except Exception as error:
        raise BrokenPluginError(
            f"The cache backend {point.name!r} of {_owner(point)} (entry point {point.value!r}) "
            f"cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    return loaded


def _as_plugin(loaded: Any, name: str) -> object:
    """A plug-in as it is; a factory or a cache class as a plug-in that answers to *name*."""
    if isinstance(loaded, type) or inspect.isfunction(loaded):
        return _FactoryPlugin(loaded, name)
    return loaded


class _FactoryPlugin:
    """The plug-in around an entry point that names a factory or a `BaseCache` subclass."""

    def __init__(self, factory: Callable[..., Any], name: str) -> None:
        self._factory = factory
        self._name = name

    @hookimpl
    def flask_cache_backend(
        self,
        name: str,
        app: Flask,
        config: Mapping[str, Any],
        args: list[Any],
        kwargs: dict[str, Any],
    ) -> object:
        if name != self._name:
            return None
        return _Build(app, config, tuple(args), kwargs).through_factory(self._factory)


def _imported(path: str) -> object:
    module, _, attribute = path.partition(":") if ":" in path else path.rpartition(".")
    if not module or not attribute:
        raise UnknownBackendError(_unknown(path))
    try:
        found: object = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(error.name + ".")):
            raise ConfigError(f"CACHE_TYPE={path!r} cannot be imported: {error}") from error
        raise UnknownBackendError(
            f"CACHE_TYPE={path!r}: there is no module {error.name!r}. " + _unknown(path)
        ) from error
    except AttributeError as error:
        raise UnknownBackendError(
            f"CACHE_TYPE={path!r}: the module {module!r} has no {attribute!r}."
        ) from error
    except CacheError:
        raise
    except Exception as error:
        raise ConfigError(
            f"CACHE_TYPE={path!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return found


def _unknown(cache_type: str) -> str:
    """What is installed, what is nearest, and what to install."""
    from importlib_metadata import entry_points

    installed = {"null", "simple"} | {point.name for point in entry_points(group=PROJECT)}
    names = _spellings(cache_type) or [cache_type.rpartition(".")[2].lower()]
    text = [f"CACHE_TYPE={cache_type!r} is not an installed cache backend."]
    nearest = difflib.get_close_matches(names[-1], installed | OUR_EXTRAS.keys(), n=1)
    ours = next((name for name in (*names, *nearest) if name in OUR_EXTRAS), None)
    if nearest and nearest[0] not in names:
        text.append(f"Did you mean {nearest[0]!r}?")
    if ours is not None and ours not in installed:
        text.append(f"{ours!r} comes with: pip install flask-cache-core[{OUR_EXTRAS[ours]}]")
    text.append(f"Installed: {', '.join(sorted(installed))}.")
    text.append("A custom backend is an import string such as 'my_app.caching:factory'.")
    return " ".join(text)


#: The registry that every ``Cache`` uses.
registry: Final = Registry()
