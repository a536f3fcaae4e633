"""What `docs/writing-a-backend.md` shows, works as it is shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from flask_cache_core.backend import BaseCache, Batch, ByteStore

PAGE = Path(__file__).parents[1] / "docs" / "writing-a-backend.md"
FILE = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENTRY_POINTS = re.compile(
    r"^```toml\n\[project\.entry-points\.(\w+)\]\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, and an installation of its last plug-in."""
    place = tmp_path_factory.mktemp("project")
    text = PAGE.read_text()
    for name, code in FILE.findall(text):
        (place / name).write_text(code)
    installed = place / "my_plugin-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 1\n")
    ((group, points),) = ENTRY_POINTS.findall(text)
    (installed / "entry_points.txt").write_text(f"[{group}]\n" + points.replace('"', ""))
    return place


def run(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_app_runs(project: Path) -> None:
    code = "import my_app; print(my_app.app.test_client().get('/').text)"
    assert run(project, "-c", code) == "computed once a minute\n"


@pytest.mark.parametrize("module", ["test_my_caching.py", "test_my_round_trips.py"])
def test_the_tests_pass(project: Path, module: str) -> None:
    """The contract, and what a hit costs."""
    output = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", module)
    assert " passed" in output


def members() -> set[str]:
    return {name for name in vars(ByteStore) if not name.startswith("_")} | {"find_many", "store"}


def test_every_member_of_a_byte_store_is_told() -> None:
    """All that an author may override or call; the cache API itself is told elsewhere."""
    api = set(vars(BaseCache)) - {"find_many", "multi_get", "counters"}
    text = PAGE.read_text()
    assert {name for name in members() - api if f"`{name}" not in text} == set()
    assert {field for field in Batch._fields if f"| `{field}` |" not in text} == set()


def test_the_hooks_are_called(project: Path) -> None:
    code = """
from flask import Flask
from flask_cache_core import Cache
for name in ("dict", "Dictionary"):
    app = Flask(name)
    cache = Cache(app, config={"CACHE_TYPE": name})
    with app.app_context():
        cache.set("key", [1])
        print(cache.get("key"), app.extensions["my_plugin"])
"""
    assert run(project, "-c", code) == "[1] flask_cache_\n" * 2
