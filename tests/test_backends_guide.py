"""`docs/backends.md` tells every setting of every backend, and none that does not exist."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from flask_cache_core_filesystem import FileSystemCache
from flask_cache_core_memcached import MemcachedCache
from flask_cache_core_redis import RedisBackend, RedisClusterBackend, RedisSentinelBackend
from flask_cache_core_saslmemcached import SASLMemcachedCache
from flask_cache_core_spreadsas import SpreadSASLMemcachedCache

from flask_cache_core import BaseCache
from flask_cache_core.backend import ByteStoreOptions
from flask_cache_core.backends import NullCache, SimpleCache
from flask_cache_core.plugins import OUR_EXTRAS
from flask_cache_core.settings import DEFAULTS

GUIDE = (Path(__file__).parents[1] / "docs" / "backends.md").read_text()
BACKENDS: dict[str, type[BaseCache]] = {
    "null": NullCache,
    "simple": SimpleCache,
    "filesystem": FileSystemCache,
    "redis": RedisBackend,
    "redissentinel": RedisSentinelBackend,
    "rediscluster": RedisClusterBackend,
    "memcached": MemcachedCache,
    "gaememcached": MemcachedCache,
    "saslmemcached": SASLMemcachedCache,
    "spreadsaslmemcached": SpreadSASLMemcachedCache,
}
SECTIONS: dict[str, str] = dict(re.findall(r"(?ms)^## (.+?)$(.*?)(?=^## |\Z)", GUIDE))


def section(name: str) -> str:
    (text,) = [text for heading, text in SECTIONS.items() if f"`{name}`" in heading]
    return text


def told(text: str) -> set[str]:
    return set(re.findall(r"CACHE_[A-Z_]+", text))


def declared(name: str) -> set[str]:
    options = BACKENDS[name].options
    assert options is not None
    return set(options.rows())


def test_every_short_name_has_a_section() -> None:
    assert BACKENDS.keys() == OUR_EXTRAS.keys() | {"null", "simple"}
    for name in BACKENDS:
        assert section(name)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_section_has_a_row_for_each_setting_that_its_backend_reads(name: str) -> None:
    settings = declared(name)
    rows = [line.split(" | ")[0] for line in section(name).splitlines() if line.startswith("| `")]
    core = DEFAULTS.keys() - {"CACHE_THRESHOLD"}
    assert told(" ".join(rows)) >= settings - core


def test_what_all_stores_of_bytes_read_is_told_once_for_all() -> None:
    assert (
        told(SECTIONS["What all stores of bytes have in common"]) >= ByteStoreOptions.rows().keys()
    )


def test_only_settings_that_exist_are_told() -> None:
    assert told(GUIDE) <= DEFAULTS.keys() | {each for name in BACKENDS for each in declared(name)}


@pytest.mark.parametrize("name", ["simple", "filesystem", "memcached", "spreadsaslmemcached"])
def test_a_section_names_each_option_that_its_backend_takes(name: str) -> None:
    parameters = inspect.signature(BACKENDS[name]).parameters.values()
    options = {each.name for each in parameters if each.kind is not each.VAR_KEYWORD}
    inherited = {"servers", "cache_dir", "username", "password"}
    assert {each for each in options - inherited if each not in section(name)} == set()


@pytest.mark.parametrize("name", OUR_EXTRAS)
def test_a_section_says_how_its_backend_is_installed(name: str) -> None:
    assert f"pip install flask-cache-core[{OUR_EXTRAS[name]}]" in section(name)
