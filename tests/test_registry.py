"""``CACHE_TYPE`` → backend: every way in, and every error with its way out.

Entry points belong to distributions, so the tests install some of their own: directories with
``*.dist-info`` on the path of one further process, which tries everything and tells.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cachelib
import pytest
from flask import Flask

from flask_cache_core import BaseCache, Cache, hookimpl
from flask_cache_core.backends import NullCache, SimpleCache
from flask_cache_core.errors import (
    ConfigError,
    NotACacheError,
    UnknownBackendError,
)
from flask_cache_core.plugins import registry

MODULES = {
    "acme_class": """
        from flask_cache_core import BaseCache
        class AcmeCache(BaseCache):
            def __init__(self, *args, **kwargs):
                super().__init__(kwargs.pop("default_timeout", None))
                self.args, self.kwargs, self.data = args, kwargs, {}
            def get(self, key): return self.data.get(key)
            def set(self, key, value, timeout=None): self.data[key] = value; return True
            def delete(self, key): return self.data.pop(key, None) is not None
        def factory(app, config, args, kwargs):
            cache = AcmeCache(*args, **kwargs)
            cache.config = config
            return cache
        def not_a_cache(app, config, args, kwargs):
            return object()
    """,
    "acme_hooks": """
        import flask_cache_core
        from acme_class import AcmeCache
        configured = []
        class Reversed:
            def dumps(self, value): return repr(value).encode()[::-1]
            def loads(self, data): return eval(data[::-1])
        @flask_cache_core.hookimpl
        def flask_cache_backend(name, app, config, args, kwargs):
            if name in ("hooked", "alsohooked"):
                return AcmeCache(name, *args, **kwargs)
        @flask_cache_core.hookimpl
        def flask_cache_serializers():
            return {"reversed": Reversed}
        @flask_cache_core.hookimpl
        def flask_cache_configured(app, cache, settings):
            configured.append((app.name, settings.type))
    """,
    "acme_client": """
        class Client:
            size = 5
        def factory(app, config, args, kwargs):
            return Client()
        class Stranger:
            pass
    """,
    "acme_adapting": """
        import flask_cache_core
        from acme_class import AcmeCache
        from acme_client import Client
        @flask_cache_core.hookimpl
        def flask_cache_adapt(client, config):
            if isinstance(client, Client):
                return AcmeCache("adapted", size=client.size)
    """,
    "acme_broken": "import no_such_module_at_all",
    "acme_failing": "raise LookupError('no licence')",
}

DISTRIBUTIONS: dict[str, dict[str, str]] = {
    "acme-class": {"acme": "acme_class:AcmeCache", "Mixed": "acme_class:AcmeCache"},
    "acme-factory": {"made": "acme_class:factory", "odd": "acme_class:not_a_cache"},
    "acme-hooks": {
        "hooked": "acme_hooks",
        "alsohooked": "acme_hooks",
        "metrics": "acme_hooks",
        "unanswered": "acme_hooks",
    },
    "acme-broken": {
        "broken": "acme_broken",
        "failing": "acme_failing:Cache",
        "absent": "acme_class:NoSuchClass",
    },
    "one-of-two": {"twice": "acme_class:AcmeCache"},
    "two-of-two": {"twice": "acme_class:factory"},
    "impostor": {"simple": "acme_broken", "null": "acme_broken"},
}

#: The group `flask_cache_core.clients`: which plug-in knows the clients of which package.
CLIENTS: dict[str, dict[str, str]] = {
    "acme-adapting": {"acme_client": "acme_adapting"},
    "acme-unwanted": {"acme_other": "acme_broken"},
}

ATTEMPTS: dict[str, dict[str, Any]] = {
    "a class": {"CACHE_TYPE": "acme", "CACHE_ARGS": [1], "CACHE_OPTIONS": {"size": 2}},
    "a class by its old spelling": {"CACHE_TYPE": "AcmeCache"},
    "a name of mixed case": {"CACHE_TYPE": "mixed"},
    "a factory": {"CACHE_TYPE": "made", "CACHE_THRESHOLD": 7},
    "a plug-in": {"CACHE_TYPE": "hooked"},
    "a plug-in's second name": {"CACHE_TYPE": "AlsoHooked"},
    "a further plug-in": {"CACHE_TYPE": "simple", "CACHE_PLUGINS": ["metrics"]},
    "a plug-in that does not answer": {"CACHE_TYPE": "unanswered"},
    "no cache": {"CACHE_TYPE": "odd"},
    "a broken one": {"CACHE_TYPE": "broken"},
    "a failing one": {"CACHE_TYPE": "failing"},
    "one that is not there": {"CACHE_TYPE": "absent"},
    "a bare client": {"CACHE_TYPE": "acme_client.factory"},
    "a bare stranger": {"CACHE_TYPE": "acme_client.Stranger"},
    "a broken further one": {"CACHE_TYPE": "simple", "CACHE_PLUGINS": ["broken"]},
    "one of two": {"CACHE_TYPE": "twice"},
    "the embedded one": {"CACHE_TYPE": "simple"},
    "unknown": {"CACHE_TYPE": "acmee"},
    "a serializer": {"CACHE_TYPE": "simple", "CACHE_SERIALIZER": "reversed"},
    "an unknown serializer": {"CACHE_TYPE": "simple", "CACHE_SERIALIZER": "upside-down"},
}

PROGRAM = """
import json, sys, warnings
warnings.simplefilter("ignore")
from flask import Flask
from flask_cache_core import Cache
from flask_cache_core import errors
told = {}
for name, config in json.load(sys.stdin).items():
    app = Flask(name)
    loaded = set(sys.modules)
    try:
        backend = Cache(app, config=config).cache
        told[name] = {
            "kind": type(backend).__name__,
            "args": getattr(backend, "args", None),
            "kwargs": getattr(backend, "kwargs", None),
        }
    except errors.CacheError as error:
        told[name] = {
            "error": type(error).__name__,
            "is": [kind.__name__ for kind in type(error).__mro__],
            "text": str(error),
            "cause": type(error.__cause__).__name__,
            "untouched": not app.extensions,
        }
    told[name]["new"] = [module for module in sys.modules if module not in loaded]
told["configured"] = sys.modules["acme_hooks"].configured
json.dump(told, sys.stdout)
"""


def install(site: Path, name: str, group: str, points: Mapping[str, str]) -> None:
    info = site / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    lines = [f"{point} = {target}" for point, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What became of each attempt, with the distributions installed."""
    site = tmp_path_factory.mktemp("site")
    for name, text in MODULES.items():
        (site / f"{name}.py").write_text(textwrap.dedent(text))
    for group, distributions in (
        ("flask_cache_core", DISTRIBUTIONS),
        ("flask_cache_core.clients", CLIENTS),
    ):
        for name, points in distributions.items():
            install(site, name, group, points)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(ATTEMPTS),
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: Mapping[str, Any] = json.loads(run.stdout)
    return found


def test_an_entry_point_may_name_a_class(told: Mapping[str, Any]) -> None:
    assert told["a class"]["kind"] == "AcmeCache"
    assert told["a class"]["args"] == [1]
    assert told["a class"]["kwargs"] == {"size": 2}


def test_an_entry_point_may_name_a_factory(told: Mapping[str, Any]) -> None:
    assert told["a factory"]["kind"] == "AcmeCache"
    assert told["a factory"]["kwargs"] == {"threshold": 7}


def test_an_entry_point_may_name_a_plug_in(told: Mapping[str, Any]) -> None:
    assert told["a plug-in"]["args"] == ["hooked"]
    assert told["a plug-in's second name"]["args"] == ["alsohooked"]


@pytest.mark.parametrize("name", ["a class by its old spelling", "a name of mixed case"])
def test_spellings_of_a_third_partys_name(told: Mapping[str, Any], name: str) -> None:
    assert told[name]["kind"] == "AcmeCache"


def test_only_what_is_asked_for_is_imported(told: Mapping[str, Any]) -> None:
    assert "acme_class" in told["a class"]["new"]
    everything = {module for attempt in ATTEMPTS for module in told[attempt]["new"]}
    before_asked = set()
    for attempt in ATTEMPTS:
        if attempt in ("a broken one", "a broken further one"):
            break
        before_asked.update(told[attempt]["new"])
    assert not {"acme_broken", "acme_failing"} & before_asked
    assert not {"redis", "pylibmc", "asyncio", "flask_cache_core_redis"} & everything


def test_further_plug_ins_are_told_of_each_app(told: Mapping[str, Any]) -> None:
    assert ["a further plug-in", "simple"] in told["configured"]


def test_embedded_names_cannot_be_taken(told: Mapping[str, Any]) -> None:
    assert told["the embedded one"]["kind"] == "SimpleCache"


@pytest.mark.parametrize(
    ("name", "cause", "texts"),
    [
        ("a broken one", "ModuleNotFoundError", ["'broken'", "'acme_broken'", "no_such_module_at"]),
        ("a failing one", "LookupError", ["'failing'", "'acme_failing:Cache'", "no licence"]),
        ("one that is not there", "AttributeError", ["'absent'", "NoSuchClass"]),
        ("a broken further one", "ModuleNotFoundError", ["'broken'", "'acme_broken'"]),
    ],
)
def test_a_broken_plug_in_names_its_distribution_and_its_error(
    told: Mapping[str, Any], name: str, cause: str, texts: list[str]
) -> None:
    failed = told[name]
    assert failed["error"] == "BrokenPluginError"
    assert failed["cause"] == cause
    assert "acme-broken 1.2" in failed["text"]
    assert all(text in failed["text"] for text in texts)


def test_two_distributions_with_one_name_are_both_named(told: Mapping[str, Any]) -> None:
    failed = told["one of two"]
    assert failed["error"] == "AmbiguousBackendError"
    assert "one-of-two 1.2" in failed["text"]
    assert "two-of-two 1.2" in failed["text"]
    assert "'twice'" in failed["text"]


def test_a_factory_that_makes_no_cache_is_told(told: Mapping[str, Any]) -> None:
    assert told["no cache"]["error"] == "NotACacheError"
    assert "'odd'" in told["no cache"]["text"]


def test_a_bare_client_is_adapted_by_the_plug_in_that_says_that_it_knows_it(
    told: Mapping[str, Any],
) -> None:
    adapted = told["a bare client"]
    assert (adapted["kind"], adapted["args"], adapted["kwargs"]) == (
        "AcmeCache",
        ["adapted"],
        {"size": 5},
    )
    assert "acme_adapting" in adapted["new"]
    assert "Stranger" in told["a bare stranger"]["text"]


def test_a_plug_in_that_does_not_answer_to_its_name_is_told(told: Mapping[str, Any]) -> None:
    assert told["a plug-in that does not answer"]["error"] == "UnknownBackendError"


def test_an_unknown_name_lists_what_is_installed(told: Mapping[str, Any]) -> None:
    text = told["unknown"]["text"]
    assert "Did you mean 'acme'?" in text
    for name in ("acme", "made", "hooked", "simple", "null"):
        assert name in text


def test_a_serializer_has_a_name(told: Mapping[str, Any]) -> None:
    assert told["a serializer"]["kind"] == "SimpleCache"
    assert "reversed" in told["an unknown serializer"]["text"]


def test_every_error_is_of_one_family_and_leaves_the_app_alone(told: Mapping[str, Any]) -> None:
    failed = [value for value in told.values() if isinstance(value, dict) and "error" in value]
    assert len(failed) == 10
    for value in failed:
        assert {"ConfigError", "CacheError", "ValueError"} <= set(value["is"])
        assert value["untouched"]


WITHOUT_PLUG_INS = """
import sys
import importlib_metadata
importlib_metadata.entry_points = lambda **selection: []
from flask import Flask
from flask_cache_core import Cache
for name in sys.argv[1:]:
    try:
        Cache(Flask("x"), config={"CACHE_TYPE": name})
    except Exception as error:
        print(type(error).__name__, error)
"""

INSTALLS = {
    "redis": "redis", "RedisCache": "redis", "redissentinel": "redis", "RedisClusterCache": "redis",
    "flask_caching.backends.RedisCache": "redis", "memcached": "memcached",
    "flask_caching.backends.memcache.MemcachedCache": "memcached", "gaememcached": "memcached",
    "saslmemcached": "saslmemcached", "spreadsaslmemcachedcache": "spreadsas",
    "werkzeug.contrib.cache.FileSystemCache": "filesystem", "filesystem": "filesystem",
    "reddis": "redis", "file_system": "filesystem",
}  # fmt: skip


def test_our_own_that_are_not_installed_come_with_the_command(tmp_path: Path) -> None:
    """As where only the core is installed: entry points are told from metadata alone."""
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_PLUG_INS, *INSTALLS],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = run.stdout.splitlines()
    for line, (name, extra) in zip(lines, INSTALLS.items(), strict=True):
        assert line.startswith(f"UnknownBackendError CACHE_TYPE={name!r}")
        assert f"pip install flask-cache-core[{extra}]" in line


LIGHT = """
import sys
from flask import Flask, session, current_app, render_template
before = set(sys.modules)
from flask_cache_core import Cache
app = Flask("light")
cache = Cache(app, config={"CACHE_TYPE": "simple"})
cache.set("k", {"v": 1})
assert cache.memoize()(lambda: 5)() == 5
print(*sorted(set(sys.modules) - before))
"""


def test_an_app_on_simple_imports_no_plug_in_and_scans_no_metadata() -> None:
    run = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, timeout=60, check=True
    )
    roots = {name.partition(".")[0] for name in run.stdout.split()}
    heavy = {"redis", "pylibmc", "importlib_metadata", "asyncio", "msgpack", "pymemcache"}
    assert "flask_cache_core" in roots
    assert not heavy & roots
    assert not {name for name in roots if name.startswith("flask_cache_core_")}


# -- import strings ----------------------------------------------------------------------------


class Small(BaseCache):
    """What a third party has to write at least."""

    def __init__(self, *args: Any, default_timeout: Any = None, **kwargs: Any) -> None:
        super().__init__(default_timeout)
        self.args = args
        self.kwargs = kwargs
        self.data: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.data.get(key)

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        self.data[key] = value
        return True

    def delete(self, key: str) -> bool:
        return self.data.pop(key, None) is not None


class Servers(Small):
    """As Flask-Cache documents it: no threshold."""

    def __init__(self, servers: Any, default_timeout: Any = 500) -> None:
        super().__init__(default_timeout=default_timeout)
        self.servers = servers


class OwnFactory(Small):
    @classmethod
    def factory(cls, app: Flask, config: Any, args: Any, kwargs: Any) -> OwnFactory:
        return cls(app.name, config["CACHE_DEFAULT_TIMEOUT"], *args, **kwargs)


class Duck:
    """The werkzeug cache API, and no base class."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.data.get(key)

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        self.data[key] = value
        return True

    def delete(self, key: str) -> bool:
        return self.data.pop(key, None) is not None

    def special(self) -> str:
        return "special"


def old_factory(app: Flask, config: Any, args: list[Any], kwargs: dict[str, Any]) -> Servers:
    """As Flask-Cache documents it: *kwargs*, with its threshold, goes to a class without one."""
    args.append(app.config["SERVERS"])
    return Servers(*args, **kwargs)


def keeping_factory(app: Flask, config: Any, args: list[Any], kwargs: dict[str, Any]) -> Small:
    made = Small(*args, **kwargs)
    args.append("changed")
    kwargs["changed"] = True
    config["CACHE_KEY_PREFIX"] = "changed"
    return made


def duck_factory(app: Flask, config: Any, args: list[Any], kwargs: dict[str, Any]) -> Duck:
    return Duck()


def bad_factory(app: Flask, config: Any, args: list[Any], kwargs: dict[str, Any]) -> object:
    return {"get": 1}


def failing_factory(app: Flask, config: Any, args: list[Any], kwargs: dict[str, Any]) -> object:
    raise ConnectionError("no server")


def none_factory(app: Flask, config: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    return None


def built(app: Flask, cache_type: object, **config: Any) -> Any:
    return Cache(app, config={"CACHE_TYPE": cache_type, **config})


def works(cache: Cache) -> bool:
    numbers = iter(range(10))
    f = cache.memoize()(lambda: next(numbers))
    cache.set("k", [1])
    return (cache.get("k"), f(), f()) == ([1], 0, 0)


@pytest.mark.parametrize("separator", [".", ":"])
@pytest.mark.parametrize("name", ["Small", "OwnFactory", "keeping_factory", "duck_factory"])
def test_import_strings(app: Flask, name: str, separator: str) -> None:
    assert works(built(app, f"{__name__}{separator}{name}"))


@pytest.mark.parametrize("found", [Small, OwnFactory, keeping_factory, duck_factory, SimpleCache])
def test_objects_instead_of_strings(app: Flask, found: object) -> None:
    assert works(built(app, found))


def test_a_class_gets_arguments_and_the_common_options_that_it_takes(app: Flask) -> None:
    backend = built(
        app, Small, CACHE_ARGS=("a",), CACHE_OPTIONS={"x": 1}, CACHE_DEFAULT_TIMEOUT=7
    ).cache
    assert (backend.args, backend.kwargs, backend.default_timeout) == (("a",), {"x": 1}, 7)


def test_a_class_that_takes_no_threshold(app: Flask) -> None:
    cache = built(app, f"{__name__}.Servers", CACHE_ARGS=["one"], CACHE_DEFAULT_TIMEOUT=9)
    assert (cache.cache.servers, cache.cache.default_timeout) == ("one", 9)


def test_a_documented_factory_of_flask_cache(app: Flask) -> None:
    app.config["SERVERS"] = ["one"]
    cache = built(app, f"{__name__}.old_factory")
    assert cache.cache.servers == ["one"]


def test_a_classes_own_factory_gets_the_app_and_its_config(app: Flask) -> None:
    backend = built(app, OwnFactory, CACHE_ARGS=["x"], CACHE_DEFAULT_TIMEOUT=9).cache
    assert backend.args == ("tested", 9, "x")


def test_a_factory_gets_copies(app: Flask) -> None:
    args, options = ["a"], {"x": 1}
    app.config.update(CACHE_ARGS=args, CACHE_OPTIONS=options)
    for _ in range(2):
        assert built(app, keeping_factory).cache.args == ("a",)
    assert (args, options) == (["a"], {"x": 1})
    assert "CACHE_KEY_PREFIX" not in app.config


def test_threshold_is_in_the_options_of_a_factory(app: Flask) -> None:
    backend = built(app, keeping_factory, CACHE_THRESHOLD=9, CACHE_OPTIONS={"x": 1}).cache
    assert backend.kwargs == {"threshold": 9, "x": 1}


def test_attributes_of_a_duck_stay_reachable(app: Flask) -> None:
    assert built(app, duck_factory).cache.special() == "special"


def test_cachelib_classes(app: Flask, tmp_path: Path) -> None:
    simple = built(app, "cachelib.SimpleCache", CACHE_THRESHOLD=5)
    files = built(
        app, "cachelib.file:FileSystemCache", CACHE_ARGS=[str(tmp_path)], CACHE_DEFAULT_TIMEOUT=60
    )
    given = built(app, cachelib.SimpleCache)
    for cache in (simple, files, given):
        assert works(cache)
        assert cache.inc("n") == 1
        assert cache.has("n")
        assert cache.clear()
        assert cache.get("n") is None
    assert simple.cache._threshold == 5
    assert files.cache.default_timeout == 60


@pytest.mark.parametrize("kind", ["simple", "Simple", "SIMPLECACHE", "SimpleCache"])
def test_spellings_of_simple(app: Flask, kind: str) -> None:
    assert isinstance(built(app, kind).cache, SimpleCache)


@pytest.mark.parametrize(
    "kind",
    [
        "flask_caching.backends.SimpleCache",
        "flask_caching.backends.simplecache.SimpleCache",
        "flask_cache.backends.simple",
        "flask.ext.cache.backends.simple",
        "werkzeug.contrib.cache.SimpleCache",
    ],
)
def test_historical_import_strings(app: Flask, kind: str) -> None:
    assert isinstance(built(app, kind).cache, SimpleCache)


def test_historical_null(app: Flask) -> None:
    cache = built(app, "flask_caching.backends.NullCache", CACHE_NO_NULL_WARNING=True)
    assert isinstance(cache.cache, NullCache)


@pytest.mark.parametrize(
    ("cache_type", "error", "text"),
    [
        ("nothing", UnknownBackendError, "Installed: .*null.*simple"),
        ("smple", UnknownBackendError, "Did you mean 'simple'"),
        ("no.such.module.Cache", UnknownBackendError, "no module 'no'"),
        ("os.no_such.Cache", UnknownBackendError, "no_such"),
        (f"{__name__}.NoSuch", UnknownBackendError, "no 'NoSuch'"),
        (f"{__name__}:Small.nothing", UnknownBackendError, "no 'Small.nothing'"),
        ("math.pi", NotACacheError, "float"),
        (f"{__name__}.MODULES", NotACacheError, "dict"),
        (f"{__name__}.bad_factory", NotACacheError, "lacks get, set or delete"),
        (f"{__name__}.none_factory", NotACacheError, "NoneType"),
        ("collections.Counter", ConfigError, "Counter"),
        (["simple"], NotACacheError, "list"),
        (5, NotACacheError, "int"),
        (".", UnknownBackendError, "CACHE_TYPE"),
        (":", UnknownBackendError, "CACHE_TYPE"),
        ("a..b", UnknownBackendError, "CACHE_TYPE"),
        (" ", UnknownBackendError, "CACHE_TYPE"),
    ],
)
def test_what_leads_to_no_cache_is_told(
    app: Flask, cache_type: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        built(app, cache_type)
    assert "CACHE_TYPE" in str(caught.value)
    assert not app.extensions


def test_what_a_factory_raises_is_not_hidden(app: Flask) -> None:
    with pytest.raises(ConnectionError, match="no server"):
        built(app, failing_factory)
    assert not app.extensions


def test_a_module_that_fails_to_import_tells_why(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_more.py").write_text("import no_such_thing")
    (tmp_path / "fails.py").write_text("raise LookupError('on import')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="no_such_thing"):
        built(app, "needs_more.Cache")
    with pytest.raises(ConfigError, match="on import"):
        built(app, "fails.Cache")


# -- plug-ins without an entry point -----------------------------------------------------------


class Adapting:
    """A plug-in that knows one kind of bare client."""

    @hookimpl
    def flask_cache_adapt(self, client: object, config: Mapping[str, Any]) -> BaseCache | None:
        return Small() if isinstance(client, set) else None

    @hookimpl
    def flask_cache_backend(
        self, name: str, app: Flask, config: Any, args: Any, kwargs: Any
    ) -> BaseCache | None:
        return Small(name) if name == "registered" else None


def bare_factory(app: Flask, config: Any, args: list[Any], kwargs: dict[str, Any]) -> set[Any]:
    return set()


@pytest.fixture
def adapting() -> Any:
    plugin = Adapting()
    registry.register(plugin)
    yield plugin
    registry._manager.unregister(plugin)


@pytest.mark.usefixtures("adapting")
def test_a_bare_client_is_adapted(app: Flask) -> None:
    assert works(built(app, bare_factory))


@pytest.mark.usefixtures("adapting")
def test_a_registered_plug_in_answers_before_entry_points(app: Flask) -> None:
    assert built(app, "Registered").cache.args == ("registered",)


def annotated(make: Callable[..., BaseCache]) -> BaseCache:
    """For type checkers."""
    return make()
