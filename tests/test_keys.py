# mypy: disable-error-code="no-untyped-call"
"""Keys are unambiguous: no two lists of parts give one string."""

from __future__ import annotations

import itertools

import pytest

from flask_cache_core import Cache, make_template_fragment_key
from flask_cache_core.errors import CacheError, InvalidKeyError
from flask_cache_core.keys.builders import (
    MEMO,
    barrier_key,
    digest,
    fragment_key,
    function_version,
    instance_version,
    joined,
    lock_key,
    tag_version,
    variant_key,
    view_head,
    view_version,
)

PARTS = ["", "a", "b", "a|b", "a%7Cb", "%", "|", "a b", "ü\r\n", "a_b"]


def test_no_two_lists_of_parts_give_one_string() -> None:
    lists = [parts for length in (1, 2, 3) for parts in itertools.product(PARTS, repeat=length)]
    assert len({joined(parts) for parts in lists}) == len(lists)


def test_no_two_fragments_share_a_key() -> None:
    pairs = list(itertools.product(PARTS, repeat=2))
    keys = {fragment_key(name, [vary]) for name, vary in pairs}
    keys |= {fragment_key(name, []) for name in PARTS}
    assert len(keys) == len(pairs) + len(PARTS)


def test_each_kind_of_bookkeeping_has_keys_of_its_own() -> None:
    makers = [barrier_key, lock_key, function_version, tag_version]
    keys = {make("x") for make in makers}
    keys |= {instance_version("x", "x"), view_version("x", "x"), view_version("x", "x", "")}
    assert len(keys) == 7
    assert all(key.startswith("~") for key in keys)


def test_bookkeeping_never_meets_what_decorators_store() -> None:
    stored = [
        MEMO + "~tag|x",
        view_head("view/%s", "~tag"),
        make_template_fragment_key("~tag|x"),
    ]
    assert not any(key.startswith("~") for key in stored)


def test_a_variant_has_a_key_of_its_own_and_no_variant_none() -> None:
    assert variant_key("page", "") == "page"
    assert len({variant_key("page", "de"), variant_key("page", "en"), "page"}) == 3


def test_lone_surrogates_can_be_hashed() -> None:
    assert digest("\udc80") != digest("?")


@pytest.mark.parametrize("key", [None, 1, b"bytes", ("a",), 1.5])
def test_a_key_that_is_no_string_is_refused_by_every_method(cache: Cache, key: object) -> None:
    calls = [
        lambda k: cache.get(k),
        lambda k: cache.get(k, "default"),
        lambda k: cache.get_many("ok", k),
        lambda k: cache.get_dict(k),
        lambda k: cache.has(k),
        lambda k: cache.set(k, 1),
        lambda k: cache.set_many({k: 1}),
        lambda k: cache.add(k, 1),
        lambda k: cache.delete(k),
        lambda k: cache.delete_many("ok", k),
        lambda k: cache.unlink(k),
        lambda k: cache.inc(k),
        lambda k: cache.dec(k),
        lambda k: cache.get_or_set(k, int),
        lambda k: cache.set("ok", 1, tags=[k]),
        lambda k: cache.invalidate_tags(k),
    ]
    for call in calls:
        with pytest.raises(InvalidKeyError, match="must be a str") as caught:
            call(key)
        assert isinstance(caught.value, CacheError)
        assert isinstance(caught.value, TypeError)
    assert cache.get("ok") is None


def test_keys_may_hold_anything(cache: Cache) -> None:
    keys = ["", " ", "a b", "a\r\nset b", "ü" * 500, "\x00", "\udc80", "~tag", "%s", "k" * 10_000]
    for number, key in enumerate(keys):
        assert cache.set(key, number)
    assert cache.get_many(*keys) == list(range(len(keys)))
