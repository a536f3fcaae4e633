"""One entry as bytes. Pure: knows no file, no lock and no other entry.

Layout, little-endian: magic, "used" mark (1 byte), whether the rest is in a file of its own,
CRC-32, length of the address, moment of expiry, length of the data; then address and data. The
checksum covers all that follows it, so that torn or foreign bytes are never taken for a value; the
address tells keys apart whose digests collide.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

_MAGIC: Final = b"FCC1"
_HEAD: Final = Struct("<4s??xxIIdQ")
_FRONT: Final = Struct("<4s??xxI")
_CHECKED: Final = Struct("<IdQ")

#: Bytes before the address.
HEAD_SIZE: Final = _HEAD.size
#: Where the "used" mark is.
USED_AT: Final = 4


class Head(NamedTuple):
    """What the first `HEAD_SIZE` bytes say."""

    used: bool
    """Whether it was read or replaced since the clock's hand passed."""
    apart: bool
    """Whether address and data are in a file of their own."""
    checksum: int
    address_length: int
    expires: float
    """Seconds since the epoch; ``inf`` for never."""
    data_length: int

    @property
    def rest(self) -> int:
        """Bytes of address and data."""
        return self.address_length + self.data_length


def head(blob: bytes) -> Head | None:
    """The head that *blob* begins with, not verified; ``None`` if it begins with none."""
    if len(blob) < HEAD_SIZE:
        return None
    magic, *fields = _HEAD.unpack_from(blob)
    return Head._make(fields) if magic == _MAGIC else None


def pack(address: bytes, data: bytes, expires: float, *, used: bool, apart: bool) -> bytes:
    """An entry, head first."""
    checked = b"".join((_CHECKED.pack(len(address), expires, len(data)), address, data))
    return _FRONT.pack(_MAGIC, used, apart, crc32(checked)) + checked


def content(whole: bytes, found: Head) -> tuple[bytes, bytes] | None:
    """The address and the data of an entry; ``None`` where they are not what was written."""
    start, end = HEAD_SIZE + found.address_length, HEAD_SIZE + found.rest
    if len(whole) < end or crc32(whole[_FRONT.size : end]) != found.checksum:
        return None
    return whole[HEAD_SIZE:start], whole[start:end]
