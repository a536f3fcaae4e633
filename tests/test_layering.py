"""Imports inside the core run one way, and a plug-in imports only what is public."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "flask_cache_core"

#: From the top: a room imports only what stands on a line below its own, types included. The
#: package itself holds public names only, and stands above all.
LAYERS = """
    extension testing backend settings
    keyvalue decorating plugins strays
    decorators backends
    web hookspecs legacy
    apps
    engine
    storage
    keys config
    options
    errors typing signals
"""
HEIGHT = {
    room: height
    for height, line in enumerate(reversed(LAYERS.strip().splitlines()))
    for room in line.split()
}

#: The modules of the core that a plug-in may import from.
PUBLIC = ("", "backend", "errors", "hookspecs", "settings", "testing", "typing")


class Import(NamedTuple):
    """One imported name: from which module of the core, and on which line."""

    module: str
    name: str
    line: int


def imports(path: Path, package: str | None) -> Iterator[Import]:
    """What *path*, in this package of the core, if any, imports of the core, if only for types."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.partition(".")[0] == "flask_cache_core":
                    yield Import(name.name.partition(".")[2], "", node.lineno)
        elif isinstance(node, ast.ImportFrom):
            module = source(node, package)
            if module is not None:
                yield from (Import(module, name.name, node.lineno) for name in node.names)


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


def room(module: str) -> str:
    """The name in `LAYERS` of the file or folder that *module* is, or is in."""
    return module.partition(".")[0]


def imported(module: str) -> Iterator[tuple[str, int]]:
    """The modules that *module* imports, and on which line."""
    for found in imports(MODULES[module], package_of(module)):
        inner = f"{found.module}.{found.name}".strip(".")
        yield inner if inner in MODULES else found.module, found.line


@pytest.mark.parametrize("module", MODULES.keys() - {""})
def test_a_module_imports_only_from_rooms_below_its_own(module: str) -> None:
    own = room(module)
    assert own in HEIGHT, f"{module} has no place in LAYERS"
    wrong = [
        f"line {line}: {found}"
        for found, line in imported(module)
        if room(found) != own and HEIGHT[room(found)] >= HEIGHT[own]
    ]
    assert wrong == []


def test_no_modules_import_each_other() -> None:
    """Within a room too, and for types too."""
    graph = {module: {found for found, _ in imported(module)} - {module, ""} for module in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_every_room_exists_and_there_are_at_most_ten_rules() -> None:
    assert HEIGHT.keys() == {room(module) for module in MODULES} - {""}
    assert len(LAYERS.strip().splitlines()) <= 10


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
