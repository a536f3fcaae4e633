"""The part of the contract about keys: any length, any characters, no two of them the same."""

from __future__ import annotations

import pytest

from ..storage.base import BaseCache, Batch
from ._base import Contract

HOSTILE: dict[str, str] = {
    "empty": "",
    "space": " ",
    "inner-space": "a b",
    "trailing-space": "a ",
    "leading-space": " a",
    "tab": "a\tb",
    "crlf": "a\r\nb",
    "injected-command": "a 0 0 1\r\nx\r\nflush_all\r\n",
    "nul": "a\x00b",
    "trailing-nul": "a\x00",
    "escape": "a\x1b[2Jb",
    "delete": "a\x7fb",
    "percent": "100%",
    "escaped-space": "a%20b",
    "escaped-crlf": "a%0D%0Ab",
    "format": "%s{0}%(x)s",
    "glob": "*",
    "glob-class": "[a-z]?\\*",
    "like": "a_b%",
    "quote": "a'b\"c`; DROP TABLE cache; --",
    "path": "../../etc/passwd",
    "absolute-path": "/",
    "backslash": "..\\..",
    "dot": ".",
    "colon": "a:b",
    "braces": "{a}b",
    "lower-case": "ab",
    "upper-case": "AB",
    "composed": "caf\u00e9",
    "decomposed": "cafe\u0301",
    "cjk": "鍵",
    "emoji": "🔑" * 40,
    "surrogate": "\ud800",
    "digest-like": "0" * 64,
    "250-bytes": "k" * 250,
    "251-bytes": "k" * 251,
    "255-bytes": "k" * 255,
    "256-bytes": "k" * 256,
    "long": "k" * 10_000,
    "long-with-another-end": "k" * 9_999 + "l",
    "long-unicode": "ł" * 5_000,
}


class KeysContract(Contract):
    """Every string is a key."""

    @pytest.mark.parametrize("name", HOSTILE)
    def test_any_string_is_a_key(self, backend: BaseCache, name: str) -> None:
        key = HOSTILE[name]
        assert backend.add(key, [1], 60) is True
        assert backend.get(key) == [1]
        assert backend.has(key) is True
        assert backend.set(key, 2, 60) is not False
        assert backend.inc(key) == 3
        assert backend.get_many("other", key) == [None, 3]
        assert backend.delete(key) is True
        assert backend.has(key) is False
        assert backend.store(Batch({key: 4}, 60, {key + "|version": "token"}, 60)) is True
        assert backend.get_dict(key, key + "|version") == {key: 4, key + "|version": "token"}
        assert sorted(backend.delete_many(key, key + "|version")) == [key, key + "|version"]

    def test_no_two_keys_are_the_same(self, backend: BaseCache) -> None:
        mapping = {key: name for name, key in HOSTILE.items()}
        assert sorted(backend.set_many(mapping, 60)) == sorted(mapping)
        assert backend.get_dict(*mapping) == mapping
        for key, name in mapping.items():
            assert backend.get(key) == name
            assert backend.delete(key) is True
        assert backend.get_many(*mapping) == [None] * len(mapping)
