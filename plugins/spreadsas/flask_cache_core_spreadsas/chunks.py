"""A large value ↔ a head and its chunks. Pure: knows no server.

Each write has a random id, which is in its head and in the addresses of its chunks: chunks of
two writes can never be taken for one value.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Self

#: Begins a head. No encoded value begins so.
_MARK: Final = b"S"
_LAYOUT: Final = struct.Struct(">c16sIQ")


class Head(NamedTuple):
    """What is stored at the address of a value that was spread."""

    write: bytes
    chunks: int
    size: int
    """Bytes of the value."""

    @classmethod
    def of(cls, size: int, chunksize: int) -> Self:
        """The head of a new write of *size* bytes."""
        return cls(secrets.token_bytes(16), -(-size // chunksize), size)

    @classmethod
    def parse(cls, data: bytes | None) -> Self | None:
        """The head in *data*, or ``None`` where that is nothing or a value."""
        if data is None or len(data) != _LAYOUT.size or not data.startswith(_MARK):
            return None
        return cls(*_LAYOUT.unpack(data)[1:])

    def pack(self) -> bytes:
        return _LAYOUT.pack(_MARK, *self)

    def addresses(self) -> list[str]:
        """Those of its chunks; no key has such an address."""
        return [f"#{self.write.hex()}.{number}" for number in range(self.chunks)]

    def split(self, data: bytes, chunksize: int) -> Iterator[tuple[str, bytes]]:
        for number, address in enumerate(self.addresses()):
            yield address, data[number * chunksize : (number + 1) * chunksize]

    def joined(self, chunks: Sequence[bytes | None]) -> bytes | None:
        """The value; ``None`` where a chunk is missing."""
        data = b"".join(chunk for chunk in chunks if chunk is not None)
        return data if len(data) == self.size and None not in chunks else None
