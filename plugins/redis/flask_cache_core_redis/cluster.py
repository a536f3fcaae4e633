"""Commands to the nodes of a Redis Cluster that own their keys.

One round trip takes any number of commands: all nodes get their share before any reply is read.
MOVED and ASK are followed; a node that fails is an error at once, and the owners are looked up
anew before the next commands. Must not know settings, values, or what the commands are for.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Final, NamedTuple

from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - redis-py's own, on purpose
    MovedError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004
)

from .connections import Address, Connections, Recipe
from .wire import Command, exchange, receive, send

_SLOTS: Final = 16384
_HOPS: Final = 5
_PAUSE: Final = 1.0
_ASKING: Final[Command] = ("ASKING",)
#: How a node says that it does not know its own name.
_UNNAMED: Final = (None, b"", b"?")


class Target(NamedTuple):
    """A node to ask for one command."""

    address: Address
    asking: bool = False


class Topology:
    """Who owns which slot, and the connections to each node. Learns when it is first used.

    It has no lock, which a fork could leave locked for ever: threads that learn at the same
    time learn the same.

    :param template: the credentials and limits for all nodes.
    :param seeds: nodes to ask for the others.
    :param patience: seconds after which no further node is asked.
    """

    def __init__(self, template: Recipe, seeds: Iterable[Address], patience: float) -> None:
        self._template = template
        self._patience = patience
        self._known = list(seeds)
        self._owners: list[Address | None] = []
        self._nodes: dict[Address, Connections] = {}
        self._asked = 0.0
        self.stale = False

    def prepare(self) -> None:
        """Learn the owners at first, and again after an error, but not in a storm."""
        if not self._owners:
            self.refresh()
        elif self.stale and time.monotonic() - self._asked > _PAUSE:
            with suppress(RedisError):  # what is known may do for these keys
                self.refresh()

    def refresh(self) -> None:
        """Ask one node after the other until one answers; those that fail come last next time."""
        self._asked = time.monotonic()
        failure: RedisError = ConnectionError("no node is known")
        for address in list(self._known):
            try:
                self._learn(address)
            except RedisError as error:
                failure = error
                self._known = [*(node for node in self._known if node != address), address]
            else:
                return
            if time.monotonic() - self._asked > self._patience:
                break
        raise failure

    def _learn(self, asked: Address) -> None:
        reply = exchange(self.node(asked), [("CLUSTER", "SLOTS")])[0]
        if isinstance(reply, RedisError):
            raise reply
        owners: list[Address | None] = [None] * _SLOTS
        for first, last, primary, *_ in reply:
            host = asked[0] if primary[0] in _UNNAMED else primary[0].decode()
            owners[first : last + 1] = [(host, primary[1])] * (last + 1 - first)
        found = [owner for owner in dict.fromkeys(owners) if owner is not None]
        self._known = list(dict.fromkeys([*found, *self._known]))
        self._owners = owners
        self.stale = False

    def owner(self, slot: int) -> Address:
        owner = self._owners[slot]
        if owner is None:
            self.stale = True
            raise ConnectionError(f"no node owns slot {slot}")
        return owner

    def move(self, slot: int, address: Address) -> None:
        self._owners[slot] = address
        self.stale = True

    def node(self, address: Address) -> Connections:
        node = self._nodes.get(address)
        if node is None:
            node = self._nodes.setdefault(address, Connections(self._template.at(address)))
        return node

    def primaries(self) -> list[Connections]:
        self.refresh()
        return [self.node(owner) for owner in dict.fromkeys(self._owners) if owner is not None]


class Cluster:
    """`Nodes` over a `Topology`."""

    multi_key = False

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    def run(self, commands: Sequence[Command]) -> list[Any]:
        self._topology.prepare()
        slots = [_slot(command) for command in commands]
        replies: dict[int, Any] = {}
        pending = {n: Target(self._topology.owner(slot)) for n, slot in enumerate(slots)}
        for _ in range(_HOPS):
            found = self._run_once(commands, pending)
            replies.update(found)
            pending = self._redirected(found, pending, slots)
            if not pending:
                break
        return [replies[n] for n in range(len(commands))]

    def primaries(self) -> Sequence[Connections]:
        return self._topology.primaries()

    def layout(self) -> object:
        own: list[bytes] = []
        for node in self.primaries():
            reply = exchange(node, [("CLUSTER", "NODES")])[0]
            if isinstance(reply, RedisError):
                raise reply
            own += [line for line in reply.splitlines() if b"myself" in line]
        slots = sorted(b" ".join([line.split()[0], *line.split()[8:]]) for line in own)
        return None if b"[" in b"".join(slots) else slots

    def _run_once(
        self, commands: Sequence[Command], targets: Mapping[int, Target]
    ) -> dict[int, Any]:
        shares: dict[Address, list[int]] = defaultdict(list)
        for n, target in targets.items():
            shares[target.address].append(n)
        try:
            with ExitStack() as stack:
                leases = {
                    address: stack.enter_context(self._topology.node(address).lease())
                    for address in sorted(shares)  # in one order, where connections are few
                }
                for address, share in shares.items():
                    send(leases[address], _with_asking(commands, share, targets))
                return {
                    n: receive(leases[address], 1 + targets[n].asking)[-1]
                    for address, share in shares.items()
                    for n in share
                }
        except (ConnectionError, TimeoutError):
            self._topology.stale = True
            raise

    def _redirected(
        self, replies: Mapping[int, Any], asked: Mapping[int, Target], slots: Sequence[int]
    ) -> dict[int, Target]:
        """What to ask again, and where."""
        again: dict[int, Target] = {}
        for n, reply in replies.items():
            if isinstance(reply, ClusterDownError) or _is(reply, "CLUSTERDOWN"):
                self._topology.stale = True
            elif isinstance(reply, MovedError) or _is(reply, "MOVED"):
                again[n] = Target(_address(reply, asked[n].address))
                self._topology.move(slots[n], again[n].address)
            elif isinstance(reply, AskError) or _is(reply, "ASK"):
                again[n] = Target(_address(reply, asked[n].address), asking=True)
        return again


def _slot(command: Command) -> int:
    key = command[3] if command[0] == "EVAL" else command[1]
    slot: int = key_slot(key)
    return slot


def _with_asking(
    commands: Sequence[Command], share: Iterable[int], targets: Mapping[int, Target]
) -> list[Command]:
    packed: list[Command] = []
    for n in share:
        packed += [_ASKING, commands[n]] if targets[n].asking else [commands[n]]
    return packed


def _is(reply: object, code: str) -> bool:
    """Older releases of redis-py have no exception of its own for *code*."""
    return isinstance(reply, ResponseError) and str(reply).startswith(code + " ")


def _address(reply: object, asked: Address) -> Address:
    """The node that a redirection ends with; without a host, it is the host that was asked."""
    host, _, port = str(reply).split()[-1].rpartition(":")
    return (host or asked[0], int(port))
