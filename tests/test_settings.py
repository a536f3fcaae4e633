"""Settings: each is checked at set-up, and what is wrong with it names it and the fix."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from flask_cache_core import Cache, CacheError, CacheWarning
from flask_cache_core.errors import ConfigError
from flask_cache_core.settings import DEFAULTS, Settings


def settings(**config: Any) -> Settings:
    return Settings.from_config({**DEFAULTS, **config}, None)


def test_the_documented_defaults() -> None:
    made = settings()
    assert (made.type, made.default_timeout, made.threshold) == ("null", 300, 500)
    assert made.key_prefix == "flask_cache_"
    assert (made.lock, made.lock_timeout) == ("local", 10)
    assert (made.stale_while_revalidate, made.stale_if_error, made.jitter, made.beta) == (0,) * 4
    assert (made.response_policy, made.compression, made.compress_min) == ("safe", None, 1024)
    assert (made.backend_timeout, made.breaker_duration) == (0.25, 5)
    assert made.null_when_testing
    assert (made.ignore_errors, made.source_check, made.enable_signals) == (False, False, False)
    assert made.hash_method is hashlib.sha256


WRONG: list[tuple[str, Any]] = [
    ("CACHE_DEFAULT_TIMEOUT", -1),
    ("CACHE_DEFAULT_TIMEOUT", "soon"),
    ("CACHE_DEFAULT_TIMEOUT", timedelta(-1)),
    ("CACHE_THRESHOLD", 0),
    ("CACHE_THRESHOLD", -5),
    ("CACHE_THRESHOLD", "many"),
    ("CACHE_THRESHOLD", True),
    ("CACHE_KEY_PREFIX", 5),
    ("CACHE_ARGS", "a string"),
    ("CACHE_ARGS", {"a": 1}),
    ("CACHE_OPTIONS", ["a"]),
    ("CACHE_OPTIONS", "x"),
    ("CACHE_PLUGINS", "prometheus"),
    ("CACHE_PLUGINS", ["not-installed"]),
    ("CACHE_NO_NULL_WARNING", "yes"),
    ("CACHE_NULL_WHEN_TESTING", "no"),
    ("CACHE_IGNORE_ERRORS", "False"),
    ("CACHE_SOURCE_CHECK", "x"),
    ("CACHE_HASH_METHOD", "sha256"),
    ("CACHE_SERIALIZER", "yaml"),
    ("CACHE_SERIALIZER", 5),
    ("CACHE_SERIALIZER", object),
    ("CACHE_ENABLE_SIGNALS", "on"),
    ("CACHE_LOCK", "global"),
    ("CACHE_LOCK", True),
    ("CACHE_LOCK_TIMEOUT", -1),
    ("CACHE_STALE_WHILE_REVALIDATE", -1),
    ("CACHE_STALE_IF_ERROR", "long"),
    ("CACHE_JITTER", -0.1),
    ("CACHE_BETA", float("nan")),
    ("CACHE_RESPONSE_POLICY", "careless"),
    ("CACHE_RESPONSE_POLICY", "no.such.module"),
    ("CACHE_RESPONSE_POLICY", 5),
    ("CACHE_SECRET_KEYS", 5),
    ("CACHE_SECRET_KEYS", [""]),
    ("CACHE_SECRET_KEYS", [5]),
    ("CACHE_COMPRESSION", "rar"),
    ("CACHE_COMPRESS_MIN", -1),
    ("CACHE_COMPRESS_MIN", "1k"),
    ("CACHE_BACKEND_TIMEOUT", 0),
    ("CACHE_BACKEND_TIMEOUT", -1),
    ("CACHE_BREAKER_DURATION", -1),
    ("CACHE_CLEAR_ALL", "maybe"),
    ("CACHE_TYPE", "reddis"),
    ("CACHE_TYPE", ""),
    ("CACHE_TYPE", None),
    ("CACHE_TYPE", 5),
    ("CACHE_TYPE", "no.such.module.Cache"),
    ("CACHE_TYPE", "flask:NoSuchThing"),
    ("CACHE_TYPE", "math.pi"),
    ("CACHE_TYPE", "collections.OrderedDict"),
    ("CACHE_TYPE", "json"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_names_its_setting_and_leaves_the_app_as_it_was(
    app: Flask, name: str, value: Any
) -> None:
    before = dict(app.config), dict(app.extensions)
    cache = Cache(config={"CACHE_TYPE": "simple"})
    with pytest.raises(ConfigError, match=name) as caught:
        cache.init_app(app, config={name: value})
    assert isinstance(caught.value, CacheError)
    assert isinstance(caught.value, ValueError)
    assert (dict(app.config), dict(app.extensions)) == before
    with pytest.raises(CacheError, match="init_app"):
        cache.get("k")


def test_a_secret_is_never_shown(app: Flask) -> None:
    app.config["CACHE_SECRET_KEYS"] = ["hunter2", 5]
    with pytest.raises(ConfigError) as caught:
        Cache(app, config={"CACHE_TYPE": "simple"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", [0, -1, 1.5, "5", True])
def test_a_threshold_is_checked_for_every_backend(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"CACHE_THRESHOLD must be a whole number >= 1"):
        settings(CACHE_THRESHOLD=value)


@pytest.mark.parametrize(
    ("value", "seconds"), [(60, 60), (0.5, 0.5), (timedelta(minutes=1), 60), ("60", 60), (0, 0)]
)
def test_durations(value: Any, seconds: float) -> None:
    assert settings(CACHE_DEFAULT_TIMEOUT=value).default_timeout == seconds
    assert settings(CACHE_LOCK_TIMEOUT=value).lock_timeout == seconds


def test_none_means_the_default() -> None:
    names = ["CACHE_ARGS", "CACHE_OPTIONS", "CACHE_KEY_PREFIX", "CACHE_DEFAULT_TIMEOUT"]
    made = settings(**dict.fromkeys(names))
    assert (made.args, made.options, made.key_prefix, made.default_timeout) == ((), {}, "", 300)


def test_secrets_come_from_the_app_unless_given() -> None:
    assert settings(SECRET_KEY="a").secret_keys == (b"a",)
    fallbacks = settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old", b"older"])
    assert fallbacks.secret_keys == (b"new", b"old", b"older")
    assert settings(SECRET_KEY="a", CACHE_SECRET_KEYS=["b"]).secret_keys == (b"b",)
    assert settings(CACHE_SECRET_KEYS="one").secret_keys == (b"one",)
    assert settings(SECRET_KEY="a", CACHE_SECRET_KEYS=[]).secret_keys == ()
    assert settings().secret_keys == ()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CACHE_DEFAULT_TIMEOT", "CACHE_DEFAULT_TIMEOUT"),
        ("CACHE_TRESHOLD", "CACHE_THRESHOLD"),
        ("CACHE_REDIS_HOSTS", "CACHE_REDIS_HOST"),
        ("CACHE_KEYPREFIX", "CACHE_KEY_PREFIX"),
    ],
)
def test_a_name_that_looks_misspelt_is_told(app: Flask, name: str, meant: str) -> None:
    app.config[name] = 1
    with pytest.warns(CacheWarning, match=f"{name}.*{meant}"):
        Cache(app, config={"CACHE_TYPE": "simple"})


def test_names_of_the_apps_own_are_left_alone(app: Flask) -> None:
    app.config.update(CACHE_WARMER_URL="x", CACHE_HEADERS=True, CACHED="x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Cache(app, config={"CACHE_TYPE": "simple"})


def test_a_setting_that_the_backend_does_not_use_is_told(app: Flask) -> None:
    app.config.update(CACHE_REDIS_URL="redis://x", CACHE_DIR="x")
    with pytest.warns(CacheWarning, match=r"'simple' does not use CACHE_DIR, CACHE_REDIS_URL"):
        Cache(app, config={"CACHE_TYPE": "simple"})


def test_a_backend_that_does_not_say_what_it_uses_is_believed(app: Flask) -> None:
    app.config["CACHE_REDIS_URL"] = "redis://x"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Cache(app, config={"CACHE_TYPE": "cachelib.SimpleCache"})


def test_a_serializer_is_a_class_or_an_object(app: Flask) -> None:
    class Json:
        def dumps(self, value: object) -> bytes:
            return json.dumps(value).encode()

        def loads(self, data: bytes) -> object:
            return json.loads(data)

    for wanted in (Json, Json()):
        with pytest.warns(CacheWarning, match="CACHE_SERIALIZER"):  # simple uses none
            Cache(app, config={"CACHE_TYPE": "simple", "CACHE_SERIALIZER": wanted})


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        settings().threshold = 5  # type: ignore[misc]


def test_the_settings_of_decorators_are_the_defaults_of_their_options(app: Flask) -> None:
    config = {"CACHE_TYPE": "simple", "CACHE_STALE_WHILE_REVALIDATE": 60, "CACHE_LOCK": False}
    cache = Cache(app, config=config)
    made = cache.state().settings
    assert (made.stale_while_revalidate, made.lock) == (60, False)


def test_a_response_policy_may_be_imported(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    config = {"CACHE_TYPE": "simple", "CACHE_RESPONSE_POLICY": "operator.truth"}
    cache = Cache(app, config=config)
    answers = iter(["one", "two"])

    @app.route("/")
    @cache.cached()
    def view() -> tuple[str, int]:
        return next(answers), 503

    with caplog.at_level(logging.ERROR):
        assert [app.test_client().get("/").text for _ in range(2)] == ["one", "one"]
