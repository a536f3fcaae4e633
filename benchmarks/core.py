"""The core against Flask-Caching, both on their `simple` backend, in one process.

A ratio is how many times faster; for the overhead of a view, ours as a part of theirs. That
overhead is a hit less the same view without a cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib.metadata import version
from io import BytesIO
from types import ModuleType
from typing import Any

import flask_caching
from flask import Flask
from measure import Contender, Table, Target, by_turns, medians, overhead
from werkzeug.test import EnvironBuilder

import flask_cache_core

FULL = 20_000
PAGES = ("cached", "plain")


def added(one: int, two: int) -> int:
    return one + two


class Adder:
    def __repr__(self) -> str:
        return "Adder()"

    def added(self, one: int) -> int:
        return one + 1


def view() -> str:
    return "a page of some sixty characters, as short as any that are cached"


class Library:
    """One library, with the same things cached on an app of its own."""

    def __init__(self, library: ModuleType) -> None:
        self.app = Flask(library.__name__)
        self.app.config.update(CACHE_TYPE="SimpleCache", CACHE_THRESHOLD=FULL)
        self.cache: Any = library.Cache(self.app)
        self.app.add_url_rule("/cached", "cached", self.cache.cached()(view))
        self.app.add_url_rule("/plain", "plain", view)
        with self.app.app_context():
            self.cache.set("text", "value")

    def function(self) -> Contender:
        function = self.cache.memoize()(added)
        return Contender(lambda: function(1, 2), self.app.app_context)

    def method(self) -> Contender:
        kind: Any = type("Adder", (Adder,), {"added": self.cache.memoize()(Adder.added)})
        adder = kind()
        return Contender(lambda: adder.added(1), self.app.app_context)

    def get(self) -> Contender:
        return Contender(lambda: self.cache.get("text"), self.app.app_context)

    def set_when_full(self) -> Contender:
        with self.app.app_context():
            for number in range(FULL):
                self.cache.set(f"filling {number}", "value", timeout=3600)
        numbers = itertools.count()
        return Contender(
            lambda: self.cache.set(f"another {next(numbers)}", "value"), self.app.app_context
        )

    def called(self, endpoint: str) -> Contender:
        """The view function alone, within a request."""
        function: Any = self.app.view_functions[endpoint]
        return Contender(function, lambda: self.app.test_request_context(f"/{endpoint}"))

    def dispatched(self, endpoint: str) -> Contender:
        """A whole request, from the WSGI environment to the body."""
        environ = EnvironBuilder(path=f"/{endpoint}").get_environ()
        return Contender(
            lambda: b"".join(
                self.app.wsgi_app({**environ, "wsgi.input": BytesIO()}, start_response)
            )
        )


def start_response(*_: object) -> Callable[[bytes], object]:
    return bytes


def compare(table: Table, ours: Library, theirs: Library) -> None:
    for what, make, target in (
        ("memoize: a hit on a function of two arguments", Library.function, Target(8)),
        ("memoize: a hit on a method", Library.method, Target(8)),
        ("get: a string", Library.get, Target(1.5)),
    ):
        table.line(what, medians(make(ours), make(theirs)), target)
    for what, view_of in (
        ("cached: overhead of a hit, whole request", Library.dispatched),
        ("cached: overhead of a hit, the view alone", Library.called),
    ):
        pages = [view_of(library, page) for library in (ours, theirs) for page in PAGES]
        hit, plain, their_hit, their_plain = by_turns(*pages, rounds=101, seconds=0.005)
        overheads = overhead(hit, plain), overhead(their_hit, their_plain)
        table.line(what, overheads, Target(0.4, at_most=True))
    full = ours.set_when_full(), theirs.set_when_full()
    table.line(f"set: into a full cache of {FULL:,}", medians(*full, rounds=9), Target(200))


if __name__ == "__main__":
    compare(
        Table("flask-cache-core", f"Flask-Caching {version('Flask-Caching')}"),
        Library(flask_cache_core),
        Library(flask_caching),
    )
