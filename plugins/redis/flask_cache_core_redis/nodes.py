"""Where commands go: here, to one server. More of them are in `sentinel` and `cluster`.

Must not know settings, values, or what the commands are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .connections import Connections, Recipe
from .wire import Command, exchange


class Nodes(Protocol):
    """One server or many."""

    multi_key: bool
    """Whether one command may name several keys."""

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """The reply to each command; an error reply is an exception in its place."""
        ...

    def primaries(self) -> Sequence[Connections]:
        """Every server that owns keys."""
        ...

    def layout(self) -> object:
        """Who owns which keys: equal before and after, no key moved. ``None``: they do now."""
        ...


class Single:
    """One server."""

    multi_key = True

    def __init__(self, recipe: Recipe) -> None:
        self._connections = Connections(recipe)

    def run(self, commands: Sequence[Command]) -> list[Any]:
        return exchange(self._connections, commands)

    def primaries(self) -> Sequence[Connections]:
        return (self._connections,)

    def layout(self) -> object:
        return ()
