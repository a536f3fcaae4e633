"""The ledger: which entries there are, which expires first, and where the clock's hand stands.

One file of slots, as many as entries are allowed, so that no miscount can exceed the limit. Over
the slots stands a tree of expiries (each node holds the lowest of 32 below it), so that the first
to expire is found at the same cost among five hundred and a million. It is opened and locked for
each change, and is only bookkeeping: where a slot and an entry's file disagree, the file is
right. Must not know what an entry holds, or where it is.

Read and written by system calls rather than mapped: a mapped file that somebody truncates kills
the process.
"""

from __future__ import annotations

import errno
import fcntl
import os
from array import array
from collections.abc import Iterable
from functools import cache
from itertools import islice, pairwise
from math import inf
from struct import Struct
from time import monotonic, sleep
from typing import Final, NamedTuple

__all__ = ["FREE", "LONGEST_PAUSE", "NAME_LENGTH", "Ledger", "size_of"]

#: The expiry of a free slot: after every other.
FREE: Final = inf
#: Hexadecimal digits of a file's name.
NAME_LENGTH: Final = 64
#: Seconds that somebody who waits for the lock sleeps at most before trying again.
LONGEST_PAUSE: Final = 0.002

_PAUSE: Final = 0.0001
_NEVER: Final = 1e300
_UNKNOWN: Final = 0.0
_MAGIC: Final = b"FCCledg1"
_HEAD: Final = Struct("<8s5Q")
_SLOT: Final = Struct("<32sQ")
_EXPIRY: Final = Struct("<d")
_FAN: Final = 32
_NODE: Final = Struct(f"<{_FAN}d")
_MENDS: Final = 8
_CHUNK: Final = 4096


class _Layout(NamedTuple):
    """Where the levels of the tree begin, leaves first, how many nodes each has; all bytes."""

    levels: tuple[tuple[int, int], ...]
    size: int


@cache
def _layout(capacity: int) -> _Layout:
    offset, count = _HEAD.size + capacity * _SLOT.size, capacity
    levels: list[tuple[int, int]] = []
    while True:
        levels.append((offset, count))
        blocks = -(-count // _FAN)
        offset += blocks * _NODE.size
        if blocks == 1:
            return _Layout(tuple(levels), offset)
        count = blocks


def size_of(capacity: int) -> int:
    """Bytes of a ledger with *capacity* slots."""
    return _layout(capacity).size


class Ledger:
    """The ledger, opened and locked. Every method may raise `OSError`.

    :param path: its file; created where its directory exists.
    :param mode: permission bits of a new file.
    :param patience: seconds to wait for the lock; then `TimeoutError`.
    """

    capacity: int
    """How many slots there are; 0 where the file is no ledger."""
    total: int
    """Bytes of all files."""
    _top: int
    _free: int
    _hand: int

    def __init__(self, path: str, mode: int, patience: float) -> None:
        self._fd = _opened(path, mode)
        try:
            _lock(self._fd, patience)
            self._load()
        except BaseException:
            os.close(self._fd)
            raise

    def _load(self) -> None:
        self._changed = False
        head = os.pread(self._fd, _HEAD.size, 0)
        magic, self.capacity, self._top, self._free, self._hand, self.total = (
            _HEAD.unpack(head) if len(head) == _HEAD.size else (b"", 0, 0, 0, 0, 0)
        )
        if magic != _MAGIC or not max(self._top, self._free) <= self.capacity < 1 << 32:
            self.capacity = 0
        if self.capacity:
            self._layout = _layout(self.capacity)
            if os.lseek(self._fd, 0, os.SEEK_END) != self._layout.size:
                self.capacity = 0

    @property
    def valid(self) -> bool:
        """Whether it can be used; if not, `reset` it."""
        return self.capacity > 0

    def close(self) -> None:
        """Write what changed and let the lock go."""
        try:
            if self._changed and self.valid:
                self._save()
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)  # a forked child may hold the descriptor as well
            os.close(self._fd)

    def reset(self, capacity: int, files: Iterable[tuple[str, int]]) -> None:
        """Begin anew with *capacity* slots and as many of *files* (name, bytes) as there is
        room for. The head is written last, so that one half done is done again.
        """
        self.capacity = 0
        os.ftruncate(self._fd, 0)
        self._layout = _layout(capacity)
        os.ftruncate(self._fd, self._layout.size)
        self.total = self._top = 0
        offset, files = _HEAD.size, iter(files)
        while chunk := list(islice(files, min(_CHUNK, capacity - self._top))):
            offset += os.pwrite(self._fd, b"".join(_slot(*file) for file in chunk), offset)
            self._top += len(chunk)
            self.total += sum(size for _, size in chunk)
        self._plant()
        self.capacity, self._free, self._hand = capacity, 0, 0
        self._save()

    def _plant(self) -> None:
        """Write the tree: the first slots hold files that nobody looked into, the rest is free."""
        taken = self._top
        for offset, count in self._layout.levels:
            padded = -(-count // _FAN) * _FAN
            nodes = array("d", (_UNKNOWN,)) * taken + array("d", (FREE,)) * (padded - taken)
            os.pwrite(self._fd, nodes.tobytes(), offset)
            taken = -(-taken // _FAN)

    def _save(self) -> None:
        head = _HEAD.pack(
            _MAGIC, self.capacity, self._top, self._free, self._hand % self.capacity, self.total
        )
        os.pwrite(self._fd, head, 0)
        self._changed = False

    # -- slots ------------------------------------------------------------------------------

    def holds(self, slot: int, name: str) -> bool:
        """Whether *slot* is that of the file called *name*."""
        return slot < self.capacity and self.slot(slot)[0] == name

    def slot(self, slot: int) -> tuple[str, int]:
        """The name and the bytes of the file in *slot*."""
        raw, size = _SLOT.unpack(os.pread(self._fd, _SLOT.size, _HEAD.size + slot * _SLOT.size))
        return raw.hex(), size

    def take(self) -> int | None:
        """A free slot, or ``None`` where all are occupied. `occupy` it before anything else."""
        if self._free:
            slot = self._free - 1
            self._free = self.slot(slot)[1]
            if self._free <= self.capacity and self._expiry(slot) == FREE:
                return slot
            self._free = 0  # no list of ours: its slots are lost until the next reset
        if self._top < self.capacity:
            self._top += 1
            return self._top - 1
        return None

    def occupy(self, slot: int, name: str, size: int, expires: float) -> None:
        """Give *slot* to the file called *name*."""
        self.total += size
        self._save()
        os.pwrite(self._fd, _slot(name, size), _HEAD.size + slot * _SLOT.size)
        self.expire(slot, expires)

    def resize(self, slot: int, name: str, size: int) -> None:
        """Note that the file in *slot* has *size* bytes now; 0 where it is gone."""
        before = self.slot(slot)[1]
        if before != size:
            os.pwrite(self._fd, _slot(name, size), _HEAD.size + slot * _SLOT.size)
            self.total = max(0, self.total + size - before)
            self._changed = True

    def vacate(self, slot: int) -> None:
        """The file in *slot* is gone, and the slot is free."""
        self.total = max(0, self.total - self.slot(slot)[1])
        os.pwrite(self._fd, _slot("", self._free), _HEAD.size + slot * _SLOT.size)
        self.expire(slot, FREE)
        self._free = slot + 1
        self._changed = True

    # -- the tree of expiries ---------------------------------------------------------------

    def expire(self, slot: int, expires: float) -> None:
        """Note when the file in *slot* expires. It may be noted earlier than it is."""
        index, low = slot, expires if expires == FREE else min(expires, _NEVER)
        for offset, _ in self._layout.levels:
            block = index // _FAN
            nodes = self._nodes(offset, block)
            before = min(nodes)
            nodes[index % _FAN] = low
            os.pwrite(self._fd, _EXPIRY.pack(low), offset + index * _EXPIRY.size)
            index, low = block, min(nodes)
            if low == before:
                return

    def earliest(self) -> tuple[int, float]:
        """The slot whose file expires first, and when."""
        slot, low = 0, FREE
        for _ in range(_MENDS):
            path = self._descend()
            slot, low = path[-1]
            if all(node == low for _, node in path):
                break
            self._mend(slot)
        return slot, low

    def _descend(self) -> list[tuple[int, float]]:
        """The lowest node under the lowest of the level above, for each level, leaf last."""
        path: list[tuple[int, float]] = []
        index = 0
        for offset, count in reversed(self._layout.levels):
            nodes = self._nodes(offset, index)
            low = min(nodes)
            index = min(index * _FAN + nodes.index(low), count - 1)
            path.append((index, low))
        return path

    def _mend(self, slot: int) -> None:
        """Recompute what stands over *slot*, which a process that was killed left behind."""
        index, levels = slot, self._layout.levels
        for (below, _), (offset, _) in pairwise(levels):
            index //= _FAN
            low = min(self._nodes(below, index))
            os.pwrite(self._fd, _EXPIRY.pack(low), offset + index * _EXPIRY.size)

    def _expiry(self, slot: int) -> float:
        return self._nodes(self._layout.levels[0][0], slot // _FAN)[slot % _FAN]

    def _nodes(self, offset: int, block: int) -> list[float]:
        return list(_NODE.unpack(os.pread(self._fd, _NODE.size, offset + block * _NODE.size)))

    # -- the clock --------------------------------------------------------------------------

    def next_occupied(self) -> int | None:
        """Move the hand to the next occupied slot and past it; ``None`` if there is none."""
        leaves, blocks = self._layout.levels[0][0], -(-self._top // _FAN)
        for _ in range(blocks and blocks + 1):
            block = self._hand // _FAN % blocks
            for index, expires in enumerate(self._nodes(leaves, block)):
                slot = block * _FAN + index
                if expires != FREE and self._hand <= slot < self._top:
                    self._hand = slot + 1
                    self._changed = True
                    return slot
            self._hand = (block + 1) % blocks * _FAN
        return None


def _slot(name: str, size: int) -> bytes:
    return _SLOT.pack(bytes.fromhex(name), size)


def _opened(path: str, mode: int) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        os.fchmod(fd, mode)
        return fd


def _lock(fd: int, patience: float) -> None:
    """Lock the file for this descriptor: against other processes and other threads alike."""
    deadline, pause = 0.0, _PAUSE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            deadline = deadline or monotonic() + patience
            if monotonic() >= deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"others kept its lock for {patience:g} seconds"
                ) from None
            sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            return
