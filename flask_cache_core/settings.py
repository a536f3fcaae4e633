"""The settings of the core, and what a plug-in declares, checks and documents its own with."""

from .config import DEFAULTS, BackendSettings, FlightSettings, Settings
from .options import (
    Options,
    Setting,
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

__all__ = [
    "DEFAULTS",
    "BackendSettings",
    "FlightSettings",
    "Options",
    "Setting",
    "Settings",
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
]
