"""What needs no model starts at once: under 0.2 s from the shell, and `bm predict` of an image under 0.4 s.

No test measures time, which depends on the machine and on who else uses it. Tests hold what the time is made
of: which packages a command loads, and how many modules. The budget, in instructions of the processor
(`valgrind --tool=cachegrind --cache-sim=no bm ...`, which repeats to the per cent; 1,000 million are about
0.2 s): help 290 million, runs 340, models and datasets 530, check 760, schema 880. Bare Python takes 90 of
them, Typer 150, pydantic 300, PyYAML 30.

When a test here fails, `python -X importtime -c "from bmcli.cli.app import run; run(['runs'])"` tells who
imports what. Usually it helps to

- move an import into the function that needs it, or under `if TYPE_CHECKING`;
- make no validator: pydantic builds one when a class is first called or asked for its JSON Schema
  (`model_construct` and `bmcli.config.reference.field_schema` need none);
- make no needless class: a frozen dataclass costs as much as importing a small module.
"""

from __future__ import annotations

import dataclasses
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
import atexit, sys
from bmcli.__main__ import main
atexit.register(lambda: print("LOADED", *sorted(sys.modules), file=sys.stderr))
main()
"""

LIGHT = {
    "--help": (["--help"], 0, 185),
    "--version": (["--version"], 0, 185),
    "a command's help": (["train", "--help"], 0, 190),
    "runs": (["runs"], 0, 215),
    "runs show, not there": (["runs", "show", "nothing"], 2, 215),
    "models": (["models"], 0, 280),
    "models NAME": (["models", "cnn"], 0, 280),
    "datasets": (["datasets"], 0, 280),
    "datasets NAME": (["datasets", "imdb"], 0, 280),
    "list": (["list"], 0, 295),
    "list KIND": (["list", "optimizers"], 0, 295),
    "schema": (["schema"], 0, 355),
    "check": (["check", "digits_cnn"], 0, 345),
    "a config error": (["check", "broken.yaml"], 2, 345),
    "a config error in training": (["train", "broken.yaml"], 2, 345),
    "an unknown config": (["train", "nothing.yaml"], 2, 345),
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


@pytest.mark.skipif(not hasattr(dataclasses, "_create_fn"), reason="this Python compiles a class at once")
def test_dataclasses_whose_methods_come_late_are_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    create = dataclasses._create_fn

    def counted(name: str, *args: object, **more: object) -> object:
        made.append(name)
        return create(name, *args, **more)

    monkeypatch.setattr(startup, "_LATE", (__name__.partition(".")[0],))
    monkeypatch.setattr(dataclasses, "_create_fn", startup._method_when_called(counted))

    @dataclasses.dataclass(frozen=True, order=True)
    class Base:
        number: int
        names: tuple[str, ...] = ("a",)

    @dataclasses.dataclass(frozen=True, order=True)
    class Derived(Base):
        more: list[int] = dataclasses.field(default_factory=list, compare=False)

    assert made == []
    one, other = Derived(1, more=[2]), Derived(names=("b",), number=1)
    assert Derived(1).more == [] and one.more == [2]
    assert one == Derived(1) and one != other and one < other and hash(one) == hash(Derived(1))
    assert Base(1) != one
    assert repr(one).endswith("Derived(number=1, names=('a',), more=[2])")
    assert dataclasses.replace(one, number=3) == Derived(3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.number = 2  # type: ignore[misc]
    with pytest.raises(TypeError, match="number"):
        Derived()  # type: ignore[call-arg]
    assert made.count("__init__") == 2 and made.count("__eq__") == 2  # each compiled once
    assert Derived.__init__.__qualname__.endswith("Derived.__init__")


def test_typed_dictionaries_are_unchecked_in_one_module_only() -> None:
    script = (
        "from bmcli.cli.startup import hasten; hasten()\n"
        "import sys, typing_extensions, pydantic\n"
        "checked = typing_extensions.TypedDict\n"
        "class Point(pydantic.BaseModel): x: int\n"
        "class Shape(typing_extensions.TypedDict, total=False): side: int\n"
        "assert typing_extensions.TypedDict is checked and Shape.__optional_keys__ == {'side'}\n"
        "from pydantic_core import core_schema\n"
        "assert core_schema.ModelSchema.__annotations__ and issubclass(core_schema.ModelSchema, dict)\n"
        "assert pydantic.TypeAdapter(Shape).validate_python({'side': 1}) == {'side': 1}\n"
        "print(Point(x=1), [type(f).__name__ for f in sys.meta_path if 'Unchecked' in type(f).__name__])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["x=1", "[]"]


def test_a_process_with_another_thread_waits_for_it() -> None:
    code = (
        "import threading, time; from bmcli.cli import startup\n"
        "threading.Thread(target=lambda: (time.sleep(0.3), print('done'))).start(); startup.leave(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_without_its_source_a_command_is_imported_for_its_summaries(monkeypatch: pytest.MonkeyPatch) -> None:
    read = {name: startup.summaries(name) for name in command_names()}
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found(name) and ModuleSpec(name, None))
    assert {name: startup.summaries(name) for name in command_names()} == read


_GONE = {
    "Typer's own coercion": "import typer.core as c; p = c._TyperParameter; "
    "p.process_value = lambda self, ctx, v: () if v is None and self.nargs == -1 else v; "
    "del p.get_runtime_param",
    "what makes dataclasses": "startup._LATE = ()",
    "typed dictionaries": "startup._UncheckedTypedDicts.replaces = 'pydantic_core._gone'",
    "where pydantic finds plugins": "startup._NoPlugins.replaces = 'pydantic.plugin._gone'",
    "what ends a process": "import atexit, sys, types; del atexit._run_exitfuncs; "
    "sys.modules['tensorflow'] = types.ModuleType('tensorflow')",
}
"""Private parts of others, and what makes them go."""


@pytest.mark.parametrize("part", _GONE)
def test_commands_work_where_a_private_part_is_gone(part: str, tmp_path: Path) -> None:
    script = f"from bmcli.cli import startup; {_GONE[part]}; from bmcli.__main__ import main; main()"
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
        "import os; from bmcli.__main__ import main; from bmcli.cli import startup\n"
        "startup.leave = lambda code: os._exit(code or (os.open('f', os.O_CREAT) < 3))\n"
        "main()"
    )
    command = f'{sys.executable} -c "$CODE" models --runs-dir none {closed}'
    done = subprocess.run(command, shell=True, cwd=tmp_path, env={**os.environ, "CODE": code}, timeout=60)
    assert done.returncode == 0


def test_the_process_ends_well_where_somebody_took_its_streams_away() -> None:
    code = "import sys; from bmcli.cli import startup; sys.stdout = sys.stderr = None; startup.leave(3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
