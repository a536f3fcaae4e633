"""Type checkers see decorated functions as they are: the examples in `typing/`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLES = Path(__file__).parent / "typing"


def check(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_agrees_with_the_examples() -> None:
    check("mypy", str(EXAMPLES))


def test_pyright_agrees_with_the_examples() -> None:
    check("pyright", "--project", str(EXAMPLES), "--pythonpath", sys.executable)
