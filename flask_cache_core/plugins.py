"""``CACHE_TYPE`` → backend: pluggy plug-ins, entry points, import strings; errors that help.

The one place that knows how backends are found. Must not know what any of them does.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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
from .hookspecs import PROJECT
from .legacy import accepted, called, spellings
from .storage.base import BaseCache

if TYPE_CHECKING:
    from flask import Flask
    from importlib_metadata import EntryPoint

    from .storage.base import Factory
    from .typing import Serializer

#: The group of the plug-ins that know a client: named like the package that it comes from.
CLIENTS: Final = f"{PROJECT}.clients"

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


class Order(NamedTuple):
    """What a backend is built from. Whoever builds gets copies of it."""

    app: Flask
    config: Mapping[str, Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def wanted(self) -> Mapping[str, Any]:
        """The part of *kwargs* that the app gave itself."""
        return self.config.get("CACHE_OPTIONS") or {}


class Registry:
    """The plug-ins of one process."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._manager.register(backends, "flask_cache_core.backends")
        #: What entry points gave that is no plug-in: a factory or a cache class, by name.
        self._factories: dict[str, Factory | type] = {}

    @property
    def hook(self) -> pluggy.HookRelay:
        return self._manager.hook

    def register(self, plugin: object, name: str | None = None) -> None:
        """Add a plug-in without an entry point."""
        self._manager.register(plugin, name)

    def load(self, name: str) -> bool:
        """Load the one entry point called *name*; whether there is one."""
        if name in self._factories or self._manager.has_plugin(_plugin_name(name)):
            return True
        found = [point for point in _entry_points(PROJECT) if point.name.lower() == name]
        if not found:
            return False
        if len(found) > 1:
            owners = " and ".join(sorted(_owner(point) for point in found))
            raise AmbiguousBackendError(
                f"Both {owners} offer a cache backend called {name!r}. Uninstall one of them, or "
                "set CACHE_TYPE to the import string of the one that you mean."
            )
        loaded = _loaded(found[0])
        if isinstance(loaded, type) or inspect.isfunction(loaded):
            self._factories[name] = loaded
        else:
            self._add(loaded, name)
        return True

    def _add(self, plugin: object, name: str) -> None:
        if not self._manager.is_registered(plugin):  # one module may answer to several names
            self._manager.register(plugin, _plugin_name(name))

    def resolve(
        self,
        cache_type: object,
        app: Flask,
        config: Mapping[str, Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> BaseCache:
        """Build the backend that *cache_type* names. Raise one of the `ConfigError` family."""
        try:
            return self._resolve(cache_type, Order(app, config, args, kwargs))
        except TypeError as error:
            raise ConfigError(
                f"CACHE_TYPE={cache_type!r} cannot be built with the given CACHE_ARGS and "
                f"CACHE_OPTIONS: {error}"
            ) from error

    def _resolve(self, cache_type: object, order: Order) -> BaseCache:
        if not isinstance(cache_type, str):
            return self._from_object(cache_type, repr(cache_type), order)
        names = spellings(cache_type)
        for name in names:
            made = self._by_name(name, order)
            if made is not None:
                return self._checked(made, cache_type, order.config)
        is_path = "." in cache_type or ":" in cache_type
        if is_path and not OUR_EXTRAS.keys() & set(names):  # the old libraries may be there, too
            return self._from_object(_imported(cache_type), cache_type, order)
        raise UnknownBackendError(_unknown(cache_type))

    def _by_name(self, name: str, order: Order) -> object:
        made = self._through_hook(name, order)
        if made is not None or not self.load(name):
            return made
        if name in self._factories:
            return _built(self._factories[name], order)
        return self._through_hook(name, order)

    def _through_hook(self, name: str, order: Order) -> object:
        made: object = self.hook.flask_cache_backend(
            name=name,
            app=order.app,
            config=dict(order.config),
            args=list(order.args),
            kwargs=dict(order.kwargs),
        )
        return made

    def _from_object(self, found: object, label: str, order: Order) -> BaseCache:
        if not callable(found):
            raise NotACacheError(
                f"CACHE_TYPE={label!r} is {type(found).__name__}, neither a factory "
                "(app, config, args, kwargs) nor a cache class."
            )
        return self._checked(_built(found, order), label, order.config)

    def _checked(self, made: object, label: object, config: Mapping[str, Any]) -> BaseCache:
        if isinstance(made, BaseCache):
            return made
        if made is not None:
            self._load_plugins_for(made)
            adapted: BaseCache | None = self.hook.flask_cache_adapt(client=made, config=config)
            if adapted is not None:
                return adapted
        raise NotACacheError(
            f"CACHE_TYPE={label!r} gave a {type(made).__name__}, which is no cache: it lacks "
            "get, set or delete. Return a flask_cache_core.BaseCache, or an object with that API."
        )

    def _load_plugins_for(self, client: object) -> None:
        """Load the plug-ins that know the package which a bare client comes from."""
        package = type(client).__module__.partition(".")[0].lstrip("_")
        for point in _entry_points(CLIENTS):
            if point.name == package:
                self._add(_loaded(point), f"{CLIENTS}:{point.value}")

    def serializer(self, name: str) -> type[Serializer]:
        """Return the serializer that a plug-in offers under *name*. Raise `ConfigError`."""
        known: dict[str, type[Serializer]] = {}
        for offered in self.hook.flask_cache_serializers():
            known.update(offered)
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise ConfigError(
                f"CACHE_SERIALIZER={name!r} is no serializer that a plug-in offers ({names})."
            )
        return known[name]


def _built(found: Callable[..., object], order: Order) -> object:
    """Call a factory, or the class of a cache."""
    app, config, args, kwargs = order
    if not isinstance(found, type):
        return called(
            lambda given: found(app, dict(config), list(args), given), kwargs, order.wanted
        )
    taken = accepted(found, kwargs, order.wanted)
    if issubclass(found, BaseCache):
        return found.factory(app, dict(config), list(args), taken)
    return found(*args, **taken)


def _plugin_name(name: str) -> str:
    return f"entry-point:{name}"


def _entry_points(group: str) -> list[EntryPoint]:
    from importlib_metadata import entry_points  # scans the disk: only where a name is looked up

    return list(entry_points(group=group))


def _owner(point: EntryPoint) -> str:
    dist = point.dist
    return f"{dist.name} {dist.version}" if dist is not None else point.value


def _loaded(point: EntryPoint) -> object:
    try:
        loaded: object = point.load()
    except Exception as error:
        raise BrokenPluginError(
            f"The cache backend {point.name!r} of {_owner(point)} (entry point {point.value!r}) "
            f"cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    return loaded


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
    installed = {"null", "simple"} | {point.name for point in _entry_points(PROJECT)}
    names = spellings(cache_type) or [cache_type.rpartition(".")[2].lower()]
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
