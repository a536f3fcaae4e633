"""Where the files of one key prefix are, and how one is opened and read. Takes no lock.

``CACHE_DIR/flask-cache-<digest of the prefix>/`` holds ``ledger`` and ``entries/0/`` … ``f/``;
``cleared-*`` beside them is what a `clear` put aside. Nothing outside such a directory is
touched, and nothing under another prefix's. Must not know what the ledger is for.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any, Final, NamedTuple

from . import record
from .ledger import NAME_LENGTH

__all__ = ["Files", "Found"]

_SPACE: Final = "flask-cache-"
_CLEARED: Final = "cleared-"
_AT_ONCE: Final = 65_536
_CHANGE: Final = os.O_RDWR | os.O_CLOEXEC
_READ_ONLY: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class Found(NamedTuple):
    """What an entry's file holds; *data* is ``None`` where it is not what was written."""

    data: bytes | None
    expires: float


class Files:
    """The files of one key prefix.

    :param root: ``CACHE_DIR``.
    :param mode: permission bits of a file; directories get the matching search bits.
    :param hash_method: bytes of an address in, an object with ``hexdigest()`` out.
    """

    def __init__(
        self, root: str, prefix: str, mode: int, hash_method: Callable[[bytes], Any]
    ) -> None:
        self.root = root
        self.space = f"{root}/{_SPACE}{hashlib.sha256(_bytes(prefix)).hexdigest()[:32]}"
        self.ledger = f"{self.space}/ledger"
        self.mode = mode
        self._directory_mode = mode | (mode & 0o444) >> 2 | 0o700
        self._entries = f"{self.space}/entries"
        self._hash = hash_method
        self.counted = False
        """Whether the ledger was seen to have the limit of these settings."""

    def neighbours(self) -> list[Files]:
        """The files of every key prefix under the same root, these included."""
        with os.scandir(self.root) as found:
            spaces = [entry.path for entry in found if entry.name.startswith(_SPACE)]
        return [self._at(space) for space in spaces]

    def _at(self, space: str) -> Files:
        other = Files(self.root, "", self.mode, self._hash)
        other.space, other.ledger = space, f"{space}/ledger"
        other._entries = f"{space}/entries"
        return other

    # -- names ------------------------------------------------------------------------------

    def name(self, address: str) -> str:
        """The name of an entry's file: always as many hexadecimal digits."""
        digits: str = self._hash(_bytes(address)).hexdigest()
        return digits[:NAME_LENGTH].ljust(NAME_LENGTH, "0")

    def path(self, name: str) -> str:
        return f"{self._entries}/{name[0]}/{name}"

    # -- one file ---------------------------------------------------------------------------

    def read(self, address: str) -> Found | None:
        """What is stored at *address*, expired or not. Marks it as used."""
        path = self.path(self.name(address))
        try:
            fd, writable = _open_to_read(path)
        except FileNotFoundError:
            return None
        try:
            return _read(fd, _bytes(address), writable=writable)
        finally:
            os.close(fd)

    def head(self, path: str) -> record.Head | None:
        """The head of the file at *path*; ``None`` where there is no file or it is no entry."""
        try:
            fd = os.open(path, _CHANGE)
        except FileNotFoundError:
            return None
        try:
            return record.head(os.read(fd, record.HEAD_SIZE))
        finally:
            os.close(fd)

    def patch(self, path: str, data: bytes, offset: int) -> None:
        """Overwrite bytes of the file at *path*."""
        fd = os.open(path, _CHANGE)
        try:
            os.pwrite(fd, data, offset)
        finally:
            os.close(fd)

    def open(self, path: str) -> int:
        """Open the file at *path* to replace what it holds; create what is missing."""
        try:
            return os.open(path, _CHANGE | os.O_CREAT, self.mode)
        except FileNotFoundError:
            self.make(os.path.dirname(path))  # noqa: PTH120 - a string
            return os.open(path, _CHANGE | os.O_CREAT, self.mode)

    # -- directories ------------------------------------------------------------------------

    def make(self, directory: str) -> None:
        """Make *directory* and those above it, with our mode whatever the umask."""
        if os.path.isdir(directory):  # noqa: PTH112 - a string
            return
        self.make(os.path.dirname(directory))  # noqa: PTH120 - a string
        with suppress(FileExistsError):
            os.mkdir(directory, self._directory_mode)  # noqa: PTH102 - a string
            os.chmod(directory, self._directory_mode)  # noqa: PTH101 - a string

    def listed(self) -> Iterator[tuple[str, int]]:
        """Name and bytes of each entry's file."""
        for digit in "0123456789abcdef":
            with suppress(FileNotFoundError), os.scandir(f"{self._entries}/{digit}") as found:
                for entry in found:
                    if len(entry.name) == NAME_LENGTH:
                        yield entry.name, entry.stat().st_size

    def put_aside(self) -> None:
        """Move all entries to where nobody looks for them."""
        with suppress(FileNotFoundError):
            os.rename(self._entries, f"{self.space}/{_CLEARED}{secrets.token_hex(8)}")  # noqa: PTH104

    def discard(self, seconds: float) -> None:
        """Delete what was put aside: for *seconds* now, and what is left in the background."""
        with suppress(FileNotFoundError), os.scandir(self.space) as found:
            aside = [entry.path for entry in found if entry.name.startswith(_CLEARED)]
            if aside and not _deleted(aside, monotonic() + seconds):
                threading.Thread(target=_delete, args=(aside,), daemon=True).start()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _open_to_read(path: str) -> tuple[int, bool]:
    """A descriptor, and whether the file can be marked through it."""
    try:
        return os.open(path, _CHANGE), True
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC), False


def _read(fd: int, address: bytes, *, writable: bool) -> Found | None:
    blob = os.read(fd, _AT_ONCE)
    head = record.head(blob)
    if head is None:
        return Found(None, 0)
    if head.size > len(blob) == _AT_ONCE:
        blob = _rest(fd, blob)
    content = record.content(blob, head)
    if content is None:
        return Found(None, 0)
    if content[0] != address:
        return None
    if writable and not head.used:
        with suppress(OSError):  # a full disk must not make a hit a failure
            os.pwrite(fd, b"\1", record.USED_AT)
    return Found(content[1], head.expires)


def _rest(fd: int, begun: bytes) -> bytes:
    parts = [begun]
    while part := os.read(fd, 1 << 24):
        parts.append(part)
    return b"".join(parts)


def _deleted(directories: list[str], deadline: float) -> bool:
    """Delete files until *deadline*; whether all are gone."""
    for directory in directories:
        for parent, _, names in os.walk(directory, topdown=False):
            for name in names:
                if monotonic() > deadline:
                    return False
                with suppress(FileNotFoundError):
                    os.unlink(f"{parent}/{name}")  # noqa: PTH108 - a string
            with suppress(OSError):
                os.rmdir(parent)  # noqa: PTH106 - a string
    return True


def _delete(directories: list[str]) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)
