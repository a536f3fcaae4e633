"""Commands to a connection, written in one go, and their replies back. Knows nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from redis.exceptions import ResponseError

from .connections import Connections

#: The name of a command and its arguments.
Command: TypeAlias = tuple[Any, ...]

_PIECE: Final = 1 << 16


def send(connection: Any, commands: Sequence[Command]) -> None:
    """Write all. The time limit of the connection is for each piece, so that size is no matter."""
    data = memoryview(b"".join(connection.pack_commands(commands)))
    connection.send_packed_command([data[at : at + _PIECE] for at in range(0, len(data), _PIECE)])


def receive(connection: Any, count: int) -> list[Any]:
    """The next *count* replies; an error reply is an exception in its place."""
    return [_reply(connection) for _ in range(count)]


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error


def exchange(connections: Connections, commands: Sequence[Command]) -> list[Any]:
    """One round trip."""
    with connections.lease() as connection:
        send(connection, commands)
        return receive(connection, len(commands))
