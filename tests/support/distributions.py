"""The distributions of this repository: their projects, how they are built and installed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PLUGINS = {path.name: path for path in sorted((ROOT / "plugins").iterdir()) if path.is_dir()}
PROJECTS = {"core": ROOT, **PLUGINS}


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def described(project: str) -> dict[str, Any]:
    text = (PROJECTS[project] / "pyproject.toml").read_text()
    found: dict[str, Any] = tomllib.loads(text)["project"]
    return found


def build_all(place: Path) -> None:
    """Put into *place* an sdist of each project, and a wheel that was made from the sdist."""
    for project in PROJECTS.values():
        build = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", place, project)
        assert build.returncode == 0, build.stdout + build.stderr


def built(dist: Path, project: str, ending: str) -> Path:
    name = described(project)["name"].replace("-", "_")
    (found,) = dist.glob(f"{name}-[0-9]*{ending}")
    return found


class Environment:
    """A virtual environment with nothing in it but pip."""

    def __init__(self, place: Path) -> None:
        venv.create(place, with_pip=True)
        self.place = place
        self.python = place / "bin" / "python"

    def install(self, *what: str | Path) -> None:
        pip = run(self.python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *what)
        assert pip.returncode == 0, pip.stdout + pip.stderr
