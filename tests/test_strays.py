"""Names in a configuration that do nothing are told at set-up, at the caller's line."""

from __future__ import annotations

import gc
import importlib
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_cache_core import BaseCache, Cache, CacheWarning
from flask_cache_core.backend import ByteStore
from flask_cache_core.errors import ConfigError
from flask_cache_core.plugins import registry
from flask_cache_core.settings import Options, Setting, Settings, count, optional, text

SIMPLE = {"CACHE_TYPE": "simple"}


class AcmeOptions(Options):
    """What a third party declares."""

    dirs = Setting(optional(text), None, "Where it is.")
    acme_size = Setting(count(1), 10, "How large it is.")
    acme_token = Setting(text, "", "Who asks.", secret=True)


class Acme(BaseCache):
    """A third party's backend, whose factory reads nothing."""

    options = AcmeOptions

    def get(self, key: str) -> Any:
        return None

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        return True

    def delete(self, key: str) -> bool:
        return False


class DirOptions(Options):
    dir = Setting(optional(text), None, "As the filesystem backend has it.")
    threshold = Settings.threshold


class Dir(Acme):
    options = DirOptions  # type: ignore[assignment]


class Silent(Acme):
    """Does not say what it reads."""

    options = None  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def _no_caches_of_other_tests() -> None:
    """One that is still there, and set up for no app, might be meant by the names of any app."""
    gc.collect()


def told(app: Flask, *caches: Cache) -> list[str]:
    """The warnings when *caches* are set up on *app*, one after another."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for cache in caches:
            cache.init_app(app)
    assert all(each.category is CacheWarning for each in caught)
    return [str(each.message) for each in caught]


def with_type(cache_type: object, **config: Any) -> Cache:
    return Cache(config={"CACHE_TYPE": cache_type, **config})


# -- a backend's own settings ------------------------------------------------------------------


@pytest.mark.parametrize("in_app", [True, False])
def test_a_third_party_backend_with_settings_of_its_own_starts_without_a_warning(
    app: Flask, in_app: bool
) -> None:
    config = {
        "CACHE_TYPE": Acme, "CACHE_DIRS": "a", "CACHE_ACME_SIZE": 5, "CACHE_ACME_TOKEN": "x",
    }  # fmt: skip
    if in_app:
        app.config.update(config)
    assert told(app, Cache(config=None if in_app else config)) == []


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("CACHE_DIRS", 5, "CACHE_DIRS must be a string, not 5."),
        ("CACHE_ACME_SIZE", 0, "CACHE_ACME_SIZE must be a whole number >= 1, not 0."),
        ("CACHE_ACME_TOKEN", 12345, "CACHE_ACME_TOKEN must be a string."),
    ],
)
def test_its_wrong_values_are_told_though_its_factory_reads_none(
    app: Flask, name: str, value: object, text: str
) -> None:
    app.config.update({"CACHE_TYPE": Acme, name: value})
    with pytest.raises(ConfigError) as caught:
        Cache(app)
    assert str(caught.value) == text
    assert not app.extensions


def test_what_is_declared_is_no_misspelling(app: Flask) -> None:
    """CACHE_DIRS is close to the CACHE_DIR of a cache that was set up before."""
    app.config.update(CACHE_DIR="a", CACHE_DIRS="b")
    assert told(app, with_type(Dir), with_type(Acme)) == []
    assert told(app, Cache(config={"CACHE_TYPE": Acme, "CACHE_DIRS": "b"})) == []


def test_an_attribute_of_an_instance_declares_nothing(app: Flask) -> None:
    class Old(Silent):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__()
            self.options = kwargs  # type: ignore[misc, assignment]

    assert told(app, with_type(Old, CACHE_OTHER=1)) == []


def test_a_misspelling_of_what_a_backend_declares_is_told(app: Flask) -> None:
    (text,) = told(app, with_type(Acme, CACHE_ACME_SIZES=5))
    assert (
        text == "CACHE_ACME_SIZES is no setting of flask-cache-core. Did you mean CACHE_ACME_SIZE?"
    )
    app.config.update(CACHE_TYPE=Acme, CACHE_ACME_TOKN="x")
    assert [text.split()[-1] for text in told(app, Cache())] == ["CACHE_ACME_TOKEN?"]


def test_a_backend_that_does_not_say_what_it_uses_is_believed(app: Flask) -> None:
    app.config["CACHE_REDIS_URL"] = "redis://x"
    assert told(app, with_type(Silent, CACHE_OTHER=1)) == []
    app.config["CACHE_TYPE"] = "cachelib.SimpleCache"
    assert told(app, Cache()) == []


# -- misspelt ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CACHE_DEFAULT_TIMEOT", "CACHE_DEFAULT_TIMEOUT"),
        ("CACHE_TRESHOLD", "CACHE_THRESHOLD"),
        ("CACHE_KEYPREFIX", "CACHE_KEY_PREFIX"),
    ],
)
@pytest.mark.parametrize("typed_by_app", [True, False])
def test_a_name_that_looks_misspelt_is_told_wherever_it_stands(
    app: Flask, name: str, meant: str, typed_by_app: bool
) -> None:
    app.config[name] = 1
    app.config.update(SIMPLE if typed_by_app else {})
    (text,) = told(app, Cache(config=None if typed_by_app else SIMPLE))
    assert text.startswith(f"{name} is no setting")
    assert text.endswith(f"Did you mean {meant}?")
    (text,) = told(Flask("other"), with_type("simple", **{name: 1}))
    assert meant in text


def test_it_is_told_once_for_all_caches_of_an_app(app: Flask) -> None:
    app.config.update(CACHE_TYPE="simple", CACHE_TRESHOLD=1)
    assert len(told(app, Cache(), with_type("simple"), Cache())) == 1


def test_under_test_it_is_told_too(app: Flask) -> None:
    app.config.update(TESTING=True, CACHE_TRESHOLD=1, CACHE_REDIS_URL="x", CACHE_TYPE="redis")
    assert [text.split()[0] for text in told(app, Cache())] == ["CACHE_TRESHOLD"]


# -- used by no backend ------------------------------------------------------------------------


def test_a_setting_that_the_backend_does_not_use_is_told(app: Flask) -> None:
    app.config.update(SIMPLE, CACHE_REDIS_URL="redis://x", CACHE_DIR="x", CACHE_SERIALIZER="no")
    app.config["CACHE_SERIALIZER"] = None
    (text,) = told(app, Cache())
    assert text == (
        "CACHE_TYPE='simple' does not use CACHE_DIR, CACHE_REDIS_URL. Remove the setting, or "
        "choose the backend that it was meant for."
    )
    (text,) = told(Flask("other"), with_type("simple", CACHE_DIR="x", CACHE_REDIS_URL=None))
    assert text.startswith("CACHE_TYPE='simple' does not use CACHE_DIR. ")


@pytest.mark.parametrize(
    ("name", "value"),
    [("CACHE_KEY_PREFIX", "x"), ("CACHE_COMPRESSION", "zlib"), ("CACHE_CLEAR_ALL", True)],
)
def test_a_setting_of_the_core_that_only_other_backends_read_is_told(
    app: Flask, name: str, value: object
) -> None:
    (text,) = told(app, with_type("simple", **{name: value}))
    assert f"does not use {name}." in text


def test_what_is_none_is_not_set(app: Flask) -> None:
    app.config.update(SIMPLE, CACHE_DIR=None, CACHE_TRESHOLD=None, CACHE_COMPRESSION=None)
    assert told(app, Cache(config={"CACHE_REDIS_URL": None})) == []


def test_what_another_extension_reads_is_told_once_and_does_no_harm(app: Flask) -> None:
    app.config.update(SIMPLE, CACHE_CONTROL_MAX_AGE=60, CACHE_WARMER_URL="x", CACHED="x")
    (text,) = told(app, Cache())
    assert "CACHE_CONTROL_MAX_AGE, CACHE_WARMER_URL" in text


def test_a_cache_with_a_type_of_its_own_leaves_the_names_of_the_app_alone(app: Flask) -> None:
    app.config.update(CACHE_CONTROL_MAX_AGE=60, CACHE_WARMER_URL="x", CACHE_DIR="x")
    assert told(app, with_type("simple")) == []


def test_what_the_core_reads_is_used_by_every_backend(app: Flask) -> None:
    app.config.update(SIMPLE, CACHE_BACKEND_TIMEOUT=1, CACHE_LOCK=False, CACHE_PLUGINS=())
    assert told(app, Cache()) == []


# -- several caches on one app -----------------------------------------------------------------

SHARED = {"CACHE_DIRS": "a", "CACHE_ACME_SIZE": 5, "CACHE_DIR": "b", "CACHE_THRESHOLD": 7}


@pytest.mark.parametrize("types", [(Acme, Dir), (Dir, Acme), (Dir, "simple"), ("simple", Acme)])
def test_caches_with_types_of_their_own_do_not_warn_about_each_other(
    app: Flask, types: tuple[object, object]
) -> None:
    app.config.update(SHARED)
    assert [told(app, with_type(each)) for each in types] == [[], []]


@pytest.mark.parametrize(("of_app", "own"), [(Acme, Dir), (Dir, Acme)])
@pytest.mark.parametrize("app_first", [True, False])
def test_nor_does_the_one_that_takes_the_type_of_the_app(
    app: Flask, of_app: object, own: object, app_first: bool
) -> None:
    app.config.update(SHARED, CACHE_TYPE=of_app)
    caches = [Cache(), with_type(own)]
    assert told(app, *(caches if app_first else reversed(caches))) == []


def test_what_none_of_them_uses_is_told_when_all_are_known(app: Flask) -> None:
    app.config.update(SHARED, CACHE_TYPE=Acme, CACHE_REDIS_URL="x")
    first, last = Cache(), with_type(Dir)
    assert told(app, first) == []
    (text,) = told(app, last)
    assert "does not use CACHE_REDIS_URL, nor does another cache of this app." in text


def test_an_app_factory_may_be_called_again(app: Flask) -> None:
    """The second cache is known to use its settings from the first app on."""
    caches = [Cache(), with_type(Dir)]
    for name in "ab":
        made = Flask(name)
        made.config.update(SHARED, CACHE_TYPE=Acme, CACHE_REDIS_URL="x")
        (text,) = told(made, *caches)
        assert "does not use CACHE_REDIS_URL, nor" in text


def test_a_cache_whose_set_up_failed_is_not_waited_for(app: Flask) -> None:
    failed = with_type(Acme, CACHE_ACME_SIZE=0)
    with pytest.raises(ConfigError):
        failed.init_app(app)
    app.config.update(SIMPLE, CACHE_REDIS_URL="x")
    assert "does not use CACHE_REDIS_URL" in told(app, Cache())[0]


def test_its_own_names_are_for_one_cache_only(app: Flask) -> None:
    app.config.update(CACHE_DIR="b")
    (text,) = told(app, with_type(Dir), with_type(Acme, CACHE_DIR="c"))
    assert "does not use CACHE_DIR, nor" in text


# -- whose line it is --------------------------------------------------------------------------

FACTORY = """
from flask import Flask
from flask_cache_core import Cache

def through_init_app(**config):
    app = Flask("made")
    app.config.update(config)
    cache = Cache()
    cache.init_app(app)  # here: through_init_app
    return app

def through_the_constructor(**config):
    app = Flask("made")
    app.config.update(config)
    Cache(app)  # here: through_the_constructor
    return app

class Mine(Cache):
    def init_app(self, app, config=None):
        super().init_app(app, config)  # here: through_a_subclass

def through_a_subclass(**config):
    app = Flask("made")
    app.config.update(config)
    Mine(app)
    return app
"""


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "made_by_a_factory.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("made_by_a_factory")
    del sys.modules["made_by_a_factory"]


@pytest.mark.parametrize(
    "function", ["through_init_app", "through_the_constructor", "through_a_subclass"]
)
@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"CACHE_TYPE": "simple", "CACHE_TRESHOLD": 1}, "CACHE_THRESHOLD"),
        ({"CACHE_TYPE": "simple", "CACHE_DIR": "x"}, "does not use"),
        ({"CACHE_TYPE": "simple", "CACHE_LOCK": "distributed"}, "CACHE_LOCK"),
        ({}, "CACHE_TYPE is null"),
    ],
)
def test_a_warning_points_at_the_line_that_sets_up(
    factory: Any, function: str, config: dict[str, Any], match: str
) -> None:
    with pytest.warns(CacheWarning, match=match) as caught:
        getattr(factory, function)(**config)
    (warning,) = caught
    assert warning.filename == factory.__file__
    assert FACTORY.splitlines()[warning.lineno - 1].endswith(f"# here: {function}")


def test_a_warning_of_a_backend_points_at_who_uses_it(app: Flask) -> None:
    class Bytes(ByteStore):
        read_bytes = write_bytes = add_bytes = remove_bytes = increment = clear_prefix = None  # type: ignore[assignment]

    Bytes.__abstractmethods__ = frozenset()
    cache = Cache(app, config={"CACHE_TYPE": Bytes, "CACHE_KEY_PREFIX": ""})
    with pytest.warns(CacheWarning, match="CACHE_CLEAR_ALL") as caught:
        assert cache.clear() is False
    assert caught[0].filename == __file__


PLUG_IN = """
from flask_cache_core import hookimpl
from flask_cache_core.backends import SimpleCache
from flask_cache_core.errors import warn

@hookimpl
def flask_cache_backend(name, app, config, args, kwargs):
    if name == "warning":
        warn("of a plug-in")
        return SimpleCache()
"""


def test_a_warning_of_a_plug_in_points_at_who_sets_up(app: Flask) -> None:
    """Between the two of them is pluggy."""
    plug_in = types.ModuleType("flask_cache_core_warning")
    exec(PLUG_IN, vars(plug_in))
    registry.register(plug_in)
    try:
        with pytest.warns(CacheWarning, match="of a plug-in") as caught:
            Cache(app, config={"CACHE_TYPE": "warning"})
    finally:
        registry._manager.unregister(plug_in)
    assert caught[0].filename == __file__
