"""Write the tables of settings into the documentation, from what the code declares.

A table stands between two comments. The first one names the class, and the settings where they
are not all of them, or in another order:

    <!-- settings: flask_cache_core.settings:Settings CACHE_TYPE CACHE_ARGS -->
    <!-- end of settings -->

Run by ``make tables``; a test compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from flask_cache_core.backend import ByteStoreOptions
from flask_cache_core.settings import Options, table

ROOT = Path(__file__).parents[1]
PLACE = re.compile(
    r"(?P<begin><!-- settings: (?P<options>[\w.:]+)(?P<names>[^>]*) -->\n)"
    r".*?(?P<end>\n<!-- end of settings -->)",
    re.DOTALL,
)


def pages() -> Iterator[Path]:
    """Find all pages that have such tables."""
    for page in (*ROOT.glob("docs/*.md"), *ROOT.glob("*/*/README.md")):
        if PLACE.search(page.read_text()):
            yield page


def with_tables(text: str) -> str:
    """Return *text* with all tables as the code declares them now."""
    return PLACE.sub(_filled, text)


def _filled(place: re.Match[str]) -> str:
    module, _, name = place["options"].partition(":")
    options: type[Options] = getattr(import_module(module), name)
    names = place["names"].split() or _own(options)
    return f"{place['begin']}\n{table(options, names)}\n{place['end']}"


def _own(options: type[Options]) -> list[str]:
    """What a backend reads beyond what every store of bytes does."""
    return [name for name in options.rows() if name not in ByteStoreOptions.rows()]


if __name__ == "__main__":
    for page in pages():
        page.write_text(with_tables(page.read_text()))
