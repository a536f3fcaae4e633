"""Pure key builders: strings in, one unambiguous string out.

Must not know Flask, requests or backends. Keys of the library's own bookkeeping start with
``~`` and carry their kind, so that no two kinds ever meet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from ..errors import InvalidKeyError
from ..typing import HashMethod

#: What the keys of memoized functions begin with; name and arguments follow, ``|`` between them.
MEMO: Final = "memo|"

TAG: Final = "~tag|"
_FUNCTION: Final = "~function|"
_INSTANCE: Final = "~instance|"
_VIEW: Final = "~view|"
_BARRIER: Final = "~barrier|"
_LOCK: Final = "~lock|"


def check_key(key: str) -> str:
    """Return *key*, or raise `InvalidKeyError` with what was given instead of a string."""
    if isinstance(key, str):
        return key
    raise InvalidKeyError(
        f"A cache key must be a str, not {type(key).__name__}. Use str(...) or an f-string, "
        "or cache.memoize() to have keys made from arguments."
    )


def digest(text: str, hash_method: HashMethod = hashlib.sha256) -> str:
    """Hash *text* for use inside a key. Lone surrogates are allowed."""
    hashed: str = hash_method(text.encode("utf-8", "surrogatepass")).hexdigest()
    return hashed


def joined(parts: Iterable[str]) -> str:
    """Join *parts* so that no other list of parts gives the same string."""
    return "|".join(map(_escaped, parts))


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace("|", "%7C")


def view_head(prefix: str, name: str) -> str:
    """What all keys of one view begin with."""
    return f"{prefix}|{_escaped(name)}|"


@lru_cache(maxsize=4096)
def view_key(head: str, scheme: str, host: str, root: str, query: str, path: str) -> str:
    """A page's key. Two hosts, or two mounts, are two sites.

    The path, which may hold anything, comes last; what precedes it is escaped or hashed.
    """
    return f"{head}{_escaped(f'{scheme}://{host.lower()}{root}')}|{query}|{path}"


def variant_key(key: str, variant: str) -> str:
    """The key of one variant (by request headers, cookies …) of the page under *key*."""
    return f"{key}|{digest(variant)}" if variant else key


def fragment_key(name: str, vary_on: Iterable[str]) -> str:
    """A template fragment's key, ``("a_b",)`` and ``("a", "b")`` apart."""
    return f"_template_fragment_cache_{joined((name, *vary_on))}"


def function_version(name: str) -> str:
    """Where the version of a memoized function is stored; the next ones likewise."""
    return _FUNCTION + name


@lru_cache(maxsize=1024)
def instance_version(name: str, instance: str) -> str:
    return f"{_INSTANCE}{name}|{digest(instance)}"


def view_version(name: str, path: str, query: str | None = None) -> str:
    """With *query*, the version of one query of a path; without, of all of them."""
    return f"{_VIEW}{name}|{'' if query is None else '?' + query}|{path}"


def tag_version(tag: str) -> str:
    return TAG + check_key(tag)


def barrier_key(key: str) -> str:
    """Where the deletion of *key* is announced to whoever is computing it."""
    return _BARRIER + key


def lock_key(key: str) -> str:
    return _LOCK + key
