"""App Engine's `google.appengine.api.memcache` as a `Client`. It takes no server address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NoReturn

from google.appengine.api import memcache  # pyright: ignore[reportMissingImports]

from . import NOT_NUMERIC, Link


def _never_unpickles(*_: Any, **__: Any) -> NoReturn:
    raise ValueError("a value that is flagged as a pickle is not read")


class AppEngineClient:
    errors: ClassVar[tuple[type[Exception], ...]] = (memcache.Error,)
    closed: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, link: Link) -> None:
        self.broken = False
        self._make = memcache.Client
        self._client = memcache.Client(unpickler=_never_unpickles)

    def get_multi(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        found = self._client.get_multi(keys)
        return {key: _bytes(value) for key, value in found.items()}

    def set_multi(self, items: Mapping[str, bytes], expire: int) -> list[str]:
        refused: list[str] = self._client.set_multi(dict(items), time=expire) if items else []
        return refused

    def store(
        self,
        versions: Mapping[str, bytes],
        versions_expire: int,
        items: Mapping[str, bytes],
        expire: int,
    ) -> list[str]:
        """Two calls: the service has no batch of both kinds."""
        if versions:
            self._client.add_multi(dict(versions), time=versions_expire)
        return self.set_multi(items, expire)

    def add(self, key: str, data: bytes, expire: int) -> bool:
        return bool(self._client.add(key, data, time=expire))

    def delete(self, key: str) -> bool:
        return bool(self._client.delete(key) == memcache.DELETE_SUCCESSFUL)

    def incr(self, key: str, delta: int) -> int | str | None:
        """The service answers ``None`` for what is absent and for what is no number."""
        command = self._client.incr if delta >= 0 else self._client.decr
        value: int | None = command(key, abs(delta))
        if value is None and self._client.get_multi([key]):
            return NOT_NUMERIC
        return value

    def gets(self, key: str) -> tuple[bytes, Any] | None:
        """The token is the library's client, which keeps the real one to itself."""
        client = self._make(unpickler=_never_unpickles)
        data = client.gets(key)
        return None if data is None else (_bytes(data), client)

    def cas(self, key: str, data: bytes, expire: int, token: Any) -> bool:
        return bool(token.cas(key, data, time=expire))

    def flush_all(self) -> None:
        self._client.flush_all()


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


connect = AppEngineClient
