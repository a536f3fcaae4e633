"""Every distribution as its users get it: built, looked into, and installed in a clean place."""

from __future__ import annotations

import configparser
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from distributions import PLUGINS, PROJECTS, ROOT, Environment, built, described, run

from flask_cache_core.plugins import CLIENTS

RESOLVE = """
from flask import Flask
from flask_cache_core import Cache
cache = Cache(Flask("app"), config={"CACHE_TYPE": "redis"})
print(type(cache.cache).__module__)
"""


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
    assert {"flask_cache_core"} <= set(points) - {"DEFAULT"} <= {"flask_cache_core", CLIENTS}
    assert len(points["flask_cache_core"]) >= 1


@pytest.mark.parametrize(
    ("project", "clients"),
    [("redis", {"redis"}), ("memcached", {"pylibmc", "pymemcache", "memcache"})],
)
def test_a_plug_in_says_which_clients_it_adapts(project: str, clients: set[str]) -> None:
    assert described(project)["entry-points"][CLIENTS].keys() == clients


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


def resolve_redis(environment: Environment) -> subprocess.CompletedProcess[str]:
    """An app of its own, away from the repository, with ``CACHE_TYPE = "redis"``."""
    return run(environment.python, "-I", "-W", "error", "-c", RESOLVE)


def test_the_core_alone_says_what_to_install_and_that_installs_it(
    dist: Path, tmp_path: Path
) -> None:
    clean = Environment(tmp_path / "venv")
    clean.install(built(dist, "core", ".whl"))
    without = resolve_redis(clean)
    assert without.returncode != 0
    assert "pip install flask-cache-core[redis]" in without.stderr
    assert "UnknownBackendError" in without.stderr

    clean.install("--find-links", dist, "flask-cache-core[redis]")
    with_plug_in = resolve_redis(clean)
    assert with_plug_in.returncode == 0, with_plug_in.stderr
    assert with_plug_in.stdout.startswith("flask_cache_core_redis")
