"""Every distribution as its users get it: built, looked into, and installed in a clean place."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PLUGINS = {path.name: path for path in sorted((ROOT / "plugins").iterdir()) if path.is_dir()}
PROJECTS = {"core": ROOT, **PLUGINS}

RESOLVE = """
from flask import Flask
from flask_cache_core import Cache
cache = Cache(Flask("app"), config={"CACHE_TYPE": "redis"})
print(type(cache.cache).__module__)
"""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def described(project: str) -> dict[str, Any]:
    text = (PROJECTS[project] / "pyproject.toml").read_text()
    found: dict[str, Any] = tomllib.loads(text)["project"]
    return found


def built(dist: Path, project: str, ending: str) -> Path:
    name = described(project)["name"].replace("-", "_")
    (found,) = dist.glob(f"{name}-[0-9]*{ending}")
    return found


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist of each project, and a wheel that was made from the sdist."""
    place = tmp_path_factory.mktemp("dist")
    for project in PROJECTS.values():
        build = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", place, project)
        assert build.returncode == 0, build.stdout + build.stderr
    return place


@pytest.mark.parametrize("project", PROJECTS)
def test_an_sdist_holds_only_files_of_its_own_project(dist: Path, project: str) -> None:
    with tarfile.open(built(dist, project, ".tar.gz")) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    package = described(project)["name"].replace("-", "_")
    allowed = {package, "README.md", "CHANGELOG.md", "LICENSE", "PKG-INFO", "pyproject.toml"}
    allowed |= {".gitignore"} | ({"tests"} if project in PLUGINS else set())
    assert {name.partition("/")[0] for name in inside} <= allowed
    assert {"LICENSE", "README.md", f"{package}/py.typed"} <= inside
    if project == "core":
        assert not [name for name in inside if "plugins/" in name]


@pytest.mark.parametrize("project", PROJECTS)
def test_a_wheel_holds_only_its_package_and_what_describes_it(dist: Path, project: str) -> None:
    with zipfile.ZipFile(built(dist, project, ".whl")) as archive:
        inside = archive.namelist()
    package = described(project)["name"].replace("-", "_")
    folders = {name.partition("/")[0] for name in inside}
    assert {name for name in folders if not name.endswith(".dist-info")} == {package}
    assert f"{package}/py.typed" in inside
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in inside)


@pytest.mark.parametrize("project", PLUGINS)
def test_a_plug_in_offers_its_short_names_in_the_one_group(dist: Path, project: str) -> None:
    with zipfile.ZipFile(built(dist, project, ".whl")) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        text = archive.read(name).decode()
    points = configparser.ConfigParser()
    points.read_string(text)
    assert points.sections() == ["flask_cache_core"]
    assert len(points["flask_cache_core"]) >= 1


def test_each_extra_of_the_core_brings_the_plug_in_of_its_name() -> None:
    extras = described("core")["optional-dependencies"]
    assert extras.keys() == PLUGINS.keys() | {"all", "testing"}
    for name in PLUGINS:
        (requirement,) = extras[name]
        assert requirement.startswith(described(name)["name"] + ">=")
        assert requirement in extras["all"]
    assert len(extras["all"]) == len(PLUGINS)


def test_the_pins_are_versions_and_name_no_index() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    assert {pin.partition("==")[0].lower() for pin in pins} >= {"flask", "pluggy", "pytest", "mypy"}


class Environment:
    """A virtual environment with nothing in it but pip."""

    def __init__(self, place: Path) -> None:
        venv.create(place, with_pip=True)
        self.python = place / "bin" / "python"

    def install(self, *what: str | Path) -> None:
        pip = run(self.python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *what)
        assert pip.returncode == 0, pip.stdout + pip.stderr

    def resolve_redis(self) -> subprocess.CompletedProcess[str]:
        """An app of its own, away from the repository, with ``CACHE_TYPE = "redis"``."""
        return run(self.python, "-I", "-W", "error", "-c", RESOLVE)


def test_the_core_alone_says_what_to_install_and_that_installs_it(
    dist: Path, tmp_path: Path
) -> None:
    clean = Environment(tmp_path / "venv")
    clean.install(built(dist, "core", ".whl"))
    without = clean.resolve_redis()
    assert without.returncode != 0
    assert "pip install flask-cache-core[redis]" in without.stderr
    assert "UnknownBackendError" in without.stderr

    clean.install("--find-links", dist, "flask-cache-core[redis]")
    with_plug_in = clean.resolve_redis()
    assert with_plug_in.returncode == 0, with_plug_in.stderr
    assert with_plug_in.stdout.startswith("flask_cache_core_redis")
