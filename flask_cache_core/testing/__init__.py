"""The conformance kit for authors of backends. Install it with ``flask-cache-core[testing]``.

Knows backends and pytest; must not know Flask apps or decorators.
"""

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

from .contract import BackendContract  # noqa: E402 - its asserts are rewritten as in a test module
from .servers import (  # noqa: E402
    MemcachedServer,
    RedisCluster,
    RedisSentinel,
    RedisServer,
    SaslMemcachedServer,
    Server,
    free_port,
    program,
)

__all__ = [
    "BackendContract",
    "MemcachedServer",
    "RedisCluster",
    "RedisSentinel",
    "RedisServer",
    "SaslMemcachedServer",
    "Server",
    "free_port",
    "program",
]
