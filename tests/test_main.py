"""`python -m bmcli` is `bm`."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import bmcli


def main(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bmcli", *args],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "PYTHONPATH": str(Path(bmcli.__file__).parents[1]), **env},
        capture_output=True,
        text=True,
    )


def test_it_answers_as_bm_does(tmp_path: Path) -> None:
    assert main(tmp_path, "--version").stdout == f"bm {bmcli.__version__}\n"
    usage = main(tmp_path, "train", "--help").stdout.splitlines()[0]
    assert usage.startswith("Usage: python -m bmcli train")
    done = main(tmp_path, "trian")
    assert (done.returncode, done.stdout) == (2, "") and "did you mean train?" in done.stderr
    done = main(tmp_path, "check", "--nope", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["hint"].endswith("see python -m bmcli check --help")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_for_bm(shell: str, tmp_path: Path) -> None:
    # Typer asks the processes above which shell this is, and takes a name only where it may not.
    script = main(
        tmp_path, "--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"
    ).stdout
    assert "_BM_COMPLETE" in script and "python" not in script
    done = main(tmp_path, _BM_COMPLETE="complete_bash", COMP_WORDS="bm tra", COMP_CWORD="1")
    assert done.stdout.split() == ["train"]


def test_it_loads_no_more(tmp_path: Path) -> None:
    code = (
        "import atexit, runpy, sys\nsys.argv = ['bm', 'runs']\n"
        "heavy = ('numpy', 'tensorflow', 'polars', 'PIL', 'keras')\n"
        "atexit.register(lambda: print([m for m in heavy if m in sys.modules]))\n"
        "runpy.run_module('bmcli', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]", "stdout is bm's alone"


def test_a_process_that_helps_does_not_run_the_command_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are started for their work import the main module under this name."""
    monkeypatch.setattr(sys, "argv", ["bm", "--version"])
    runpy.run_module("bmcli.__main__", run_name="__mp_main__")


@pytest.mark.exhaustive
def test_images_decoded_in_other_processes(tmp_path: Path) -> None:
    """More than `bmcli.modalities.image._processes.MANY`."""
    for label in ("dark", "light"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(3_000):
            grey = i % 100 + 150 * (label == "light")
            Image.new("RGB", (8, 8), (grey, i % 256, i // 256)).save(tmp_path / f"photos/{label}/{i}.jpg")
    (tmp_path / "c.yaml").write_text(
        "name: trial\ndata: {path: photos}\nmodel: {name: cnn, filters: [4]}\n"
        "training: {epochs: 1, batch_size: 256}\n"
    )
    done = main(tmp_path, "train", "c.yaml")
    assert (done.returncode, done.stdout) == (0, "trial-v1\n"), done.stderr
    record = json.loads((tmp_path / "runs/trial-v1/run.json").read_text())
    assert record["command"] == ["python", "-m", "bmcli", "train", "c.yaml"]
    assert [path.name for path in (tmp_path / "runs").glob("*-v*")] == ["trial-v1"]
