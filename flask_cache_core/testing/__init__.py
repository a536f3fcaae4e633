"""The conformance kit for authors of backends. Install it with ``flask-cache-core[testing]``.

Knows backends and pytest; must not know Flask apps or decorators.
"""

from typing import Any

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{part}"
        for part in (
            "_bytes", "_clear", "_concurrency", "_counters", "_keys", "_store", "_timeouts",
            "_values",
        )
    )
)  # fmt: skip

from ._moved import moved  # noqa: E402 - the asserts of the contract are rewritten as in a test module
from .contract import BackendContract  # noqa: E402
from .proxy import CountingProxy  # noqa: E402
from .servers import Server, free_port, program  # noqa: E402

__all__ = ["BackendContract", "CountingProxy", "Server", "free_port", "program"]


def __getattr__(name: str) -> Any:
    return moved(__name__, name)
