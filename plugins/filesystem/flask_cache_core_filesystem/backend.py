"""The filesystem backend: settings in, entries in files.

Readers take no lock and verify what they read. Writers take turns.
Must not know Flask's request, decorators or what a value means.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from math import inf
from time import sleep, time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from flask_cache_core.backend import Batch, ByteStore
from flask_cache_core.errors import BackendError, ConfigError
from flask_cache_core.typing import Timeout

from .configuring import (
    FileSystemOptions,
    HashMethod,
    checked_mode,
    checked_threshold,
    digest_by,
    made_directory,
)
from .files import LONGEST_PAUSE, Files
from .ledger import PAGE, Ledger
from .store import Change, Limits, Reader, UnsureError

if TYPE_CHECKING:
    from flask import Flask

    from flask_cache_core.settings import Settings

__all__ = ["FileSystemCache"]

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

_TURN: Final = 256
_DECIMAL: Final = re.compile(rb"-?[0-9]+")
_POSITIONAL: Final = ("threshold", "default_timeout", "mode", "hash_method")


class FileSystemCache(ByteStore):
    """Entries in files under one directory, shared by the processes of one host.

    :param cache_dir: created with mode 0700 where it does not exist.
    :param threshold: entries that it holds at most, for each key prefix.
    :param mode: permission bits of the files; directories get the matching search bits.
    :param hash_method: a constructor as in `hashlib`; what an entry is found by.
    :param max_bytes: bytes of all files of one key prefix at most, or ``None``.
    :param backend_timeout: seconds that a write waits for other writers at most.
    :param options: those of `ByteStore`.
    """

    atomic_add = True
    options = FileSystemOptions

    def __init__(
        self,
        cache_dir: str | os.PathLike[str],
        threshold: int = 500,
        default_timeout: Timeout | None = None,
        mode: int = 0o600,
        hash_method: HashMethod = hashlib.sha256,
        *,
        max_bytes: int | None = None,
        backend_timeout: float = 0.25,
        **options: Any,
    ) -> None:
        self._root = made_directory(FileSystemOptions.directory.checked(cache_dir))
        self._mode = checked_mode(mode)
        self._digest = digest_by(FileSystemOptions.file_hash_method.checked(hash_method))
        self._limits = Limits(
            checked_threshold(threshold),
            FileSystemOptions.max_bytes.checked(max_bytes),
            backend_timeout,
        )
        if max_bytes is not None:
            self.max_value_bytes = max(int(self._limits.apart) - 1024, PAGE // 2)
        self._damaged = 0
        super().__init__(default_timeout=default_timeout, **options)

    @classmethod
    def factory(
        cls, app: Flask, config: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]
    ) -> FileSystemCache:
        """Raises `ConfigError` where a setting is missing or wrong."""
        settings = FileSystemOptions(config)
        options = {
            "hash_method": settings.file_hash_method,
            "max_bytes": settings.max_bytes,
            "backend_timeout": settings.backend_timeout,
            **kwargs,
        }
        for name in _POSITIONAL[: len(args)]:
            options.pop(name, None)
        try:
            return cls(settings.directory, *args, **options)
        except TypeError as error:
            raise ConfigError(
                f"CACHE_ARGS or CACHE_OPTIONS do not suit CACHE_TYPE='filesystem': {error}. It "
                f"takes {', '.join(_POSITIONAL)}, max_bytes and key_prefix."
            ) from error

    def configure(self, settings: Settings) -> None:
        super().configure(settings)
        with suppress(BackendError, OSError):  # the disk may be back when it is needed
            with self._change():
                pass
            self._files.discard(0)  # what a process that died in `clear` left

    def prefix_changed(self) -> None:
        self._files = Files.of_prefix(self._root, self.delimited_prefix, self._mode)
        self._reader = Reader(self._files, self._digest)

    def where(self) -> str:
        return f"{self._root} (CACHE_DIR)"

    def counters(self) -> dict[str, int]:
        counted = super().counters()
        return counted | {"decode_failures": counted["decode_failures"] + self._damaged}

    # -- primitives -------------------------------------------------------------------------

    def read_bytes(self, addresses: Sequence[str]) -> Sequence[bytes | None]:
        now = time()
        try:
            ledger = self._reader.ledger(now)
            found = self._look_all_up(ledger, addresses, now)
            if ledger is not None and None in found and not ledger.unchanged():
                self._reader.forget()
                found = self._look_all_up(self._reader.ledger(now), addresses, now)
        except OSError as error:
            raise self._failure(error) from error
        return found

    def _look_all_up(
        self, ledger: Ledger | None, addresses: Sequence[str], now: float
    ) -> list[bytes | None]:
        if ledger is None:
            return [None] * len(addresses)
        return [self._look_up(ledger, address, now) for address in addresses]

    def _look_up(self, ledger: Ledger, address: str, now: float) -> bytes | None:
        try:
            return self._reader.read(ledger, address, now)
        except UnsureError:
            with self._change() as change:
                found = change.read(address)
                return None if found is None else found[0]

    def write_bytes(self, items: Mapping[str, bytes], timeout: float) -> Sequence[str]:
        refused: list[str] = []
        for turn in _turns(items.items()):
            with self._change() as change:
                refused += _written(change, turn, timeout)
        return refused

    def write_batch(self, batch: Batch[bytes]) -> Sequence[str]:
        if len(batch.items) + len(batch.versions) > _TURN:
            return super().write_batch(batch)
        with self._change() as change:
            for address, data in batch.versions.items():
                if change.read(address) is None:
                    change.write(address, data, _expiry(batch.versions_timeout))
            refused = _written(change, batch.items.items(), batch.timeout)
            if batch.release is not None:
                _remove_if(change, *batch.release)
        return refused

    def add_bytes(self, address: str, data: bytes, timeout: float) -> bool:
        with self._change() as change:
            if change.read(address) is not None:
                return False
            return change.write(address, data, _expiry(timeout))

    def remove_bytes(self, addresses: Sequence[str]) -> Sequence[str]:
        removed: list[str] = []
        for turn in _turns(addresses):
            with self._change() as change:
                removed += [address for address in turn if change.remove(address)]
        return removed

    def increment(self, address: str, delta: int, timeout: float) -> int | None:
        with self._change() as change:
            found = change.read(address)
            data, expires = (b"0", _expiry(timeout)) if found is None else found
            if not _DECIMAL.fullmatch(data):
                return None
            value = int(data) + delta
            change.write(address, b"%d" % value, expires)
            return value

    def replace_bytes_if(self, address: str, expected: bytes, data: bytes, timeout: float) -> bool:
        with self._change() as change:
            found = change.read(address)
            if found is None or found[0] != expected:
                return False
            return change.write(address, data, _expiry(timeout))

    def remove_bytes_if(self, address: str, expected: bytes) -> bool:
        with self._change() as change:
            return _remove_if(change, address, expected)

    def clear_prefix(self) -> bool:
        everything = [self._files]
        if not self.delimited_prefix:
            everything = Files.of_all(self._root, self._mode)
        for files in everything:
            with self._change(files) as change:
                change.clear()
            files.discard(self._limits.patience)
        return True

    def _change(self, files: Files | None = None) -> _Turn:
        return _Turn(self, files or self._files)

    def _tell_damaged(self, number: int) -> None:
        if not self._damaged:
            logger.warning(
                "An entry of the cache in %s does not hold what was written; it is treated as a "
                "miss and removed. Further ones are only counted.",
                self.where(),
            )
        self._damaged += number

    def _failure(self, error: OSError) -> BackendError:
        reason = error.strerror or str(error)
        return BackendError(f"The cache in {self.where()} cannot be used: {reason}")


class _Turn(Change):
    """A change whose failures are told as those of a backend."""

    def __init__(self, cache: FileSystemCache, files: Files) -> None:
        super().__init__(files, cache._digest, cache._limits)  # noqa: SLF001 - one module
        self._cache = cache

    def __enter__(self) -> Self:
        try:
            return super().__enter__()
        except OSError as error:
            raise self._cache._failure(error) from error  # noqa: SLF001 - one module

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        if self.damaged:
            self._cache._tell_damaged(self.damaged)  # noqa: SLF001 - one module
        if isinstance(error, OSError):
            raise self._cache._failure(error) from error  # noqa: SLF001 - one module


def _expiry(timeout: float) -> float:
    return time() + timeout if timeout else inf


def _written(change: Change, items: Iterable[tuple[str, bytes]], timeout: float) -> list[str]:
    """Store *items*; the addresses that were refused."""
    expires = _expiry(timeout)
    return [address for address, data in items if not change.write(address, data, expires)]


def _remove_if(change: Change, address: str, expected: bytes) -> bool:
    found = change.read(address)
    return found is not None and found[0] == expected and change.remove(address)


def _turns(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut a large batch, and let others write in between."""
    rest = iter(items)
    turn = list(islice(rest, _TURN))
    while turn:
        yield turn
        turn = list(islice(rest, _TURN))
        if turn:
            sleep(LONGEST_PAUSE)
