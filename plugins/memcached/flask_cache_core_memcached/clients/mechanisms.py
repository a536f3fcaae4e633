"""`pylibmc`, with a libsasl2 that has found the mechanisms of the system.

The binary wheel of pylibmc carries a libsasl2 of its own, which looks where it was built, not
where the system keeps the mechanisms. It reads ``SASL_PATH`` once, when pylibmc is imported. If
somebody else has imported it by now, libsasl2 is made to look again; it had found nothing, so
nobody is using it. Must not know memcached.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Final

__all__ = ["pylibmc"]

_DIRECTORIES: Final = (
    *sorted(Path("/usr/lib").glob("*-linux-*/sasl2")),
    Path("/usr/lib64/sasl2"),
    Path("/usr/lib/sasl2"),
    Path("/usr/local/lib/sasl2"),
)
_STILL_ACTIVE: Final = 1


def point_at_mechanisms() -> bool:
    """Set ``SASL_PATH`` to the system's mechanisms, unless somebody has set it; whether done."""
    found = [str(path) for path in _DIRECTORIES if any(path.glob("libplain.so*"))]
    if "SASL_PATH" in os.environ or not found:
        return False
    os.environ["SASL_PATH"] = os.pathsep.join(found)
    return True


def look_again() -> None:
    """Let the libsasl2 of this process read ``SASL_PATH`` once more, if it knows no PLAIN."""
    for path in _loaded("libsasl2"):
        library = ctypes.CDLL(path)
        if b"PLAIN" in _mechanisms(library):
            continue
        while library.sasl_client_done() == _STILL_ACTIVE:
            pass
        library.sasl_client_init(None)


def _mechanisms(library: ctypes.CDLL) -> list[bytes]:
    library.sasl_global_listmech.restype = ctypes.POINTER(ctypes.c_char_p)
    names: list[bytes] = []
    found = library.sasl_global_listmech()
    while found and (name := found[len(names)]) is not None:
        names.append(name)
    return names


def _loaded(library: str) -> set[str]:
    """Paths of *library* as loaded into this process; none where the system does not tell."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return set()
    lines = [line.split(maxsplit=5) for line in maps.splitlines() if library in line]
    return {fields[5] for fields in lines if len(fields) == 6 and Path(fields[5]).exists()}


if point_at_mechanisms() and "_pylibmc" in sys.modules:
    look_again()

import pylibmc  # noqa: E402 - it reads SASL_PATH now
