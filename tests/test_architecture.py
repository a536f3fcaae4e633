"""`docs/architecture.md` and the code say the same."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from flask_cache_core.engine.lookup import Lookup

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/architecture.md").read_text()
SOURCE = "\n".join(path.read_text() for path in (ROOT / "flask_cache_core").rglob("*.py"))
NAMED = sorted(set(re.findall(r"`([^`\n]+)`", TEXT)))
PATHS = [name for name in NAMED if "/" in name]
NAMES = [name for name in NAMED if re.fullmatch(r"[A-Z]\w*[a-z]\w*(\.\w+)?", name)]


def section(title: str) -> str:
    return TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[str]:
    return [line for line in section(title).splitlines() if line.startswith("| ")][2:]


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_in_the_code(name: str) -> None:
    kind, _, member = name.partition(".")
    assert re.search(rf"^class {kind}\b", SOURCE, re.MULTILINE)
    assert not member or re.search(rf"def {member}\(", SOURCE)


def test_the_drawing_is_that_of_the_code() -> None:
    drawing = section("The states of a lookup").split("```")[1].removeprefix("text").strip()
    assert drawing in inspect.cleandoc(Lookup.steps.__doc__ or "").replace("\n    ", "\n")


def test_the_glossary_has_twelve_words_and_a_change_three_files_at_most() -> None:
    assert len(rows("Glossary")) == 12
    changes = rows("Where do I go to change …")
    assert changes
    for row in changes:
        assert 1 <= row.count(".py`") <= 3
