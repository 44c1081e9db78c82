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

LAYERS = [
    {
        "errors",
        "registry",
        "untrusted",
        "backend",
        "quiet",
        "stopwatch",
        "cores",
        "figures",
        "plugins",
        "streams",
        "_version",
    },
    {"config", "runs", "files"},
    {"data", "preprocessing", "models"},
    {"training", "evaluation", "inference"},
    {"report", "export", "explain"},
    {
        "doctor",
        "display",
        "experiment",
        "resume",
        "saving",
        "settling",
        "solving",
        "pipeline",
        "smoke",
        "measuring",
    },
    {"cli", "api", "", "__main__"},
]
"""From the ground up. A room may import its own layer and those below; '' is `bmcli/__init__.py`."""

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
COLD = (
    "cli",
    "config",
    "runs",
    "errors.py",
    "registry.py",
    "plugins.py",
    "untrusted.py",
    "backend.py",
    "quiet.py",
    "__init__.py",
)
"""Rooms on the way to `bm --help` and to a config error: there, heavy imports stand inside functions."""


def room_of(module: str) -> str:
    """'bmcli.data.bundle' -> 'data'; 'bmcli' -> ''."""
    return module.split(".")[1] if "." in module else ""


def layer_of(room: str) -> int:
    for height, rooms in enumerate(LAYERS):
        if room in rooms:
            return height
    pytest.fail(f"bmcli.{room} has no layer: add it to LAYERS")


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
    """(line, module) of every import that happens at run time; `top_only`: while the module is imported."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped = for_types_only(tree)
    if top_only:
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
            if module == "bmcli":  # `from bmcli import quiet`
                found += [(node.lineno, f"bmcli.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, module))
    return found


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_go_downwards(path: Path) -> None:
    own = layer_of(room_of(dotted(path)))
    upward = [
        f"{path.name}:{line} imports {module}"
        for line, module in imports(path)
        if module.split(".")[0] == "bmcli" and module != "bmcli" and layer_of(room_of(module)) > own
    ]
    if own == layer_of("pipeline"):
        upward = [text for text in upward if "bmcli.cli" in text]
    assert not upward


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
