"""Backends that are wrong in one way each, and the tests of the kit that must catch it.

`test_contract.py` runs the kit on each; a normal test run does not collect this module.
Deliberately wrong code: nothing here is a pattern to follow, except `TinyStore`, which is right.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import fnmatch
import math
import os
import pickle
import threading
import time
import unicodedata
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, ClassVar, NamedTuple, Self

import pytest

from flask_cache_core.backend import BaseCache, Batch, ByteStore
from flask_cache_core.backends import NullCache, SimpleCache
from flask_cache_core.errors import CacheWarning, DecodeError, InvalidTimeoutError
from flask_cache_core.testing import BackendContract, _concurrency, _parallel, _timeouts
from flask_cache_core.typing import Timeout

# -- a right store, as small as can be ----------------------------------------------------


class Memory:
    """What the stores of one test share: bytes and their end by address, and one lock."""

    fork_safe = True

    def __init__(self) -> None:
        self.items: dict[str, tuple[bytes, float]] = {}
        self.lock = threading.RLock()
        self.counter = 0
        _memories.add(self)

    def __enter__(self) -> Self:
        self.lock.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.lock.release()


class File(Memory):
    """The same in a file that processes share."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._depth = 0
        self._file: IO[bytes]

    def __enter__(self) -> Self:
        self.lock.acquire()
        if not self._depth:
            self._file = self._path.open("a+b")
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._file.seek(0)
            data = self._file.read()
            self.items, self.counter = pickle.loads(data) if data else ({}, 0)
        self._depth += 1
        return self

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._file.truncate(0)
            self._file.write(pickle.dumps((self.items, self.counter)))
            self._file.close()
        self.lock.release()


_memories: weakref.WeakSet[Memory] = weakref.WeakSet()


def _before_fork() -> None:
    for memory in list(_memories):
        if memory.fork_safe:
            memory.lock.acquire()


def _after_fork() -> None:
    for memory in list(_memories):
        if memory.fork_safe:
            memory.lock.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


class TinyStore(ByteStore):
    """A right store of bytes: a dictionary with one lock."""

    shared = False
    atomic_add = True
    max_value_bytes = 200_000

    def __init__(self, memory: Memory, key_prefix: str) -> None:
        super().__init__(key_prefix=key_prefix)
        self.memory = memory

    @classmethod
    def maker(cls, directory: Callable[[], Path]) -> Callable[[str], BaseCache]:
        return partial(cls, Memory())

    def peek(self, address: str) -> bytes | None:
        data, end = self.memory.items.get(address, (b"", -1.0))
        return data if end > time.monotonic() else None

    def put(self, address: str, data: bytes, timeout: float) -> None:
        self.memory.items[address] = (data, time.monotonic() + timeout if timeout else math.inf)

    def read_bytes(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        with self.memory:
            return [self.peek(address) for address in addresses]

    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        with self.memory:
            for address, data in items.items():
                self.put(address, data, timeout)
        return []

    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        with self.memory:
            if self.peek(address) is not None:
                return False
            self.put(address, data, timeout)
            return True

    def remove_bytes(self, addresses: Sequence[str]) -> Sequence[str]:
        with self.memory:
            there = [address for address in addresses if self.peek(address) is not None]
            for address in addresses:
                self.memory.items.pop(address, None)
            return there

    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        with self.memory:
            found = self.peek(address)
            if found is None:
                self.put(address, b"%d" % delta, timeout)
                return delta
            if not found.removeprefix(b"-").isdigit():
                return None
            value = int(found) + delta
            self.memory.items[address] = (b"%d" % value, self.memory.items[address][1])
            return value

    def clear_prefix(self) -> bool:
        with self.memory:
            for address in [a for a in self.memory.items if a.startswith(self.delimited_prefix)]:
                del self.memory.items[address]
        return True


class SharedStore(TinyStore):
    """A right store that processes share."""

    shared = True

    @classmethod
    def maker(cls, directory: Callable[[], Path]) -> Callable[[str], BaseCache]:
        return partial(cls, File(directory() / "store"))


# -- the list -----------------------------------------------------------------------------


class Mutant(NamedTuple):
    """One wrong backend: how it is made, what must catch it, the flags of its contract."""

    name: str
    maker: Callable[[Callable[[], Path]], Callable[[str], BaseCache]]
    caught_by: frozenset[str]
    flags: Mapping[str, bool]
    patience: float


MUTANTS: dict[str, Mutant] = {}

#: Waits that are in vain end after so many seconds.
IMPATIENT = 0.5


def caught_by(
    *tests: str, patience: float = _parallel.PATIENCE, **flags: bool
) -> Callable[[type[Any]], type[Any]]:
    """List the class as a mutant that exactly *tests* must catch."""

    def listed(kind: type[Any]) -> type[Any]:
        names = frozenset("test_" + name for name in tests)
        MUTANTS[kind.__name__] = Mutant(kind.__name__, kind.maker, names, flags, patience)
        return kind

    return listed


# -- values and answers -------------------------------------------------------------------

VALUE = "a_value_comes_back_equal_and_of_the_same_type"
BATCH = "a_batch_of_any_size"


@caught_by(VALUE)
class TuplesBecomeLists(TinyStore):
    def get_many(self, *keys: str) -> list[Any]:
        found = super().get_many(*keys)
        return [list(value) if type(value) is tuple else value for value in found]


@caught_by(VALUE, "what_is_no_counter_is_left_alone")
class TrueBecomesOne(TinyStore):
    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout | None = None) -> list[str]:
        return super().set_many(
            {key: int(value) if value is True else value for key, value in mapping.items()}, timeout
        )


@caught_by("a_response_comes_back_whole")
class ResponsesLoseTheirStatus(TinyStore):
    def get_many(self, *keys: str) -> list[Any]:
        found = super().get_many(*keys)
        for value in found:
            if hasattr(value, "status_code"):
                value.status_code = 200
        return found


@caught_by(
    "a_stored_none_is_there",
    "set_many_names_what_it_stored",
    "store_writes_items_and_versions",
)
class NoneIsNotSeen(TinyStore):
    def has(self, key: str) -> bool:
        return self.get(key) is not None


@caught_by(
    "what_is_absent_reads_as_none",
    "a_stored_none_is_there",
    "delete_says_whether_it_was_there",
    VALUE,
    "undecodable_bytes_are_overwritten",
)
class AbsentIsFalse(TinyStore):
    def get(self, key: str) -> Any:
        return super().get(key) or False


@caught_by(
    "set_replaces",
    "set_many_names_what_it_stored",
    "store_replaces_items",
    "any_string_is_a_key",
    "a_later_timeout_replaces_an_earlier_one",
    "undecodable_bytes_are_overwritten",
    "threads_do_not_disturb_each_other",
    "both_sides_of_a_fork_work",
    "a_fork_beside_busy_threads",
    "a_renewed_lock_has_the_new_lease",
    patience=IMPATIENT,
)
class SetOnlyAdds(TinyStore):
    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        for address, data in items.items():
            self.add_bytes(address, data, timeout)
        return []


@caught_by(
    "delete_says_whether_it_was_there",
    "delete_many_names_what_was_there",
    "what_has_expired_can_be_added",
)
class DeleteIsAlwaysTrue(TinyStore):
    def remove_bytes(self, addresses: Sequence[str]) -> Sequence[str]:
        super().remove_bytes(addresses)
        return addresses


@caught_by(
    "add_stores_only_what_is_not_there",
    "a_stored_none_is_there",
    "store_never_replaces_a_version",
    "add_is_atomic_across_threads",
    "a_long_timeout_keeps_the_value",
)
class RefusedAddOverwrites(TinyStore):
    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        absent = super().add_bytes(address, data, timeout)
        self.write_bytes({address: data}, timeout)
        return absent


@caught_by("changing_what_was_given_changes_nothing_stored")
class KeepsWhatWasGiven(TinyStore):
    def __init__(self, memory: Memory, key_prefix: str) -> None:
        super().__init__(memory, key_prefix)
        self.given: dict[str, Any] = {}

    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout | None = None) -> list[str]:
        self.given.update({k: value for k, value in mapping.items() if value == {"rows": [1]}})
        return super().set_many(mapping, timeout)

    def get_many(self, *keys: str) -> list[Any]:
        found = super().get_many(*keys)
        return [copy.deepcopy(self.given.get(k, v)) for k, v in zip(keys, found, strict=True)]


@caught_by("changing_what_was_read_changes_nothing_stored", "two_readings_are_two_objects")
class GivesWhatItKeeps(TinyStore):
    def __init__(self, memory: Memory, key_prefix: str) -> None:
        super().__init__(memory, key_prefix)
        self.decoded: dict[tuple[str, bytes], Any] = {}

    def decode(self, key: str, data: bytes) -> Any:
        if (key, data) not in self.decoded:
            self.decoded[key, data] = super().decode(key, data)
        return self.decoded[key, data]


@caught_by("two_readings_are_two_objects")
class OneObjectInABatch(TinyStore):
    def get_many(self, *keys: str) -> list[Any]:
        unique = list(dict.fromkeys(keys))
        found = dict(zip(unique, super().get_many(*unique), strict=True))
        return [found[key] for key in keys]


@caught_by("get_many_keeps_the_order_of_its_keys", "get_dict_has_every_key")
class GetManyLosesTheOrder(TinyStore):
    def get_many(self, *keys: str) -> list[Any]:
        found = super().get_many(*keys)
        return sorted(found, key=repr) if "absent" in keys else found


@caught_by("get_dict_has_every_key")
class GetDictDropsTheAbsent(TinyStore):
    def get_dict(self, *keys: str) -> dict[str, Any]:
        return {k: value for k, value in super().get_dict(*keys).items() if value is not None}


@caught_by("set_many_names_what_it_stored", BATCH, "too_large_a_value_is_refused_with_one_warning")
class SetManyNamesNothingNew(TinyStore):
    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout | None = None) -> list[str]:
        there = [key for key in mapping if self.has(key)]
        stored = super().set_many(mapping, timeout)
        return there if len(mapping) == 2 or len(mapping) > 5_000 else stored


@caught_by("delete_many_names_what_was_there")
class DeleteManyNamesAll(TinyStore):
    def delete_many(self, *keys: str) -> list[str]:
        return list(keys) if super().delete_many(*keys) else []


@caught_by("delete_many_names_what_was_there")
class UnlinkDoesNothing(TinyStore):
    def unlink(self, *keys: str) -> list[str]:
        return [key for key in keys if self.has(key)]


@caught_by(BATCH)
class LargeBatchesAreCut(TinyStore):
    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        return super().write_bytes(dict(list(items.items())[:5_000]), timeout)


@caught_by(BATCH)
class EmptyBatchesFail(TinyStore):
    def get_many(self, *keys: str) -> list[Any]:
        assert keys
        return super().get_many(*keys)


@caught_by("a_new_backend_has_counted_nothing")
class CountsFromOne(TinyStore):
    def counters(self) -> dict[str, int]:
        return {name: value + 1 for name, value in super().counters().items()} | {"rejected": 1}


CountsFromOne.max_value_bytes = None  # type: ignore[assignment]


class WrongNull(NullCache):
    """Null backends are made without arguments."""

    @classmethod
    def maker(cls, directory: Callable[[], Path]) -> Callable[[str], BaseCache]:
        return lambda prefix: cls()


@caught_by("it_takes_everything_and_holds_nothing", stores=False)
class NullThatCountsOn(WrongNull):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def inc(self, key: str, delta: int = 1) -> int:
        self.count += delta
        return self.count + 1


@caught_by("it_takes_everything_and_holds_nothing", stores=False)
class NullThatRemembers(WrongNull):
    def __init__(self) -> None:
        super().__init__()
        self.added: set[str] = set()

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        new = key not in self.added
        self.added.add(key)
        return new


@caught_by("a_backend_that_stores_nothing_checks_too", stores=False)
class NullThatTakesAnyTimeout(WrongNull):
    def set(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        return True


# -- keys ---------------------------------------------------------------------------------

NO_TWO = "no_two_keys_are_the_same"
ANY = "any_string_is_a_key"


class WrongAddress(TinyStore):
    """Makes something of the key."""

    def made(self, key: str) -> str:
        raise NotImplementedError

    def address(self, key: str) -> str:
        return super().address(self.made(key))


@caught_by(NO_TWO)
class LineBreaksAreDropped(WrongAddress):
    def made(self, key: str) -> str:
        return key.replace("\r", "").replace("\n", "").replace("\x1b", "")


@caught_by(NO_TWO)
class SpacesAreEscapedOnly(WrongAddress):
    def made(self, key: str) -> str:
        return key.replace(" ", "%20")


@caught_by(NO_TWO)
class SpacesAreStripped(WrongAddress):
    def made(self, key: str) -> str:
        return key.strip(" ")


@caught_by(NO_TWO)
class CaseIsFolded(WrongAddress):
    def made(self, key: str) -> str:
        return key.casefold()


@caught_by(NO_TWO)
class UnicodeIsNormalised(WrongAddress):
    def made(self, key: str) -> str:
        return unicodedata.normalize("NFC", key)


@caught_by(NO_TWO, ANY)
class NulIsTheEnd(WrongAddress):
    def made(self, key: str) -> str:
        return key.partition("\x00")[0]


@caught_by(NO_TWO, ANY)
class LongKeysAreCut(WrongAddress):
    def made(self, key: str) -> str:
        return key[:250]


@caught_by(NO_TWO, ANY)
class SurrogatesFail(WrongAddress):
    def made(self, key: str) -> str:
        return key.encode().decode()


@caught_by(
    NO_TWO,
    ANY,
    *("clear_removes_everything", "prefixes_never_see_each_other"),
    "clear_never_touches_a_neighbour",
)
class TheEmptyKeyIsNone(WrongAddress):
    def made(self, key: str) -> str:
        assert key
        return key


# -- timeouts -----------------------------------------------------------------------------

SHORT = "a_short_timeout_ends"
LONG = "a_long_timeout_keeps_the_value"
WRONG = "a_wrong_timeout_is_refused"
DEFAULT = "the_default_timeout_is_for_none"
AGAIN = "what_has_expired_can_be_added"
LATER = "a_later_timeout_replaces_an_earlier_one"
TWO = "store_has_two_timeouts"
LEASE = "a_renewed_lock_has_the_new_lease"
KEEPS = "inc_keeps_the_end_of_a_counter"


@caught_by(SHORT, DEFAULT, AGAIN, LATER, TWO, LEASE, KEEPS, patience=IMPATIENT)
class FractionsAreCut(TinyStore):
    def put(self, address: str, data: bytes, timeout: float) -> None:
        super().put(address, data, int(timeout))


@caught_by(SHORT, DEFAULT, patience=IMPATIENT)
class SetManyNeverEnds(TinyStore):
    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout | None = None) -> list[str]:
        self.seconds(timeout)
        return super().set_many(mapping, 0 if "set_many" in mapping else timeout)


@caught_by(SHORT, DEFAULT, TWO, patience=IMPATIENT)
class AddNeverEnds(TinyStore):
    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        return super().add_bytes(address, data, 0)


@caught_by(SHORT, KEEPS, patience=IMPATIENT)
class ShortIsAtOnce(TinyStore):
    def put(self, address: str, data: bytes, timeout: float) -> None:
        super().put(address, data, -1 if 0 < timeout < 1 else timeout)


@caught_by(AGAIN)
class TheExpiredBlockAdd(TinyStore):
    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        with self.memory:
            return address not in self.memory.items and super().add_bytes(address, data, timeout)


@caught_by(AGAIN)
class TheExpiredCountOn(TinyStore):
    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        with self.memory:
            data, end = self.memory.items.get(address, (b"", math.inf))
            if end < time.monotonic():
                self.put(address, data, timeout)
            return super().increment(address, delta, timeout)


@caught_by(DEFAULT, patience=IMPATIENT)
class TheDefaultIsFixed(TinyStore):
    def seconds(self, timeout: Timeout | None) -> float:
        return 300 if timeout is None else super().seconds(timeout)


@caught_by(DEFAULT, patience=IMPATIENT)
class NewCountersNeverEnd(TinyStore):
    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        return super().increment(address, delta, 0)


@caught_by(KEEPS, patience=IMPATIENT)
class CountingMovesTheEnd(TinyStore):
    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        with self.memory:
            value = super().increment(address, delta, timeout)
            if value is not None:
                self.put(address, b"%d" % value, timeout)
            return value


@caught_by(LATER, LEASE, patience=IMPATIENT)
class TheFirstEndStays(TinyStore):
    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        with self.memory:
            ends = {a: self.memory.items[a][1] for a in items if self.peek(a) is not None}
            super().write_bytes(items, timeout)
            for address, end in ends.items():
                self.memory.items[address] = (items[address], end)
        return []


@caught_by(LONG)
class OverThirtyDaysIsADate(TinyStore):
    def put(self, address: str, data: bytes, timeout: float) -> None:
        date = timeout - time.time() if timeout > 30 * 86_400 else timeout
        super().put(address, data, date)


@caught_by(LONG)
class ZeroIsAtOnce(TinyStore):
    def put(self, address: str, data: bytes, timeout: float) -> None:
        super().put(address, data, timeout or -1)


@caught_by(LONG)
class TheLongestTimeoutFails(TinyStore):
    def put(self, address: str, data: bytes, timeout: float) -> None:
        assert timeout < 2**31
        super().put(address, data, timeout)


@caught_by(WRONG)
class NegativeIsNever(TinyStore):
    def seconds(self, timeout: Timeout | None) -> float:
        try:
            return super().seconds(timeout)
        except InvalidTimeoutError:
            return 0


@caught_by(WRONG, "too_large_a_value_is_refused_with_one_warning")
class StoresBeforeItChecks(TinyStore):
    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout | None = None) -> list[str]:
        super().set_many(mapping, 60)
        return super().set_many(mapping, timeout)


@caught_by(LEASE, patience=IMPATIENT)
class RenewingKeepsTheLease(TinyStore):
    def renew_lock(self, key: str, token: str, lease: float) -> bool:
        return bool(self.get(key) == token)


# -- counters -----------------------------------------------------------------------------

RACES = ("inc_is_atomic_across_threads", "dec_is_atomic_across_threads")


@caught_by(
    "a_counter_begins_at_zero",
    "a_counter_goes_below_zero",
    "counters_are_stored_as_plain_decimals",
    AGAIN,
    RACES[0],
)
class AbsentIsNoCounter(TinyStore):
    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        with self.memory:
            if self.peek(address) is None:
                return None
            return super().increment(address, delta, timeout)


@caught_by("a_counter_goes_below_zero")
class CountersStopAtZero(TinyStore):
    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        with self.memory:
            value = super().increment(address, delta, timeout)
            if value is None or value >= 0:
                return value
            return super().increment(address, -value, timeout)


@caught_by("what_is_no_counter_is_left_alone", "undecodable_bytes_are_no_counter")
class CountingStartsOver(TinyStore):
    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        with self.memory:
            if super().increment(address, 0, timeout) is None:
                self.put(address, b"0", timeout)
            return super().increment(address, delta, timeout)


@caught_by("counters_are_stored_as_plain_decimals")
class CountersArePadded(TinyStore):
    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        with self.memory:
            value = super().increment(address, delta, timeout)
            if value is not None and value >= 0:
                self.memory.items[address] = (b"%020d" % value, self.memory.items[address][1])
            return value


@caught_by("a_counter_is_an_int", "a_counter_gets_longer_and_shorter")
class CountersReadAsText(TinyStore):
    def get(self, key: str) -> Any:
        value = super().get(key)
        return str(value) if key == "counter" and value is not None and value > 0 else value


@caught_by("a_counter_gets_longer_and_shorter")
class CountersHaveThirtyTwoBits(TinyStore):
    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        return super().increment(address, delta % 2**32 if delta > 0 else delta, timeout)


# -- store and locks ----------------------------------------------------------------------


class WrongBatch(TinyStore):
    """The write of a computation, changed by `changed`."""

    def changed(self, batch: Batch[bytes]) -> Batch[bytes]:
        raise NotImplementedError

    def write_batch(self, batch: Batch[bytes]) -> Sequence[str]:
        return super().write_batch(self.changed(batch))


@caught_by(TWO, patience=IMPATIENT)
class StampsLiveAsLongAsItems(WrongBatch):
    def changed(self, batch: Batch[bytes]) -> Batch[bytes]:
        return batch._replace(versions_timeout=batch.timeout)


@caught_by("store_never_replaces_a_version")
class StampsAreReplaced(WrongBatch):
    def changed(self, batch: Batch[bytes]) -> Batch[bytes]:
        self.write_bytes(batch.versions, batch.versions_timeout)
        return batch


@caught_by("store_writes_items_and_versions", "store_never_replaces_a_version")
class OneStampIsEnough(WrongBatch):
    def changed(self, batch: Batch[bytes]) -> Batch[bytes]:
        return batch._replace(versions=dict(list(batch.versions.items())[:1]))


@caught_by("store_without_versions_or_items", "too_large_a_value_is_refused_with_one_warning")
class StampsNeedItems(WrongBatch):
    def changed(self, batch: Batch[bytes]) -> Batch[bytes]:
        return batch if batch.items else batch._replace(versions={})


@caught_by("store_replaces_items", "undecodable_bytes_are_overwritten")
class StoreOnlyAdds(WrongBatch):
    def changed(self, batch: Batch[bytes]) -> Batch[bytes]:
        there = [address for address in batch.items if self.peek(address) is not None]
        new = {a: data for a, data in batch.items.items() if a not in there}
        return batch._replace(items=new)


@caught_by("store_releases_its_lock")
class StoreKeepsItsLock(WrongBatch):
    def changed(self, batch: Batch[bytes]) -> Batch[bytes]:
        return batch._replace(release=None)


@caught_by("store_leaves_the_lock_of_another")
class StoreReleasesAnyLock(WrongBatch):
    def changed(self, batch: Batch[bytes]) -> Batch[bytes]:
        if batch.release:
            self.remove_bytes([batch.release[0]])
        return batch


@caught_by("store_without_the_lock_that_it_had")
class StoreNeedsTheLock(WrongBatch):
    def changed(self, batch: Batch[bytes]) -> Batch[bytes]:
        lost = batch.release and self.peek(batch.release[0]) is None
        return batch._replace(items={}) if lost else batch


@caught_by("a_lock_is_released_by_its_token_only")
class AnyoneReleases(TinyStore):
    def release_lock(self, key: str, token: str) -> bool:
        return self.delete(key)


@caught_by("a_lock_is_renewed_by_its_token_only")
class AnyoneRenews(TinyStore):
    def renew_lock(self, key: str, token: str, lease: float) -> bool:
        return self.has(key) and self.set(key, token, lease)


@caught_by("a_lock_that_is_over_is_not_renewed")
class RenewingTakesTheLock(TinyStore):
    def renew_lock(self, key: str, token: str, lease: float) -> bool:
        return self.get(key) in (token, None) and self.set(key, token, lease)


# -- clear --------------------------------------------------------------------------------

NEIGHBOUR = "clear_never_touches_a_neighbour"
APART = "prefixes_never_see_each_other"
CLEARS = ("clear_removes_everything", "clear_removes_many")


@caught_by(NEIGHBOUR, APART)
class PrefixesHaveNoEnd(TinyStore):
    def __init__(self, memory: Memory, key_prefix: str) -> None:
        super().__init__(memory, key_prefix)
        self.delimited_prefix = key_prefix


@caught_by(NEIGHBOUR, APART)
class PrefixesAreNotEscaped(TinyStore):
    def __init__(self, memory: Memory, key_prefix: str) -> None:
        super().__init__(memory, key_prefix)
        self.delimited_prefix = key_prefix + ":" if key_prefix else ""


@caught_by(NEIGHBOUR)
class ClearTakesGlobs(TinyStore):
    def clear_prefix(self) -> bool:
        for address in fnmatch.filter(list(self.memory.items), self.delimited_prefix + "*"):
            del self.memory.items[address]
        return True


@caught_by(NEIGHBOUR)
class ClearFlushesAll(TinyStore):
    def clear_prefix(self) -> bool:
        self.memory.items.clear()
        return True


@caught_by("clear_without_a_prefix_is_refused")
class ClearWithoutAPrefix(TinyStore):
    def clear(self) -> bool:
        return self.clear_prefix()


@caught_by(*CLEARS, NEIGHBOUR)
class ClearLies(TinyStore):
    def clear_prefix(self) -> bool:
        return True


@caught_by(CLEARS[1])
class ClearScansOnce(TinyStore):
    def clear_prefix(self) -> bool:
        mine = [a for a in self.memory.items if a.startswith(self.delimited_prefix)]
        self.remove_bytes(mine[:1_000])
        return True


@caught_by(CLEARS[0])
class ClearKeepsCounters(TinyStore):
    def clear_prefix(self) -> bool:
        kept = {a: item for a, item in self.memory.items.items() if item[0].isdigit()}
        super().clear_prefix()
        if len(kept) < 100:
            self.memory.items.update(kept)
        return True


@caught_by(*CLEARS, NEIGHBOUR, "clear_of_nothing_is_done")
class ClearNeverSaysThatItDid(TinyStore):
    def clear_prefix(self) -> bool:
        super().clear_prefix()
        return False


@caught_by("clear_of_nothing_is_done")
class ClearOfNothingFails(TinyStore):
    def clear_prefix(self) -> bool:
        mine = any(a.startswith(self.delimited_prefix) for a in self.memory.items)
        return super().clear_prefix() and mine


@caught_by("clear_that_cannot_says_so", clears=False)
class ClearClaimsWhatItCannot(TinyStore):
    def clear_prefix(self) -> bool:
        return True


# -- bytes --------------------------------------------------------------------------------

MISS = "undecodable_bytes_are_a_counted_miss"
OVERWRITTEN = "undecodable_bytes_are_overwritten"
LARGE = "too_large_a_value_is_refused_with_one_warning"
LARGEST = "the_largest_value_is_taken"


@caught_by(MISS, OVERWRITTEN)
class UndecodableRaises(TinyStore):
    def decode(self, key: str, data: bytes) -> Any:
        return self.codec.decode(key, data)


@caught_by(MISS)
class UndecodableIsNotCounted(TinyStore):
    def decode(self, key: str, data: bytes) -> Any:
        before = self.decode_failures
        value = super().decode(key, data)
        self.decode_failures = before
        return value


@caught_by(OVERWRITTEN)
class UndecodableStays(TinyStore):
    def decode(self, key: str, data: bytes) -> Any:
        try:
            return self.codec.decode(key, data)
        except DecodeError:
            self.decode_failures += 1
            return None


@caught_by(MISS)
class OneUndecodableSpoilsTheBatch(TinyStore):
    def get_many(self, *keys: str) -> list[Any]:
        before = self.decode_failures
        found = super().get_many(*keys)
        return found if self.decode_failures == before else [None] * len(keys)


@caught_by(MISS)
class PicklesAreTrusted(TinyStore):
    def decode(self, key: str, data: bytes) -> Any:
        if data.startswith(b"P-"):
            with contextlib.suppress(Exception):
                pickle.loads(data[2:])
        return super().decode(key, data)


@caught_by(LARGE)
class OversizeIsStored(TinyStore):
    def _encode_all(self, mapping: Mapping[str, Any]) -> tuple[dict[str, bytes], dict[str, str]]:
        sources = {self.address(key): key for key in mapping}
        return {a: self.codec.encode(k, mapping[k]) for a, k in sources.items()}, sources


@caught_by(LARGE)
class OversizeWarnsEachTime(TinyStore):
    def reject(self, address: str, size: int) -> None:
        super().reject(address, size)
        if self.rejected > 1:
            warnings.warn("too large", CacheWarning, stacklevel=2)


@caught_by(LARGE)
class OversizeIsSilent(TinyStore):
    def reject(self, address: str, size: int) -> None:
        self.rejected += 1
        self.remove_bytes([address])


@caught_by(LARGE)
class OversizeIsNotCounted(TinyStore):
    def counters(self) -> dict[str, int]:
        return super().counters() | {"rejected": 0}


@caught_by(LARGE)
class OversizeKeepsTheOldValue(TinyStore):
    def reject(self, address: str, size: int) -> None:
        found = self.memory.items.get(address)
        super().reject(address, size)
        if found:
            self.memory.items[address] = found


@caught_by(LARGEST)
class TheServerTakesLessThanSaid(TinyStore):
    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        refused = [address for address, data in items.items() if len(data) > 199_990]
        super().write_bytes({a: data for a, data in items.items() if a not in refused}, timeout)
        return refused


# -- threads, processes, fork -------------------------------------------------------------

ADD_RACE = "add_is_atomic_across_threads"
FORK = "both_sides_of_a_fork_work"
BUSY_FORK = "a_fork_beside_busy_threads"


@caught_by(ADD_RACE)
class AddLooksFirst(TinyStore):
    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        absent = self.read_bytes([address])[0] is None
        time.sleep(0.0005)
        return absent and not self.write_bytes({address: data}, timeout)


@caught_by(*RACES)
class IncReadsFirst(TinyStore):
    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        found = self.read_bytes([address])[0]
        if found is not None and not found.removeprefix(b"-").isdigit():
            return None
        time.sleep(0.0005)
        with self.memory:
            end = self.memory.items.get(address, (b"", time.monotonic() + timeout))[1]
            self.memory.items[address] = (b"%d" % (int(found or b"0") + delta), end)
        return int(found or b"0") + delta


@caught_by(RACES[1])
class DecReadsFirst(TinyStore):
    def dec(self, key: str, delta: int = 1) -> int | None:
        before = self.inc(key, 0)
        time.sleep(0.0005)
        return None if before is None else self.inc(key, before - delta - (self.get(key) or 0))


@caught_by("threads_do_not_disturb_each_other")
class OneBufferForAllThreads(TinyStore):
    def read_bytes(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        self.wanted = addresses
        if len(addresses) == 3:
            time.sleep(0.0005)
        return super().read_bytes(self.wanted[:3] if len(addresses) == 3 else addresses)


@caught_by("add_is_atomic_across_processes")
class AddLooksFirstInEachProcess(SharedStore):
    threads: ClassVar[Any] = threading.RLock()

    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        with self.threads:
            absent = self.read_bytes([address])[0] is None
            time.sleep(0.0005)
            return absent and not self.write_bytes({address: data}, timeout)


@caught_by("inc_is_atomic_across_processes")
class IncReadsFirstInEachProcess(SharedStore):
    threads: ClassVar[Any] = threading.RLock()

    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        with self.threads:
            found = self.read_bytes([address])[0]
            time.sleep(0.0005)
            with self.memory:
                if found is not None:
                    self.memory.items[address] = (found, self.memory.items[address][1])
                else:
                    self.memory.items.pop(address, None)
                return super().increment(address, delta, timeout)


@caught_by(
    "another_instance_sees_the_same",
    "another_instance_sees_the_clear",
    "add_is_atomic_across_processes",
    "inc_is_atomic_across_processes",
    FORK,
    prefixes=False,
)
class SharesNothingButSaysSo(SimpleCache):
    shared = True

    @classmethod
    def maker(cls, directory: Callable[[], Path]) -> Callable[[str], BaseCache]:
        return lambda prefix: cls(20_000)


@caught_by("another_instance_sees_the_clear", patience=IMPATIENT)
class ClearIsNotSeenByOthers(SharedStore):
    def __init__(self, memory: Memory, key_prefix: str) -> None:
        super().__init__(memory, key_prefix)
        with memory:
            self.generation = memory.counter

    def address(self, key: str) -> str:
        return f"{self.delimited_prefix}{self.generation}:{key}"

    def clear_prefix(self) -> bool:
        with self.memory:
            self.memory.counter += 1
            self.generation = self.memory.counter
        return True


@caught_by("another_instance_sees_the_same")
class ReadsAreKeptInTheProcess(SharedStore):
    def __init__(self, memory: Memory, key_prefix: str) -> None:
        super().__init__(memory, key_prefix)
        self.kept: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        if key not in self.kept:
            value = super().get(key)
            if value not in ("mine", "theirs"):
                return value
            self.kept[key] = value
        return self.kept[key]


@caught_by(FORK, BUSY_FORK)
class OnlyTheFirstProcessMay(TinyStore):
    def __init__(self, memory: Memory, key_prefix: str) -> None:
        super().__init__(memory, key_prefix)
        self.process = os.getpid()

    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        assert self.process == os.getpid()
        return super().write_bytes(items, timeout)


@caught_by(FORK, BUSY_FORK)
class OneConnectionForBothSides(TinyStore):
    """A file descriptor, its position shared by all who inherit it, stands for a connection."""

    def __init__(self, memory: Memory, key_prefix: str) -> None:
        super().__init__(memory, key_prefix)
        self.connection = os.memfd_create("connection")

    def __del__(self) -> None:
        os.close(self.connection)

    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        with self.memory:
            position = os.lseek(self.connection, 0, os.SEEK_CUR)
            os.write(self.connection, b"request")
            time.sleep(0)
            assert os.lseek(self.connection, 0, os.SEEK_CUR) == position + 7
            return super().write_bytes(items, timeout)


class UnsafeMemory(Memory):
    """Its lock is copied by a fork as it is."""

    fork_safe = False


@caught_by(BUSY_FORK, patience=3)
class LocksAreHeldOverAFork(TinyStore):
    @classmethod
    def maker(cls, directory: Callable[[], Path]) -> Callable[[str], BaseCache]:
        return partial(cls, UnsafeMemory())

    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        with self.memory:
            if any(":thread" in address for address in items):
                time.sleep(0.002)
            return super().write_bytes(items, timeout)


# -- the kit on each ----------------------------------------------------------------------


class MutantContract(BackendContract):
    """The kit, quick: for stores in memory, shorter times and less patience will do."""

    mutant: ClassVar[Mutant]

    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_timeouts, "BRIEF", 0.05)
        monkeypatch.setattr(_parallel, "PATIENCE", self.mutant.patience)

    @pytest.fixture
    def make_backend(self, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], BaseCache]:
        return self.mutant.maker(partial(tmp_path_factory.mktemp, "store"))


#: Not run for mutants that are wrong in one thread already: it would only take time.
CONCURRENT = frozenset(
    name
    for part in (_concurrency.ThreadsContract, _concurrency.ProcessesContract)
    for name in vars(part)
    if name.startswith("test_")
)


def contract(mutant: Mutant) -> type[MutantContract]:
    left_out = CONCURRENT if CONCURRENT.isdisjoint(mutant.caught_by) else frozenset()
    attributes = {"mutant": mutant, **mutant.flags, **dict.fromkeys(left_out)}
    return type(f"Test{mutant.name}", (MutantContract,), attributes)


globals().update({f"Test{mutant.name}": contract(mutant) for mutant in MUTANTS.values()})
