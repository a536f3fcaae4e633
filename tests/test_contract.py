"""The kit passes on what is right, and each of its mutants is caught by the meant test."""

from __future__ import annotations

import pytest

from flask_cache_core.backends import NullCache, SimpleCache
from flask_cache_core.testing import BackendContract


class TestNull(BackendContract):
    stores = False

    @pytest.fixture
    def make_backend(self):
        return lambda prefix: NullCache()


class TestSimple(BackendContract):
    prefixes = False

    @pytest.fixture
    def make_backend(self):
        return lambda prefix: SimpleCache(threshold=20_000)
