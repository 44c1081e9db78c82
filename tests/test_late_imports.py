"""Which functions import a module of bmcli themselves: only those that would slow commands without need."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from tests.test_architecture import PACKAGE, dotted, for_types_only, imports, room_of

WARM = {
    "doctor",
    "evaluation",
    "experiments",
    "explain",
    "export",
    "inference",
    "metrics",
    "plots",
    "report",
    "training",
}
"""Rooms that compute: their imports of bmcli stand at the top, but for those of LATE."""
LATE = {
    (
        "evaluation.compare",
        "metrics.paired",
    ): "brings NumPy, which one group of runs does not need",
    ("evaluation.compare", "config.parsing.yaml"): "brings PyYAML, which a gate does not need",
    ("inference.opened", "inference.rebuild"): "only a run without model.onnx is rebuilt",
    ("inference.opened", "config.parsing.yaml"): "most predictions need no config",
    ("inference.opened", "config.resolve"): "most predictions need no config",
    ("inference.opened", "runs.environment"): "only an error needs the installed packages",
    ("report.page", "report.facts"): "brings Polars, which an evaluation without a report does not need",
    ("training.optimizers.muon", "training.muon"): "a Keras optimizer, and options must not load Keras",
}
"""(module, what its functions import), and why it waits: it would slow a command that does not need it."""


def late_imports(package: Path, rooms: Iterable[str]) -> set[tuple[str, str]]:
    """(module, module of the package that one of its functions imports), without the package's name."""
    paths = {dotted(path, package): path for path in package.rglob("*.py")}
    found = set()
    for module, path in paths.items():
        if room_of(module) not in rooms:
            continue
        types = {getattr(node, "lineno", 0) for node in for_types_only(ast.parse(path.read_text("utf-8")))}
        late = set(imports(path)) - set(imports(path, top_only=True))
        for name in {name for line, name in late if line not in types}:
            imported = name if name in paths else name.rpartition(".")[0]
            if imported in paths and imported != package.name:
                found.add((module.partition(".")[2], imported.partition(".")[2]))
    return found


def test_functions_import_only_what_would_slow_others() -> None:
    assert late_imports(PACKAGE, WARM) == set(LATE)


def test_a_late_import_is_found(tmp_path: Path) -> None:
    package = tmp_path / "house"
    for name, text in {
        "high/one.py": "from house.low import two\n\ndef f():\n    from house.low.three import g\n",
        "low/two.py": "",
        "low/three.py": "def g():\n    from house.high import one\n",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    assert late_imports(package, {"high"}) == {("high.one", "low.three")}
