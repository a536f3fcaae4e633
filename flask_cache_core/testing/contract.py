"""`BackendContract`: everything that a backend must hold, as one pytest class to subclass."""

from __future__ import annotations

from ._bytes import OversizeContract, UndecodableContract
from ._clear import ClearContract
from ._concurrency import ProcessesContract, ThreadsContract
from ._counters import CountersContract
from ._keys import KeysContract
from ._store import LocksContract, StoreContract
from ._timeouts import TimeoutsContract
from ._values import BatchesContract, CopiesContract, NothingContract, ValuesContract

__all__ = ["BackendContract"]


class BackendContract(
    ValuesContract,
    CopiesContract,
    BatchesContract,
    NothingContract,
    KeysContract,
    TimeoutsContract,
    CountersContract,
    StoreContract,
    LocksContract,
    ClearContract,
    UndecodableContract,
    OversizeContract,
    ThreadsContract,
    ProcessesContract,
):
    """Subclass it in a test module, and give it one fixture.

    ::

        import pytest
        from flask_cache_core.testing import BackendContract
        from flask_cache_mystore import MyStore

        class TestMyStore(BackendContract):
            @pytest.fixture
            def make_backend(self, my_server):
                return lambda prefix: MyStore(my_server.address, key_prefix=prefix)

    ``make_backend(prefix)`` is called several times in a test, also in forked processes. All
    that it gives share one store, which must take 10,000 small values. Each test has prefixes
    of its own, so the store may serve a whole module. A backend that has its store to itself
    needs a new one for each test instead: override the fixture ``backend``, which gives it.

    What the store cannot do is declared by the backend (``shared``, ``atomic_add``,
    ``max_value_bytes``) and by the flags of this class (``stores``, ``prefixes``, ``clears``,
    ``atomic_counters``, ``negative_counters``), and is skipped with a reason.
    """
