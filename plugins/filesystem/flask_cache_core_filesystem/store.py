"""Entries in the files of one key prefix: read without a lock, changed under it, within limits.

When there is no room, what has expired goes first, then what the CLOCK algorithm picks (second
chance; Corbató, "A Paging Experiment with the Multics System", 1968): the hand passes over what
was used since it last came by. Cells are written in place; one that a killed process left torn is
told by its checksum and is a miss. Must not know what an entry means.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from time import time
from types import TracebackType
from typing import Final, NamedTuple, Self

from . import record
from .files import Files, unlock
from .ledger import CELL_SIZE, Ledger, size_of

__all__ = ["Change", "Found", "Limits", "Reading"]

_SECOND_CHANCES: Final = 64
_OUTDATED: Final = 8
#: Bytes that the ledger keeps for each slot, and a little more.
_KEPT: Final = 64

#: Bytes of an address in, `DIGEST_SIZE` bytes by which the ledger knows it out.
Digest = Callable[[bytes], bytes]


class Found(NamedTuple):
    """What is stored; *data* is ``None`` where it is not what was written."""

    data: bytes | None
    expires: float
    """Seconds since the epoch; ``inf`` for never."""


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
        return max(1, min(self.entries, self.bytes // 2 // (CELL_SIZE + _KEPT)))

    @property
    def apart(self) -> float:
        """Bytes that large entries may take together."""
        if self.bytes is None:
            return inf
        return max(0, self.bytes - size_of(self.slots) - self.slots * CELL_SIZE)


def _read(files: Files, ledger: Ledger, slot: int, address: bytes) -> Found | None:
    """What *slot* holds for *address*, expired or not. Marks it as used."""
    at = ledger.cell(slot)
    blob = os.pread(ledger.fd, CELL_SIZE, at)
    head = record.head(blob)
    if head is None:
        return Found(None, 0)
    rest = files.read_large(slot, head.rest) if head.apart else blob[record.HEAD_SIZE :]
    content = record.content(rest, head)
    if content is None:
        return Found(None, 0)
    if content[0] != address:
        return None
    if not head.used:
        with suppress(OSError):  # neither a full disk nor a read-only one makes a hit a failure
            os.pwrite(ledger.fd, b"\1", at + record.USED_AT)
    return Found(content[1], head.expires)


class Reading:
    """A context that reads while others may write. What they are just replacing can look
    damaged: then ask again under `Change`.
    """

    def __init__(self, files: Files, digest: Digest) -> None:
        self._files = files
        self._digest = digest
        self._ledger: Ledger | None = None

    def __enter__(self) -> Self:
        fd = self._files.open_to_read()
        if fd is not None:
            self._ledger = Ledger(fd)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ledger is not None:
            os.close(self._ledger.fd)

    def read(self, address: str) -> Found | None:
        """What is stored at *address*, expired or not."""
        ledger = self._ledger
        if ledger is None or not ledger.capacity:
            return None
        raw = address.encode("utf-8", "surrogatepass")
        slot = ledger.find(self._digest(raw))
        return None if slot is None else _read(self._files, ledger, slot, raw)


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
            if self._ledger.capacity < self._limits.slots or not self._ledger.whole():
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

    def clear(self) -> None:
        """Forget all entries."""
        self._ledger.reset(max(self._limits.slots, self._ledger.capacity))
        self._files.put_aside()

    def read(self, address: str) -> Found | None:
        """What is alive at *address*. Removes what is damaged."""
        raw, digest = self._named(address)
        slot = self._ledger.find(digest)
        found = None if slot is None else _read(self._files, self._ledger, slot, raw)
        if slot is not None and found is not None and found.data is None:
            self.damaged += 1
            self._delete(slot)
            return None
        return found if found is not None and found.expires > self._now else None

    def remove(self, address: str) -> bool:
        """Delete what is at *address*; whether something alive was there."""
        alive = self.read(address) is not None
        slot = self._ledger.find(self._named(address)[1])
        if slot is not None:
            self._delete(slot)
        return alive

    def write(self, address: str, data: bytes, expires: float) -> bool:
        """Store *data* until *expires* (seconds since the epoch); ``False`` if it is larger than
        what large entries may take together. What was there is gone even where this fails.
        """
        raw, digest = self._named(address)
        slot = self._ledger.find(digest)
        try:
            return self._write(slot, digest, raw, data, expires)
        except BaseException:
            slot = self._ledger.find(digest)
            if slot is not None:
                with suppress(OSError):
                    os.pwrite(self._ledger.fd, bytes(record.HEAD_SIZE), self._ledger.cell(slot))
            raise

    def _named(self, address: str) -> tuple[bytes, bytes]:
        raw = address.encode("utf-8", "surrogatepass")
        return raw, self._digest(raw)

    def _write(
        self, slot: int | None, digest: bytes, address: bytes, data: bytes, expires: float
    ) -> bool:
        known, size = slot is not None, len(address) + len(data)
        apart = size if size > CELL_SIZE - record.HEAD_SIZE else 0
        if apart and not self._make_room(apart, slot):
            if slot is not None:
                self._delete(slot)
            return False
        if slot is None:
            slot = self._free_slot()
        head = record.pack(address, data, expires, used=known, apart=bool(apart))
        if apart:
            self._files.write_large(slot, address, data)
            self._put(slot, head)
        else:
            self._put(slot, b"".join((head, address, data)))
        if known:
            self._ledger.expire(slot, expires)
        else:
            self._ledger.occupy(slot, digest, expires)
        self._set_apart(slot, apart)
        return True

    def _put(self, slot: int, blob: bytes) -> None:
        if os.pwrite(self._ledger.fd, blob, self._ledger.cell(slot)) != len(blob):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _set_apart(self, slot: int, size: int) -> None:
        if not size and self._ledger.apart_of(slot):
            self._files.remove_large(slot)
        self._ledger.set_apart(slot, size)

    def _delete(self, slot: int) -> None:
        self._set_apart(slot, 0)
        self._ledger.unlink(slot)
        self._ledger.vacate(slot)

    # -- room -------------------------------------------------------------------------------

    def _free_slot(self) -> int:
        """A slot for a new entry, for which another goes where there is none."""
        ledger = self._ledger
        for _ in range(_SECOND_CHANCES):  # more than one only where the limit was lowered
            if ledger.count < self._limits.slots:
                slot = ledger.take()
                if slot is not None:
                    return slot
            victim = self._victim(None)
            if victim is None:
                break
            if ledger.count <= self._limits.slots:
                self._set_apart(victim, 0)
                ledger.unlink(victim)
                return victim
            self._delete(victim)
        self.clear()  # the count is not that of any entries: damaged
        return ledger.take() or 0

    def _make_room(self, size: int, kept: int | None) -> bool:
        """Evict until *size* bytes of a large entry fit, but not what is in the slot *kept*."""
        if size > self._limits.apart:
            return False
        held = self._ledger.apart_of(kept) if kept is not None else 0
        while self._ledger.apart - held + size > self._limits.apart:
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
            slot, noted = self._ledger.earliest()
            if noted > self._now or slot == kept:
                return None
            head = self._head(slot)
            if head is None or head.expires <= self._now:
                return slot
            self._ledger.expire(slot, head.expires)
        return None

    def _head(self, slot: int) -> record.Head | None:
        return record.head(os.pread(self._ledger.fd, record.HEAD_SIZE, self._ledger.cell(slot)))
