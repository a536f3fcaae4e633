"""What one server holds of one prefix, and the generation that makes `clear` one write.

Every key carries the current generation, a token that the server keeps under a key of its own,
the marker. Replacing it puts all that was there out of reach. Tokens grow with time: the newer
of two wins, so that a server that comes back with an old one cannot bring back what was cleared.
A token that the server lost is replaced by a new one, never by the old.

The marker is asked for at the end of every read, and has to come back: so a client library that
answers "not there" for a server that failed is never believed. Must not know other servers.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Final, TypeVar

from flask_cache_core.errors import BackendError

from .clients import Client
from .counting import AGAIN, Again, count
from .node import Node

T = TypeVar("T")

#: Seconds for which a process that writes trusts the generation that it knows. Others must see a
#: `clear` within one second.
TRUSTED: Final = 0.9

#: How often something is tried anew because others changed what it was based on. A counter may
#: have many who count: one of them gets through each time.
_ATTEMPTS: Final = 10
_COUNTS: Final = 1_000

#: Digits of a token: microseconds since the epoch, then chance; both in hexadecimal.
_TIME: Final = 14
TOKEN_LENGTH: Final = _TIME + 8


def new_token(after: str = "") -> str:
    """A token that is newer than *after*, whatever the clock says."""
    now = time.time_ns() // 1000
    least = int(after[:_TIME], 16) + 1 if after else 0
    return f"{max(now, least):0{_TIME}x}{secrets.token_hex(4)}"


def _token(stored: bytes | None) -> str:
    """The token in *stored*; the oldest possible where that is none."""
    if stored is not None and len(stored) == TOKEN_LENGTH:
        text = stored.decode("latin-1")
        if all(digit in "0123456789abcdef" for digit in text):
            return text
    return ""


class Share:
    """Reads and writes addresses of one prefix on one server.

    :param prefix: in front of every key; empty: keys are the addresses, whatever the generation.
    :param marker: where the server keeps the generation.
    :ivar outdated: what is there may be older than what was written elsewhere meanwhile.
    """

    def __init__(self, node: Node, prefix: str, marker: str, *, outdated: bool = False) -> None:
        self.node = node
        self.outdated = outdated
        self._prefix = prefix
        self._marker = marker
        self._token = ""
        self._head = ""
        self._checked = float("-inf")
        self._adopting = threading.Lock()

    # -- the primitives -------------------------------------------------------------------

    def read(self, addresses: Sequence[str]) -> list[bytes | None]:
        """One round trip, unless the generation turns out to have changed.

        Where it has not, the answer was cut off: a connection may be closed once.
        """
        cut_off = False
        for _ in range(_ATTEMPTS):
            head = self._known_head()
            keys = [head + address for address in addresses]
            found = self.node.run(partial(_get_multi, [*keys, self._marker]))
            if self._confirmed(head, found.get(self._marker)):
                return [found.get(key) for key in keys]
            if cut_off:
                raise BackendError(
                    f"memcached at {self.node.name} answers a part of what it should"
                )
            cut_off = self._head == head
        raise self._never_settles()

    def write(self, items: Mapping[str, bytes], expire: int) -> list[str]:
        return self._surely(lambda client, head: _write(client, head, items, expire))

    def remove(self, addresses: Sequence[str]) -> list[str]:
        return self._surely(lambda client, head: [a for a in addresses if client.delete(head + a)])

    def store(
        self,
        items: Mapping[str, bytes],
        expire: int,
        versions: Mapping[str, bytes],
        versions_expire: int,
    ) -> list[str]:
        """Belongs to the generation in which it was read: no look at the current one."""
        head = self._known_head()
        added, named = _named(head, versions), _named(head, items)
        refused = self.node.run(lambda client: client.store(added, versions_expire, named, expire))
        return [key[len(head) :] for key in refused]

    def add(self, address: str, data: bytes, expire: int) -> bool:
        """One at most is told that it was the first, also where an answer got lost.

        Where a connection turned out to be closed, the server may have been restarted, and have
        lost its generation: what was added to the old one would not be found.
        """
        for _ in range(_ATTEMPTS):
            replaced, head = self.node.replaced, self._fresh_head()
            added = self.node.run(partial(_add, head + address, data, expire))
            if self.node.replaced == replaced or self._is_current(head):
                return added
        raise self._never_settles()

    def swap(self, address: str, expected: bytes, data: bytes, expire: int) -> bool:
        """Replace *expected* by *data*; whether it was there."""
        for _ in range(_ATTEMPTS):
            key = self._fresh_head() + address
            swapped = self.node.run_once(
                partial(_gets, key), partial(_swap, key, expected, data, expire)
            )
            if not isinstance(swapped, Again):
                return swapped
            if self.read([address])[0] is None:
                return False
        raise self._never_settles()

    def count(self, address: str, delta: int, expire: int) -> int | None:
        """Add *delta* exactly once; the new value, ``None`` where there is no number."""
        for _ in range(_COUNTS):
            head = self._known_head()
            keys = [head + address, self._marker]
            marker, counted = self.node.run_once(
                partial(_get_multi, keys), partial(self._count, head, address, delta, expire)
            )
            if not isinstance(counted, Again):
                return counted
            self._confirmed(head, marker)
        raise self._never_settles()

    def _count(
        self,
        head: str,
        address: str,
        delta: int,
        expire: int,
        client: Client,
        found: Mapping[str, bytes],
    ) -> tuple[bytes | None, int | Again | None]:
        """Nothing is written unless the marker came back: the connection is open, then."""
        marker = found.get(self._marker)
        key = head + address
        if marker is None or self._head_of(_token(marker)) != head:
            return marker, AGAIN
        return marker, count(client, key, found.get(key), delta, expire)

    # -- the generation -------------------------------------------------------------------

    def start_over(self) -> None:
        """Put all that is there out of reach, for this process at once."""
        if self._prefix:
            self._known_head()
            token = new_token(self._token)
            marker = {self._marker: token.encode()}
            self.node.run(lambda client: client.set_multi(marker, 0))
            self._adopt(token)
        self.outdated = False

    def _surely(self, operation: Callable[[Client, str], T]) -> T:
        """Write, and write again if the generation turns out to have changed before.

        Else an invalidation would be lost to those who know the new one already.
        """
        for _ in range(_ATTEMPTS):
            head = self._known_head()
            result = self.node.run(partial(_in_generation, operation, head))
            if not self._prefix or self._is_current(head):
                return result
        raise self._never_settles()

    def _is_current(self, head: str) -> bool:
        """Whether *head* is the one that the server and this process agree on."""
        return self._confirmed(head, self._stored_marker()) or self._head == head

    def _known_head(self) -> str:
        if not self._token:
            self._confirmed("", self._stored_marker())
        return self._head

    def _fresh_head(self) -> str:
        if self._prefix and monotonic() - self._checked >= TRUSTED:
            self._confirmed(self._head, self._stored_marker())
        return self._head

    def _stored_marker(self) -> bytes | None:
        return self.node.run(partial(_get_multi, [self._marker])).get(self._marker)

    def _head_of(self, token: str) -> str:
        return f"{self._prefix}{token}:" if self._prefix else ""

    def _confirmed(self, head: str, stored: bytes | None) -> bool:
        """Whether *head* is of the generation in *stored*. If not, agree with the server on one.

        ``None`` is no answer: it takes an `add` to know that the server lost its marker.
        """
        token = _token(stored)
        if token and self._head_of(token) == head:
            self._checked = monotonic()
            return True
        self._settle(stored)
        return False

    def _settle(self, stored: bytes | None) -> None:
        """Take a newer generation from the server, or give it the one that it lacks."""
        for _ in range(_ATTEMPTS):
            token = _token(stored)
            if token and token >= self._token:
                return self._adopt(token)
            token = new_token(self._token) if stored is None else self._token or new_token()
            if self._gave(token, stored):
                return self._adopt(token)
            stored = self._stored_marker()
        raise self._never_settles()

    def _gave(self, token: str, stored: bytes | None) -> bool:
        """Write *token* in place of *stored*; whether that was still there."""
        data = token.encode()
        if stored is None:
            return self.node.run(lambda client: client.add(self._marker, data, 0))
        found = self.node.run(partial(_gets, self._marker))
        if found is None or found[0] != stored:
            return False
        return self.node.run(lambda client: client.cas(self._marker, data, 0, found[1]))

    def _adopt(self, token: str) -> None:
        """Take *token*, unless another thread knows a newer one by now."""
        locked = self._adopting.acquire(timeout=0.05)  # a fork may have left it held for ever
        try:
            if token > self._token:
                self._token, self._head = token, self._head_of(token)
            self._checked = monotonic()
        finally:
            if locked:
                self._adopting.release()

    def _never_settles(self) -> BackendError:
        return BackendError(
            f"memcached at {self.node.name}: others change {self._marker!r}, or what is to be "
            "written, again and again"
        )


def _named(head: str, items: Mapping[str, bytes]) -> dict[str, bytes]:
    return {head + address: data for address, data in items.items()}


def _get_multi(keys: Sequence[str], client: Client) -> Mapping[str, bytes]:
    return client.get_multi(keys)


def _gets(key: str, client: Client) -> tuple[bytes, object] | None:
    return client.gets(key)


def _add(key: str, data: bytes, expire: int, client: Client) -> bool:
    return client.add(key, data, expire)


def _write(client: Client, head: str, items: Mapping[str, bytes], expire: int) -> list[str]:
    refused = client.set_multi(_named(head, items), expire)
    return [key[len(head) :] for key in refused]


def _in_generation(operation: Callable[[Client, str], T], head: str, client: Client) -> T:
    return operation(client, head)


def _swap(
    key: str,
    expected: bytes,
    data: bytes,
    expire: int,
    client: Client,
    found: tuple[bytes, object] | None,
) -> bool | Again:
    if found is None:  # or the server failed
        return AGAIN
    return found[0] == expected and client.cas(key, data, expire, found[1])
