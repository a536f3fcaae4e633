"""The part of the contract that decorators stand on: `store` and locks."""

from __future__ import annotations

from ..storage.base import BaseCache, Batch
from ._base import Contract


class StoreContract(Contract):
    """One write of a computation: items, versions, and the lock that is released."""

    def test_store_writes_items_and_versions(self, backend: BaseCache) -> None:
        assert (
            backend.store(Batch({"a": [1], "b": None}, 60, {"s": "token", "t": "other"}, 60))
            is True
        )
        assert backend.get_many("a", "s", "t") == [[1], "token", "other"]
        assert backend.has("b") is True

    def test_store_without_versions_or_items(self, backend: BaseCache) -> None:
        assert backend.store(Batch({"a": 1}, 60, {}, 60)) is True
        assert backend.store(Batch({}, 60, {"s": "token"}, 60)) is True
        assert backend.store(Batch({}, 60, {}, 60)) is True
        assert backend.get_many("a", "s") == [1, "token"]

    def test_store_replaces_items(self, backend: BaseCache) -> None:
        backend.set("a", "old", 60)
        assert backend.store(Batch({"a": "new"}, 60, {}, 60)) is True
        assert backend.get("a") == "new"

    def test_store_never_replaces_a_version(self, backend: BaseCache) -> None:
        """Else a computation that began before an invalidation would undo it."""
        backend.set("s", "newer", 60)
        assert backend.store(Batch({"a": 1}, 60, {"s": "older", "t": "fresh"}, 60)) is True
        assert backend.get_many("a", "s", "t") == [1, "newer", "fresh"]

    def test_store_releases_its_lock(self, backend: BaseCache) -> None:
        backend.add("lock", "mine", 60)
        assert backend.store(Batch({"a": 1}, 60, {"s": "token"}, 60, ("lock", "mine"))) is True
        assert backend.has("lock") is False
        assert backend.get("a") == 1

    def test_store_leaves_the_lock_of_another(self, backend: BaseCache) -> None:
        backend.add("lock", "theirs", 60)
        assert backend.store(Batch({"a": 1}, 60, {}, 60, ("lock", "mine"))) is True
        assert backend.get_many("lock", "a") == ["theirs", 1]

    def test_store_without_the_lock_that_it_had(self, backend: BaseCache) -> None:
        """The lease may be over when the computation ends."""
        assert backend.store(Batch({"a": 1}, 60, {}, 60, ("lock", "mine"))) is True
        assert backend.get_many("lock", "a") == [None, 1]


class LocksContract(Contract):
    """A lock is an added token; only who knows the token renews or releases it."""

    def test_a_lock_is_released_by_its_token_only(self, backend: BaseCache) -> None:
        assert backend.add("lock", "mine", 60) is True
        assert not backend.release_lock("lock", "theirs")
        assert backend.get("lock") == "mine"
        assert backend.release_lock("lock", "mine")
        assert backend.has("lock") is False
        assert not backend.release_lock("lock", "mine")
        assert backend.add("lock", "theirs", 60) is True

    def test_a_lock_is_renewed_by_its_token_only(self, backend: BaseCache) -> None:
        backend.add("lock", "mine", 60)
        assert not backend.renew_lock("lock", "theirs", 90)
        assert backend.get("lock") == "mine"
        assert backend.renew_lock("lock", "mine", 90)
        assert backend.get("lock") == "mine"

    def test_a_lock_that_is_over_is_not_renewed(self, backend: BaseCache) -> None:
        assert not backend.renew_lock("lock", "mine", 60)
        assert backend.has("lock") is False
