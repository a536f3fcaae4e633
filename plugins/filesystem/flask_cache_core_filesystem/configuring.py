"""The settings of the backend, and the checks of what it is built with.

Must not know what is stored, nor how.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeAlias, cast

from flask_cache_core.backend import ByteStoreOptions
from flask_cache_core.errors import ConfigError
from flask_cache_core.settings import Setting, Settings, WantedError, count, optional

from .ledger import DIGEST_SIZE

#: What the number of an entry has room for.
_MOST_ENTRIES: Final = (1 << 32) - 1


class Hash(Protocol):
    """What a constructor as in `hashlib` makes."""

    def digest(self) -> bytes: ...


HashMethod: TypeAlias = Callable[[bytes], Hash]


def _directory(value: object) -> str:
    if value in (None, ""):
        raise ConfigError(
            "CACHE_TYPE='filesystem' needs CACHE_DIR: the directory for the cache's files, "
            "for example os.path.join(app.instance_path, 'cache')."
        )
    if isinstance(value, (str, bytes, os.PathLike)):
        path = os.fsdecode(value)
        if "\0" not in path:
            return path
    raise WantedError("a path")


def _hash_method(value: object) -> HashMethod:
    method = cast("HashMethod", value)
    try:
        if isinstance(method(b"").digest(), bytes):
            return method
    except Exception:  # noqa: S110 - whatever it is, it is no constructor of a hash
        pass
    raise WantedError("a hash constructor such as hashlib.sha256")


class FileSystemOptions(ByteStoreOptions):
    """The settings of `FileSystemCache`."""

    directory = Setting(
        _directory,
        None,
        "The directory, made with mode 0700 where it does not exist. A `ConfigError` where it is "
        "missing or a file; where the disk refuses it, the app starts, and operations fail until "
        "it does not.",
        name="CACHE_DIR",
        shown="required",
    )
    threshold = Settings.threshold
    max_bytes = Setting(
        optional(count(1)), None, "Bytes that all files of one key prefix may have at most."
    )
    file_hash_method = Setting(
        _hash_method,
        hashlib.sha256,
        "A constructor as in `hashlib`; its first 16 bytes are what an entry is found by. The key "
        "itself is compared too: a weak hash is no danger, only slower.",
        shown="`hashlib.sha256`",
    )
    backend_timeout = Settings.backend_timeout


def made_directory(path: str) -> str:
    """Make the directory where it is missing, and return where it is."""
    root = os.path.abspath(path)  # noqa: PTH100 - follows no link
    try:
        _make_private(Path(root))
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(
            f"CACHE_DIR={path!r} cannot be a directory: {error.filename!r} is a file. Name a "
            "directory; it is created where it does not exist."
        ) from error
    except OSError:
        pass  # permissions, a full disk: that can change, and the first use tells of it
    return root


def _make_private(directory: Path) -> None:
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)


def checked_mode(mode: int) -> int:
    if isinstance(mode, int) and mode & 0o600 == 0o600 and mode <= 0o777:
        return mode
    raise ConfigError(
        f"CACHE_OPTIONS['mode'] must be permission bits that let the owner read and write, such "
        f"as 0o600, not {mode!r}."
    )


def checked_threshold(threshold: int) -> int:
    if FileSystemOptions.threshold.checked(threshold) <= _MOST_ENTRIES:
        return threshold
    raise ConfigError(f"CACHE_THRESHOLD must be at most {_MOST_ENTRIES}, not {threshold!r}.")


def digest_by(method: HashMethod) -> Callable[[bytes], bytes]:
    """Return what makes of an address the bytes that its entry is found by."""

    def digest(address: bytes) -> bytes:
        return method(address).digest()[:DIGEST_SIZE].ljust(DIGEST_SIZE, b"\0")

    return digest
