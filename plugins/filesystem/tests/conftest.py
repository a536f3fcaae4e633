"""Caches in a private directory, and work that many processes do at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask_cache_core_filesystem import FileSystemCache

Make = Callable[..., FileSystemCache]
Together = Callable[[int, Callable[[int], object]], None]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Build a cache in ``tmp_path/cache``; waits are long, since the machine may be busy."""

    def build(**options: Any) -> FileSystemCache:
        given = {"key_prefix": "p", "backend_timeout": 20.0, **options}
        return FileSystemCache(tmp_path / "cache", **given)

    return build


@pytest.fixture
def together() -> Together:
    """Run ``work(number)`` in so many forked processes; each must end well."""

    def run(processes: int, work: Callable[[int], object]) -> None:
        context = multiprocessing.get_context("fork")
        running = [context.Process(target=work, args=(number,)) for number in range(processes)]
        for process in running:
            process.start()
        for process in running:
            process.join(60)
            if process.is_alive():
                process.kill()
        assert [process.exitcode for process in running] == [0] * processes

    return run
