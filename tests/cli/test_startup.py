"""What needs no model must not load what models need. See docs/cli.md for what to do when this fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bmcli.cli.app import command_names

HEAVY = {
    "tensorflow",
    "keras",
    "numpy",
    "sklearn",
    "polars",
    "matplotlib",
    "PIL",
    "onnxruntime",
    "jax",
    "torch",
}

_REPORT = """
import sys
from bmcli.cli.app import run
code = run(sys.argv[1:])
print("LOADED", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(code)
"""

LIGHT = {
    "--help": (["--help"], 0),
    "runs": (["runs"], 0),
    "runs show, not there": (["runs", "show", "nothing"], 2),
    "models": (["models"], 0),
    "schema": (["schema"], 0),
    "check": (["check", "digits_cnn"], 0),
    "datasets": (["datasets"], 0),
    "a config error": (["train", "broken.yaml"], 2),
    "an unknown config": (["train", "nothing.yaml"], 2),
    "a wrong option": (["train", "--no-such-option"], 2),
}


def loaded(args: list[str], folder: Path) -> tuple[int, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", _REPORT, *args], capture_output=True, text=True, cwd=folder, timeout=120
    )
    *_, last = done.stderr.splitlines()
    assert last.startswith("LOADED"), done.stderr
    return done.returncode, set(last.split()[1:])


@pytest.mark.parametrize("case", LIGHT)
def test_light_commands_load_nothing_heavy(case: str, tmp_path: Path) -> None:
    args, expected = LIGHT[case]
    if not args[0].startswith("-") and args[0] not in command_names():
        pytest.skip(f"there is no `bm {args[0]}` yet")
    (tmp_path / "broken.yaml").write_text("modle: cnn\n")
    code, modules = loaded(args, tmp_path)
    assert code == expected
    assert not modules & HEAVY


def test_help_and_runs_do_without_pydantic_and_rich(tmp_path: Path) -> None:
    """Each costs as much as all the rest."""
    for args in (["--help"], ["runs"], ["runs", "--help"]):
        _, modules = loaded(args, tmp_path)
        assert not modules & {"pydantic", "rich", "yaml"}


def test_help_imports_no_command(tmp_path: Path) -> None:
    report = _REPORT.replace('.partition(".")[0]', "")
    done = subprocess.run(
        [sys.executable, "-c", report, "--help"], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert not [name for name in done.stderr.split() if name.startswith("bmcli.cli.commands.")]


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
    script = "from bmcli import quiet; quiet.prepare(); import tensorflow as tf; tf.constant(1) + 1"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_failing_import_of_tensorflow_shows_what_was_held_back(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text(
        "import os\nos.write(2, b'the C++ reason\\n')\nraise ImportError('broken')\n"
    )
    script = "from bmcli import quiet; quiet.prepare(); import tensorflow"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert "the C++ reason" in done.stderr and "ImportError: broken" in done.stderr
