"""The kit passes on what is right, and each of its mutants is caught by exactly the meant tests.

The example third-party plug-in and our plug-ins run it in their own tests.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from flask_cache_core.backend import BaseCache
from flask_cache_core.backends import NullCache, SimpleCache
from flask_cache_core.testing import BackendContract

MODULE = Path(__file__).with_name("contract_mutants.py")
FAILED = re.compile(r"^(?:FAILED|ERROR) \S+::Test(\w+)::(\w+)", re.MULTILINE)
SHARES = 3


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
    @pytest.fixture
    def backend(self) -> BaseCache:
        return SimpleCache(threshold=20_000)


class TestTinyStore(BackendContract):
    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> Callable[[str], BaseCache]:
        maker: Callable[[str], BaseCache] = mutants.TinyStore.maker(lambda: tmp_path)
        return maker


class TestSharedStore(BackendContract):
    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> Callable[[str], BaseCache]:
        maker: Callable[[str], BaseCache] = mutants.SharedStore.maker(lambda: tmp_path)
        return maker


@pytest.fixture(scope="module")
def failed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, set[str]]:
    """Which tests of the kit fail, for each mutant that is asked for."""
    functions = (item for item in request.session.items if isinstance(item, pytest.Function))
    names = [
        str(function.callspec.params["name"])
        for function in functions
        if function.originalname == "test_a_mutant_is_caught_by_the_meant_tests"
    ]
    shares = [share for share in (names[start::SHARES] for start in range(SHARES)) if share]
    places = [tmp_path_factory.mktemp("mutants") for _ in shares]
    runs = [start(share, place) for share, place in zip(shares, places, strict=True)]
    failures: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        output, _ = run.communicate(timeout=300)
        assert " passed" in output, output
        for name, test in FAILED.findall(output):
            failures[name].add(test)
    return failures


def start(names: Sequence[str], place: Path) -> subprocess.Popen[str]:
    """The kit on some mutants, in a process of its own: most of its time is waiting."""
    options = ["-q", "-rfE", "--tb=no", "-p", "no:cacheprovider", f"--basetemp={place}"]
    command = [sys.executable, "-m", "pytest", *(f"{MODULE}::Test{name}" for name in names)]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("name", mutants.MUTANTS)
def test_a_mutant_is_caught_by_the_meant_tests(name: str, failed: Mapping[str, set[str]]) -> None:
    """`pytest tests/contract_mutants.py::Test<name>` shows more."""
    assert failed[name] == mutants.MUTANTS[name].caught_by


def test_every_test_of_the_kit_catches_a_mutant() -> None:
    tests = {name for name in dir(BackendContract) if name.startswith("test_")}
    caught: set[str] = set().union(*(mutant.caught_by for mutant in mutants.MUTANTS.values()))
    assert tests - caught == set()
