"""Several servers as one: who keeps what, and who stands in for a server that is dead.

A key belongs to its owner on the ring; while that one is dead, to the next one alive. What a
server holds for another, and what it held before it was dead, was written behind the back of
whoever writes now: a share that changes hands starts over. Must not know values or timeouts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Final, TypeVar

from flask_cache_core.errors import BackendError

from .node import Node
from .ring import Ring
from .servers import Server
from .share import Share

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: Where the marker is if there is no prefix: apart from the keys of the app.
_CANARY: Final = "flask-cache-core"


class Cluster:
    """The shares of one prefix on *nodes*.

    :param retry_after: seconds that a dead server is left alone.
    """

    def __init__(
        self, servers: Sequence[Server], nodes: Sequence[Node], prefix: str, retry_after: float
    ) -> None:
        self._nodes = nodes
        self._prefix = prefix
        self._retry_after = retry_after
        self._ring = Ring(servers) if len(nodes) > 1 else None
        self._dead_until: dict[int, float] = {}
        self._shares = {(index, index): self._share(index, index) for index in range(len(nodes))}
        self._only = self._shares[0, 0] if self._ring is None else None

    def _share(self, owner: int, host: int) -> Share:
        standing_in = "" if owner == host else f"~{self._nodes[owner].name}"
        marker = f"{self._prefix or _CANARY}~generation{standing_in}"
        return Share(self._nodes[host], self._prefix, marker, outdated=owner != host)

    def one(self, address: str, operation: Callable[[Share], T]) -> T:
        """Run *operation* on the share of *address*."""
        if self._only is not None:
            return operation(self._only)
        return self.each([address], lambda share, _: operation(share))[0]

    def owner(self, address: str, operation: Callable[[Share], T]) -> T:
        """Run *operation* on the server that *address* belongs to: no other one stands in for it.

        Raise `BackendError` where that server is dead.
        """
        if self._ring is None:
            return self.one(address, operation)
        owner = self._ring.owner(address)
        if self._is_left_alone(owner):
            raise self._failed_lately(owner)
        try:
            return operation(self._ready(owner, owner))
        except BackendError as error:
            self._bury(owner, error, quiet=True)
            raise

    def each(
        self, addresses: Sequence[str], operation: Callable[[Share, Sequence[str]], T]
    ) -> list[T]:
        """Run *operation* once for each share that keeps some of *addresses*; all results.

        Where a server fails, those that stand in for it do its part. Raises `BackendError` when
        none is left.
        """
        if self._only is not None:
            return [operation(self._only, addresses)]
        results: list[T] = []
        pending = addresses
        while pending:
            pending, batches = [], self._grouped(pending)
            for (owner, host), part in batches.items():
                try:
                    results.append(operation(self._ready(owner, host), part))
                except BackendError as error:
                    self._bury(host, error)
                    pending += part
        return results

    def read(self, addresses: Sequence[str]) -> list[bytes | None]:
        if self._only is not None:
            return self._only.read(addresses)
        found: dict[str, bytes | None] = {}
        for part in self.each(
            addresses, lambda share, some: dict(zip(some, share.read(some), strict=True))
        ):
            found.update(part)
        return [found[address] for address in addresses]

    def start_over(self) -> bool:
        """`Share.start_over` everywhere; whether every server could be told."""
        if self._only is not None:
            self._only.start_over()
            return True
        told = [self._start_over(owner) for owner in range(len(self._nodes))]
        return all(told)

    def flush_all(self) -> bool:
        for node in self._nodes:
            node.run(lambda client: client.flush_all())
        return True

    # -- who is alive ---------------------------------------------------------------------

    def _start_over(self, owner: int) -> bool:
        """Also what others hold for it, for those who think that it is dead."""
        told = False
        for host in (owner, *(index for index in range(len(self._nodes)) if index != owner)):
            stands_in = (owner, host) in self._shares or owner in self._dead_until
            if self._is_left_alone(host) or not stands_in:
                continue
            try:
                self._at(owner, host).start_over()
                told = told or host == owner
            except BackendError as error:
                self._bury(host, error, quiet=True)
        return told

    def _grouped(self, addresses: Sequence[str]) -> Mapping[tuple[int, int], list[str]]:
        batches: dict[tuple[int, int], list[str]] = {}
        for address in addresses:
            batches.setdefault(self._keeper(address), []).append(address)
        return batches

    def _keeper(self, address: str) -> tuple[int, int]:
        """Owner and host; a dead server is tried again by one caller when its time is over."""
        assert self._ring is not None  # one server needs no ring
        if not self._dead_until:
            owner = self._ring.owner(address)
            return owner, owner
        order = self._ring.candidates(address)
        owner = next(order)
        for host in (owner, *order):
            if not self._is_left_alone(host):
                return owner, host
        raise BackendError(
            "no memcached server answers: " + ", ".join(node.name for node in self._nodes)
        )

    def _is_left_alone(self, host: int) -> bool:
        return self._dead_until.get(host, 0) > monotonic()

    def _failed_lately(self, host: int) -> BackendError:
        return BackendError(f"memcached at {self._nodes[host].name} failed a moment ago")

    def _ready(self, owner: int, host: int) -> Share:
        share = self._at(owner, host)
        if self._is_left_alone(host):
            raise self._failed_lately(host)
        if host in self._dead_until:
            self._dead_until[host] = monotonic() + self._retry_after
            share.start_over()
            self._dead_until.pop(host, None)
            logger.warning("memcached at %s answers again.", self._nodes[host].name)
        elif share.outdated:
            share.start_over()
        return share

    def _at(self, owner: int, host: int) -> Share:
        share = self._shares.get((owner, host))
        if share is None:
            share = self._shares.setdefault((owner, host), self._share(owner, host))
        return share

    def _bury(self, host: int, error: BackendError, *, quiet: bool = False) -> None:
        """Leave a server alone. Raises *error* when it was the last one."""
        first = host not in self._dead_until
        self._dead_until[host] = monotonic() + self._retry_after
        for keeper, share in list(self._shares.items()):
            if host in keeper or keeper[0] != keeper[1]:
                share.outdated = True
        if first:
            logger.warning("%s. The other servers stand in for it.", error)
        if not quiet and len(self._dead_until) == len(self._nodes):
            raise error
