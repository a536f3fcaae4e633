"""Consistent hashing: which server keeps a key, and which ones stand in for it, in order.

The ketama scheme: 160 points for each server and unit of weight, from MD5, on a ring of 2**32.
When a server goes, only its own keys move. Knows neither connections nor which server is alive.
"""

from __future__ import annotations

import hashlib
import struct
from bisect import bisect
from collections.abc import Iterator, Sequence
from typing import Final

from .servers import Server

_DIGESTS: Final = 40


class Ring:
    """The points of *servers*. Servers are known by their index."""

    def __init__(self, servers: Sequence[Server]) -> None:
        points = sorted(
            (point, index)
            for index, server in enumerate(servers)
            for number in range(_DIGESTS * server.weight)
            for point in struct.unpack("<4I", _md5(f"{server.name}-{number}"))
        )
        self._points = [point for point, _ in points]
        self._owners = [index for _, index in points]

    def owner(self, address: str) -> int:
        return self._owners[self._start(address)]

    def candidates(self, address: str) -> Iterator[int]:
        """Every server once: the owner of *address*, then those that stand in for it."""
        start = self._start(address)
        seen: set[int] = set()
        for index in self._owners[start:] + self._owners[:start]:
            if index not in seen:
                seen.add(index)
                yield index

    def _start(self, address: str) -> int:
        point: int = struct.unpack_from("<I", _md5(address))[0]
        return bisect(self._points, point) % len(self._points)


def _md5(text: str) -> bytes:
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()
