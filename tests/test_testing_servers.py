"""The servers of the plug-ins are found under the names that they had in the core."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

HOMES = {
    "RedisServer": "redis",
    "RedisSentinel": "redis",
    "RedisCluster": "redis",
    "MemcachedServer": "memcached",
    "SaslMemcachedServer": "saslmemcached",
}
FORMER = ["flask_cache_core.testing", "flask_cache_core.testing.servers"]


@pytest.mark.parametrize("module", FORMER)
@pytest.mark.parametrize("name", HOMES)
def test_a_former_name_is_the_one_of_the_plug_in(module: str, name: str) -> None:
    home = import_module(f"flask_cache_core_{HOMES[name]}.testing")
    assert getattr(import_module(module), name) is getattr(home, name)


@pytest.mark.parametrize("module", FORMER)
@pytest.mark.parametrize("name", HOMES)
def test_without_the_plug_in_the_error_says_what_to_install(module: str, name: str) -> None:
    """``None`` in `sys.modules` is how Python says that a package is not to be found."""
    code = (
        f"import sys; sys.modules['flask_cache_core_{HOMES[name]}'] = None\n"
        f"from {module} import {name}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"pip install flask-cache-core[{HOMES[name]}]" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("module", FORMER)
def test_any_other_name_is_no_attribute(module: str) -> None:
    with pytest.raises(AttributeError, match="MongoServer"):
        _ = import_module(module).MongoServer


def test_the_kit_imports_no_plug_in_by_itself() -> None:
    code = (
        "import sys, flask_cache_core.testing\n"
        "print([name for name in sys.modules if name.startswith('flask_cache_core_')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
