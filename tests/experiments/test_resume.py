"""What a resumed run does when something is not as it was."""

from __future__ import annotations

import contextlib
import importlib
import json
import shlex
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bmcli
from bmcli.cli import app
from bmcli.experiments import checkpointing
from bmcli.experiments import resume_checks as going_on
from bmcli.inference.weights import best_of, sha256_of
from bmcli.runs import environment, layout
from bmcli.runs.run import Run
from tests.conftest import Done

Invoke = Callable[..., Done]

CONFIG = """\
name: trial
code: {code}
data: {{path: cells.csv, target: kind}}
model: {{name: mlp, hidden: [6], dropout: 0.3}}
training:
  epochs: 4
  batch_size: 8
  optimizer: {{name: adam, learning_rate: 1e-2}}
evaluation: {{splits: [test]}}
"""


def cells(shift: float = 0.0) -> str:
    rows = [f"{i % 7 + shift},{i % 3},{'odd' if i % 7 > 3 else 'even'}" for i in range(80)]
    return "a,b,kind\n" + "\n".join(rows) + "\n"


def stop_when_saved(saves: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next training gets SIGTERM when its n-th state is saved."""
    save, done = checkpointing.save, 0

    def counted(run: Run, trainer: Any, **how: bool) -> None:
        nonlocal done
        save(run, trainer, **how)
        done += 1
        if done == saves:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(checkpointing, "save", counted)


def train_in(folder: Path, *words: str) -> int:
    """`bm train` in that folder; the exit code."""
    with contextlib.chdir(folder):
        return int(app.run(["train", "-q", *words]))


def copied(made: Path, folder: Path) -> None:
    """Config, data and runs as if they had been made in that folder."""
    shutil.copytree(made, folder, dirs_exist_ok=True)
    for path in folder.glob("runs/*-v*"):
        run = Run(path)
        run.write_text(layout.CONFIG, run.read_text(layout.CONFIG).replace(str(made), str(folder)))


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was stopped after three of four epochs, with code of its own."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "cells.csv").write_text(cells())
    (folder / "mine.py").write_text("")
    (folder / "c.yaml").write_text(CONFIG.format(code="mine.py"))
    with pytest.MonkeyPatch.context() as patch:
        stop_when_saved(3, patch)
        assert train_in(folder, "c.yaml") == 143
    return folder


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path) -> Path:
    """The directory of a copy of it."""
    copied(stopped_once, tmp_path)
    return tmp_path / "runs/trial-v1"


@pytest.fixture(scope="module")
def whole(stopped_once: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The record of the run that was never stopped."""
    folder = tmp_path_factory.mktemp("never_stopped")
    shutil.copytree(stopped_once, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("runs"))
    assert train_in(folder, "c.yaml") == 0
    return record(folder / "runs/trial-v1")


@pytest.fixture(scope="module")
def base_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a completed run, base-v1, that others begin with."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "cells.csv").write_text(cells())
    (folder / "base.yaml").write_text(CONFIG.format(code="[]").replace("name: trial", "name: base", 1))
    assert train_in(folder, "base.yaml") == 0
    return folder


def resume(invoke: Invoke, *more: str) -> Done:
    return invoke("train", "--resume", "trial", "--trust-code", *more)


def record(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / layout.RECORD).read_text())
    return found


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_nothing_changed(stopped: Path, whole: dict[str, Any], invoke: Invoke) -> None:
    done = resume(invoke)
    assert done.code == 0 and "not exactly" not in done.err
    assert record(stopped)["weights_sha256"] == whole["weights_sha256"]
    assert record(stopped)["exact"] is True


def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    stopped: Path, whole: dict[str, Any], invoke: Invoke
) -> None:
    spoil(stopped / layout.LAST)
    done = resume(invoke)
    assert done.code == 0, done.err
    assert "last.safetensors is damaged" in done.err and "resuming from checkpoints/previous" in done.err
    assert record(stopped)["weights_sha256"] == whole["weights_sha256"]


def test_after_a_fallback_there_is_a_whole_predecessor_again(
    stopped: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(stopped / layout.LAST)
    save = checkpointing.save

    def once(run: Run, trainer: Any, **how: bool) -> None:
        save(run, trainer, **how)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(checkpointing, "save", once)
    assert resume(invoke).code == 143
    monkeypatch.setattr(checkpointing, "save", save)
    spoil(stopped / layout.LAST)
    done = resume(invoke)
    assert done.code == 0 and "resuming from checkpoints/previous" in done.err, done.err


def test_a_lost_checkpoint_falls_back_too(stopped: Path, invoke: Invoke) -> None:
    (stopped / layout.LAST).unlink()
    done = resume(invoke)
    assert done.code == 0 and "has lost its checkpoints/last" in done.err


@pytest.mark.parametrize("names", [(layout.LAST, layout.PREVIOUS), (layout.BEST,)])
def test_without_what_it_needs_it_is_not_begun(names: tuple[str, ...], stopped: Path, invoke: Invoke) -> None:
    before = (stopped / layout.RECORD).read_bytes()
    for name in names:
        spoil(stopped / name)
    done = resume(invoke)
    assert done.code == 4 and names[0] in done.err
    assert (stopped / layout.RECORD).read_bytes() == before and not (stopped / layout.LOCK).exists()


def test_other_versions_are_refused_unless_forced(
    stopped: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = environment.versions()
    monkeypatch.setattr(going_on.environment, "versions", lambda: {**now, "keras": "9.9"})
    before = (stopped / layout.RECORD).read_bytes()
    done = resume(invoke)
    assert done.code == 2 and f"keras was {now['keras']}, is 9.9" in done.err and "--force" in done.err
    assert (stopped / layout.RECORD).read_bytes() == before

    done = resume(invoke, "--force")
    assert done.code == 0 and "not exactly: keras was" in done.err
    found = record(stopped)
    assert (found["status"], found["exact"], found["versions"]["keras"]) == ("completed", False, "9.9")
    assert "keras was" in found["notes"][-1]


def test_other_kernels_are_told(stopped: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    done = resume(invoke)
    assert done.code == 0 and "not exactly: TF_ENABLE_ONEDNN_OPTS was 1, is 0" in done.err
    found = record(stopped)
    assert found["exact"] is False and found["environment"]["TF_ENABLE_ONEDNN_OPTS"] == "0"


def test_a_new_run_is_not_forced(invoke: Invoke) -> None:
    done = invoke("train", "digits_cnn", "--force")
    assert done.code == 2 and "--force needs --resume" in done.err


def test_changed_data_are_refused_unless_forced(stopped: Path, invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text(cells(shift=0.5))
    done = resume(invoke)
    assert done.code == 2 and "the data has changed" in done.err
    assert record(stopped)["status"] == "interrupted"
    assert resume(invoke, "--force").code == 0
    assert record(stopped)["exact"] is False


def test_data_with_other_classes_are_refused_always(stopped: Path, invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text(cells().replace("odd", "new"))
    done = resume(invoke, "--force")
    assert done.code == 3 and "classes in the data" in done.err


def test_changed_code_is_refused_before_it_runs(stopped: Path, invoke: Invoke, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (stopped / "code/mine.py").write_text(f"open({str(canary)!r}, 'w')\n")
    done = resume(invoke)
    assert done.code == 2 and "code/mine.py was changed" in done.err and not canary.exists()
    assert resume(invoke, "--force").code == 0 and canary.exists()
    assert record(stopped)["exact"] is False and not Run(stopped).verify().problems


def test_another_processor_is_told(stopped: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    here = environment.hardware()
    monkeypatch.setattr(going_on.environment, "hardware", lambda *_, **__: {**here, "cpu": "Z80"})
    done = resume(invoke)
    assert done.code == 0 and "is Z80" in done.err and record(stopped)["exact"] is False


def test_auto_resume_goes_on_with_the_same_code_alone(stopped: Path, invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("# another\n")
    assert invoke("train", "c.yaml", "--auto-resume").out == "trial-v2\n"
    (tmp_path / "mine.py").write_text("")
    assert invoke("train", "c.yaml", "--auto-resume").out == "trial-v1\n"


def test_what_a_killed_process_left_half_written_is_taken_away(stopped: Path, invoke: Invoke) -> None:
    (stopped / "checkpoints/.tmp-0-last.safetensors").write_bytes(b"half")
    (stopped / ".tmp-0-exports").mkdir()
    assert resume(invoke).code == 0
    assert not list(stopped.rglob(".tmp-*"))


SPEEDY = {
    "images": """\
name: trial
data: {name: digits, limit: 96, augment: [{name: flip, alternate: true}, {name: crop, padding: 1}]}
model: {name: speednet, widths: [4, 6]}
training:
  epochs: 2
  batch_size: 16
  optimizer: {name: muon, weight_decay: 1e-3}
  schedule: linear
  checkpoint: {every_minutes: 1e-6}
evaluation: {views: shift}
""",
    "texts": """\
name: trial
data: {path: texts.csv, text: text, target: kind}
preprocessing: {text: {max_length: 24}}
model: {name: transformer, width: 8, merge: 2, window: 3, pairs: 50, token_dropout: 0.2, dropout: 0.2}
training:
  epochs: 2
  batch_size: 4
  batch_by_length: true
  xla: XLA
  checkpoint: {every_minutes: 1e-6}
evaluation: {splits: [test]}
""",
}


@pytest.mark.parametrize(
    ("kind", "xla"),
    [
        pytest.param("images", "false", marks=pytest.mark.exhaustive),
        ("texts", "false"),
        pytest.param("texts", "true", marks=pytest.mark.exhaustive),  # XLA compiles each length for seconds
    ],
)
def test_what_makes_training_fast_leaves_resuming_exact(
    kind: str, xla: str, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped within the second epoch."""
    words = ("good", "bad", "so", "very", "film")
    rows = [f"{' '.join(words[(i * 7 + j) % 5] for j in range(i % 20 + 1))},{i % 2}" for i in range(60)]
    (tmp_path / "texts.csv").write_text("text,kind\n" + "\n".join(rows) + "\n")
    (tmp_path / "c.yaml").write_text(SPEEDY[kind].replace("XLA", xla))
    assert invoke("train", "c.yaml").code == 0
    whole = record(tmp_path / "runs/trial-v1")
    stop_when_saved(9 if kind == "images" else 14, monkeypatch)
    stopped = invoke("train", "c.yaml")
    assert stopped.code == 143 and "epoch 2" in stopped.err
    assert resume(invoke).code == 0
    again = record(tmp_path / "runs/trial-v2")
    assert again["weights_sha256"] == whole["weights_sha256"] and again["metrics"] == whole["metrics"]
    assert again["exact"] is True and again["onnx"]["published"], again["onnx"]
    assert invoke("evaluate", "trial-v2").code == 0
    assert record(tmp_path / "runs/trial-v2")["metrics"] == whole["metrics"]


# === stopped before its first checkpoint ===================================================================


class Gone(BaseException):
    """The training ends here, without a word."""


def fail_in(monkeypatch: pytest.MonkeyPatch, where: str, *, after: bool = False) -> None:
    """The next call of that function ends the training, before or after it has done its work."""
    module, _, name = where.rpartition(".")
    real = getattr(importlib.import_module(module), name)

    def fail(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(where, real)
        if after:
            real(*arguments, **options)
        raise Gone

    monkeypatch.setattr(where, fail)


BEFORE = {
    "nothing but its config": ("bmcli.experiments.start._keep_preprocessing", False),
    "its preprocessing": ("bmcli.experiments.start._keep_preprocessing", True),
    "a line of metrics": ("bmcli.experiments.checkpointing.save", False),
}
AFTER = {
    "a checkpoint": ("bmcli.experiments.checkpointing.save", True),
    "its weights": ("bmcli.experiments.finish.publish", False),
    "its model": ("bmcli.experiments.finish.publish", True),
    "an evaluation": ("bmcli.experiments.finish.measure", True),
}
MODELS = {
    "trained": "model: {name: mlp, hidden: [6], dropout: 0.3}\ntraining: {epochs: 2, batch_size: 8}\n",
    "solved": "model: {name: linear, solver: closed_form}\ntraining: {epochs: 1}\n",
}


@pytest.fixture(scope="module", params=MODELS)
def uninterrupted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A completed run, beside its config and data."""
    folder = tmp_path_factory.mktemp("whole")
    solved = request.param == "solved"
    table = "a,b,y\n" + "".join(f"{i % 7},{i % 3},{i * 0.37 % 5}\n" for i in range(60))
    (folder / "t.csv").write_text(table if solved else cells())
    target = "y" if solved else "kind"
    config = f"name: trial\ndata: {{path: t.csv, target: {target}}}\n{MODELS[request.param]}"
    (folder / "c.yaml").write_text(config)
    return bmcli.train(folder / "c.yaml", runs_dir=folder / "runs").path


def metrics(run: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, (run / layout.METRICS).read_text().splitlines())
    return [{k: v for k, v in line.items() if "second" not in k} for line in lines]


def assert_same(run: Path, whole: Path) -> None:
    assert record(run)["weights_sha256"] == record(whole)["weights_sha256"]
    assert record(run)["metrics"] == record(whole)["metrics"] and metrics(run) == metrics(whole)
    assert (record(run)["status"], record(run)["exact"]) == ("completed", True)
    mine, theirs = (
        {name for name in Run(path).manifest() if not name.startswith((layout.TENSORBOARD, layout.LOG))}
        for path in (run, whole)
    )
    assert mine == theirs
    assert not Run(run).verify().problems
    for name in (layout.PREPROCESSING, "predictions/test.csv"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    assert sha256_of(best_of(Run(run))) == sha256_of(best_of(Run(whole)))


SELDOM = ("its preprocessing", "a checkpoint", "an evaluation")


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(moment, marks=pytest.mark.exhaustive if moment in SELDOM else ())
        for moment in (*BEFORE, *AFTER)
    ],
)
def test_a_scheduler_repeats_one_line_until_it_is_done(
    moment: str, uninterrupted: Path, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("train", "--auto-resume", str(uninterrupted.parents[1] / "c.yaml"))
    where, after = (BEFORE | AFTER)[moment]
    fail_in(monkeypatch, where, after=after)
    with pytest.raises(Gone):
        invoke(*line)
    run = tmp_path / "runs/trial-v1"
    assert record(run)["status"] == "failed" and (run / layout.CONFIG).exists()
    (run / "mine.txt").write_text("of the user")
    done = invoke(*line)
    assert (done.code, done.out) == (0, "trial-v1\n"), done.err
    assert ("trial-v1 was stopped before its first checkpoint: it starts from the beginning" in done.err) == (
        moment in BEFORE
    )
    assert ("continuing trial-v1" in done.err) == (moment in AFTER)
    assert (run / "mine.txt").read_text() == "of the user"
    (run / "mine.txt").unlink()
    Run(run).remove_file("mine.txt")
    assert_same(run, uninterrupted)
    assert len(record(run)["resumed"]) == 1


def test_resume_begins_again_too(
    tmp_path: Path, whole: dict[str, Any], invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the user's code, stopped twice, and by Ctrl-C's hint."""
    (tmp_path / "cells.csv").write_text(cells())
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "c.yaml").write_text(CONFIG.format(code="mine.py"))
    for line in (("train", "c.yaml"), ("train", "--resume", "trial", "--trust-code")):
        fail_in(monkeypatch, "bmcli.experiments.checkpointing.save")
        with pytest.raises(Gone):
            invoke(*line)
    assert invoke("train", "--resume", "trial-v1").code == 2  # nobody is there to say that the code may run
    done = resume(invoke)
    assert done.code == 0 and "it starts from the beginning" in done.err, done.err
    found = record(tmp_path / "runs/trial-v1")
    assert found["weights_sha256"] == whole["weights_sha256"] and found["exact"]
    assert (found["seed"], found["uuid"] != whole["uuid"]) == (whole["seed"], True)


def test_ctrl_c_before_the_first_checkpoint_shows_the_way(
    tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cells.csv").write_text(cells())
    (tmp_path / "c.yaml").write_text(CONFIG.format(code="[]"))
    monkeypatch.setattr(
        "bmcli.experiments.start._keep_preprocessing", lambda *_: signal.raise_signal(signal.SIGTERM)
    )
    done = invoke("train", "c.yaml")
    assert done.code == 143 and "stopped before its first checkpoint" in done.err
    assert "bm train --resume trial-v1 restarts it" in done.err


def test_data_that_changed_meanwhile_is_what_it_begins_with(
    tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cells.csv").write_text(cells())
    (tmp_path / "c.yaml").write_text(CONFIG.format(code="[]"))
    fail_in(monkeypatch, "bmcli.experiments.checkpointing.save")
    with pytest.raises(Gone):
        invoke("train", "c.yaml")
    before = record(tmp_path / "runs/trial-v1")
    (tmp_path / "cells.csv").write_text(cells(shift=0.5))
    assert invoke("train", "c.yaml", "--auto-resume").out == "trial-v1\n"
    after = record(tmp_path / "runs/trial-v1")
    assert after["data_fingerprint"] != before["data_fingerprint"] and after["exact"]


def test_it_begins_again_with_the_weights_it_had_begun_with(
    base_once: Path, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with those of a newer run that has the name now."""
    copied(base_once, tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG.format(code="[]") + "init_from: base\n")
    fail_in(monkeypatch, "bmcli.experiments.checkpointing.save")
    with pytest.raises(Gone):
        invoke("train", "c.yaml")
    assert invoke("train", "base.yaml", "seed=3").out == "base-v2\n"
    done = invoke("train", "c.yaml", "--auto-resume")
    assert done.out == "trial-v1\n" and "weights from base-v1" in done.err
    assert record(tmp_path / "runs/trial-v1")["init_from"]["run"] == "base-v1"
    assert invoke("runs", "remove", "base-v2", "--yes").code == 0
    assert invoke("train", "c.yaml").out == "trial-v2\n"
    sums = [record(tmp_path / f"runs/trial-v{n}")["weights_sha256"] for n in (1, 2)]
    assert sums[0] == sums[1]


def test_a_damaged_run_is_left_and_does_not_hold_up_the_scheduler(stopped: Path, invoke: Invoke) -> None:
    for name in (layout.LAST, layout.PREVIOUS):
        spoil(stopped / name)
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    done = invoke("train", "c.yaml", "--auto-resume")
    assert (done.code, done.out) == (0, "trial-v2\n"), done.err
    assert "trial-v1 has no undamaged checkpoint" in done.err and "trial-v1 is unchanged" in done.err
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before


def test_a_run_that_cannot_be_read_does_not_hold_it_up_either(stopped: Path, invoke: Invoke) -> None:
    spoil(stopped / layout.RECORD)
    assert invoke("train", "c.yaml", "--auto-resume").out == "trial-v2\n"


def test_without_a_config_it_says_what_to_do(stopped: Path, invoke: Invoke) -> None:
    run = Run(stopped)
    for name in (layout.LAST, layout.PREVIOUS, layout.CONFIG):
        run.remove_file(name)
    done = resume(invoke)
    assert (
        done.code == 2
        and "before its config was stored" in done.err
        and "bm runs remove trial-v1" in done.err
    )


@pytest.mark.parametrize("name", ["trial", "trial-v1"])
def test_changes_are_shown_the_way(name: str, stopped: Path, invoke: Invoke) -> None:
    done = invoke("train", "--resume", name, "training.epochs=8", "seed=2")
    assert done.code == 2 and "training.epochs=8 seed=2 would change it" in done.err
    hint = done.err.splitlines()[-1].strip()
    assert hint.startswith("bm train ") and hint.endswith("starts a new run from its weights")
    words = shlex.split(hint.removeprefix("bm ").partition(" starts a new run")[0])
    assert "init_from=trial-v1" in words
    again = invoke(*words)
    assert (again.code, again.out) == (0, "trial-v2\n"), again.err
    assert record(stopped.parent / "trial-v2")["epochs"] == 8
    assert "weights from trial-v1" in again.err


def test_the_hint_of_a_complete_run_can_be_followed(stopped: Path, invoke: Invoke, tmp_path: Path) -> None:
    assert resume(invoke).code == 0
    done = invoke("train", "--resume", "trial-v1", "--trust-code")
    assert done.code == 2
    line = done.err.split("`")[1]
    (tmp_path / "more.yaml").write_text((tmp_path / "c.yaml").read_text() + line + "\n")
    again = invoke("train", "more.yaml")
    assert again.code == 0 and "weights from trial-v1" in again.err, again.err


@pytest.fixture(scope="module", params=["name", "path"])
def tuned_once(
    request: pytest.FixtureRequest, base_once: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of whole-v1, a run that started from the weights of base-v1, and of the config for more."""
    folder = tmp_path_factory.mktemp("tuned")
    copied(base_once, folder)
    reference = "base" if request.param == "name" else "runs/base-v1"
    frozen = f"init_from: {{run: {reference}, freeze: ['dense*']}}\n"
    (folder / "c.yaml").write_text(CONFIG.format(code="[]") + frozen)
    assert train_in(folder, "c.yaml", "--name", "whole") == 0
    return folder


@pytest.fixture
def tuned(
    tuned_once: Path, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """tuned(where): a run that starts from another one's weights, killed when `where` is called."""
    copied(tuned_once, tmp_path)

    def killed(where: str) -> Path:
        fail_in(monkeypatch, where)
        with pytest.raises(Gone):
            invoke("train", "c.yaml")
        return tmp_path / "runs/trial-v1"

    return killed


@pytest.mark.parametrize("line", [("--resume", "trial-v1"), ("c.yaml", "--auto-resume")])
def test_a_run_goes_on_without_the_one_whose_weights_it_began_with(
    line: tuple[str, ...], tuned: Callable[[str], Path], invoke: Invoke
) -> None:
    run = tuned("bmcli.experiments.fit.solve")  # before its first step
    assert invoke("runs", "remove", "base-v1", "--yes").code == 0
    done = invoke("train", *line)
    assert done.code == 0 and "starts again" not in done.err, done.err
    whole = record(run.parent / "whole-v1")
    assert record(run)["weights_sha256"] == whole["weights_sha256"] and record(run)["exact"]
    assert record(run)["init_from"] == whole["init_from"]


def test_without_a_state_it_says_that_the_other_run_is_gone(
    tuned: Callable[[str], Path], invoke: Invoke
) -> None:
    run = tuned("bmcli.experiments.start._keep_preprocessing")
    shown = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert invoke("runs", "remove", "base-v1", "--yes").code == 0
    done = invoke("train", "--resume", "trial-v1")
    assert done.code == 2 and "the run whose weights it starts from is gone" in done.err, done.err
    assert "init_from=RUN" in done.err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == shown


@pytest.mark.parametrize("where", ["runs", "elsewhere"])
def test_the_advice_to_train_on_from_a_complete_run_works(
    where: str, base_once: Path, tmp_path: Path, invoke: Invoke
) -> None:
    """The line that the error gives, put into a config as it is, wherever that config lies."""
    copied(base_once, tmp_path)
    (tmp_path / "runs").rename(tmp_path / where)
    run = "base-v1" if where == "runs" else f"./{where}/base-v1"
    said = invoke("train", "--resume", run).err
    (line,) = [part for part in said.split("`") if part.startswith("init_from:")]
    (tmp_path / "sub").mkdir()
    config = CONFIG.format(code="[]").replace("cells.csv", "../cells.csv")
    (tmp_path / "sub/c.yaml").write_text(f"{config}{line}\n")
    assert invoke("check", "sub/c.yaml").code == 0
    done = invoke("train", "sub/c.yaml")
    assert done.code == 0 and "weights from base-v1" in done.err, done.err
