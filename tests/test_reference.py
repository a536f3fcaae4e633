"""The public reference: every public name says what it takes, returns and raises, since when, and
shows it by an example that runs.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

import flask_cache_core
from flask_cache_core import Cache
from flask_cache_core.backend import BaseCache, ByteStore
from flask_cache_core.config import FlightOptions
from flask_cache_core.decorators.cached import CachedFunction
from flask_cache_core.decorators.memoize import BoundMemoized, Memoized

CLASSES = (Cache, Memoized, BoundMemoized, CachedFunction, BaseCache, ByteStore)
EXAMPLE = re.compile(r"::\n\n((?:    .*\n|\n)+)")


def members(kind: type) -> Iterator[tuple[str, Any]]:
    for name, member in inspect.getmembers(kind):
        if not name.startswith("_") and (callable(member) or isinstance(member, property)):
            yield name, member


PUBLIC = [
    *((f"{kind.__name__}.{name}", member) for kind in CLASSES for name, member in members(kind)),
    *(
        (name, getattr(flask_cache_core, name))
        for name in flask_cache_core.__all__
        if inspect.isclass(getattr(flask_cache_core, name))
        or inspect.isfunction(getattr(flask_cache_core, name))
    ),
]
OF_CACHE = [(name, member) for name, member in members(Cache) if inspect.isfunction(member)]
EXAMPLES = [
    (name, textwrap.dedent(found.group(1)))
    for name, member in PUBLIC
    for found in EXAMPLE.finditer((inspect.getdoc(member) or "") + "\n")
]


@pytest.mark.parametrize(("name", "member"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_every_public_name_is_documented(name: str, member: Any) -> None:
    assert inspect.getdoc(member)


@pytest.mark.parametrize(("name", "member"), OF_CACHE, ids=[name for name, _ in OF_CACHE])
def test_a_method_of_cache_says_all_that_a_caller_needs(name: str, member: Any) -> None:
    text = inspect.getdoc(member) or ""
    signature = inspect.signature(member)
    for parameter in list(signature.parameters)[1:]:
        assert f":param {parameter}:" in text
    assert "Since 1.0" in text
    if signature.return_annotation not in ("None", "AppState", "Iterator[None]"):
        assert re.search(r"return", text, re.IGNORECASE)
    if name not in ("state", "init_app", "make_cache_key"):
        assert EXAMPLE.search(text + "\n"), "no example"


@pytest.mark.parametrize("decorator", [Cache.cached, Cache.memoize])
def test_a_decorator_says_what_each_flight_option_does(decorator: Any) -> None:
    text = inspect.getdoc(decorator) or ""
    for option in FlightOptions.__annotations__:
        assert f"``{option}" in text


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_an_example_runs(app: Flask, cache: Cache, name: str, example: str) -> None:
    with app.app_context():
        exec(example, {"app": app, "cache": cache})
