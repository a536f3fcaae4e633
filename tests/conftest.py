"""What most tests begin with: an app, and a cache on it that stores for real."""

from __future__ import annotations

from pathlib import Path

import pytest
from distributions import build_all
from flask import Flask

from flask_cache_core import Cache


@pytest.fixture
def app() -> Flask:
    app = Flask("tested")
    app.config["SECRET_KEY"] = "for tests"
    return app


@pytest.fixture
def cache(app: Flask) -> Cache:
    return Cache(app, config={"CACHE_TYPE": "simple"})


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist and a wheel of each distribution."""
    place = tmp_path_factory.mktemp("dist")
    build_all(place)
    return place
