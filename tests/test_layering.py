"""Imports inside the core run one way, and a plug-in imports only what is public."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "flask_cache_core"

#: From the top: a module imports only what stands on a line below its own.
LAYERS = """
    flask_cache_core testing
    extension
    views templates memoize
    answers
    decorated locks http
    aio
    lookup
    reading
    state
    versions
    flight guard registry
    settings backends
    backends.null backends.simple
    backend
    call
    codec snapshot options naming
    entry keys arguments
    errors typing hookspecs signals recent
"""
HEIGHT = {
    module: height
    for height, line in enumerate(reversed(LAYERS.strip().splitlines()))
    for module in line.split()
}

#: The modules of the core that a plug-in may import from.
PUBLIC = ("", "backend", "errors", "hookspecs", "settings", "testing", "typing")


class Import(NamedTuple):
    """One imported name: from which module of the core, and on which line."""

    module: str
    name: str
    line: int


def imports(path: Path, package: str | None) -> Iterator[Import]:
    """What *path*, in this package of the core, if any, imports of the core when it runs."""
    for node in at_run_time(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.partition(".")[0] == "flask_cache_core":
                    yield Import(name.name.partition(".")[2], "", node.lineno)
        elif isinstance(node, ast.ImportFrom):
            module = source(node, package)
            if module is not None:
                yield from (Import(module, name.name, node.lineno) for name in node.names)


def at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes, but those that are for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from at_run_time(node)


def source(node: ast.ImportFrom, package: str | None) -> str | None:
    """The module of the core that is imported from, ``""`` for the package itself."""
    if not node.level:
        top, _, module = (node.module or "").partition(".")
        return module if top == "flask_cache_core" else None
    if package is None:
        return None
    parts = package.split(".") if package else []
    above = parts[: len(parts) - (node.level - 1)]
    return ".".join([*above, *((node.module or "").split("."))]).strip(".")


def module_of(path: Path) -> str:
    parts = path.relative_to(CORE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str:
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


MODULES = {module_of(path): path for path in sorted(CORE.rglob("*.py"))}


def known(module: str) -> str:
    """The name of *module* in `LAYERS`."""
    if module.partition(".")[0] == "testing":
        return "testing"
    return module or "flask_cache_core"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_layers_below_its_own(module: str) -> None:
    path = MODULES[module]
    own = known(module)
    assert own in HEIGHT, f"{module} has no place in LAYERS"
    wrong = []
    for found in imports(path, package_of(module)):
        inner = f"{found.module}.{found.name}".strip(".")
        imported = known(inner if inner in MODULES else found.module)
        if imported != own and HEIGHT[imported] >= HEIGHT[own]:
            wrong.append(f"line {found.line}: {imported}")
    assert wrong == []


def test_every_layer_is_of_modules_that_exist() -> None:
    assert HEIGHT.keys() - {"flask_cache_core"} <= MODULES.keys()


def test_only_the_package_itself_imports_the_extension() -> None:
    importers = {
        module
        for module, path in MODULES.items()
        for found in imports(path, package_of(module))
        if found.module == "extension"
    }
    assert importers == {""}


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in (*ROOT.glob("plugins/*/flask_cache_core_*"), *ROOT.glob("examples/*/flask_*"))
        for path in sorted(folder.rglob("*.py"))
    ],
    ids=lambda path: "/".join(path.parts[-2:]),
)
def test_a_plug_in_imports_only_public_names(path: Path) -> None:
    for found in imports(path, None):
        assert found.module.partition(".")[0] in PUBLIC, f"line {found.line}: {found.module}"
        module = importlib.import_module(f"flask_cache_core.{found.module}".strip("."))
        assert found.name in module.__all__, f"line {found.line}: {found.name}"
