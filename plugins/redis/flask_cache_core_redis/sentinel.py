"""Commands to the master that the sentinels name; after any failure of it they are asked again.

Must not know settings, values, or what the commands are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from redis.exceptions import (
    ConnectionError,  # noqa: A004 - redis-py's own, on purpose
    ReadOnlyError,
    RedisError,
    TimeoutError,  # noqa: A004
)

from .connections import Address, Connections, Recipe
from .wire import Command, exchange


class Master:
    """`Nodes` of one server at a time.

    :param service: the name of the master.
    :param sentinels: how to reach each of them.
    :param template: credentials and limits for the master.
    """

    multi_key = True

    def __init__(self, service: str, sentinels: Iterable[Recipe], template: Recipe) -> None:
        self._service = service
        self._sentinels = [Connections(recipe) for recipe in sentinels]
        self._template = template
        self._current: Connections | None = None

    def run(self, commands: Sequence[Command]) -> list[Any]:
        current = self._master()
        try:
            replies = exchange(current, commands)
        except (ConnectionError, TimeoutError):
            self._current = None
            raise
        if any(isinstance(reply, ReadOnlyError) for reply in replies):  # it was demoted
            self._current = None
        return replies

    def primaries(self) -> Sequence[Connections]:
        return (self._master(),)

    def layout(self) -> object:
        return self._master()

    def _master(self) -> Connections:
        current = self._current
        if current is None:
            self._current = current = Connections(self._template.at(self._discover()))
        return current

    def _discover(self) -> Address:
        """Ask one sentinel after the other; those that fail come last next time."""
        failure: RedisError = ConnectionError(f"no sentinel knows a master {self._service!r}")
        for sentinel in list(self._sentinels):
            try:
                reply = exchange(
                    sentinel, [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)]
                )[0]
            except RedisError as error:
                failure = error
                self._sentinels = [*(s for s in self._sentinels if s is not sentinel), sentinel]
            else:
                if isinstance(reply, RedisError):
                    failure = reply
                elif reply:
                    return reply[0].decode(), int(reply[1])
        raise failure
