# mypy: disable-error-code="no-untyped-call"
"""How much code a reader has to follow: the way of one call through the modules, counted.

Size is measured by the way, not by the sum: what one call enters is what has to be understood.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from flask import Flask

import flask_cache_core
from flask_cache_core import Cache

CORE = Path(flask_cache_core.__file__).parent
SOURCES = [
    path
    for folder in (CORE, *CORE.parent.glob("plugins/*/flask_cache_core_*"))
    for path in sorted(folder.rglob("*.py"))
]


class Way:
    """The frames of the core that ran while it was entered, by their files."""

    def __init__(self) -> None:
        self.frames: list[Path] = []

    def __enter__(self) -> Way:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *exc: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(CORE):
            self.frames.append(path)

    @property
    def files(self) -> set[Path]:
        return set(self.frames)

    @property
    def lines(self) -> int:
        """Of all modules that were entered, whole."""
        return sum(len(path.read_text().splitlines()) for path in self.files)


@pytest.fixture(autouse=True)
def context(app: Flask, cache: Cache) -> Iterator[None]:
    with app.test_request_context("/page?a=1"):
        yield


def memoized(cache: Cache) -> Callable[[], object]:
    @cache.memoize()
    def add(one: int, other: int = 2) -> list[int]:
        return [one + other]

    return lambda: add(1)


def method(cache: Cache) -> Callable[[], object]:
    class Shop:
        def __repr__(self) -> str:
            return "Shop()"

        @cache.memoize()
        def price(self, number: int) -> str:
            return f"{number} euros"

    shop = Shop()
    return lambda: shop.price(1)


@pytest.mark.parametrize("make", [memoized, method])
def test_a_memoized_call_enters_at_most_ten_files(
    cache: Cache, make: Callable[[Cache], Callable[[], object]]
) -> None:
    """The first call of all, which misses, and a hit."""
    call = make(cache)
    with Way() as way:
        assert call() == call()
    assert cache.stats()[:2] == (1, 1)
    assert len(way.files) <= 10, sorted(path.name for path in way.files)
    assert way.lines <= 2_500


@pytest.mark.parametrize("options", [{}, {"query_string": True}, {"vary_on": ("Accept",)}])
def test_a_cached_view_enters_at_most_fourteen_files(
    app: Flask, cache: Cache, options: dict[str, object]
) -> None:
    @app.get("/page")
    @cache.cached(**options)  # type: ignore[arg-type]
    def page() -> tuple[str, int]:
        return "text", 200

    view = app.view_functions["page"]
    with app.test_request_context("/page?a=1"), Way() as way:
        view()
        view()
    assert cache.stats()[:2] == (1, 1)
    assert len(way.files) <= 14, sorted(path.name for path in way.files)


def test_a_hit_of_a_view_takes_at_most_eight_frames(app: Flask, cache: Cache) -> None:
    @app.get("/page")
    @cache.cached()
    def page() -> str:
        return "text"

    view = app.view_functions["page"]
    with app.test_request_context("/page"):
        view()
        with Way() as way:
            assert view() == "text"
    assert len(way.frames) <= 8, [path.name for path in way.frames]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_module_fits_a_sitting_and_a_function_a_screen(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= 400
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert lines_of(node) <= 40, node.name


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From its first statement on: what is said about it is not counted."""
    assert function.end_lineno is not None
    first, *rest = function.body
    said = ast.get_docstring(function, clean=False) is not None
    begin = rest[0] if said and rest else first
    return function.end_lineno - begin.lineno + 1
