"""What all parts of the contract share: the flags, and the fixture that the author provides."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from inspect import getattr_static
from typing import ClassVar, TypeAlias

import pytest

from ..storage.base import BaseCache
from ..storage.bytestore import ByteStore

#: Gives a backend that keeps its keys under the prefix. All of them share one store.
MakeBackend: TypeAlias = Callable[[str], BaseCache]


class Contract:
    """The flags of `BackendContract`, and its fixtures."""

    stores: ClassVar[bool] = True
    """Values can be read back. ``False`` for a backend that holds nothing."""

    prefixes: ClassVar[bool] = True
    """``make_backend("a")`` and ``make_backend("b")`` share a store and never see each other."""

    clears: ClassVar[bool] = True
    """`clear` removes everything. ``False``: it answers ``False``."""

    atomic_counters: ClassVar[bool] = True
    """`inc` and `dec` are atomic across threads, and across processes if the backend is shared."""

    negative_counters: ClassVar[bool] = True
    """Counters go below zero."""

    exact_timeouts: ClassVar[bool] = True
    """Values are there until their time is over. ``False`` where the store counts whole seconds."""

    @pytest.fixture
    def make_backend(self) -> MakeBackend:
        """Override this one: a function that takes a prefix and gives a backend."""
        if getattr_static(self, "backend") is not vars(Contract)["backend"]:
            pytest.skip("there is one backend only: no fixture make_backend")
        raise NotImplementedError(
            f"{type(self).__name__} needs a fixture `make_backend`: see BackendContract."
        )

    @pytest.fixture
    def prefix(self) -> str:
        """A new one for each test, so that tests share a server and no values."""
        return "shop" + uuid.uuid4().hex[:8]

    @pytest.fixture
    def backend(self, make_backend: MakeBackend, prefix: str) -> BaseCache:
        """Override it instead for a backend that has its store to itself."""
        if not self.stores:
            pytest.skip("the backend stores nothing")
        return make_backend(prefix)

    @pytest.fixture
    def byte_store(self, backend: BaseCache) -> ByteStore:
        if not isinstance(backend, ByteStore):
            pytest.skip("the backend is no ByteStore")
        return backend

    @pytest.fixture
    def shared_backend(self, backend: BaseCache) -> BaseCache:
        if not backend.shared:
            pytest.skip("the backend is not shared between processes")
        if not hasattr(os, "fork"):
            pytest.skip("this system cannot fork")
        return backend

    def require(self, flag: bool, reason: str) -> None:
        """Skip the test where the backend declares that it cannot do this."""
        if not flag:
            pytest.skip(reason)
