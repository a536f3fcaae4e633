"""From settings to a backend, and what is said where they are wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_cache_core_filesystem import FileSystemCache

from flask_cache_core import Cache
from flask_cache_core.errors import ConfigError


def build(directory: object, **config: Any) -> FileSystemCache:
    app = Flask(__name__)
    app.config.update(config, CACHE_TYPE="filesystem", CACHE_DIR=directory)
    with app.app_context():
        backend = Cache(app).cache
    assert isinstance(backend, FileSystemCache)
    return backend


def test_an_app_finds_it_by_its_name(tmp_path: Path) -> None:
    cache = build(tmp_path / "deep" / "cache")
    assert cache.set("k", {"a": (1, 2)})
    assert build(str(tmp_path / "deep" / "cache")).get("k") == {"a": (1, 2)}
    assert (tmp_path / "deep" / "cache").stat().st_mode & 0o777 == 0o700


def test_settings_and_options_arrive(tmp_path: Path) -> None:
    cache = build(
        tmp_path,
        CACHE_THRESHOLD=2,
        CACHE_MAX_BYTES=1_000_000,
        CACHE_FILE_HASH_METHOD=hashlib.md5,
        CACHE_OPTIONS={"mode": 0o640, "default_timeout": 7},
    )
    assert cache.default_timeout == 7
    assert cache.max_value_bytes is not None
    keys = [f"k{number}" for number in range(5)]
    cache.set_many(dict.fromkeys(keys, 1))
    assert len([key for key in keys if cache.has(key)]) == 2
    assert next(tmp_path.rglob("store")).stat().st_mode & 0o777 == 0o640
    assert next(tmp_path.rglob("store")).parent.stat().st_mode & 0o777 == 0o750


def test_arguments_by_position(tmp_path: Path) -> None:
    """``CACHE_ARGS`` follow the directory, as they do for Flask-Caching."""
    cache = build(tmp_path, CACHE_ARGS=[3, 60])
    assert cache.default_timeout == 60


def test_prefixes_are_apart_and_equal_ones_are_shared(tmp_path: Path) -> None:
    build(tmp_path, CACHE_KEY_PREFIX="a").set("k", 1)
    assert build(tmp_path, CACHE_KEY_PREFIX="a").get("k") == 1
    assert build(tmp_path, CACHE_KEY_PREFIX="b").get("k") is None


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"CACHE_DIR": None}, "CACHE_DIR"),
        ({"CACHE_DIR": ""}, "CACHE_DIR"),
        ({"CACHE_DIR": 5}, "CACHE_DIR"),
        ({"CACHE_DIR": "a\0b"}, "CACHE_DIR"),
        ({"CACHE_MAX_BYTES": 0}, "CACHE_MAX_BYTES"),
        ({"CACHE_MAX_BYTES": "1M"}, "CACHE_MAX_BYTES"),
        ({"CACHE_FILE_HASH_METHOD": "md5"}, "CACHE_FILE_HASH_METHOD"),
        ({"CACHE_OPTIONS": {"mode": 0o077}}, "mode"),
        ({"CACHE_OPTIONS": {"mode": "600"}}, "mode"),
        ({"CACHE_OPTIONS": {"colour": "red"}}, "colour"),
        ({"CACHE_THRESHOLD": 0}, "CACHE_THRESHOLD"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, config: dict[str, Any], name: str) -> None:
    directory = config.pop("CACHE_DIR", tmp_path)
    with pytest.raises(ConfigError, match=name):
        build(directory, **config)


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for directory in (file, file / "below"):
        with pytest.raises(ConfigError, match=r"CACHE_DIR.*is a file"):
            build(directory)
    assert file.read_text() == "mine"


def test_a_directory_that_is_missing() -> None:
    app = Flask(__name__)
    app.config["CACHE_TYPE"] = "filesystem"
    with pytest.raises(ConfigError, match="CACHE_DIR"):
        Cache(app)
