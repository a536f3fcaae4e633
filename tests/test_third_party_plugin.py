"""A third party's distribution, built and installed as usual, is found by its short name."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "third_party_backend"

APP = """
import json, sys
from flask import Flask
from flask_cache_core import Cache
import flask_cache_core

app = Flask(__name__)
app.config.update(CACHE_TYPE="sqlite", CACHE_SQLITE_PATH=sys.argv[1])
cache = Cache(app)
calls = []

@app.route("/square/<int:number>")
@cache.cached(timeout=60)
def square(number):
    calls.append(number)
    return str(number * number)

client = app.test_client()
pages = [client.get("/square/12").text for _ in range(3)]
print(json.dumps({
    "pages": pages,
    "calls": calls,
    "core": flask_cache_core.__file__,
    "plugin": sys.modules["flask_cache_sqlite"].__file__,
}))
"""


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of the core and of the example."""
    place = tmp_path_factory.mktemp("wheels")
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *isolation]
    run(*pip, "--wheel-dir", place, ROOT, EXAMPLE)
    return sorted(place.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the two wheels; their dependencies are read from this one."""
    place = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", place)
    python = place / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "-q"]
    run(*pip, "--no-deps", "--no-index", *wheels)
    site = run(python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # A line in a .pth file is a directory whose own .pth files, editable installs, are not read.
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python


def test_the_wheel_holds_its_own_files_only(wheels: list[Path]) -> None:
    (wheel,) = (path for path in wheels if path.name.startswith("flask_cache_sqlite"))
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.partition("/")[0] for name in names}
    assert folders == {"flask_cache_sqlite", "flask_cache_sqlite-1.0.0.dist-info"}
    assert "flask_cache_sqlite/py.typed" in names


def test_its_entry_point_names_the_class_itself(wheels: list[Path]) -> None:
    (wheel,) = (path for path in wheels if path.name.startswith("flask_cache_sqlite"))
    entry_points = zipfile.ZipFile(wheel).read(
        "flask_cache_sqlite-1.0.0.dist-info/entry_points.txt"
    )
    assert entry_points == b"[flask_cache_core]\nsqlite = flask_cache_sqlite:SQLiteCache\n"


def test_a_flask_app_selects_it_by_its_short_name(python: Path, tmp_path: Path) -> None:
    first = json.loads(run(python, "-I", "-c", APP, tmp_path / "cache.db"))
    assert first["pages"] == ["144"] * 3
    assert first["calls"] == [12]
    environment = str(python.parents[1])
    assert first["core"].startswith(environment)
    assert first["plugin"].startswith(environment)
    second = json.loads(run(python, "-I", "-c", APP, tmp_path / "cache.db"))
    assert second["calls"] == [], "another process reads what the first one stored"


def test_nothing_in_the_core_knows_it() -> None:
    sources = (ROOT / "flask_cache_core").rglob("*.py")
    assert [path for path in sources if "flask_cache_sqlite" in path.read_text()] == []
