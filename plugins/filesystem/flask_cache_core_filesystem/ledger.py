"""The ledger: which key is in which slot, which expires first, and where the clock's hand is.

It is the front of the store's file: a head; a hash table whose chains run through one record for
each slot; and over the slots a tree of expiries (each node holds the lowest of 32 below it). So a
key, a free slot and the first to expire are found at the same cost among five hundred and a
million entries, and there are never more entries than slots. Behind it come the cells, one for
each slot, of which it must not know more than where they are.

All of it is bookkeeping that may be wrong after a crash: what a cell holds is verified by whoever
reads it, and a slot that no chain leads to is found by the hand. It is read and written by system
calls rather than mapped: a mapped file that somebody truncates kills the process.
"""

from __future__ import annotations

import os
from array import array
from functools import cache
from itertools import pairwise
from math import inf
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

__all__ = ["DIGEST_SIZE", "FREE", "PAGE", "Ledger", "size_of"]

#: The expiry of a free slot: after every other.
FREE: Final = inf
DIGEST_SIZE: Final = 16
#: Cells are multiples of it: what the disk gives at a time.
PAGE: Final = 4096

_MAGIC: Final = b"FCCstor1"
_HEAD: Final = Struct("<8s8Q")
#: Bytes of magic, boot, capacity and size of a cell.
_IDENTITY: Final = 32
_LINK: Final = Struct("<I")
_RECORD: Final = Struct(f"<{DIGEST_SIZE}sIxxxxQ")
_EXPIRY: Final = Struct("<d")
_NEVER: Final = 1e300
_FAN: Final = 32
_NODE: Final = Struct(f"<{_FAN}d")
_MENDS: Final = 8
_STEPS: Final = 64
_NOBODY: Final = bytes(DIGEST_SIZE)


class _Layout(NamedTuple):
    """Where the parts begin, in bytes. The hash table follows the head."""

    chains: int
    """How many chains there are: a power of two."""
    records: int
    levels: tuple[tuple[int, int], ...]
    """Of the tree, leaves first: where it begins, and how many nodes it has."""
    cells: int


@cache
def _layout(capacity: int) -> _Layout:
    chains = 1 << (capacity - 1).bit_length()
    records = _HEAD.size + chains * _LINK.size
    offset, count = records + capacity * _RECORD.size, capacity
    levels: list[tuple[int, int]] = []
    while count > 1 or not levels:
        levels.append((offset, count))
        count = -(-count // _FAN)
        offset += count * _NODE.size
    return _Layout(chains, records, tuple(levels), -(-offset // PAGE) * PAGE)


def size_of(capacity: int) -> int:
    """Bytes before the first cell where there are *capacity* slots."""
    return _layout(capacity).cells


@cache
def _boot() -> int:
    """Tells this run of the system from the last, 0 where it does not say.

    Nothing is flushed, so that a power failure can take an invalidation and leave what it
    invalidated: no entry outlives the run of the system that it was written in.
    """
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        return int(text.replace("-", ""), 16) >> 64
    except (OSError, ValueError):
        return 0


class Ledger:
    """The ledger in an open file. Whoever changes it holds the lock; a reader needs none.

    Every method may raise `OSError`.
    """

    __slots__ = (
        "_free", "_hand", "_identity", "_layout", "_top", "apart", "capacity", "cell_size",
        "changed", "count", "fd",
    )  # fmt: skip

    capacity: int
    """How many slots there are; 0 where the file is no ledger."""
    cell_size: int
    """Bytes."""
    count: int
    """How many of them are occupied."""
    apart: int
    """Bytes in files of their own."""
    changed: bool
    _top: int
    _free: int
    _hand: int

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.changed = False
        head = os.pread(fd, _HEAD.size, 0)
        self._identity = head[:_IDENTITY]
        fields = _HEAD.unpack(head) if len(head) == _HEAD.size else (b"",) + (0,) * 8
        magic, boot, self.capacity, self.cell_size, *state = fields
        self._top, self._free, self._hand, self.count, self.apart = state
        most = max(self._top, self._free, self.count, 1)
        sound = most <= self.capacity < 1 << 32 and PAGE <= self.cell_size < 1 << 32
        if magic == _MAGIC and boot == _boot() and sound:
            self._layout = _layout(self.capacity)
        else:
            self.capacity = 0

    def unchanged(self) -> bool:
        """For a reader that found nothing: whether this still is a ledger of as many slots.
        What it does find is verified, and so needs no such question.
        """
        return os.pread(self.fd, _IDENTITY, 0) == self._identity

    def whole(self) -> bool:
        """Whether it is a ledger and nothing of it was cut off."""
        return self.capacity > 0 and os.lseek(self.fd, 0, os.SEEK_END) >= self._layout.cells

    def reset(self, capacity: int, cell_size: int) -> None:
        """Begin anew, empty. The head is written last: what was half done is done again."""
        os.ftruncate(self.fd, 0)
        self._layout = layout = _layout(capacity)
        os.ftruncate(self.fd, layout.cells)
        for offset, count in layout.levels:
            padded = -(-count // _FAN) * _FAN
            os.pwrite(self.fd, (array("d", (FREE,)) * padded).tobytes(), offset)
        self.capacity, self.cell_size = capacity, cell_size
        self._top = self._free = self._hand = self.count = self.apart = 0
        self.save()

    def save(self) -> None:
        """Write the head."""
        head = _HEAD.pack(
            _MAGIC, _boot(), self.capacity, self.cell_size,
            self._top, self._free, self._hand, self.count, self.apart,
        )  # fmt: skip
        os.pwrite(self.fd, head, 0)
        self.changed = False

    def cell(self, slot: int) -> int:
        """Where the cell of *slot* begins."""
        return self._layout.cells + slot * self.cell_size

    # -- the hash table ---------------------------------------------------------------------

    def find(self, digest: bytes) -> int | None:
        """The slot of the key with this *digest*."""
        return self.walk(digest)[0]

    def walk(self, digest: bytes) -> tuple[int | None, int]:
        """The slot of *digest*, and the offset of the link that leads to it: negative if the
        chain led astray, as it can where another process moves a slot meanwhile.
        """
        fd, records = self.fd, self._layout.records
        at = chain = self._chain(digest)
        link = self._link(at)
        for _ in range(_STEPS):
            if not 0 < link <= self.capacity:
                break
            offset = records + (link - 1) * _RECORD.size
            found, following, _ = _RECORD.unpack(os.pread(fd, _RECORD.size, offset))
            if found == digest:
                return link - 1, at
            if self._chain(found) != chain or found == _NOBODY:
                return None, -1
            at, link = offset + DIGEST_SIZE, following
        return None, at

    def _chain(self, digest: bytes) -> int:
        number = int.from_bytes(digest[:4], "little") & (self._layout.chains - 1)
        return _HEAD.size + number * _LINK.size

    def _link(self, at: int) -> int:
        return int.from_bytes(os.pread(self.fd, _LINK.size, at), "little")

    def _record(self, slot: int) -> tuple[bytes, int, int]:
        """Digest, link to the next, and bytes in a file of its own."""
        offset = self._layout.records + slot * _RECORD.size
        found: tuple[bytes, int, int] = _RECORD.unpack(os.pread(self.fd, _RECORD.size, offset))
        return found

    def _put_record(self, slot: int, digest: bytes, link: int, apart: int) -> None:
        offset = self._layout.records + slot * _RECORD.size
        os.pwrite(self.fd, _RECORD.pack(digest, link, apart), offset)

    # -- slots ------------------------------------------------------------------------------

    def take(self) -> int | None:
        """A free slot, or ``None``. `occupy` it before anything else is done."""
        if self._free:
            slot = self._free - 1
            self._free = self._record(slot)[1]
            if self._free <= self.capacity and self._expiry(slot) == FREE:
                self.count += 1
                return slot
            self._free = 0  # no list of ours; its slots are lost until the next reset
        if self._top < self.capacity:
            self._top += 1
            self.count += 1
            return self._top - 1
        return None

    def occupy(self, slot: int, digest: bytes, apart: int, expires: float) -> None:
        """Lead to *slot*, whose cell is written, from the chain of *digest*. *apart*: bytes that
        it has in a file of its own.
        """
        self.apart += apart
        self.save()
        at = self._chain(digest)
        self._put_record(slot, digest, self._link(at), apart)
        os.pwrite(self.fd, _LINK.pack(slot + 1), at)
        self.note(slot, min(expires, _NEVER))

    def unlink(self, slot: int) -> int:
        """Let no chain lead to *slot* any more; the bytes that it has in a file of its own."""
        digest, link, apart = self._record(slot)
        found, at = self.walk(digest)
        if found == slot:
            os.pwrite(self.fd, _LINK.pack(link), at)
        if apart:
            self.apart = max(0, self.apart - apart)
            self.changed = True
        return apart

    def vacate(self, slot: int) -> None:
        """Make *slot* free, to which no chain leads any more."""
        self._put_record(slot, _NOBODY, self._free, 0)
        self.note(slot, FREE)
        self._free = slot + 1
        self.count = max(0, self.count - 1)
        self.changed = True

    def set_apart(self, slot: int, size: int) -> int:
        """Note that *slot* has *size* bytes in a file of its own, 0 for none; what it had."""
        digest, link, before = self._record(slot)
        if before != size:
            self._put_record(slot, digest, link, size)
            self.apart = max(0, self.apart + size - before)
            self.changed = True
        return before

    def apart_of(self, slot: int) -> int:
        """Bytes that *slot* has in a file of its own."""
        return self._record(slot)[2]

    # -- the tree of expiries ---------------------------------------------------------------

    def expire(self, slot: int, expires: float) -> None:
        """Note when *slot* expires. It may be noted earlier than it is, never later: so where
        it expires later than before, nothing is written.
        """
        at = self._layout.levels[0][0] + slot * _EXPIRY.size
        if min(expires, _NEVER) < _EXPIRY.unpack(os.pread(self.fd, _EXPIRY.size, at))[0]:
            self.note(slot, min(expires, _NEVER))

    def note(self, slot: int, expires: float) -> None:
        """Note exactly when *slot* expires, or that it is free."""
        index, low = slot, expires
        for offset, _ in self._layout.levels:
            block = index // _FAN
            nodes = self._nodes(offset, block)
            before = min(nodes)
            nodes[index % _FAN] = low
            os.pwrite(self.fd, _EXPIRY.pack(low), offset + index * _EXPIRY.size)
            index, low = block, min(nodes)
            if low == before:
                return

    def expired(self, now: float) -> int | None:
        """The slot that is noted to have expired first, if one has at *now*."""
        for _ in range(_MENDS):
            path = self._descend(now)
            if not path:
                return None
            slot, low = path[-1]
            if all(node == low for _, node in path):
                return slot
            self._mend(slot)
        return None

    def _descend(self, now: float) -> list[tuple[int, float]]:
        """The lowest node under the lowest of the level above, for each level, leaf last;
        nothing where the lowest of all is later than *now*.
        """
        path: list[tuple[int, float]] = []
        index = 0
        for offset, count in reversed(self._layout.levels):
            nodes = self._nodes(offset, index)
            low = min(nodes)
            if not path and low > now:
                break
            index = min(index * _FAN + nodes.index(low), count - 1)
            path.append((index, low))
        return path

    def _mend(self, slot: int) -> None:
        """Recompute what stands over *slot*, where a process that was killed left it wrong."""
        index = slot
        for (below, _), (offset, _) in pairwise(self._layout.levels):
            index //= _FAN
            low = min(self._nodes(below, index))
            os.pwrite(self.fd, _EXPIRY.pack(low), offset + index * _EXPIRY.size)

    def _expiry(self, slot: int) -> float:
        return self._nodes(self._layout.levels[0][0], slot // _FAN)[slot % _FAN]

    def _nodes(self, offset: int, block: int) -> list[float]:
        return list(_NODE.unpack(os.pread(self.fd, _NODE.size, offset + block * _NODE.size)))

    # -- the clock --------------------------------------------------------------------------

    def next_occupied(self) -> int | None:
        """Move the hand to the next occupied slot and past it; ``None`` if there is none."""
        leaves, blocks = self._layout.levels[0][0], -(-self._top // _FAN)
        self.changed = True
        for _ in range(blocks and blocks + 1):
            block = self._hand // _FAN % blocks
            for index, expires in enumerate(self._nodes(leaves, block)):
                slot = block * _FAN + index
                if expires != FREE and self._hand <= slot < self._top:
                    self._hand = slot + 1
                    return slot
            self._hand = (block + 1) % blocks * _FAN
        return None
