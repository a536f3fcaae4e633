"""The table of settings: each row is checked at set-up; what is wrong names it and the fix."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from flask import Flask

from flask_cache_core import Cache, CacheError, CacheWarning
from flask_cache_core.backend import ByteStoreOptions
from flask_cache_core.backends import SimpleCache
from flask_cache_core.config import FlightOptions
from flask_cache_core.errors import ConfigError, InvalidTimeoutError, UsageError
from flask_cache_core.settings import (
    DEFAULTS,
    BackendSettings,
    FlightSettings,
    Options,
    Setting,
    Settings,
    WantedError,
    anything,
    choice,
    count,
    flag,
    mapping,
    optional,
    positive_seconds,
    seconds,
    sequence,
    table,
    text,
)

ROOT = Path(__file__).parents[1]


class Json:
    def dumps(self, value: object) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> object:
        return json.loads(data)


# -- every row of the core ---------------------------------------------------------------------

JSON = Json()

#: What each setting takes, and what becomes of it.
RIGHT: dict[str, list[tuple[Any, Any]]] = {
    "CACHE_TYPE": [("simple", "simple"), (SimpleCache, SimpleCache)],
    "CACHE_NO_NULL_WARNING": [(True, True), (0, False)],
    "CACHE_NULL_WHEN_TESTING": [(False, False), (1, True)],
    "CACHE_ARGS": [([1, "a"], (1, "a")), ((), ()), ({"a"}, ("a",))],
    "CACHE_OPTIONS": [({"a": 1}, {"a": 1}), ({}, {})],
    "CACHE_DEFAULT_TIMEOUT": [(0, 0), (0.5, 0.5), ("60", 60), (timedelta(minutes=1), 60)],
    "CACHE_THRESHOLD": [(1, 1), (10_000, 10_000)],
    "CACHE_KEY_PREFIX": [("", ""), ("shop", "shop")],
    "CACHE_IGNORE_ERRORS": [(True, True)],
    "CACHE_SOURCE_CHECK": [(True, True)],
    "CACHE_HASH_METHOD": [(hashlib.md5, hashlib.md5)],
    "CACHE_SERIALIZER": [(JSON, JSON)],
    "CACHE_ENABLE_SIGNALS": [(True, True)],
    "CACHE_PLUGINS": [(["a", "b"], ("a", "b"))],
    "CACHE_LOCK": [("distributed", "distributed"), (False, False), (0, False)],
    "CACHE_LOCK_TIMEOUT": [("5", 5), (timedelta(seconds=2), 2)],
    "CACHE_STALE_WHILE_REVALIDATE": [(30, 30), ("0", 0)],
    "CACHE_STALE_IF_ERROR": [(timedelta(hours=1), 3600)],
    "CACHE_JITTER": [(0.1, 0.1), ("0.1", 0.1)],
    "CACHE_BETA": [(1, 1)],
    "CACHE_RESPONSE_POLICY": [("permissive", "permissive"), ("operator.truth", "operator.truth")],
    "CACHE_SECRET_KEYS": [("one", (b"one",)), (["a", b"b"], (b"a", b"b")), ([], ())],
    "CACHE_COMPRESSION": [("zlib", "zlib"), ("zstd", "zstd"), ("lz4", "lz4")],
    "CACHE_COMPRESS_MIN": [(0, 0)],
    "CACHE_BACKEND_TIMEOUT": [("5", 5), ("0.5", 0.5), (timedelta(seconds=1), 1)],
    "CACHE_BREAKER_DURATION": [(0, 0), ("9", 9)],
    "CACHE_CLEAR_ALL": [(True, True)],
}


DURATION = "a number of seconds >= 0 or a timedelta"
FLAG = "True or False"

#: What each refuses, and what it says that it wants.
WRONG: dict[str, tuple[str, list[Any]]] = {
    "CACHE_NO_NULL_WARNING": (FLAG, ["yes", 1.0]),
    "CACHE_NULL_WHEN_TESTING": (FLAG, ["no"]),
    "CACHE_ARGS": ("a list or a tuple", ["a string", {"a": 1}, 5]),
    "CACHE_OPTIONS": ("a dict", [["a"], "x"]),
    "CACHE_DEFAULT_TIMEOUT": (
        DURATION,
        [-1, "soon", "-1", "1.", "", timedelta(-1), float("inf"), 10**400, []],
    ),
    "CACHE_THRESHOLD": ("a whole number >= 1", [0, -5, 1.5, "5", "many", True]),
    "CACHE_KEY_PREFIX": ("a string", [5, b"shop"]),
    "CACHE_IGNORE_ERRORS": (FLAG, ["False"]),
    "CACHE_SOURCE_CHECK": (FLAG, ["x"]),
    "CACHE_HASH_METHOD": ("a hash constructor such as hashlib.sha256", ["sha256"]),
    "CACHE_SERIALIZER": ("None, a name that a plug-in offers, or a class", [5, object]),
    "CACHE_ENABLE_SIGNALS": (FLAG, ["on"]),
    "CACHE_PLUGINS": ("a list or a tuple", ["prometheus"]),
    "CACHE_LOCK": ("one of 'local', 'distributed', False", ["global", True, []]),
    "CACHE_LOCK_TIMEOUT": (DURATION, [-1]),
    "CACHE_STALE_WHILE_REVALIDATE": (DURATION, [-1]),
    "CACHE_STALE_IF_ERROR": (DURATION, ["long"]),
    "CACHE_JITTER": (DURATION, [-0.1]),
    "CACHE_BETA": (DURATION, [float("nan")]),
    "CACHE_RESPONSE_POLICY": ("a string", [5]),
    "CACHE_SECRET_KEYS": (
        "a list of non-empty strings or bytes, newest first",
        [5, [""], [5], b""],
    ),
    "CACHE_COMPRESSION": ("one of None, 'zlib', 'zstd', 'lz4'", ["rar"]),
    "CACHE_COMPRESS_MIN": ("a whole number >= 0", [-1, "1k"]),
    "CACHE_BACKEND_TIMEOUT": ("more than 0 seconds", [0, timedelta(0)]),
    "CACHE_BREAKER_DURATION": (DURATION, [-1]),
    "CACHE_CLEAR_ALL": (FLAG, ["maybe"]),
}


def attribute(name: str) -> str:
    return name.removeprefix("CACHE_").lower()


def test_every_row_is_tried() -> None:
    assert RIGHT.keys() == DEFAULTS.keys()
    assert WRONG.keys() | {"CACHE_TYPE"} == DEFAULTS.keys()


@pytest.mark.parametrize("name", DEFAULTS)
def test_what_a_setting_takes(name: str) -> None:
    for value, found in RIGHT[name]:
        assert getattr(Settings({name: value}), attribute(name)) == found


@pytest.mark.parametrize("name", WRONG)
def test_what_a_setting_refuses(name: str) -> None:
    wanted, values = WRONG[name]
    for value in values:
        with pytest.raises(ConfigError) as caught:
            Settings({name: value})
        assert str(caught.value).startswith(f"{name} must be {wanted}")
        shown = name != "CACHE_SECRET_KEYS"
        assert (f", not {value!r}." in str(caught.value)) is shown


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_name_that_is_none_is_not_set(name: str) -> None:
    default = getattr(Settings(), attribute(name))
    assert getattr(Settings({name: None}), attribute(name)) == default
    assert getattr(Settings(DEFAULTS), attribute(name)) == default


def test_the_documented_defaults() -> None:
    made = Settings()
    assert (made.type, made.default_timeout, made.threshold) == ("null", 300, 500)
    assert (made.args, made.options, made.plugins) == ((), {}, ())
    assert (made.key_prefix, made.clear_all, made.serializer) == ("flask_cache_", False, None)
    assert (made.lock, made.lock_timeout) == ("local", 10)
    assert (made.stale_while_revalidate, made.stale_if_error, made.jitter, made.beta) == (0,) * 4
    assert (made.response_policy, made.compression, made.compress_min) == ("safe", None, 1024)
    assert (made.backend_timeout, made.breaker_duration) == (0.25, 5)
    assert (made.null_when_testing, made.no_null_warning) == (True, False)
    assert (made.ignore_errors, made.source_check, made.enable_signals) == (False, False, False)
    assert (made.hash_method, made.secret_keys) == (hashlib.sha256, ())


def test_secrets_come_from_the_app_unless_given() -> None:
    assert Settings({"SECRET_KEY": "a"}).secret_keys == (b"a",)
    fallbacks = {"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["old", b"older"]}
    assert Settings(fallbacks).secret_keys == (b"new", b"old", b"older")
    assert Settings({**fallbacks, "CACHE_SECRET_KEYS": ["b"]}).secret_keys == (b"b",)
    assert Settings({"SECRET_KEY": "a", "CACHE_SECRET_KEYS": []}).secret_keys == ()
    assert Settings({"SECRET_KEY": None, "SECRET_KEY_FALLBACKS": None}).secret_keys == ()


@pytest.mark.parametrize("keys", [["hunter2", 5], {"hunter2": 1, 5: 1}])
def test_a_secret_is_never_shown(keys: Any) -> None:
    with pytest.raises(ConfigError, match="CACHE_SECRET_KEYS") as caught:
        Settings({"CACHE_SECRET_KEYS": keys})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "hunter2" not in repr(Settings({"CACHE_SECRET_KEYS": "hunter2"}))


# -- at set-up ---------------------------------------------------------------------------------

AT_SET_UP: list[tuple[str, Any]] = [
    *((name, values[0]) for name, (_, values) in WRONG.items()),
    ("CACHE_PLUGINS", ["not-installed"]),
    ("CACHE_SERIALIZER", "yaml"),
    ("CACHE_RESPONSE_POLICY", "careless"),
    ("CACHE_RESPONSE_POLICY", "no.such.module"),
    ("CACHE_TYPE", "reddis"),
    ("CACHE_TYPE", ""),
    ("CACHE_TYPE", 5),
    ("CACHE_TYPE", "no.such.module.Cache"),
    ("CACHE_TYPE", "flask:NoSuchThing"),
    ("CACHE_TYPE", "math.pi"),
    ("CACHE_TYPE", "collections.OrderedDict"),
    ("CACHE_TYPE", "json"),
]


@pytest.mark.parametrize(("name", "value"), AT_SET_UP)
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


def test_a_wrong_value_leaves_a_cache_that_works_as_it_was(app: Flask) -> None:
    cache = Cache(app, config={"CACHE_TYPE": "simple"})
    cache.set("k", 1)
    with pytest.raises(ConfigError):
        cache.init_app(app, config={"CACHE_THRESHOLD": 0})
    assert cache.get("k") == 1


def test_none_leaves_what_stands_below(app: Flask) -> None:
    app.config.update(CACHE_TYPE="simple", CACHE_THRESHOLD=7, CACHE_DEFAULT_TIMEOUT=None)
    cache = Cache(config={"CACHE_TYPE": None, "CACHE_THRESHOLD": 8})
    cache.init_app(app, config={"CACHE_THRESHOLD": None, "CACHE_REDIS_URL": None})
    made = cache.state().settings
    assert (made.type, made.threshold, made.default_timeout) == ("simple", 8, 300)


def test_no_type_at_all_is_told_like_null(app: Flask) -> None:
    with pytest.warns(CacheWarning, match="CACHE_TYPE is null"):
        Cache(app, config={"CACHE_TYPE": None})


def test_a_serializer_is_a_class_or_an_object(app: Flask) -> None:
    for wanted in (Json, JSON):
        with pytest.warns(CacheWarning, match="CACHE_SERIALIZER"):  # simple uses none
            cache = Cache(app, config={"CACHE_TYPE": "simple", "CACHE_SERIALIZER": wanted})
        assert isinstance(cache.state().settings.serializer, Json)


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


# -- a table -----------------------------------------------------------------------------------


def even(value: object) -> int:
    if isinstance(value, int) and value % 2 == 0:
        return value
    raise WantedError("an even number")


class Base(Options):
    size = Setting(even, 2, "How *large* it is.")
    password = Setting(optional(text), None, "Of the server.", secret=True)


class Extended(Base):
    colour = Setting(choice("red", "blue"), "red", "Which one.", name="CACHE_PAINT")
    many = BackendSettings.threshold


def test_a_row_is_the_row_on_the_class_and_the_value_on_an_instance() -> None:
    assert isinstance(Base.size, Setting)
    assert (Base.size.name, Extended.colour.name) == ("CACHE_SIZE", "CACHE_PAINT")
    made = Extended({"CACHE_SIZE": 4, "CACHE_PAINT": "blue", "CACHE_COLOUR": "ignored"})
    assert (made.size, made.colour, made.password, made.many) == (4, "blue", None, 500)
    assert vars(made)["size"] == 4, "reading is looking up a plain attribute"


def test_rows_are_in_order_and_those_of_bases_come_first() -> None:
    assert list(Extended.rows()) == [
        "CACHE_SIZE",
        "CACHE_PASSWORD",
        "CACHE_PAINT",
        "CACHE_THRESHOLD",
    ]
    assert list(Extended.attributes) == ["size", "password", "colour", "many"]
    assert list(Base.rows()) == ["CACHE_SIZE", "CACHE_PASSWORD"]
    assert Options.rows() == {}


def test_a_shared_row_is_the_same_row() -> None:
    assert Extended.rows()["CACHE_THRESHOLD"] is Settings.rows()["CACHE_THRESHOLD"]
    for name, row in ByteStoreOptions.rows().items():
        assert row is Settings.rows()[name]


def test_a_row_may_be_replaced_in_a_subclass() -> None:
    class Odd(Base):
        size = Setting(count(3), 3)

    assert (Odd().size, Base().size) == (3, 2)


def test_a_table_never_changes() -> None:
    with pytest.raises(AttributeError, match="size cannot be set"):
        Base().size = 6  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError):
        Settings().threshold = 5  # pyright: ignore[reportAttributeAccessIssue]


def test_a_table_may_be_built_from_plain_values() -> None:
    made = Extended({"CACHE_SIZE": 4}, colour="blue", size=6)
    assert (made.size, made.colour) == (6, "blue")
    with pytest.raises(ConfigError, match=r"size must be an even number, not 5\."):
        Extended(size=5)
    with pytest.raises(UsageError, match="unexpected keyword arguments: sise, x"):
        Extended(sise=4, x=1)


def test_only_what_is_set_is_verified() -> None:
    class Required(Options):
        path = Setting(text, None, shown="required")

    Required.verify({})
    Required.verify({"CACHE_PATH": None})
    with pytest.raises(ConfigError, match=r"CACHE_PATH must be a string, not 5\."):
        Required.verify({"CACHE_PATH": 5})
    with pytest.raises(ConfigError, match="CACHE_PATH must be a string, not None"):
        Required({})


def test_any_function_that_raises_is_a_check() -> None:
    class Plain(Options):
        port = Setting(int, 80)  # type: ignore[arg-type]
        token = Setting(int, 0, secret=True)  # type: ignore[arg-type]

    assert Plain({"CACHE_PORT": "8080"}).port == 8080
    with pytest.raises(ConfigError, match="CACHE_PORT='x' is wrong: invalid literal"):
        Plain({"CACHE_PORT": "x"})
    with pytest.raises(ConfigError, match=r"^CACHE_TOKEN is wrong\.$"):
        Plain({"CACHE_TOKEN": "hunter2"})


def test_a_secret_is_never_printed() -> None:
    with pytest.raises(ConfigError, match=r"^CACHE_PASSWORD must be a string\.$"):
        Base({"CACHE_PASSWORD": 12345})
    assert repr(Base(password="hunter2")) == "Base(size=2, password=...)"


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (anything, [(None, None), (5, 5)], []),
        (flag, [(True, True), (0, False)], [None, "on"]),
        (text, [("", "")], [None, b""]),
        (count(1, 3), [(1, 1), (3, 3)], [0, 4, True, "1", None]),
        (seconds, [("1.5", 1.5), (timedelta(1), 86400)], [None, "1e3", " 1", "1.2.3"]),
        (positive_seconds, [("0.1", 0.1)], [0, -1, None]),
        (choice(None, 1), [(None, None), (1, 1)], [2]),
        (sequence, [([1], (1,))], [None, "a"]),
        (mapping, [(None, {}), ({"a": 1}, {"a": 1})], [[("a", 1)]]),
        (optional(text), [(None, None), ("a", "a")], [5]),
    ],
)
def test_checks(
    check: Callable[[object], object], right: list[tuple[Any, Any]], wrong: list[Any]
) -> None:
    assert [check(value) for value, _ in right] == [found for _, found in right]
    for value in wrong:
        with pytest.raises(WantedError):
            check(value)


# -- what a decorator may override -------------------------------------------------------------


class Policy(FlightSettings):
    """As the engine has one."""


def test_a_decorator_may_override_exactly_the_flight_settings() -> None:
    assert list(get_type_hints(FlightOptions)) == list(FlightSettings.attributes)
    assert FlightOptions.__total__ is False


def test_options_of_a_decorator_go_over_the_settings() -> None:
    made = Settings({"CACHE_LOCK_TIMEOUT": 7, "CACHE_BETA": 1})
    policy = Policy.of({"lock": False, "stale_if_error": timedelta(minutes=1), "beta": 0}, made)
    assert type(policy) is Policy
    assert (policy.lock, policy.lock_timeout, policy.stale_if_error) == (False, 7, 60)
    assert (policy.beta, policy.jitter, policy.stale_while_revalidate) == (0, 0, 0)
    assert Policy.of({"lock_timeout": None}, made).lock_timeout == 7  # type: ignore[typeddict-item]


def test_a_policy_may_be_built_from_plain_values() -> None:
    policy = Policy(lock=False, lock_timeout=0)
    assert (policy.lock, policy.lock_timeout, policy.beta) == (False, 0, 0)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"lock": "global"}, ConfigError, r"^lock must be one of .*, not 'global'\.$"),
        ({"lock": None}, ConfigError, "lock must be"),
        ({"lock_timeout": -1}, InvalidTimeoutError, r"^lock_timeout must be a number of seconds"),
        ({"jitter": "much"}, InvalidTimeoutError, "jitter must be"),
        ({"lok": 1, "beta": 1, "age": 2}, UsageError, "unexpected keyword arguments: age, lok"),
    ],
)
def test_a_wrong_option_is_told_without_an_app(
    options: Any, error: type[Exception], match: str
) -> None:
    Policy.check({"lock": "distributed", "lock_timeout": 5})
    with pytest.raises(error, match=match):
        Policy.check(options)


# -- documentation -----------------------------------------------------------------------------


def tables() -> Any:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_table_documents_itself() -> None:
    assert table(Extended, ["CACHE_PAINT", "CACHE_PASSWORD"]).splitlines() == [
        "| setting | default | meaning |",
        "| --- | --- | --- |",
        '| `CACHE_PAINT` | `"red"` | Which one. |',
        "| `CACHE_PASSWORD` | `None` | Of the server. |",
    ]
    assert len(table(Extended).splitlines()) == 2 + len(Extended.rows())


def test_the_tables_in_the_documentation_are_those_of_the_code() -> None:
    module = tables()
    pages = list(module.pages())
    names = {page.parent.name for page in pages}
    assert names >= {"docs", "filesystem", "memcached", "redis", "saslmemcached"}
    for page in pages:
        assert module.with_tables(page.read_text()) == page.read_text(), f"{page}: make tables"


def test_every_row_is_documented() -> None:
    for row in Settings.rows().values():
        assert row.doc.endswith(".")
        assert "\n" not in row.doc


def annotated(made: Settings, options: Mapping[str, object]) -> tuple[float, str, bool]:
    """For type checkers: values are typed."""
    reveal: tuple[float, str, bool] = (made.lock_timeout, made.key_prefix, made.clear_all)
    row: Setting[int] = Settings.threshold
    assert row.read(options)
    return reveal
