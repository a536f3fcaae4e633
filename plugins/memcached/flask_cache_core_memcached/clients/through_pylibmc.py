"""`pylibmc` as a `Client`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any, ClassVar

from . import NOT_NUMERIC, Link
from .mechanisms import pylibmc


class TimedOutError(Exception):
    """The server did not answer in time, which pylibmc takes for a miss."""


class _Raw(pylibmc.Client):  # type: ignore[misc]
    """Bytes in, bytes out: never unpickles what somebody else flagged as a pickle."""

    def serialize(self, value: bytes) -> tuple[bytes, int]:
        return value, 0

    def deserialize(self, value: bytes | None, flags: int) -> bytes:
        return value or b""  # it is called with None for what is empty


class PylibmcClient:
    """Text protocol without credentials, binary with them."""

    errors: ClassVar[tuple[type[Exception], ...]] = (pylibmc.Error, TimedOutError)
    #: libmemcached's own breaker, for what went wrong before and that it did not tell.
    unsent: ClassVar[tuple[type[Exception], ...]] = (pylibmc.ServerDown,)

    def __init__(self, link: Link, raw: Any = None) -> None:
        self.broken = False
        self._patience = link.timeout * 0.95
        self._binary = link.username is not None
        self._client = raw or _Raw(
            [link.server.name],
            binary=self._binary,
            username=link.username,
            password=link.password,
            behaviors=_behaviors(link),
        )

    def get_multi(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        started = monotonic()
        found: Mapping[str, bytes]
        if len(keys) == 1:  # unlike get_multi, it tells of a connection that is gone
            data = self._client.get(keys[0])
            found = {} if data is None else {keys[0]: data}
        else:
            found = self._client.get_multi(keys)
        if len(found) < len(keys):
            self._check_that_it_answered(started)
        return found

    def _check_that_it_answered(self, started: float) -> None:
        if monotonic() - started >= self._patience:
            raise TimedOutError("the server did not answer in time")

    def set_multi(self, items: Mapping[str, bytes], expire: int) -> list[str]:
        return self.store({}, 0, items, expire)

    def store(
        self,
        versions: Mapping[str, bytes],
        versions_expire: int,
        items: Mapping[str, bytes],
        expire: int,
    ) -> list[str]:
        """All but the last command go without a reply, so that none is waited for.

        Not in the binary protocol, whose quiet commands do answer when they fail.
        """
        commands = [(self.add, key, data, versions_expire) for key, data in versions.items()]
        commands += [(self._set, key, data, expire) for key, data in items.items()]
        if len(commands) > 1 and not self._binary:
            self._client.behaviors = {"_noreply": 1}
        refused = []
        for number, (command, key, data, seconds) in enumerate(commands, 1):
            if 1 < number == len(commands) and not self._binary:
                self._client.behaviors = {"_noreply": 0}
            if not command(key, data, seconds) and key in items:
                refused.append(key)
        return refused

    def _set(self, key: str, data: bytes, expire: int) -> bool:
        try:
            return bool(self._client.set(key, data, expire))
        except pylibmc.TooBig:
            return False

    def add(self, key: str, data: bytes, expire: int) -> bool:
        try:
            return bool(self._client.add(key, data, expire))
        except pylibmc.TooBig:
            return False

    def delete(self, key: str) -> bool:
        return bool(self._client.delete(key))

    def incr(self, key: str, delta: int) -> int | str | None:
        command = self._client.incr if delta >= 0 else self._client.decr
        try:
            value: int = command(key, abs(delta))
        except pylibmc.NotFound:
            return None
        except (pylibmc.ClientError, OverflowError):
            return NOT_NUMERIC
        except pylibmc.UnknownReadFailure:
            if not self._binary:
                raise
            self.broken = True
            return NOT_NUMERIC
        return value

    def gets(self, key: str) -> tuple[bytes, Any] | None:
        started = monotonic()
        data, token = self._client.gets(key)
        if data is None:
            self._check_that_it_answered(started)
            return None
        return data, token

    def cas(self, key: str, data: bytes, expire: int, token: Any) -> bool:
        try:
            return bool(self._client.cas(key, data, token, expire))
        except (pylibmc.NotFound, pylibmc.TooBig):
            return False

    def flush_all(self) -> None:
        self._client.flush_all()


def _behaviors(link: Link) -> dict[str, Any]:
    """Connecting and polling in ms, sending and receiving in µs: so libmemcached takes them."""
    milliseconds = max(1, round(link.timeout * 1000))
    return {
        "cas": True,
        "tcp_nodelay": bool(link.server.port),
        "connect_timeout": milliseconds,
        "_poll_timeout": milliseconds,
        "send_timeout": milliseconds * 1000,
        "receive_timeout": milliseconds * 1000,
        **link.behaviors,
    }


connect = PylibmcClient
