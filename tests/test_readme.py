"""Every code block of the README and the guides runs, and says what is true."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from flask_cache_core.plugins import OUR_EXTRAS
from flask_cache_core.settings import DEFAULTS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CONFIGURATION = ROOT / "docs" / "configuration.md"
MIGRATING = ROOT / "docs" / "migrating.md"
PAGES = [
    path
    for path in (README, *sorted((ROOT / "docs").glob("*.md")))
    if path.name != "writing-a-backend.md"  # has a test of its own
]

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(CACHE_\w+)` \| `(.*?)` \|", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)\)")
EXTRA = re.compile(r"flask-cache-core\[(\w+)\]")

RENDER = """
with app.app_context():
    from flask import render_template_string
    block = {block!r}
    once = render_template_string(block, user_id=1)
    assert once == render_template_string(block, user_id=1) and "user 1" in once
"""


class Block(NamedTuple):
    """One fenced block of a page."""

    kind: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(page.read_text())]


def as_program(page: Path) -> str:
    """The blocks that are Python, one after another; templates are rendered with its app."""
    parts = []
    for block in blocks(page):
        if block.kind == "python":
            parts.append(block.text)
        elif block.kind == "jinja":
            parts.append(RENDER.format(block=block.text))
    return "\n".join(parts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", as_program(page)],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_no_code_that_nobody_runs(page: Path) -> None:
    assert {block.kind for block in blocks(page)} <= {"python", "jinja", "console", "text"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_app_of_the_readme_answers_from_the_cache() -> None:
    first = next(block.text for block in blocks(README) if block.kind == "python")
    again = """
texts = {app.test_client().get("/square/12").text for _ in range(5)}
assert texts == {"144"}, texts
assert (cache.stats().hits, cache.stats().misses) == (4, 1), cache.stats()
"""
    command = [sys.executable, "-W", "error", "-c", first + again]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_commands_of_the_readme_are_targets_of_the_makefile() -> None:
    commands = [block.text for block in blocks(README) if block.kind == "console"]
    targets = re.findall(r"^make (\w+)", "".join(commands), re.MULTILINE)
    assert targets == ["demo", "serve"]
    targets += re.findall(r"`make (\w+)`", README.read_text())
    rules = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(targets) <= set(rules)


def test_the_readme_tells_of_every_backend_and_its_extra() -> None:
    table = README.read_text().partition("## Backends")[2].partition("\n## ")[0]
    for name, extra in {**OUR_EXTRAS, "null": None, "simple": None}.items():
        (row,) = [line for line in table.splitlines() if f"`{name}`" in line.split(" | ")[0]]
        assert EXTRA.findall(row) == ([] if extra is None else [extra])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_extra_that_a_page_names_exists(page: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(EXTRA.findall(page.read_text())) <= project["optional-dependencies"].keys()


def test_the_configuration_guide_tells_every_setting_of_the_core_and_its_default() -> None:
    told = dict(ROW.findall(CONFIGURATION.read_text()))
    assert told.pop("CACHE_HASH_METHOD") == "hashlib.sha256"
    assert DEFAULTS["CACHE_HASH_METHOD"] is hashlib.sha256
    expected = {name: value for name, value in DEFAULTS.items() if name != "CACHE_HASH_METHOD"}
    assert {name: ast.literal_eval(default) for name, default in told.items()} == expected


def test_the_migration_guide_names_only_settings_that_exist() -> None:
    named = set(re.findall(r"CACHE_[A-Z_]+", MIGRATING.read_text()))
    assert named <= DEFAULTS.keys()
