"""`pymemcache` as a `Client`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pymemcache.client.base import Client as _Raw
from pymemcache.exceptions import (
    MemcacheClientError,
    MemcacheError,
    MemcacheServerError,
    MemcacheUnexpectedCloseError,
)

from . import NOT_NUMERIC, Link


class PymemcacheClient:
    errors: ClassVar[tuple[type[Exception], ...]] = (MemcacheError, OSError)
    closed: ClassVar[tuple[type[Exception], ...]] = (MemcacheUnexpectedCloseError, ConnectionError)

    def __init__(self, link: Link) -> None:
        self.broken = False
        server = link.server
        self._client = _Raw(
            (server.host, server.port) if server.port else server.host,
            connect_timeout=link.timeout,
            timeout=link.timeout,
            no_delay=bool(server.port),
            default_noreply=False,
        )

    def __del__(self) -> None:
        self._client.close()

    def get_multi(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        found: Mapping[str, bytes] = self._client.get_many(keys)
        return found

    def set_multi(self, items: Mapping[str, bytes], expire: int) -> list[str]:
        if not items:
            return []
        try:
            refused: list[str] = self._client.set_many(items, expire, noreply=False)
        except MemcacheServerError as error:
            self._only_too_large(error)
            return [key for key in items if not self._set(key, items[key], expire)]
        return refused

    def _set(self, key: str, data: bytes, expire: int) -> bool:
        try:
            return bool(self._client.set(key, data, expire, noreply=False))
        except MemcacheServerError as error:
            return self._only_too_large(error)

    def store(
        self,
        versions: Mapping[str, bytes],
        versions_expire: int,
        items: Mapping[str, bytes],
        expire: int,
    ) -> list[str]:
        for number, (key, data) in enumerate(versions.items(), 1):
            waits = not items and number == len(versions)
            self._client.add(key, data, versions_expire, noreply=not waits)
        return self.set_multi(items, expire)

    def add(self, key: str, data: bytes, expire: int) -> bool:
        try:
            return bool(self._client.add(key, data, expire, noreply=False))
        except MemcacheServerError as error:
            return self._only_too_large(error)

    def _only_too_large(self, error: MemcacheServerError) -> bool:
        """`False`; raise any other error. The library has closed the connection."""
        self.broken = True
        if "too large" not in str(error):
            raise error
        return False

    def delete(self, key: str) -> bool:
        return bool(self._client.delete(key, noreply=False))

    def incr(self, key: str, delta: int) -> int | str | None:
        command = self._client.incr if delta >= 0 else self._client.decr
        try:
            value: int | None = command(key, abs(delta), noreply=False)
        except MemcacheClientError:
            return NOT_NUMERIC
        return value

    def gets(self, key: str) -> tuple[bytes, Any] | None:
        data, token = self._client.gets(key)
        return None if data is None else (data, token)

    def cas(self, key: str, data: bytes, expire: int, token: Any) -> bool:
        return bool(self._client.cas(key, data, token, expire, noreply=False))

    def flush_all(self) -> None:
        self._client.flush_all(noreply=False)


connect = PymemcacheClient
