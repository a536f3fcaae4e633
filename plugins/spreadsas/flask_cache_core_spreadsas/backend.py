"""`SpreadSASLMemcachedCache`: values larger than what memcached takes as one item.

A value up to ``chunksize`` is stored as any other. A larger one is a head at its own address,
and chunks at addresses that only the head names. What is spread here is bytes: values, servers
and credentials are the business of the classes below.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from flask_cache_core_saslmemcached import SASLMemcachedCache

from flask_cache_core.backend import Batch
from flask_cache_core.errors import ConfigError, ValueTooLargeError, warn
from flask_cache_core.typing import Timeout

from .chunks import Head

#: Heads that a process remembers, to delete the chunks of what it replaces.
_REMEMBERED: Final = 10_000

#: More chunks than this are no head of ours.
_MOST_CHUNKS: Final = 100_000


class SpreadSASLMemcachedCache(SASLMemcachedCache):
    """memcached with SASL, for values of many megabytes.

    :param chunksize: bytes of a value that go into one item; below the server's item limit.
    :param maxchunk: chunks that one value may have; a larger one raises `ValueTooLargeError`.

    Everything else is as in `SASLMemcachedCache`; ``max_value_bytes`` is the limit of one item.
    """

    def __init__(
        self,
        servers: object = None,
        *,
        chunksize: int = 999_448,
        maxchunk: int = 32,
        **options: Any,
    ) -> None:
        super().__init__(servers, **options)
        self._item_bytes = self.max_value_bytes or chunksize
        self.max_value_bytes = None
        for name, value, most in (
            ("chunksize", chunksize, self._item_bytes),
            ("maxchunk", maxchunk, _MOST_CHUNKS),
        ):
            if not isinstance(value, int) or not 0 < value <= most:
                raise ConfigError(f"CACHE_OPTIONS[{name!r}] must be 1 to {most}, not {value!r}.")
        self.chunksize = chunksize
        self.maxchunk = maxchunk
        self._heads: OrderedDict[str, Head] = OrderedDict()
        self._told = False

    # -- the cache API --------------------------------------------------------------------

    def get(self, key: str, chunk: bool = True) -> Any:
        """With ``chunk=False``, only what is stored in one item is found."""
        if chunk:
            return super().get(key)
        data = super().read_bytes([self.address(key)])[0]
        return None if data is None or self._head(data) else self.decode(key, data)

    def set(self, key: str, value: Any, timeout: Timeout | None = None, chunk: bool = True) -> bool:
        """With ``chunk=False``, what does not fit into one item is refused, not spread."""
        if chunk:
            return super().set(key, value, timeout)
        seconds = self.seconds(timeout)
        address, data = self.address(key), self.codec.encode(key, value)
        if len(data) > self._item_bytes:
            self.rejected += 1
            self.remove_bytes([address])
            return False
        return not self._replace({address: data}, {}, seconds)

    # -- primitives -----------------------------------------------------------------------

    def read_bytes(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        """One round trip; a second one where values were spread."""
        found = list(super().read_bytes(addresses))
        heads = {
            position: head
            for position, data in enumerate(found)
            if data and (head := self._head(data))
        }
        if not heads:
            return found
        wanted = _chunks(heads.values())
        chunks = dict(zip(wanted, super().read_bytes(wanted), strict=True))
        for position, head in heads.items():
            address, stored = addresses[position], found[position]
            self._remember(address, head)
            found[position] = head.joined([chunks[each] for each in head.addresses()])
            if found[position] is None and stored is not None:
                self._drop(address, stored, head)
        return found

    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        spread, owners = self._spread(items)
        return self._replace(spread, owners, timeout)

    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        spread, _ = self._spread({address: data})
        head = spread.pop(address)
        if spread and super().write_bytes(spread, timeout):
            return False
        if super().add_bytes(address, head, timeout):
            return True
        if spread:
            super().remove_bytes(list(spread))
        return False

    def remove_bytes(self, addresses: Sequence[str]) -> Sequence[str]:
        heads = self._stored_heads(addresses)
        removed = super().remove_bytes(addresses)
        self._forget_chunks(heads)
        return removed

    def write_batch(self, batch: Batch[bytes]) -> Sequence[str]:
        """What it replaces was read by this process a moment ago: no look at what is there."""
        replaced = {
            address: self._heads[address] for address in batch.items if address in self._heads
        }
        spread, owners = self._spread(batch.items)
        refused = super().write_batch(batch._replace(items=spread))
        self._forget_chunks(replaced)
        for address in set(owners.values()):
            self._remember(address, self._head(spread[address]))
        return self._owners(refused, owners)

    def _replace(
        self, spread: Mapping[str, bytes], owners: Mapping[str, str], timeout: float
    ) -> Sequence[str]:
        """Write, and delete the chunks of what was there before."""
        heads = self._stored_heads([address for address in spread if address not in owners])
        refused = super().write_bytes(spread, timeout)
        self._forget_chunks(heads)
        return self._owners(refused, owners)

    # -- heads and chunks -----------------------------------------------------------------

    def _spread(self, items: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, str]]:
        """What to store, chunks before heads, and whose each chunk is."""
        for address, data in items.items():
            if len(data) > self.chunksize * self.maxchunk:
                self._refuse(address, len(data))
        spread: dict[str, bytes] = {}
        owners: dict[str, str] = {}
        for address, data in items.items():
            if len(data) <= self.chunksize:
                spread[address] = data
                continue
            head = Head.of(len(data), self.chunksize)
            for each, chunk in head.split(data, self.chunksize):
                spread[each] = chunk
                owners[each] = address
            spread[address] = head.pack()
        return spread, owners

    def _refuse(self, address: str, size: int) -> None:
        """Raise; what was stored before must not pass for the new value."""
        self.rejected += 1
        self.remove_bytes([address])
        raise ValueTooLargeError(
            f"A value of {size} bytes takes more than maxchunk={self.maxchunk} chunks of "
            f"chunksize={self.chunksize} bytes and was not stored. Raise them in CACHE_OPTIONS, "
            "set CACHE_COMPRESSION, or cache less."
        )

    def _refused(self, items: Mapping[str, bytes], refused: Sequence[str]) -> Sequence[str]:
        """The server takes less than a chunk."""
        if refused:
            self.rejected += 1
        if refused and not self._told:
            self._told = True
            warn(
                f"{self.where()} refused an item of {len(items[refused[0]])} bytes. Set "
                "CACHE_OPTIONS['chunksize'] below its item limit (memcached -I)."
            )
        return refused

    def _owners(self, refused: Sequence[str], owners: Mapping[str, str]) -> list[str]:
        """The addresses of values of which anything was refused; nothing is left of them."""
        lost = list(dict.fromkeys(owners.get(address, address) for address in refused))
        if lost:
            self.remove_bytes(lost)
        return lost

    def _head(self, data: bytes | None) -> Head | None:
        head = Head.parse(data)
        return head if head is not None and head.chunks <= _MOST_CHUNKS else None

    def _stored_heads(self, addresses: Sequence[str]) -> dict[str, Head]:
        found = zip(addresses, super().read_bytes(addresses), strict=True)
        return {address: head for address, data in found if (head := self._head(data))}

    def _drop(self, address: str, stored: bytes, head: Head) -> None:
        """A chunk is gone: nobody can read the rest, and `add` must not find it there."""
        if self.remove_bytes_if(address, stored):
            self._forget_chunks({address: head})

    def _forget_chunks(self, heads: Mapping[str, Head]) -> None:
        for address in heads:
            self._heads.pop(address, None)
        if heads:
            super().remove_bytes(_chunks(heads.values()))

    def _remember(self, address: str, head: Head | None) -> None:
        if head is not None:
            self._heads[address] = head
        while len(self._heads) > _REMEMBERED:
            self._heads.popitem(last=False)


def _chunks(heads: Iterable[Head]) -> list[str]:
    return [address for head in heads for address in head.addresses()]
