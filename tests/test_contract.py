"""The kit passes on what is right, and each of its mutants is caught by exactly the meant tests.

The example third-party plug-in and our plug-ins run it in their own tests.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flask_cache_core.backend import BaseCache
from flask_cache_core.backends import NullCache, SimpleCache
from flask_cache_core.testing import BackendContract

MODULE = Path(__file__).with_name("contract_mutants.py")


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


mutants = load(MODULE)


class TestNull(BackendContract):
    stores = False

    @pytest.fixture
    def make_backend(self) -> Callable[[str], BaseCache]:
        return lambda prefix: NullCache()


class TestSimple(BackendContract):
    prefixes = False

    @pytest.fixture
    def make_backend(self) -> Callable[[str], BaseCache]:
        return lambda prefix: SimpleCache(threshold=20_000)


class TestTinyStore(BackendContract):
    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> Callable[[str], BaseCache]:
        maker: Callable[[str], BaseCache] = mutants.TinyStore.maker(tmp_path)
        return maker


class TestSharedStore(BackendContract):
    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> Callable[[str], BaseCache]:
        maker: Callable[[str], BaseCache] = mutants.SharedStore.maker(tmp_path)
        return maker


class Failures:
    """A pytest plug-in that remembers which tests failed, and what was collected."""

    def __init__(self) -> None:
        self.tests: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tests.add(report.nodeid.rpartition("::")[2].partition("[")[0])


@pytest.mark.parametrize("name", mutants.MUTANTS)
def test_a_mutant_is_caught_by_the_meant_tests(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failures = Failures()
    options = ["-q", "-p", "no:cacheprovider", "--tb=short", f"--basetemp={tmp_path}"]
    pytest.main([f"{MODULE}::Test{name}", *options], plugins=[failures])
    assert failures.tests == mutants.MUTANTS[name].caught_by, capsys.readouterr().out
