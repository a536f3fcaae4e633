"""One locked change of a directory: entries and ledger together, within the limits.

When there is no room, what has expired goes first, then what the CLOCK algorithm picks (second
chance; Corbató, "A Paging Experiment with the Multics System", 1968): the hand passes over what
was used since it last came by. A process that is killed in here leaves at most one entry torn,
which its checksum tells, and one slot without a file, which the hand finds.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from time import time
from types import TracebackType
from typing import Final, Self

from . import record
from .files import Files, Found
from .ledger import Ledger, size_of

__all__ = ["Change", "Limits"]

_SECOND_CHANCES: Final = 64
_OUTDATED: Final = 8


@dataclass(frozen=True)
class Limits:
    """What a directory may hold, and how long a writer waits for the others."""

    entries: int
    bytes: int | None
    patience: float
    """Seconds."""

    @property
    def room(self) -> float:
        """Bytes that entries may take: the ledger has its share too, but never most of it."""
        if self.bytes is None:
            return inf
        return max(self.bytes - size_of(self.entries), self.bytes // 2)


class Change:
    """A context in which nobody else changes *files*. Raises `OSError` where the disk does."""

    def __init__(self, files: Files, limits: Limits) -> None:
        self._files = files
        self._limits = limits
        self.damaged = 0
        """Files that were found not to hold what was written."""

    def __enter__(self) -> Self:
        files, limits = self._files, self._limits
        try:
            self._ledger = Ledger(files.ledger, files.mode, limits.patience)
        except FileNotFoundError:
            files.make(files.space)
            self._ledger = Ledger(files.ledger, files.mode, limits.patience)
        self._now = time()
        try:
            self._recount_if_needed()
        except BaseException:
            self._ledger.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ledger.close()

    def clear(self) -> None:
        """Forget all entries."""
        self._files.put_aside()
        self._ledger.reset(self._limits.entries, ())

    def read(self, address: str) -> Found | None:
        """What is alive at *address*. Removes what is damaged."""
        found = self._files.read(address)
        if found is not None and found.data is None:
            self.damaged += 1
            self._forget(address)
            return None
        return found if found is not None and found.expires > self._now else None

    def remove(self, address: str) -> bool:
        """Delete what is at *address*; whether something alive was there."""
        found = self._files.read(address)
        if found is None:
            return False
        self._forget(address)
        return found.data is not None and found.expires > self._now

    def _forget(self, address: str) -> None:
        name = self._files.name(address)
        path = self._files.path(name)
        head = self._files.head(path)
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - a string
        if head is not None and self._ledger.holds(head.slot, name):
            self._ledger.vacate(head.slot)

    def write(self, address: str, data: bytes, expires: float) -> None:
        """Store *data* until *expires* (seconds since the epoch). What was there is gone even
        where this fails.
        """
        name = self._files.name(address)
        path = self._files.path(name)
        raw = address.encode("utf-8", "surrogatepass")
        fd = self._files.open(path)
        try:
            begun = os.read(fd, record.HEAD_SIZE)
            before = record.head(begun)
            size = record.HEAD_SIZE + len(raw) + len(data)
            slot, known = self._slot(name, before, size, expires)
            blob = record.pack(raw, data, expires, slot, used=known)
            _overwrite(fd, blob)
            if not begun:
                os.fchmod(fd, self._files.mode)
            elif before is None or before.size > size:
                os.ftruncate(fd, size)
        except BaseException:
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - a string
            raise
        finally:
            os.close(fd)

    def _slot(
        self, name: str, before: record.Head | None, size: int, expires: float
    ) -> tuple[int, bool]:
        """The slot for an entry, and whether it was in it already."""
        ledger = self._ledger
        if before is None or not ledger.holds(before.slot, name):
            self._make_room(size)
            slot = ledger.take()
            if slot is None:
                slot = self._victim(None) or 0
                ledger.resize(slot, "", 0)
            ledger.occupy(slot, name, size, expires)
            return slot, False
        if size != before.size:
            self._make_room(size - before.size, before.slot)
            ledger.resize(before.slot, name, size)
        if expires < before.expires:
            ledger.expire(before.slot, expires)
        return before.slot, True

    # -- room -------------------------------------------------------------------------------

    def _make_room(self, size: int, kept: int | None = None) -> None:
        """Evict until *size* bytes more fit, but not what is in the slot *kept*."""
        if self._limits.bytes is None:
            return
        while self._ledger.total + size > self._limits.room:
            slot = self._victim(kept)
            if slot is None:
                return
            self._ledger.vacate(slot)

    def _victim(self, kept: int | None) -> int | None:
        """Delete one entry; the slot that it was in."""
        slot = self._expired(kept)
        if slot is not None:
            return slot
        for chances in range(_SECOND_CHANCES, -1, -1):
            slot = self._ledger.next_occupied()
            if slot is None:
                return None
            if slot != kept and self._passed_over(slot, chances):
                return slot
        return None

    def _passed_over(self, slot: int, chances: int) -> bool:
        """Delete what is in *slot* unless it was used; whether it is gone."""
        name = self._ledger.slot(slot)[0]
        head = self._examined(slot, name)
        path = self._files.path(name)
        if head is None or not head.used or head.expires <= self._now or not chances:
            self._unlink(head, path)
            return True
        self._files.patch(path, b"\0", record.USED_AT)
        return False

    def _expired(self, kept: int | None) -> int | None:
        """Delete an entry that has expired, if there is one; the slot that it was in."""
        for _ in range(_OUTDATED):
            slot, noted = self._ledger.earliest()
            if noted > self._now or slot == kept:
                return None
            name = self._ledger.slot(slot)[0]
            head = self._examined(slot, name)
            if head is None or head.expires <= self._now:
                self._unlink(head, self._files.path(name))
                return slot
            self._ledger.expire(slot, head.expires)
        return None

    def _examined(self, slot: int, name: str) -> record.Head | None:
        """The head of the file that *slot* stands for; ``None`` where it stands for none."""
        path = self._files.path(name)
        head = self._files.head(path)
        if head is None or head.slot == slot:
            return head
        if self._ledger.holds(head.slot, name):
            return None
        self._files.patch(path, *record.slot_patch(slot))
        return head

    def _unlink(self, head: record.Head | None, path: str) -> None:
        if head is not None:
            with suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 - a string

    def _recount_if_needed(self) -> None:
        """Begin the ledger anew from the files that there are, where it is lost or damaged, or
        has another limit than that of a process which starts. Deletes what has no room.
        """
        changed = not self._files.counted and self._ledger.capacity != self._limits.entries
        self._files.counted = True
        if self._ledger.valid and not changed:
            return
        files = self._files.listed()
        self._ledger.reset(self._limits.entries, files)
        for name, _ in files:
            with suppress(FileNotFoundError):
                os.unlink(self._files.path(name))  # noqa: PTH108 - a string


def _overwrite(fd: int, blob: bytes) -> None:
    if os.pwrite(fd, blob, 0) != len(blob):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
