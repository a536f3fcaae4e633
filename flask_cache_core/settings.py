"""The settings of the core, for plug-ins that type or document them."""

from .config import DEFAULTS, Settings

__all__ = ["DEFAULTS", "Settings"]
