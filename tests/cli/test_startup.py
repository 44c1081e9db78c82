"""What needs no model starts at once: under 0.2 s from the shell, and `bm predict` of an image under 0.4 s.

No test measures time, which depends on the machine and on who else uses it. Tests hold what the time is made
of: which packages a command loads, and how many modules. The budget, in instructions of the processor
(`valgrind --tool=cachegrind --cache-sim=no bm ...`, which repeats to the per cent; 1,000 million are about
0.2 s): help 350 million, runs 400, models, datasets, check and schema 1,000. Bare Python takes 90 of them,
Typer 170, pydantic 320, PyYAML 90.

When a test here fails, `python -X importtime -c "from bmcli.cli.app import run; run(['runs'])"` tells who
imports what. Usually it helps to

- move an import into the function that needs it, or under `if TYPE_CHECKING`;
- make no validator: pydantic builds one when a class is first called or asked for its JSON Schema
  (`model_construct` and `bmcli.config.reference.field_schema` need none);
- make no needless class: a frozen dataclass costs as much as importing a small module.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from bmcli.cli import startup
from bmcli.cli.command import is_command
from bmcli.cli.root import command_names

HEAVY = {
    "tensorflow",
    "keras",
    "numpy",
    "sklearn",
    "polars",
    "matplotlib",
    "PIL",
    "onnx",
    "onnxruntime",
    "psutil",
    "jinja2",
    "jax",
    "torch",
    "rich",
    "asyncio",
    "http",
}
"""What no such command loads, Rich included: it costs as much as reading a config."""

_REPORT = """
import sys
from bmcli.cli.app import main
try:
    main()
finally:
    print("LOADED", *sorted(sys.modules), file=sys.stderr)
"""

LIGHT = {
    "--help": (["--help"], 0, 185),
    "--version": (["--version"], 0, 185),
    "a command's help": (["train", "--help"], 0, 190),
    "runs": (["runs"], 0, 215),
    "runs show, not there": (["runs", "show", "nothing"], 2, 215),
    "models": (["models"], 0, 275),
    "models NAME": (["models", "cnn"], 0, 275),
    "datasets": (["datasets"], 0, 275),
    "datasets NAME": (["datasets", "imdb"], 0, 275),
    "list": (["list"], 0, 290),
    "list KIND": (["list", "optimizers"], 0, 290),
    "schema": (["schema"], 0, 325),
    "check": (["check", "digits_cnn"], 0, 325),
    "a config error": (["check", "broken.yaml"], 2, 325),
    "a config error in training": (["train", "broken.yaml"], 2, 325),
    "an unknown config": (["train", "nothing.yaml"], 2, 325),
    "a wrong option": (["train", "--no-such-option"], 2, 190),
}
"""Arguments, exit code, and so many modules at most, those of bare Python included."""

WITHOUT_PYDANTIC = [
    case for case in LIGHT if case in ("--help", "--version", "a wrong option") or "runs" in case
]


def loaded(args: list[str], folder: Path) -> tuple[int, set[str]]:
    """The exit code, and every module the command loaded."""
    done = subprocess.run(
        [sys.executable, "-c", _REPORT, *args], capture_output=True, text=True, cwd=folder, timeout=120
    )
    *_, last = done.stderr.splitlines()
    assert last.startswith("LOADED"), done.stderr
    return done.returncode, set(last.split()[1:])


@pytest.mark.parametrize("case", LIGHT)
def test_light_commands_load_little(case: str, tmp_path: Path) -> None:
    args, expected, most = LIGHT[case]
    (tmp_path / "broken.yaml").write_text("modle: cnn\ntraining: {epochs: ten}\n")
    code, modules = loaded(args, tmp_path)
    assert code == expected
    packages = {name.partition(".")[0] for name in modules}
    assert not packages & HEAVY
    # What importlib.metadata brings along takes a tenth of the time of `bm check`.
    assert "importlib.metadata" not in modules
    assert len(modules) <= most
    if case in WITHOUT_PYDANTIC:
        assert not modules & {"pydantic", "yaml"}
    if args == ["--help"]:
        assert not [name for name in modules if name.startswith("bmcli.cli.commands.")]
    elif args[0] in command_names():
        others = [name for name in command_names() if name != args[0]]
        assert not {f"bmcli.cli.commands.{name}" for name in others} & modules


@pytest.mark.parametrize("name", command_names())
def test_summaries_read_from_the_source_are_those_of_the_functions(name: str) -> None:
    module = importlib.import_module(f"bmcli.cli.commands.{name}")
    functions = {key: value for key, value in vars(module).items() if is_command(value)}
    assert startup.summaries(name) == {key: value.__doc__.split("\n")[0] for key, value in functions.items()}


def test_pydantic_still_finds_the_rest_of_what_looks_for_plugins() -> None:
    script = (
        "from bmcli.cli.startup import hasten; hasten()\n"
        "from pydantic.plugin._loader import get_plugins; print(list(get_plugins()))\n"
        "from pydantic.plugin._loader import PYDANTIC_ENTRY_POINT_GROUP as group; print(group)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["[]", "pydantic"]


def test_without_its_source_a_command_is_imported_for_its_summaries(monkeypatch: pytest.MonkeyPatch) -> None:
    read = {name: startup.summaries(name) for name in command_names()}
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found(name) and ModuleSpec(name, None))
    assert {name: startup.summaries(name) for name in command_names()} == read


_GONE = {
    "Typer's own coercion": "import typer.core as c; p = c._TyperParameter; "
    "p.process_value = lambda self, ctx, v: () if v is None and self.nargs == -1 else v; "
    "del p.get_runtime_param",
    "where pydantic finds plugins": "startup._NoPlugins.replaces = 'pydantic.plugin._gone'",
    "what ends a process": "import atexit, sys, types; del atexit._run_exitfuncs; "
    "sys.modules['tensorflow'] = types.ModuleType('tensorflow')",
}
"""Private parts of others, and what makes them go."""


@pytest.mark.parametrize("part", _GONE)
def test_commands_work_where_a_private_part_is_gone(part: str, tmp_path: Path) -> None:
    script = f"from bmcli.cli import app, startup; {_GONE[part]}; app.main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "check", "digits_cnn", "training.epochs=3"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok") and "3 epochs" in done.stdout


def test_importing_bmcli_is_as_cheap_as_help(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import bmcli, sys; print(*{n.partition('.')[0] for n in sys.modules})"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert not set(done.stdout.split()) & (HEAVY | {"pydantic", "rich"})


def test_tensorflow_says_nothing_when_it_is_imported() -> None:
    script = "from bmcli.core import quiet; quiet.prepare(); import tensorflow as tf; tf.constant(1) + 1"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_failing_import_of_tensorflow_shows_what_was_held_back(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text(
        "import os\nos.write(2, b'the C++ reason\\n')\nraise ImportError('broken')\n"
    )
    script = "from bmcli.core import quiet; quiet.prepare(); import tensorflow"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert "the C++ reason" in done.stderr and "ImportError: broken" in done.stderr


@pytest.mark.parametrize("closed", ["0<&- >&- 2>&-", ">&-", "2>&-"])
def test_closed_streams_are_no_fault_and_hand_their_numbers_to_no_file(closed: str, tmp_path: Path) -> None:
    code = (
        "import os; from bmcli.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: os._exit(end.code or (os.open('f', os.O_CREAT) < 3))"
    )
    command = f'{sys.executable} -c "$CODE" models --runs-dir none {closed}'
    done = subprocess.run(command, shell=True, cwd=tmp_path, env={**os.environ, "CODE": code}, timeout=60)
    assert done.returncode == 0


def test_the_process_ends_well_where_somebody_took_its_streams_away() -> None:
    code = "import sys; from bmcli.cli import startup; sys.stdout = sys.stderr = None; startup.leave(3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
