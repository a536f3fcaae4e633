"""What most tests begin with: an app, and a cache on it that stores for real."""

from __future__ import annotations

from pathlib import Path

import pytest
from distributions import build_all
from flask import Flask

from flask_cache_core import Cache

#: The modules that start servers or other processes, or take long: not part of `make quick`.
SLOW = {
    "test_contract", "test_guard", "test_gunicorn", "test_invalidation", "test_load", "test_locks",
    "test_model", "test_packaging", "test_plugin_wheels", "test_processes", "test_readme",
    "test_round_trips", "test_testing_servers", "test_third_party_plugin", "test_typing",
    "test_users", "test_variants", "test_writing_a_backend",
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in SLOW or not item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("slow")


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
