"""What a table of settings is: its rows, how values are checked, how it is documented.

Must not know which settings there are, nor who reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from math import isfinite
from types import MappingProxyType
from typing import ClassVar, Final, Generic, Self, TypeVar, overload

from .errors import ConfigError, InvalidTimeoutError, UsageError
from .typing import Timeout

__all__ = [
    "Options",
    "Setting",
    "WantedError",
    "anything",
    "choice",
    "count",
    "flag",
    "mapping",
    "optional",
    "positive_seconds",
    "seconds",
    "sequence",
    "table",
    "text",
    "to_seconds",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


class WantedError(ValueError):
    """Raised by a check. Its text says what the value must be, like "a whole number >= 1"."""


class Setting(Generic[T_co]):
    """One row: the name of a setting, its check, its default, and one line of documentation.

    Looked up on a class of `Options`, it is the row itself; on an instance, the checked value.

    :param check: returns the value to use, or raises `WantedError`. It gets the default too, and
        may raise a `ConfigError` of its own where more is to be said.
    :param default: stands for a name that is not set, or is set to ``None``.
    :param doc: what it means, in Markdown.
    :param name: by default ``CACHE_`` and the name of the attribute in capitals.
    :param secret: the value must never be printed.
    :param shown: the default as the documentation shows it, in Markdown.
    """

    def __init__(
        self,
        check: Callable[[object], T_co],
        default: object = None,
        doc: str = "",
        *,
        name: str = "",
        secret: bool = False,
        shown: str | None = None,
    ) -> None:
        self.check = check
        self.default = default
        self.doc = doc
        self.name = name
        self.secret = secret
        self.shown = f"`{default!r}`".replace("'", '"') if shown is None else shown

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.name = self.name or f"CACHE_{attribute.upper()}"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T_co: ...

    def __get__(self, instance: object, owner: type) -> Self | T_co:
        # Defines no __set__, so that the value in an instance goes before it at no cost.
        if instance is None:
            return self
        raise AttributeError(f"{self.name} has not been read.")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def read(self, config: Mapping[str, object]) -> T_co:
        """Return the checked value in *config*, or of the default. Raise `ConfigError`."""
        return self.checked(self.given(config))

    def given(self, config: Mapping[str, object]) -> object:
        """Return the value in *config*, unchecked, or the default."""
        value = config.get(self.name)
        return self.default if value is None else value

    def checked(self, value: object, label: str = "") -> T_co:
        """Return *value*, checked. Raise `ConfigError` with *label*, by default the name."""
        try:
            return self.check(value)
        except ConfigError:
            raise
        except (TypeError, ValueError) as error:
            raise ConfigError(self._complaint(label or self.name, value, error)) from None

    def _complaint(self, label: str, value: object, error: Exception) -> str:
        if isinstance(error, WantedError):
            given = "" if self.secret else f", not {value!r}"
            return f"{label} must be {error}{given}."
        return f"{label} is wrong." if self.secret else f"{label}={value!r} is wrong: {error}"


class Options:
    """A table. Its rows are class attributes; those of its bases come first.

    An instance holds the checked values under the names of the attributes, and never changes.

    :param config: values by the names of settings, as in ``app.config``.
    :param values: values by the names of attributes, which go before *config*.

    Raises `ConfigError`, which names the setting, what it must be, and unless it is secret what
    it was; `UsageError` for a name in *values* that is no attribute.
    """

    #: The rows by the names of their attributes.
    attributes: ClassVar[Mapping[str, Setting[object]]] = MappingProxyType({})

    def __init_subclass__(cls) -> None:
        tables = [base for base in cls.__bases__ if issubclass(base, Options)]
        names = [
            *(name for table in tables for name in table.attributes),
            *(name for name, value in vars(cls).items() if isinstance(value, Setting)),
        ]
        cls.attributes = {name: getattr(cls, name) for name in names}

    def __init__(self, config: Mapping[str, object] = _NOTHING, /, **values: object) -> None:
        unknown = sorted(values.keys() - self.attributes.keys())
        if unknown:
            raise UsageError(f"unexpected keyword arguments: {', '.join(unknown)}")
        for name, row in self.attributes.items():
            value = row.checked(values[name], name) if name in values else row.read(config)
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} never changes: {name} cannot be set.")

    def __repr__(self) -> str:
        values = vars(self)
        shown = (
            f"{name}={'...' if row.secret else repr(values[name])}"
            for name, row in self.attributes.items()
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    @classmethod
    def rows(cls) -> dict[str, Setting[object]]:
        """Return the rows by the names of their settings, in order."""
        return {row.name: row for row in cls.attributes.values()}

    @classmethod
    def verify(cls, config: Mapping[str, object]) -> None:
        """Check what is set in *config*, and nothing else. Raise `ConfigError`."""
        for name, row in cls.rows().items():
            if config.get(name) is not None:
                row.read(config)


def to_seconds(timeout: Timeout | None, default: float) -> float:
    """A timeout as seconds: ``None`` is *default*, ``0`` never expires.

    Raises `InvalidTimeoutError` for what is negative, not finite, or no duration at all.
    """
    if timeout is None:
        return default
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if isinstance(seconds, (int, float)) and seconds >= 0 and isfinite(seconds):
        return seconds
    raise InvalidTimeoutError(
        f"A timeout must be a number of seconds >= 0 (0 never expires), a timedelta, or None "
        f"for CACHE_DEFAULT_TIMEOUT; got {timeout!r}."
    )


# -- checks -------------------------------------------------------------------------------


def anything(value: object) -> object:
    return value


def flag(value: object) -> bool:
    if isinstance(value, (bool, int)):
        return bool(value)
    raise WantedError("True or False")


def text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise WantedError("a string")


def count(least: int, most: int | None = None) -> Callable[[object], int]:
    """Return a check for whole numbers from *least* to *most*."""
    wanted = f">= {least}" if most is None else f"from {least} to {most}"

    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise WantedError(f"a whole number {wanted}")
        if value < least or (most is not None and value > most):
            raise WantedError(f"a whole number {wanted}")
        return value

    return check


def seconds(value: object) -> float:
    """A duration: a number, a timedelta, or a decimal string as an environment variable holds."""
    number = _decimal(value) if isinstance(value, str) else value
    try:
        if isinstance(number, (int, float, timedelta)):
            return to_seconds(number, 0)
    except (InvalidTimeoutError, OverflowError):
        pass
    raise WantedError("a number of seconds >= 0 or a timedelta")


def _decimal(value: str) -> float | None:
    whole, point, fraction = value.partition(".")
    if not whole.isdecimal() or (point and not fraction.isdecimal()):
        return None
    return float(value) if point else int(value)


def positive_seconds(value: object) -> float:
    found = seconds(value)
    if found:
        return found
    raise WantedError("more than 0 seconds")


def choice(*choices: T) -> Callable[[object], T]:
    """Return a check for one of *choices*."""

    def check(value: object) -> T:
        for each in choices:
            if value is each or value == each:
                return each
        raise WantedError("one of " + ", ".join(map(repr, choices)))

    return check


def sequence(value: object) -> tuple[object, ...]:
    if isinstance(value, (list, tuple, set, frozenset)):
        return tuple(value)
    raise WantedError("a list or a tuple")


def mapping(value: object) -> dict[str, object]:
    """A dict; an empty one for ``None``."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return dict(value)
    raise WantedError("a dict")


def optional(check: Callable[[object], T]) -> Callable[[object], T | None]:
    """Return *check*, with ``None`` for a name that is not set and has no default."""

    def check_unless_none(value: object) -> T | None:
        return None if value is None else check(value)

    return check_unless_none


# -- documentation ------------------------------------------------------------------------


def table(options: type[Options], names: Iterable[str] = ()) -> str:
    """Return rows of *options* as a table in Markdown: those called *names*, by default all."""
    rows = options.rows()
    lines = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for name in names or rows:
        row = rows[name]
        lines.append(f"| `{name}` | {row.shown} | {row.doc} |")
    return "\n".join(lines)
