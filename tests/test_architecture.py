"""The rules of the house, read from the source: which room may import which, who names files, docstrings."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

import bmcli
from bmcli.runs import layout

PACKAGE = Path(bmcli.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

ARROWS: dict[str, set[str]] = {
    "": {"_version", "api", "core"},
    "__main__": {"cli"},
    "_version": set(),
    "api": {
        "cli",
        "config",
        "core",
        "doctor",
        "evaluation",
        "experiments",
        "explain",
        "export",
        "files",
        "inference",
        "modalities",
        "report",
        "runs",
    },
    "cli": {
        "_version",
        "config",
        "core",
        "data",
        "doctor",
        "evaluation",
        "experiments",
        "explain",
        "export",
        "files",
        "inference",
        "metrics",
        "modalities",
        "models",
        "report",
        "runs",
        "training",
    },
    "config": {"core", "files", "runs"},
    "core": set(),
    "data": {"config", "core", "files", "modalities"},
    "doctor": {
        "_version",
        "config",
        "core",
        "data",
        "evaluation",
        "experiments",
        "files",
        "inference",
        "metrics",
        "modalities",
        "report",
        "runs",
        "training",
    },
    "evaluation": {"config", "core", "data", "files", "inference", "metrics", "modalities", "plots", "runs"},
    "experiments": {
        "config",
        "core",
        "data",
        "evaluation",
        "export",
        "inference",
        "metrics",
        "modalities",
        "models",
        "plots",
        "report",
        "runs",
        "training",
    },
    "explain": {
        "core",
        "data",
        "evaluation",
        "files",
        "inference",
        "metrics",
        "modalities",
        "plots",
        "report",
        "runs",
    },
    "export": {"_version", "core", "data", "inference", "modalities", "runs"},
    "files": {"config", "core"},
    "inference": {"config", "core", "data", "files", "metrics", "modalities", "models", "runs"},
    "metrics": {"core", "evaluation", "runs"},
    "modalities": {"config", "core", "data", "files", "inference", "runs"},
    "models": {"core"},
    "plots": {"core", "data", "evaluation", "files", "modalities", "runs", "training"},
    "report": {"_version", "core", "evaluation", "explain", "files", "plots", "runs"},
    "runs": {"_version", "core"},
    "training": {"config", "core", "inference", "modalities", "models", "runs"},
}
"""Which room may import which; '' is `bmcli/__init__.py`. Imports for types count."""

HEAVY = {
    "tensorflow",
    "jax",
    "keras",
    "numpy",
    "sklearn",
    "polars",
    "matplotlib",
    "PIL",
    "onnxruntime",
    "onnx",
}
COLD = ("cli", "config", "runs", "core", "__init__.py")
"""Rooms on the way to `bm --help` and to a config error: there, heavy imports stand inside functions."""


def room_of(module: str) -> str:
    """'bmcli.data.bundle' -> 'data'; 'bmcli' -> ''."""
    return module.split(".")[1] if "." in module else ""


def dotted(path: Path) -> str:
    parts = ("bmcli", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def for_types_only(tree: ast.Module) -> set[ast.AST]:
    """All nodes under `if TYPE_CHECKING`."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            found.update(inner for part in node.body for inner in ast.walk(part))
    return found


def imports(path: Path, *, top_only: bool = False) -> list[tuple[int, str]]:
    """(line, module) of every import, for types too; `top_only`: of those that run with the module."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped: set[ast.AST] = set()
    if top_only:
        skipped |= for_types_only(tree)
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        skipped |= {inner for function in functions for inner in ast.walk(function)}
    found = []
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            module = node.module or ""
            if module == "bmcli":  # `from bmcli.core import quiet`
                found += [(node.lineno, f"bmcli.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, module))
    return found


def arrows(modules: list[Path]) -> dict[tuple[str, str], str]:
    """(from room, to room) -> one place where that import stands."""
    found = {}
    for path in modules:
        own = room_of(dotted(path))
        for line, module in imports(path):
            if module.split(".")[0] == "bmcli" and room_of(module) != own:
                found[own, room_of(module)] = f"{path.relative_to(PACKAGE)}:{line} imports {module}"
    return found


def test_every_arrow_is_listed_and_no_other() -> None:
    drawn = arrows(MODULES)
    listed = {(room, other) for room, others in ARROWS.items() for other in others}
    assert {room_of(dotted(path)) for path in MODULES} == set(ARROWS), "a room is missing, or is gone"
    assert not [place for arrow, place in drawn.items() if arrow not in listed]
    assert not listed - set(drawn), "listed, and no longer drawn"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree) or not tree.body, f"{path} has no docstring"


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.relative_to(PACKAGE).parts[0] in COLD], ids=dotted
)
def test_cold_rooms_load_nothing_heavy(path: Path) -> None:
    heavy = [f"{line}: {m}" for line, m in imports(path, top_only=True) if m.split(".")[0] in HEAVY]
    assert not heavy


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli" / "commands").glob("[!_]*.py")), ids=dotted)
def test_command_modules_are_light(path: Path) -> None:
    allowed = {"typer", *sys.stdlib_module_names}
    modules = [m for _, m in imports(path, top_only=True)]
    assert [m for m in modules if m.split(".")[0] not in allowed and not m.startswith("bmcli.cli.")] == []


def test_only_layout_names_the_files_of_a_run() -> None:
    names = {
        value
        for key, value in vars(layout).items()
        if key.isupper() and isinstance(value, str) and re.search(r"\w\.\w", value)
    }
    found = []
    for path in MODULES:
        if path.name == "layout.py":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        documentation = {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node not in documentation and node.value in names:
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {node.value!r}")
    assert not found


def test_nobody_imports_click() -> None:
    """Typer brings its own."""
    assert not [path for path in MODULES for _, module in imports(path) if module.split(".")[0] == "click"]
