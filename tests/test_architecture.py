"""The rules of the house, read from the source: imports between rooms, file names, docstrings, lengths."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
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
        "config",
        "core",
        "doctor",
        "evaluation",
        "experiments",
        "explain",
        "export",
        "files",
        "inference",
        "metrics",
        "modalities",
        "report",
        "runs",
        "terminal",
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
        "pretrained",
        "report",
        "runs",
        "tasks",
        "terminal",
    },
    "config": {"core", "files", "runs"},
    "core": set(),
    "data": {"config", "core", "files", "modalities", "tasks"},
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
        "tasks",
        "training",
    },
    "evaluation": {
        "config",
        "core",
        "data",
        "files",
        "inference",
        "metrics",
        "modalities",
        "plots",
        "runs",
        "tasks",
    },
    "experiments": {
        "config",
        "core",
        "data",
        "evaluation",
        "export",
        "files",
        "inference",
        "metrics",
        "modalities",
        "models",
        "plots",
        "report",
        "runs",
        "tasks",
        "training",
    },
    "explain": {"core", "data", "evaluation", "files", "inference", "modalities", "runs", "tasks"},
    "export": {"_version", "core", "data", "inference", "modalities", "models", "runs", "tasks"},
    "files": {"core"},
    "inference": {"config", "core", "files", "metrics", "modalities", "models", "runs", "tasks"},
    "metrics": {"core"},
    "modalities": {"config", "core", "files", "runs", "tasks"},
    "models": {"core", "modalities", "pretrained", "tasks"},
    "plots": {"core", "data", "metrics", "modalities", "runs", "tasks"},
    "pretrained": {"core", "files"},
    "plugins": {"core", "data", "metrics", "modalities", "models", "tasks", "training"},
    "report": {"_version", "core", "evaluation", "explain", "files", "plots", "runs", "tasks"},
    "runs": {"_version", "core"},
    "tasks": {"core", "metrics"},
    "terminal": {"core", "experiments", "metrics", "modalities", "runs", "tasks", "training"},
    "training": {"config", "core", "inference", "modalities", "runs", "tasks"},
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
COLD = ("cli", "terminal", "config", "runs", "core", "tasks", "__init__.py")
"""Rooms on the way to `bm --help` and to a config error: there, heavy imports stand inside functions."""


def room_of(module: str) -> str:
    """'bmcli.data.bundle' -> 'data'; 'bmcli' -> ''."""
    return module.split(".")[1] if "." in module else ""


def dotted(path: Path, package: Path = PACKAGE) -> str:
    parts = (package.name, *path.relative_to(package).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def for_types_only(tree: ast.Module) -> set[ast.AST]:
    """All nodes under `if TYPE_CHECKING`."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            found.update(inner for part in node.body for inner in ast.walk(part))
    return found


def imports(path: Path, *, top_only: bool = False) -> list[tuple[int, str]]:
    """(line, name) of every import, for types too, `from a import b` as 'a.b'.

    top_only: those alone that run when the module is imported.
    """
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
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def arrows(package: Path) -> dict[tuple[str, str], str]:
    """(from room, to room) -> one place where that import stands."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        own = room_of(dotted(path, package))
        for line, module in imports(path):
            if module.split(".")[0] == package.name and room_of(module) != own:
                found[own, room_of(module)] = f"{path.relative_to(package)}:{line} imports {module}"
    return found


def module_arrows(package: Path) -> set[tuple[str, str]]:
    """(module, imported module) of the imports that run as soon as the module is imported."""
    paths = {dotted(path, package): path for path in package.rglob("*.py")}
    found = set()
    for module, path in paths.items():
        for _, name in imports(path, top_only=True):
            # `from a import b` names a module, or what is in one.
            imported = name if name in paths else name.rpartition(".")[0]
            if imported in paths and imported != module:
                found.add((module, imported))
    return found


def circle(drawn: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """A way along the arrows that ends where it began, or () where there is none."""
    sorter = TopologicalSorter[str]()
    for source, target in drawn:
        sorter.add(source, target)
    try:
        sorter.prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def against(package: Path, listed: dict[str, set[str]]) -> list[str]:
    """What of a package's rooms and of the arrows between them is not as listed, and circles."""
    rooms = {room_of(dotted(path, package)) for path in package.rglob("*.py")}
    drawn = arrows(package)
    known = {(room, other) for room, others in listed.items() for other in others}
    faults = [f"{room} is not listed" for room in sorted(rooms - set(listed))]
    faults += [f"{room} is listed, and there is no such room" for room in sorted(set(listed) - rooms)]
    faults += [f"not listed: {place}" for arrow, place in sorted(drawn.items()) if arrow not in known]
    faults += [f"listed, and no longer drawn: {a} -> {b}" for a, b in sorted(known - set(drawn))]
    if found := circle(drawn):
        faults.append(f"a circle of rooms: {', '.join(found)}")
    if found := circle(module_arrows(package)):
        faults.append(f"a circle of modules: {', '.join(found)}")
    return faults


def test_every_arrow_is_listed_and_there_is_no_circle() -> None:
    assert against(PACKAGE, ARROWS) == []


PLANTED = {
    "__init__.py": "",
    "low/__init__.py": "",
    "low/values.py": "ONE = 1",
    "high/__init__.py": "",
    "high/work.py": "from house.low.values import ONE",
}


def plant(folder: Path, **files: str) -> Path:
    """A package 'house' of two rooms, and `files` (path with '__' for '/', without suffix) beside them."""
    package = folder / "house"
    others = {f"{name.replace('__', '/')}.py": text for name, text in files.items()}
    for name, text in {**PLANTED, **others}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return package


LISTED: dict[str, set[str]] = {"": set(), "low": set(), "high": {"low"}}


def test_a_house_in_order_has_no_fault(tmp_path: Path) -> None:
    assert against(plant(tmp_path), LISTED) == []


FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.high.work import ONE\n"
IN_A_FUNCTION = "def f():\n    from house import high\n    return high\n"


@pytest.mark.parametrize("text", ["import house.high.work\n", FOR_TYPES, IN_A_FUNCTION])
def test_an_arrow_that_is_not_listed_is_found(tmp_path: Path, text: str) -> None:
    (unlisted, circle_of_rooms, *_) = against(plant(tmp_path, low__back=text), LISTED)
    assert unlisted.startswith("not listed: low/back.py:") and "house.high" in unlisted
    assert circle_of_rooms.startswith("a circle of rooms: ")


def test_a_circle_is_found_though_every_arrow_is_listed(tmp_path: Path) -> None:
    package = plant(tmp_path, low__back=FOR_TYPES)
    (found,) = against(package, {**LISTED, "low": {"high"}})
    assert found.startswith("a circle of rooms: ") and "low" in found and "high" in found


def test_a_room_that_is_not_listed_is_found(tmp_path: Path) -> None:
    package = plant(tmp_path, shed__tools="from house.low.values import ONE")
    assert against(package, LISTED) == [
        "shed is not listed",
        "not listed: shed/tools.py:1 imports house.low.values.ONE",
    ]


def test_a_room_and_an_arrow_that_are_gone_are_found(tmp_path: Path) -> None:
    assert against(plant(tmp_path), {**LISTED, "cellar": set(), "high": {"low", ""}}) == [
        "cellar is listed, and there is no such room",
        "listed, and no longer drawn: high -> ",
    ]


def test_a_circle_of_modules_in_one_room_is_found(tmp_path: Path) -> None:
    package = plant(
        tmp_path, low__values="from house.low import more\nONE = 1", low__more="import house.low.values"
    )
    (found,) = against(package, LISTED)
    assert found.startswith("a circle of modules: ") and "house.low.more" in found


MOST_LINES, MOST_IN_A_FUNCTION = 400, 60


def too_long(path: Path) -> list[str]:
    """A file of more lines than a reader keeps in mind, and its functions of more than a screen."""
    text = path.read_text("utf-8")
    found = [f"{path.name}: {lines} lines"] if (lines := len(text.splitlines())) > MOST_LINES else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > MOST_IN_A_FUNCTION:
                found.append(f"{path.name}:{node.lineno} {node.name}: {lines} lines")
    return found


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_files_and_functions_are_short(path: Path) -> None:
    assert too_long(path) == []


def test_what_is_too_long_is_found(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    body = "    pass\n" * (MOST_IN_A_FUNCTION - 1)
    path.write_text(f"def fits():\n{body}\n\nasync def grew():\n{body}    pass\n", "utf-8")
    assert too_long(path) == ["long.py:63 grew: 61 lines"]
    path.write_text("x = 1\n" * (MOST_LINES + 1), "utf-8")
    assert too_long(path) == ["long.py: 401 lines"]


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
    own = ("bmcli.cli.", "bmcli.terminal.")
    assert [m for m in modules if m.split(".")[0] not in allowed and not m.startswith(own)] == []


def test_only_layout_names_the_files_of_a_run() -> None:
    names = {
        value
        for key, value in vars(layout).items()
        if key.isupper() and isinstance(value, str) and re.search(r"\w\.\w", value)
    }
    found = []
    for path in MODULES:
        if path.name == "layout.py" or room_of(dotted(path)) == "pretrained":
            continue  # what is in a folder of weights has names of its own, some of them the same
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


def test_step_loops_are_chosen_in_one_place() -> None:
    steps = PACKAGE / "training" / "steps"
    loops = {f"bmcli.training.steps.{name}" for name in ("tensorflow", "jax")}
    drawn = {
        dotted(path)
        for path in MODULES
        for _, name in imports(path)
        if name in loops or name.rpartition(".")[0] in loops
    }
    assert drawn == {"bmcli.training.steps.select"}
    assert not [m for _, m in imports(steps / "base.py") if m.split(".")[0] in {"tensorflow", "jax"}]
