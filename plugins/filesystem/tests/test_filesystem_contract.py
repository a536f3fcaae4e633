"""The contract of every backend, on files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask_cache_core_filesystem import FileSystemCache

from flask_cache_core.testing import BackendContract

#: Seconds that a writer waits for the others: the machine may be busy.
PATIENCE = 20.0


class TestFileSystem(BackendContract):
    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> Callable[[str], FileSystemCache]:
        return lambda prefix: FileSystemCache(
            tmp_path, threshold=20_000, backend_timeout=PATIENCE, key_prefix=prefix
        )


class TestFileSystemWithByteLimit(BackendContract):
    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> Callable[[str], FileSystemCache]:
        return lambda prefix: FileSystemCache(
            tmp_path,
            threshold=20_000,
            max_bytes=100_000_000,
            backend_timeout=PATIENCE,
            key_prefix=prefix,
        )
