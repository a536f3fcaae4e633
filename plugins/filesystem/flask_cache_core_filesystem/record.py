"""One entry as the bytes of its file. Pure: knows no directory, no lock and no other entry.

Layout, little-endian: magic, "used" mark (1 byte), CRC-32, slot in the ledger, length of the
address, moment of expiry, length of the data; then the address and the data. The checksum covers
all but the mark and the slot, which change without the value: a torn or foreign file is never
taken for a value. The address tells a file whose name collides with another's.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

_MAGIC: Final = b"FCC1"
_HEAD: Final = Struct("<4sBxxxIIIdQ")
_CHECKED: Final = Struct("<IdQ")
_SLOT: Final = Struct("<I")
_SLOT_AT: Final = 12

#: Bytes before the address.
HEAD_SIZE: Final = _HEAD.size
#: Where the "used" mark is.
USED_AT: Final = 4


class Head(NamedTuple):
    """What the first `HEAD_SIZE` bytes say."""

    used: bool
    """Whether it was read or replaced since the clock's hand passed."""
    checksum: int
    slot: int
    address_length: int
    expires: float
    """Seconds since the epoch; ``inf`` for never."""
    data_length: int

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return HEAD_SIZE + self.address_length + self.data_length


def head(blob: bytes) -> Head | None:
    """The head of an entry's file, not verified; ``None`` if *blob* is no entry."""
    if len(blob) < HEAD_SIZE:
        return None
    magic, used, *rest = _HEAD.unpack_from(blob)
    return Head(used != 0, *rest) if magic == _MAGIC else None


def pack(address: bytes, data: bytes, expires: float, slot: int, *, used: bool) -> bytes:
    """The bytes of an entry's file."""
    checksum = _checksum(address, data, expires)
    return b"".join(
        (_HEAD.pack(_MAGIC, used, checksum, slot, len(address), expires, len(data)), address, data)
    )


def content(blob: bytes, found: Head) -> tuple[bytes, bytes] | None:
    """The address and the data in *blob*; ``None`` where they are not what was written."""
    start = HEAD_SIZE + found.address_length
    address, data = blob[HEAD_SIZE:start], blob[start : start + found.data_length]
    if len(data) != found.data_length or _checksum(address, data, found.expires) != found.checksum:
        return None
    return address, data


def slot_patch(slot: int) -> tuple[bytes, int]:
    """The bytes that give a file another slot, and where they go."""
    return _SLOT.pack(slot), _SLOT_AT


def _checksum(address: bytes, data: bytes, expires: float) -> int:
    return crc32(data, crc32(address, crc32(_CHECKED.pack(len(address), expires, len(data)))))
