"""The public names, and what importing them costs an app that uses only the default backend."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

import flask_cache_core
from flask_cache_core import errors

PUBLIC = {
    "MISSING",
    "BaseCache",
    "Cache",
    "CacheError",
    "CacheStats",
    "CacheWarning",
    "CachedResponse",
    "cache_memoize_hit",
    "cache_memoize_miss",
    "cache_view_hit",
    "cache_view_miss",
    "hookimpl",
    "hookspecs",
    "make_template_fragment_key",
}

#: What an app on `simple` has no use for.
UNUSED = ("asyncio", "importlib_metadata", "msgpack", "pylibmc", "pymemcache", "redis", "pytest")

BARE = """
import sys
import flask
from flask import Flask
app = Flask("app")
"""
ON_SIMPLE = """
from flask_cache_core import Cache
app.config["CACHE_TYPE"] = "simple"
cache = Cache(app)

@app.route("/")
@cache.cached()
def view():
    return flask.render_template_string("{% cache 60, 'name' %}{{ f(1) }}{% endcache %}", f=f)

@cache.memoize()
def f(number):
    return [number]

client = app.test_client()
assert client.get("/").data == client.get("/").data == b"[1]"
assert cache.stats().hits == 1
"""
LIST = "\nprint(*{name.partition('.')[0] for name in sys.modules})"


def loaded_by(program: str) -> set[str]:
    """The top-level modules that are loaded when *program* has run."""
    command = [sys.executable, "-W", "error", "-c", program + LIST]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_package_offers_exactly_its_public_names() -> None:
    assert set(flask_cache_core.__all__) == PUBLIC
    assert len(flask_cache_core.__all__) == len(PUBLIC)


@pytest.mark.parametrize("name", flask_cache_core.__all__)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(flask_cache_core, name) is not None


def test_what_is_not_public_is_a_module() -> None:
    others = {
        name
        for name, value in vars(flask_cache_core).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert others <= PUBLIC


def test_the_errors_are_exactly_the_public_ones() -> None:
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert set(errors.__all__) == defined | {"warn"}


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"warn"}))
def test_an_error_is_of_the_tree_that_the_module_draws(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, errors.CacheError) or kind is errors.CacheWarning
    assert errors.__doc__ is not None
    assert name in errors.__doc__


def test_an_app_on_simple_loads_nothing_that_it_does_not_use() -> None:
    added = loaded_by(BARE + ON_SIMPLE) - loaded_by(BARE)
    assert "flask_cache_core" in added
    assert added.isdisjoint(UNUSED)


def test_importing_the_package_loads_no_client_of_any_store() -> None:
    added = loaded_by(BARE + "import flask_cache_core") - loaded_by(BARE)
    assert added.isdisjoint(UNUSED)
