"""``CACHE_*`` names that do nothing: misspelt, or read by no backend of the app.

Must not know Flask, nor which backends there are.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .config import BackendSettings, Settings
from .errors import warn
from .options import Options

__all__ = ["Names", "given"]

_CORE: Final = frozenset(Settings.rows())
#: What the core reads itself, whichever backend there is.
_ALWAYS_USED: Final = _CORE - BackendSettings.rows().keys()
#: How alike two names are when one of them must be a misspelling of the other.
_CLOSE: Final = 0.85


def given(config: Mapping[str, object]) -> dict[str, object]:
    """Return what is set in *config* under a name like ours. ``None`` is not set."""
    return {
        name: value
        for name, value in config.items()
        if value is not None and name.startswith("CACHE_")
    }


def _declared(tables: Iterable[type[Options] | None]) -> frozenset[str]:
    return frozenset(name for table in tables if table is not None for name in table.rows())


@dataclass(frozen=True)
class Names:
    """The names that are set where one cache of an app is set up.

    The tables are those of backends; ``None`` is one that does not say, and is believed.
    """

    own: Collection[str]
    """Those in the cache's own config."""
    shared: Collection[str]
    """Those in ``app.config`` only, which the app's other caches may read."""
    table: type[Options] | None
    """The table of the cache's backend."""
    others: Sequence[type[Options] | None]
    """The tables of the app's other caches."""
    first: bool
    """Whether it is the first cache of the app: what all of them read is warned of once."""
    judges_shared: bool
    """Whether the cache has to judge the shared names for all caches of the app."""

    @property
    def _tables(self) -> list[type[Options] | None]:
        return [self.table, *self.others]

    @property
    def _known(self) -> frozenset[str]:
        return _CORE | _declared(self._tables)

    @property
    def _judged(self) -> Collection[str]:
        """The shared names that are judged by what all backends of the app read."""
        return self.shared if self.judges_shared and None not in self._tables else ()

    def warn_of_misspelt(self) -> None:
        """Warn of each name that is close to a known one, and none itself."""
        known = self._known
        for names, meant in (
            (self.own, known),
            (self.shared if self.first else (), _CORE),
            (self._judged, known - _CORE),
        ):
            for name in sorted(set(names) - known):
                for close in _closest(name, meant):
                    warn(f"{name} is no setting of flask-cache-core. Did you mean {close}?")

    def warn_of_unused(self, cache_type: object) -> None:
        """Warn, once for all, of the names that neither the core nor a backend reads."""
        unused = set(self._judged) - _declared(self._tables)
        if self.table is not None:
            unused.update(set(self.own) - _declared([self.table]))
        unused -= _ALWAYS_USED
        known = self._known
        useless = sorted(name for name in unused if name in known or not _closest(name, known))
        if useless:
            nobody = ", nor does another cache of this app" if self.others else ""
            warn(
                f"CACHE_TYPE={cache_type!r} does not use {', '.join(useless)}{nobody}. Remove the "
                "setting, or choose the backend that it was meant for."
            )


def _closest(name: str, known: Collection[str]) -> list[str]:
    return difflib.get_close_matches(name, known, n=1, cutoff=_CLOSE)
