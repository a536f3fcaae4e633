"""`pylibmc`, imported so that its libsasl2 finds the mechanisms of the system.

The binary wheel of pylibmc carries a libsasl2 of its own, which looks where it was built, not
where the system keeps the mechanisms. It reads ``SASL_PATH`` once, when pylibmc is imported.
Must not know memcached.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["TOO_LATE", "pylibmc"]

_DIRECTORIES: Final = (
    *(Path("/usr/lib").glob("*-linux-*/sasl2")),
    Path("/usr/lib64/sasl2"),
    Path("/usr/lib/sasl2"),
    Path("/usr/local/lib/sasl2"),
)


def point_at_mechanisms(directories: Iterable[Path] = _DIRECTORIES) -> None:
    """Set ``SASL_PATH`` to the system's mechanisms, unless somebody has set it."""
    if "SASL_PATH" in os.environ:
        return
    found = [str(path) for path in directories if any(path.glob("libplain.so*"))]
    if found:
        os.environ["SASL_PATH"] = os.pathsep.join(found)


#: pylibmc was imported by somebody else before this module could tell it where to look.
TOO_LATE: Final = "_pylibmc" in sys.modules and "SASL_PATH" not in os.environ

point_at_mechanisms()

import pylibmc  # noqa: E402 - it reads SASL_PATH now
