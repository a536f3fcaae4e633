"""Entries in the files of one key prefix: read without a lock, changed under it, within limits.

When there is no room, what has expired goes first, then what the CLOCK algorithm picks (second
chance; Corbató, "A Paging Experiment with the Multics System", 1968): the hand passes over what
was used since it last came by. Cells are written in place; one that a killed process left torn is
told by its checksum and is a miss. Must not know what an entry means.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from time import time
from types import TracebackType
from typing import Final, Self

from . import record
from .files import Files, unlock
from .ledger import PAGE, Ledger, size_of

__all__ = ["Change", "Limits", "Reader", "UnsureError"]

_SECOND_CHANCES: Final = 64
_OUTDATED: Final = 8
#: Bytes that the ledger keeps for each slot, and a little more.
_KEPT: Final = 64
#: Bytes of disk that all cells together may take, unless they are a page each.
_SPARE: Final = 1 << 30
_LARGEST_CELL: Final = 1 << 16
#: Seconds after which a reader looks whether its file is still the one at the path.
_TRUSTED: Final = 1.0

#: Bytes of an address in, `DIGEST_SIZE` bytes by which the ledger knows it out.
Digest = Callable[[bytes], bytes]


class UnsureError(Exception):
    """What a reader saw is damaged, or was being changed just then: ask under the lock."""


@dataclass(frozen=True)
class Limits:
    """What the files of one key prefix may hold, and how long a writer waits for the others."""

    entries: int
    bytes: int | None
    patience: float
    """Seconds."""

    @property
    def slots(self) -> int:
        """Entries that may exist: under a limit of bytes, cells get half of them at most."""
        if self.bytes is None:
            return self.entries
        return max(1, min(self.entries, self.bytes // 2 // (PAGE + _KEPT)))

    @property
    def cell(self) -> int:
        """Bytes of a cell. A large one takes of the disk what its largest entry ever took: so
        the more there are, the smaller, and under a limit of bytes as small as can be.
        """
        fitting = _SPARE // self.slots // PAGE * PAGE if self.bytes is None else 0
        return min(_LARGEST_CELL, max(PAGE, fitting))

    @property
    def apart(self) -> float:
        """Bytes that large entries may take together."""
        if self.bytes is None:
            return inf
        return max(0, self.bytes - size_of(self.slots) - self.slots * PAGE)


def _read(files: Files, ledger: Ledger, slot: int) -> tuple[bytes, bytes, float] | None:
    """Address, data and expiry of what *slot* holds; ``None`` if it is not what was written.
    Marks it as used.
    """
    at = ledger.cell(slot)
    blob = os.pread(ledger.fd, PAGE, at)
    head = record.head(blob)
    if head is None:
        return None
    if not head.apart:
        more = min(record.HEAD_SIZE + head.rest, ledger.cell_size) - PAGE
        if more > 0:
            blob += os.pread(ledger.fd, more, at + PAGE)
    else:
        blob = blob[: record.HEAD_SIZE] + files.read_large(slot, head.rest)
    content = record.content(blob, head)
    if content is None:
        return None
    if not head.used:
        with suppress(OSError):  # neither a full disk nor a read-only one makes a hit a failure
            os.pwrite(ledger.fd, b"\1", at + record.USED_AT)
    return *content, head.expires


class _Kept(Ledger):
    """A ledger whose descriptor is closed when nobody reads through it any more."""

    def __del__(self) -> None:
        os.close(self.fd)


class Reader:
    """Reads while others may write, through a descriptor that it keeps. Threads may share it."""

    def __init__(self, files: Files, digest: Digest) -> None:
        self._files = files
        self._digest = digest
        self._ledger: _Kept | None = None
        self._checked = 0.0

    def ledger(self, now: float) -> Ledger | None:
        """The ledger as it is at *now*; ``None`` where there is none."""
        kept = self._ledger
        if kept is not None and self._is_current(kept, now):
            return kept
        fd = self._files.open_to_read()
        self._ledger = kept = None if fd is None else _Kept(fd)
        self._checked = now
        return kept if kept is not None and kept.capacity else None

    def forget(self) -> None:
        """Open the file again the next time."""
        self._ledger = None

    def _is_current(self, kept: Ledger, now: float) -> bool:
        """Whether *kept* is still the ledger that others find. That its file was moved away is
        seen a second later; that it was deleted, at once.
        """
        status = os.fstat(kept.fd)
        if not status.st_nlink or not kept.capacity:
            return False
        if not 0 <= now - self._checked < _TRUSTED:
            self._checked = now
            return self._files.is_store(status)
        return True

    def read(self, ledger: Ledger, address: str, now: float) -> bytes | None:
        """What is alive at *address*."""
        raw = address.encode("utf-8", "surrogatepass")
        digest = self._digest(raw)
        try:
            slot, at = ledger.walk(digest)
        except struct.error:  # the file was cut short meanwhile
            raise UnsureError from None
        if slot is None:
            if at < 0:
                raise UnsureError
            return None
        found = _read(self._files, ledger, slot)
        if found is None:
            raise UnsureError
        if found[0] != raw or found[2] <= now:
            return None
        return found[1]


class Change:
    """A context in which nobody else changes anything. Raises `OSError` where the disk does."""

    def __init__(self, files: Files, digest: Digest, limits: Limits) -> None:
        self._files = files
        self._digest = digest
        self._limits = limits
        self.damaged = 0
        """Entries that were found not to hold what was written."""

    def __enter__(self) -> Self:
        fd = self._files.open_and_lock(self._limits.patience)
        try:
            self._ledger = Ledger(fd)
            if not self._suits():
                self.clear()
        except BaseException:
            unlock(fd)
            raise
        self._now = time()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._ledger.changed:
                self._ledger.save()
        finally:
            unlock(self._ledger.fd)

    def _suits(self) -> bool:
        """Whether the ledger has room for these limits; more than that is no harm."""
        ledger, limits = self._ledger, self._limits
        return ledger.whole() and ledger.capacity >= limits.slots and (
            limits.bytes is None or ledger.cell_size <= limits.cell
        )  # fmt: skip

    def clear(self) -> None:
        """Forget all entries."""
        ledger, limits = self._ledger, self._limits
        if ledger.capacity > limits.slots:
            ledger.reset(ledger.capacity, min(ledger.cell_size, limits.cell))
        else:
            ledger.reset(limits.slots, limits.cell)
        self._files.put_aside()

    def read(self, address: str) -> tuple[bytes, float] | None:
        """What is alive at *address*, and when it expires. Removes what is damaged."""
        raw = address.encode("utf-8", "surrogatepass")
        slot = self._ledger.find(self._digest(raw))
        if slot is None:
            return None
        found = _read(self._files, self._ledger, slot)
        if found is None:
            self.damaged += 1
            self._delete(slot)
            return None
        return found[1:] if found[0] == raw and found[2] > self._now else None

    def remove(self, address: str) -> bool:
        """Delete what is at *address*; whether something alive was there."""
        alive = self.read(address) is not None
        slot = self._ledger.find(self._digest(address.encode("utf-8", "surrogatepass")))
        if slot is not None:
            self._delete(slot)
        return alive

    def write(self, address: str, data: bytes, expires: float) -> bool:
        """Store *data* until *expires* (seconds since the epoch); ``False`` if it is larger than
        what large entries may take together. What was there is gone even where this fails.
        """
        raw = address.encode("utf-8", "surrogatepass")
        digest = self._digest(raw)
        slot = self._ledger.find(digest)
        size = len(raw) + len(data)
        apart = size if size > self._ledger.cell_size - record.HEAD_SIZE else 0
        blob = record.pack(raw, data, expires, used=slot is not None, apart=apart > 0)
        if slot is not None:
            return self._replace(slot, blob, apart, expires)
        if apart and not self._make_room(apart, None):
            return False
        slot = self._free_slot(large=apart > 0)
        self._put(slot, blob, apart)
        self._ledger.occupy(slot, digest, apart, expires)
        return True

    def _replace(self, slot: int, blob: bytes, apart: int, expires: float) -> bool:
        """Write *blob* where an entry of the same digest is."""
        try:
            if apart and not self._make_room(apart, slot):
                self._delete(slot)
                return False
            self._put(slot, blob, apart)
        except BaseException:
            with suppress(OSError):
                self._erase(slot)
            raise
        before = self._ledger.set_apart(slot, apart)
        if before and not apart:
            self._files.remove_large(slot)
        self._ledger.expire(slot, expires)
        return True

    def _put(self, slot: int, blob: bytes, apart: int) -> None:
        if apart:
            self._files.write_large(slot, memoryview(blob)[record.HEAD_SIZE :])
            blob = blob[: record.HEAD_SIZE]
        if os.pwrite(self._ledger.fd, blob, self._ledger.cell(slot)) != len(blob):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _erase(self, slot: int) -> None:
        os.pwrite(self._ledger.fd, bytes(record.HEAD_SIZE), self._ledger.cell(slot))

    def _delete(self, slot: int) -> None:
        self._erase(slot)
        self._unlink(slot)
        self._ledger.vacate(slot)

    def _unlink(self, slot: int) -> None:
        if self._ledger.unlink(slot):
            self._files.remove_large(slot)

    # -- room -------------------------------------------------------------------------------

    def _free_slot(self, *, large: bool) -> int:
        """A slot for a new entry, for which another goes where there is none. The file of a
        large one is kept for a *large* successor: some file systems are slow to make one.
        """
        ledger, slots = self._ledger, self._limits.slots
        for _ in range(min(ledger.count - slots, _SECOND_CHANCES)):  # the limit was lowered
            victim = self._victim(None)
            if victim is not None:
                self._delete(victim)
        slot = ledger.take() if ledger.count < slots else None
        if slot is not None:
            return slot
        victim = self._victim(None)
        if victim is None:  # the count is not that of any entries: damaged
            self.clear()
            return ledger.take() or 0
        if ledger.unlink(victim) and not large:
            self._files.remove_large(victim)
        return victim

    def _make_room(self, size: int, kept: int | None) -> bool:
        """Evict until *size* bytes of a large entry fit, but not what is in the slot *kept*."""
        if size > self._limits.apart:
            return False
        if self._limits.bytes is not None and kept is not None:
            size -= self._ledger.apart_of(kept)
        while self._ledger.apart + size > self._limits.apart:
            slot = self._victim(kept)
            if slot is None:
                break
            self._delete(slot)
        return True

    def _victim(self, kept: int | None) -> int | None:
        """The slot of the entry that goes next; ``None`` where there is none but *kept*."""
        slot = self._expired(kept)
        if slot is not None:
            return slot
        for chances in range(_SECOND_CHANCES, -2, -1):
            slot = self._ledger.next_occupied()
            if slot is None:
                return None
            if slot == kept:
                continue
            head = self._head(slot)
            if head is None or not head.used or head.expires <= self._now or chances <= 0:
                return slot
            os.pwrite(self._ledger.fd, b"\0", self._ledger.cell(slot) + record.USED_AT)
        return None

    def _expired(self, kept: int | None) -> int | None:
        """The slot of an entry that has expired, if there is one."""
        for _ in range(_OUTDATED):
            slot = self._ledger.expired(self._now)
            if slot is None or slot == kept:
                return None
            head = self._head(slot)
            if head is None or head.expires <= self._now:
                return slot
            self._ledger.note(slot, head.expires)
        return None

    def _head(self, slot: int) -> record.Head | None:
        return record.head(os.pread(self._ledger.fd, record.HEAD_SIZE, self._ledger.cell(slot)))
