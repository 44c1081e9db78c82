"""What is left of a training once its run is complete, and what happens between that and the end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bmcli.experiments import checkpointing
from bmcli.runs import layout, manifest
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore
from tests.conftest import Done

Invoke = Callable[..., Done]

CONFIG = """\
name: tiny
data: {path: cells.csv, target: kind}
model: {name: mlp, hidden: [4]}
training: {epochs: 2, batch_size: 32}
evaluation: {splits: [test]}
"""
STATES = [layout.LAST, layout.PREVIOUS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [f"{i % 7},{i % 3},{'odd' if i % 7 > 3 else 'even'}" for i in range(80)]
    (tmp_path / "cells.csv").write_text("a,b,kind\n" + "\n".join(rows) + "\n")
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path


def states(run: Run) -> list[str]:
    named = run.manifest()
    return [name for name in STATES if run.exists(name) or name in named]


def test_a_completed_run_keeps_what_is_used(folder: Path, invoke: Invoke) -> None:
    assert invoke("train", "c.yaml").out == "tiny-v1\n"
    run = Run(folder / "runs/tiny-v1")
    assert states(run) == [] and not run.exists(layout.BEST)
    verified = run.verify()
    assert not verified.problems and not verified.unverified
    done = invoke("train", "--resume", "tiny-v1")
    assert done.code == 2 and "is complete: there is nothing to resume" in done.err
    run.remove_file(layout.MODEL_ONNX)  # then the model is built and gets the best weights
    run.update(onnx={"published": False, "reason": "taken away"})
    assert invoke("runs", "verify", "tiny-v1").code == 0
    assert invoke("predict", "cells.csv", "--run", "tiny-v1", "--output", "p.csv").code == 0
    (folder / "next.yaml").write_text(CONFIG.replace("tiny", "next", 1) + "init_from: tiny-v1\n")
    assert invoke("train", "next.yaml").code == 0


def test_by_option_it_keeps_its_states(folder: Path, invoke: Invoke) -> None:
    assert invoke("train", "c.yaml", "training.checkpoint.keep=true").code == 0
    run = Run(folder / "runs/tiny-v1")
    assert states(run) == STATES and not run.verify().unverified
    before = run.size()
    done = invoke("runs", "slim", "tiny-v1", "--json")
    assert done.code == 0 and done.json["runs"][0]["freed"] == before - run.size() > 0
    assert states(run) == [] and not run.verify().problems
    assert invoke("runs", "slim", "tiny-v1").out == "tiny-v1: nothing to remove\n"


def test_a_run_that_may_go_on_keeps_them(folder: Path, invoke: Invoke) -> None:
    run = RunStore(folder / "runs").create("tiny")
    for name in STATES:
        run.write_text(name, "a state")
    run.seal("interrupted")
    done = invoke("runs", "slim", "tiny-v1")
    assert done.code == 2 and "tiny-v1 is interrupted" in done.err and states(run) == STATES


def cut_at(nth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be cut off at the nth operation on the disk."""
    seen = 0

    def counted(operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == nth:
                raise KeyboardInterrupt
            return operation(*arguments, **options)

        return call

    monkeypatch.setattr(manifest, "write", counted(manifest.write))
    monkeypatch.setattr(Path, "replace", counted(Path.replace))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))


@pytest.mark.parametrize(("nth", "best"), [*((n, layout.BEST) for n in range(1, 7)), (2, layout.BEST_INDEX)])
def test_cut_off_while_they_go(nth: int, best: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunStore(tmp_path / "runs").create("tiny")
    for name in {*STATES, layout.BEST, best}:
        run.write_text(name, "weights")
    run.seal("completed")
    with monkeypatch.context() as patched:
        cut_at(nth, patched)
        try:
            checkpointing.discard(run)
        except KeyboardInterrupt:
            cut = True
        else:
            cut = False
    found = Run(run.path)
    assert found.status == "completed" and not found.verify().problems and found.exists(best)
    assert cut == (nth < 6), "it takes five operations"
    checkpointing.discard(found)
    assert states(found) == [] and not found.verify().unverified
    assert found.exists(layout.BEST) == (best == layout.BEST)


@pytest.mark.parametrize("how", ["stopped", "failing"])
def test_a_complete_run_stays_complete_whatever_becomes_of_its_report(
    how: str, folder: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run: Run) -> None:
        if how == "stopped":
            signal.raise_signal(signal.SIGTERM)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bmcli.experiments.finish.write_report", broken)
    done = invoke("train", "c.yaml")
    assert done.code == (143 if how == "stopped" else 6), done.err
    run = Run(folder / "runs/tiny-v1")
    assert run.status == "completed" and not run.verify().problems
    if how == "stopped":
        assert "tiny-v1 is complete" in done.err and "bm report tiny-v1" in done.err
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert invoke("report", "tiny-v1").code == 0 and run.exists(layout.REPORT)
