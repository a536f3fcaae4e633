"""What one server holds of one prefix, and the generation that makes `clear` one write.

Every key carries the current generation, a token that the server keeps under a key of its own.
Replacing it puts all that was there out of reach. Tokens grow with time: the newer of two wins,
so that a server that comes back with an old one cannot bring back what was cleared. A token that
the server lost is replaced by a new one, never by the old. Must not know other servers.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Final, TypeVar

from .clients import Client
from .node import Node

T = TypeVar("T")

#: Seconds for which a process trusts the generation that it knows. Others must see a `clear`
#: within one second.
TRUSTED: Final = 0.9

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

    :param prefix: in front of every key; empty: no generation, keys are the addresses.
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
        """One round trip, also when the generation is due to be looked at."""
        head = self._known_head()
        keys = [head + address for address in addresses]
        if not self._prefix or monotonic() - self._checked < TRUSTED:
            found = self.node.run(lambda client: client.get_multi(keys))
        else:
            asked = [*keys, self._marker]
            found = self.node.run(lambda client: client.get_multi(asked))
            if not self._is_current(found.get(self._marker)):
                return self.read(addresses)
        return [found.get(key) for key in keys]

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
        named = _named(head, items)
        added = _named(head, versions)
        refused = self.node.run(lambda client: client.store(added, versions_expire, named, expire))
        return [key[len(head) :] for key in refused]

    def add(self, address: str, data: bytes, expire: int) -> bool:
        key = self._fresh_head() + address
        return self.node.run(lambda client: client.add(key, data, expire))

    def incr(self, address: str, delta: int) -> int | str | None:
        key = self._fresh_head() + address
        return self.node.run(lambda client: client.incr(key, delta))

    def gets(self, address: str) -> tuple[bytes, object] | None:
        key = self._fresh_head() + address
        return self.node.run(lambda client: client.gets(key))

    def cas(self, address: str, data: bytes, expire: int, token: object) -> bool:
        key = self._known_head() + address
        return self.node.run(lambda client: client.cas(key, data, expire, token))

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
        while True:
            head = self._known_head()
            result = self.node.run(partial(_in_generation, operation, head))
            if not self._prefix or self._is_current(self._stored_marker()):
                return result

    def _known_head(self) -> str:
        if self._prefix and not self._head:
            self._is_current(self._stored_marker())
        return self._head

    def _fresh_head(self) -> str:
        if self._prefix and monotonic() - self._checked >= TRUSTED:
            self._is_current(self._stored_marker())
        return self._head

    def _stored_marker(self) -> bytes | None:
        keys = [self._marker]
        return self.node.run(lambda client: client.get_multi(keys)).get(self._marker)

    def _is_current(self, stored: bytes | None) -> bool:
        """Learn from what the server has; whether that is what this process thought."""
        before = self._token
        if not before or stored is None or stored != before.encode():
            self._settle(_token(stored), stored)
        self._checked = monotonic()
        return self._token == before

    def _settle(self, stored: str, data: bytes | None) -> None:
        if stored > self._token:
            self._adopt(stored)
        elif data is None:
            self._replace_lost()
        else:
            self._repair()

    def _replace_lost(self) -> None:
        token = new_token(self._token)
        if self.node.run(lambda client: client.add(self._marker, token.encode(), 0)):
            self._adopt(token)
            return
        winner = _token(self._stored_marker())
        if winner > self._token:
            self._adopt(winner)
        else:
            self._repair()

    def _repair(self) -> None:
        """The server came back with an older generation, or with garbage: give it a new one."""
        found = self.node.run(lambda client: client.gets(self._marker))
        if found is None:
            return self._replace_lost()
        stored = _token(found[0])
        if stored and stored >= self._token:
            return self._adopt(stored)
        token = self._token or new_token()
        if self.node.run(lambda client: client.cas(self._marker, token.encode(), 0, found[1])):
            self._adopt(token)
        return None

    def _adopt(self, token: str) -> None:
        """Take *token*, unless another thread knows a newer one by now."""
        locked = self._adopting.acquire(timeout=0.05)  # a fork may have left it held for ever
        try:
            if token > self._token:
                self._token, self._head = token, f"{self._prefix}{token}:"
            self._checked = monotonic()
        finally:
            if locked:
                self._adopting.release()


def _named(head: str, items: Mapping[str, bytes]) -> dict[str, bytes]:
    return {head + address: data for address, data in items.items()}


def _write(client: Client, head: str, items: Mapping[str, bytes], expire: int) -> list[str]:
    refused = client.set_multi(_named(head, items), expire)
    return [key[len(head) :] for key in refused]


def _in_generation(operation: Callable[[Client, str], T], head: str, client: Client) -> T:
    return operation(client, head)
