"""Backends that are wrong in one way each, and the test of the kit that must catch it.

`test_contract.py` runs the kit on each; a normal test run does not collect this module.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from flask_cache_core.backend import ByteStore


class Memory:
    """What the stores of one test share: bytes and their end by address, and one lock."""

    def __init__(self) -> None:
        self.items: dict[str, tuple[bytes, float]] = {}
        self.lock = threading.RLock()


class TinyStore(ByteStore):
    """A right store of bytes, as small as can be: a dictionary with one lock."""

    shared = False
    atomic_add = True
    max_value_bytes = 200_000

    def __init__(self, memory: Memory, key_prefix: str) -> None:
        super().__init__(key_prefix=key_prefix)
        self.memory = memory

    def _peek(self, address: str) -> bytes | None:
        data, end = self.memory.items.get(address, (b"", -1.0))
        return data if end == 0 or end > time.monotonic() else None

    def _put(self, address: str, data: bytes, timeout: float) -> None:
        self.memory.items[address] = (data, time.monotonic() + timeout if timeout else 0)

    def _read(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        return [self._peek(address) for address in addresses]

    def _write(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        for address, data in items.items():
            self._put(address, data, timeout)
        return []

    def _add(self, address: str, data: bytes, timeout: float) -> bool:
        with self.memory.lock:
            return self._peek(address) is None and not self._write({address: data}, timeout)

    def _remove(self, addresses: Sequence[str]) -> Sequence[str]:
        there = [address for address in addresses if self._peek(address) is not None]
        for address in addresses:
            self.memory.items.pop(address, None)
        return there

    def _increment(self, address: str, delta: int, timeout: float) -> int | None:
        with self.memory.lock:
            held = self._peek(address)
            if held is None:
                self._put(address, b"%d" % delta, timeout)
                return delta
            if not held.removeprefix(b"-").isdigit():
                return None
            value = int(held) + delta
            self.memory.items[address] = (b"%d" % value, self.memory.items[address][1])
            return value

    def _clear(self) -> bool:
        for address in list(self.memory.items):
            if address.startswith(self.delimited_prefix):
                self.memory.items.pop(address, None)
        return True
