"""Where the files of one key prefix are; opening, locking and deleting them.

``CACHE_DIR/flask-cache-<digest of the prefix>/`` holds ``store``, in which most entries are, and
``large/``, with one file for each entry that does not fit into a cell. ``cleared-*`` beside them
is what a `clear` put aside. Nothing outside such a directory is touched, and nothing under another
prefix's. Must not know what is in a file.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import threading
from contextlib import suppress
from time import monotonic, sleep
from typing import Final, Self

__all__ = ["LONGEST_PAUSE", "Files"]

#: Seconds that somebody who waits for the lock sleeps at most before trying again.
LONGEST_PAUSE: Final = 0.002

_PAUSE: Final = 0.0001
_SPACE: Final = "flask-cache-"
_CLEARED: Final = "cleared-"
_OPEN: Final = os.O_RDWR | os.O_CLOEXEC
_READ_ONLY: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class Files:
    """The files under *space*. Every method may raise `OSError`.

    :param mode: permission bits of a file; directories get the matching search bits.
    """

    def __init__(self, space: str, mode: int) -> None:
        self._space = space
        self._store = f"{space}/store"
        self._large = f"{space}/large"
        self._mode = mode
        self._directory_mode = mode | (mode & 0o444) >> 2 | 0o700

    @classmethod
    def of_prefix(cls, root: str, prefix: str, mode: int) -> Self:
        """Those of one key prefix under ``CACHE_DIR``."""
        digest = hashlib.sha256(prefix.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return cls(f"{root}/{_SPACE}{digest}", mode)

    @classmethod
    def of_all(cls, root: str, mode: int) -> list[Self]:
        """Those of every key prefix under ``CACHE_DIR``."""
        with suppress(FileNotFoundError), os.scandir(root) as found:
            return [cls(entry.path, mode) for entry in found if entry.name.startswith(_SPACE)]
        return []

    def open_to_read(self) -> int | None:
        """A descriptor of the store, where there is one; writable where that is allowed."""
        try:
            return os.open(self._store, _OPEN)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            return os.open(self._store, os.O_RDONLY | os.O_CLOEXEC)

    def is_store(self, status: os.stat_result) -> bool:
        """Whether the file with this *status* is the store that others find."""
        try:
            found = os.stat(self._store)  # noqa: PTH116 - a string
        except FileNotFoundError:
            return False
        return found.st_ino == status.st_ino and found.st_dev == status.st_dev

    def open_and_lock(self, patience: float) -> int:
        """A descriptor of the store that shuts out all others who want to change it, other
        threads included. `TimeoutError` after *patience* seconds.
        """
        try:
            fd = os.open(self._store, _OPEN)
        except FileNotFoundError:
            fd = self._created(self._store, self._space)
        try:
            _lock(fd, patience)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _created(self, path: str, directory: str) -> int:
        self._make(directory)
        fd = os.open(path, _OPEN | os.O_CREAT, self._mode)
        os.fchmod(fd, self._mode)
        return fd

    def _make(self, directory: str) -> None:
        """Make *directory* and those above it, with our mode whatever the umask."""
        if os.path.isdir(directory):  # noqa: PTH112 - a string
            return
        self._make(os.path.dirname(directory))  # noqa: PTH120 - a string
        with suppress(FileExistsError):
            os.mkdir(directory, self._directory_mode)  # noqa: PTH102 - a string
            os.chmod(directory, self._directory_mode)  # noqa: PTH101 - a string

    # -- large entries ----------------------------------------------------------------------

    def read_large(self, slot: int, size: int) -> bytes:
        """The bytes of *slot*'s file; none where there is no file."""
        with suppress(FileNotFoundError), open(f"{self._large}/{slot}", "rb") as file:  # noqa: PTH123
            return file.read(size)
        return b""

    def write_large(self, slot: int, data: memoryview) -> None:
        """Replace *slot*'s file in place: no other file is made, none is deleted."""
        path = f"{self._large}/{slot}"
        try:
            fd = os.open(path, _OPEN)
        except FileNotFoundError:
            fd = self._created(path, self._large)
        with os.fdopen(fd, "r+b", buffering=0) as file:
            rest = data
            while rest:
                rest = rest[file.write(rest) or 0 :]
            file.truncate(len(data))

    def remove_large(self, slot: int) -> None:
        with suppress(FileNotFoundError):
            os.unlink(f"{self._large}/{slot}")  # noqa: PTH108 - a string

    def put_aside(self) -> None:
        """Move all large entries to where nobody looks for them."""
        with suppress(FileNotFoundError):
            os.rename(self._large, f"{self._space}/{_CLEARED}{secrets.token_hex(8)}")  # noqa: PTH104

    def discard(self, seconds: float) -> None:
        """Delete what was put aside: for *seconds* now, and what is left in the background."""
        aside: list[str] = []
        with suppress(FileNotFoundError), os.scandir(self._space) as found:
            aside = [entry.path for entry in found if entry.name.startswith(_CLEARED)]
        if aside and not _deleted(aside, monotonic() + seconds):
            threading.Thread(target=_delete, args=(aside,), daemon=True).start()


def unlock(fd: int) -> None:
    """Let the lock go, also where a forked child has the descriptor as well, and close."""
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


def _lock(fd: int, patience: float) -> None:
    deadline, pause = 0.0, _PAUSE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            deadline = deadline or monotonic() + patience
            if monotonic() >= deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f"others kept it locked for {patience:g} seconds (CACHE_BACKEND_TIMEOUT)",
                ) from None
            sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            return


def _deleted(directories: list[str], deadline: float) -> bool:
    """Delete files until *deadline*; whether all are gone."""
    for directory in directories:
        with suppress(FileNotFoundError), os.scandir(directory) as found:
            for entry in found:
                if monotonic() > deadline:
                    return False
                with suppress(FileNotFoundError):
                    os.unlink(entry.path)  # noqa: PTH108 - a string
        with suppress(OSError):
            os.rmdir(directory)  # noqa: PTH106 - a string
    return True


def _delete(directories: list[str]) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)
