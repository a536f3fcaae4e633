"""The part of the contract about prefixes and `clear`."""

from __future__ import annotations

import pytest

from ..errors import CacheWarning
from ..storage.base import BaseCache
from ..storage.bytestore import ByteStore
from ._base import Contract, MakeBackend
from ._parallel import eventually

#: What may follow the same beginning in the prefix of another app.
NEIGHBOURS = ["_admin", ":", "::", ":k", "%3A", "*", "?", "[a-z]", "\\", " ", "/", "1", "Ł"]

#: Keys that are dangerous after a prefix without an end.
KEYS = ["k", ":k", "_admin:k", "_admink", "admin:k", "*", "1:k", ""]


def fill(backend: BaseCache, value: str) -> None:
    assert len(backend.set_many(dict.fromkeys(KEYS, value), 60)) == len(KEYS)


def values(backend: BaseCache) -> set[str | None]:
    return set(backend.get_many(*KEYS))


class ClearContract(Contract):
    """`clear` removes what is under this prefix, all of it, and nothing else."""

    def test_clear_removes_everything(self, backend: BaseCache) -> None:
        self.require(self.clears, "clear() of this backend answers False")
        fill(backend, "mine")
        backend.inc("counter")
        backend.add("lock", "token", 0)
        assert backend.clear() is True
        assert values(backend) == {None}
        assert backend.has("counter") is False
        assert backend.add("lock", "token", 60) is True
        fill(backend, "again")
        assert values(backend) == {"again"}

    def test_clear_of_nothing_is_done(self, backend: BaseCache) -> None:
        self.require(self.clears, "clear() of this backend answers False")
        assert backend.clear() is True
        assert backend.clear() is True

    def test_clear_removes_many(self, backend: BaseCache) -> None:
        self.require(self.clears, "clear() of this backend answers False")
        mapping = {f"key {number}": number for number in range(3_000)}
        backend.set_many(mapping, 60)
        assert backend.clear() is True
        assert set(backend.get_many(*mapping)) == {None}

    def test_clear_that_cannot_says_so(self, backend: BaseCache) -> None:
        self.require(not self.clears, "clear() of this backend clears")
        fill(backend, "mine")
        assert backend.clear() is False
        assert values(backend) == {"mine"}

    def test_clear_without_a_prefix_is_refused(
        self, byte_store: ByteStore, make_backend: MakeBackend, prefix: str
    ) -> None:
        """It would delete what belongs to others."""
        self.require(self.prefixes, "this backend has no prefixes")
        bare = make_backend("")
        bare.set(prefix, "mine", 60)
        byte_store.set("key", "theirs", 60)
        with pytest.warns(CacheWarning, match="CACHE_CLEAR_ALL"):
            assert bare.clear() is False
        assert (bare.get(prefix), byte_store.get("key")) == ("mine", "theirs")

    def test_another_instance_sees_the_same(
        self, shared_backend: BaseCache, make_backend: MakeBackend, prefix: str
    ) -> None:
        other = make_backend(prefix)
        shared_backend.set("key", "mine", 60)
        assert other.get("key") == "mine"
        assert other.add("key", "theirs", 60) is False
        other.set("key", "theirs", 60)
        assert shared_backend.get("key") == "theirs"
        assert other.delete("key") is True
        assert shared_backend.get("key") is None

    def test_another_instance_sees_the_clear(
        self, shared_backend: BaseCache, make_backend: MakeBackend, prefix: str
    ) -> None:
        self.require(self.clears, "clear() of this backend answers False")
        other = make_backend(prefix)
        fill(shared_backend, "mine")
        assert values(other) == {"mine"}
        assert shared_backend.clear() is True
        eventually(lambda: values(other) == {None}, "the other instance sees the clear")
        other.set("key", "after", 60)
        assert shared_backend.get("key") == "after"

    @pytest.mark.parametrize("ending", NEIGHBOURS)
    def test_prefixes_never_see_each_other(
        self, backend: BaseCache, make_backend: MakeBackend, prefix: str, ending: str
    ) -> None:
        self.require(self.prefixes, "this backend has no prefixes")
        neighbour = make_backend(prefix + ending)
        fill(backend, "mine")
        assert values(neighbour) == {None}
        fill(neighbour, "theirs")
        assert values(backend) == {"mine"}
        assert sorted(neighbour.delete_many(*KEYS)) == sorted(KEYS)
        assert values(backend) == {"mine"}

    @pytest.mark.parametrize("ending", NEIGHBOURS)
    def test_clear_never_touches_a_neighbour(
        self, backend: BaseCache, make_backend: MakeBackend, prefix: str, ending: str
    ) -> None:
        self.require(self.prefixes, "this backend has no prefixes")
        self.require(self.clears, "clear() of this backend answers False")
        neighbour = make_backend(prefix + ending)
        fill(backend, "mine")
        fill(neighbour, "theirs")
        assert backend.clear() is True
        assert (values(backend), values(neighbour)) == ({None}, {"theirs"})
        fill(backend, "mine")
        assert neighbour.clear() is True
        assert (values(backend), values(neighbour)) == ({"mine"}, {None})
