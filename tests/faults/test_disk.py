"""A disk that fills up, or may not be written: at every kind of write, and at every single system call.

The first half is real: a disk of a few megabytes in a mount namespace of its own. The second half makes the
n-th call fail, for each n.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bmcli.core.errors import ResourceError
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore
from tests.evaluated import evaluate_run
from tests.faults.conftest import PACKAGE_ROOT, TINY
from tests.linear_run import MakeRun
from tests.server import Server

Case = dict[str, Any]
"""As small_disk.py takes them, and what it tells of them."""

FULL = "No space left on device"
DRIVER = Path(__file__).with_name("small_disk.py")
TABLE = "a,b,y\n" + "1,2,x\n3,4,z\n" * 20
TRAIN = ["train", "tiny.yaml"]
RESUME = ["train", "--resume", "tiny-v1"]
VERIFY = ["runs", "verify", "tiny-v1"]
RUNS = ["runs", "--json"]


def on_small_disk(tmp_path: Path, cases: list[Case], **env: str) -> list[Case]:
    """What became of each case; see small_disk.py. Skips where a process may not mount a disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["unshare", "-rm"]
    try:
        probe = subprocess.run(
            [*mount, "mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("no unshare here: no small disk without the machine's administrator")
    if probe.returncode:
        pytest.skip(f"this machine lets nobody mount a disk of their own: {probe.stderr.strip()}")
    asked = {"files": {"tiny.yaml": TINY, "table.csv": TABLE, "rows.csv": "a,b\n1,2\n"}, "cases": cases}
    done = subprocess.run(
        [*mount, sys.executable, DRIVER, folder],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(PACKAGE_ROOT), **env},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_refused(said: dict[str, Any], *named: str, reason: str = FULL) -> None:
    """Exit code 6 and an error of one line and a hint, which names the file."""
    lines = said["err"].strip().splitlines()
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    assert said["code"] == 6 and said["out"] == "", said
    assert len(errors) == 1 and errors[0] >= len(lines) - 2, said["err"]
    error = lines[errors[0]]
    assert error.startswith("error: cannot ") and error.endswith(f": {reason}"), error
    assert any(name in error for name in named), error
    assert len(lines) == errors[0] + 2, "a hint says what to do"
    assert "Traceback" not in said["err"]


WRITES_OF_A_TRAINING = {
    "the number": (r"\.numbers\.json$", 1),
    "the record": (r"-run\.json$", 1),
    "the config": (r"-config\.yaml$", 1),
    "the preprocessing": (r"-preprocessing\.json$", 1),
    "the log": (r"train\.log$", 1),
    "the metrics": (r"metrics\.jsonl$", 1),
    "the metrics later": (r"metrics\.jsonl$", 2),
    "tensorboard": (r"tensorboard$", 1),
    "the best weights": (r"-best\.safetensors$", 1),
    "the best weights later": (r"-best\.safetensors$", 2),
    "the first checkpoint": (r"-last\.safetensors$", 1),
    "the second checkpoint": (r"-last\.safetensors$", 2),
    "the checkpoint before": (r"-previous\.safetensors$", 1),
    "model.keras": (r"-model\.keras$", 1),
    "the samples": (r"-samples\.safetensors$", 1),
    "model.onnx": (r"-model\.onnx$", 1),
    "predictions": (r"-validation\.csv$", 1),
    "a plot": (r"-confusion_matrix-test\.png$", 1),
    "metrics": (r"-test\.json$", 1),
    "the learning curves": (r"-learning_curves\.png$", 1),
    **{f"the manifest, {nth}": (r"-manifest\.json$", nth) for nth in range(1, 38, 4)},
}
"""What is being written when the disk fills up."""

ALWAYS = ("tensorboard", "the second checkpoint", "model.keras")
NEVER_BEGUN = ("the number", "the record", "the config", "the manifest, 1")
"""Without a run.json there is no run."""
LAST_WRITE = "the manifest, 37"
"""After run.json has said that the run is complete."""


def trainings(names: Sequence[str]) -> list[Case]:
    """One that is never cut short, and one for each of these writes."""
    whole = {"folder": "whole", "at": "nothing at all", "full": [TRAIN]}
    cases = [whole]
    for name in names:
        at, nth = WRITES_OF_A_TRAINING[name]
        then = [RUNS, VERIFY, *([TRAIN] if name in NEVER_BEGUN else [RESUME, VERIFY])]
        cases.append({"folder": name, "at": at, "nth": nth, "full": [TRAIN], "then": then})
    return cases


def check_trainings(names: Sequence[str], outcomes: list[Case]) -> None:
    """Each of these trainings is refused in one line, leaves no damage, and goes on when there is room."""
    first, *results = outcomes
    weights = first["records"]["tiny-v1"]["weights_sha256"]
    assert first["full"][0]["code"] == 0 and len(weights) == 64
    resumed = 0
    for name, result in zip(names, results, strict=True):
        assert result["was_full"], f"{name}: the training does not write it"
        check_refused(result["full"][0], "runs/tiny-v1/", "runs/.numbers.json")
        assert result["left"] == [], name
        runs, verified, *more = result["then"]
        if name in NEVER_BEGUN:
            assert json.loads(runs["out"])["runs"] == [] and verified["code"] == 2, name
            anew = more[0]
            assert anew["code"] == 0
            assert result["records"][anew["out"].strip()]["weights_sha256"] == weights
            continue
        resume, again = more
        (row,) = json.loads(runs["out"])["runs"]
        if name == LAST_WRITE:
            # All of it is there; only the manifest still announces what is in place, which `verify` settles.
            assert row["status"] == "completed"
            assert result["records"]["tiny-v1"]["weights_sha256"] == weights
            assert resume["code"] == 2 and "init_from" in resume["err"], resume["err"]
            assert verified["code"] == again["code"] == 0, verified["err"]
            continue
        assert row["status"] == "failed", name
        assert verified["code"] == 0, verified["err"]
        # Before the first checkpoint there is nothing to go on from.
        assert resume["code"] in (0, 2, 4), (name, resume["err"])
        assert again["code"] == 0, again["err"]
        if resume["code"] == 0:
            resumed += 1
            record = result["records"]["tiny-v1"]
            assert (record["status"], record["weights_sha256"]) == ("completed", weights), name
        else:
            assert "no checkpoint" in resume["err"] or "has no config.yaml" in resume["err"], resume["err"]
    assert resumed or len(names) == 1


TABLE_RUN = ["train", "table.yaml", "training.epochs=1", "--name", "tiny"]
PREDICT = ["predict", "rows.csv", "--run", "tiny-v1", "--output"]

OFTEN = (
    "its metrics",
    "an ONNX export",
    "a SavedModel",
    "predictions as CSV",
    "predictions as Parquet",
)
OTHER_WRITES: dict[str, tuple[str, list[str], str]] = {
    "the predictions of an evaluation": (r"-test\.csv$", ["evaluate", "tiny-v1"], "predictions/test.csv"),
    "its plot": (r"\.png$", ["evaluate", "tiny-v1"], "plots/"),
    "its metrics": (r"-test\.json$", ["evaluate", "tiny-v1"], "evaluation/test.json"),
    "the record after it": (r"-run\.json$", ["evaluate", "tiny-v1"], "run.json"),
    "an ONNX export": (r"-onnx/model\.onnx$", ["export", "tiny-v1", "-f", "onnx"], "exports/onnx"),
    "its companions": (r"-onnx/README\.md$", ["export", "tiny-v1", "-f", "onnx"], "exports/onnx"),
    "the manifest of an export": (r"manifest\.json$", ["export", "tiny-v1", "-f", "onnx"], "manifest.json"),
    "an export elsewhere": (r"out/model\.onnx$", ["export", "tiny-v1", "-f", "onnx", "-o", "out"], "out"),
    "a SavedModel": (r"exports$", ["export", "tiny-v1", "-f", "saved_model"], "saved_model"),
    "predictions as CSV": (r"-rows-out\.csv$", [*PREDICT, "rows-out.csv"], "rows-out.csv"),
    "predictions as JSON lines": (r"-rows-out\.jsonl$", [*PREDICT, "rows-out.jsonl"], "rows-out.jsonl"),
    "predictions as Parquet": (r"-rows-out\.parquet$", [*PREDICT, "rows-out.parquet"], "rows-out.parquet"),
}
"""What is being written when the disk fills up, the command, and what its error names."""


WRITING = [
    TABLE_RUN,
    ["evaluate", "tiny-v1"],
    ["export", "tiny-v1", "-f", "onnx"],
    [*PREDICT, "new.csv"],
    ["runs", "remove", "tiny-v1", "--yes"],
    ["init", "mnist_cnn"],
]
READING = [RUNS, VERIFY, ["runs", "show", "tiny-v1"], ["predict", "rows.csv", "--run", "tiny-v1"]]
"""On a read-only disk refused, and not."""


def others(names: Sequence[str]) -> list[Case]:
    """First drafts, then these writes, at last a read-only disk."""
    drafted = [
        {"folder": "drafts", "at": "", "full": [["init", "digits_cnn"]], "then": [["init", "digits_cnn"]]},
        {
            "folder": "a",
            "at": "",
            "full": [["init", "table.csv"]],
            "then": [["init", "table.csv"], TABLE_RUN],
        },
    ]
    cases = [
        {"folder": "a", "at": at, "full": [command], "then": [VERIFY, command, VERIFY]}
        for at, command, _ in map(OTHER_WRITES.__getitem__, names)
    ]
    read_only = {"folder": "a", "at": "read-only", "full": [*WRITING, *READING], "then": [VERIFY]}
    return [*drafted, *cases, read_only]


def check_others(names: Sequence[str], outcomes: list[Case]) -> None:
    """Refused in one line; the run stays whole, and the same command succeeds when there is room."""
    template, draft, *results, protected = outcomes
    for result, name in ((template, "digits_cnn.yaml"), (draft, "table.yaml")):
        check_refused(result["full"][0], name)
        assert name not in result["files"], "half a config would be in the way"
        assert [done["code"] for done in result["then"]] == [0] * len(result["then"]), result["then"]
    for (_, command, named), result in zip(map(OTHER_WRITES.__getitem__, names), results, strict=True):
        assert result["was_full"], command
        check_refused(result["full"][0], named)
        assert result["left"] == [], command
        assert [done["code"] for done in result["then"]] == [0, 0, 0], (command, result["then"])
    refused, allowed = protected["full"][: len(WRITING)], protected["full"][len(WRITING) :]
    for said in refused:
        check_refused(said, "runs", "new.csv", "mnist_cnn.yaml", reason="Read-only file system")
    assert [done["code"] for done in allowed] == [0] * len(READING), allowed
    assert protected["then"][0]["code"] == 0


def check_both(tmp_path: Path, of_a_training: Sequence[str], of_others: Sequence[str]) -> None:
    cases = trainings(of_a_training)
    outcomes = on_small_disk(tmp_path, [*cases, *others(of_others)])
    check_trainings(of_a_training, outcomes[: len(cases)])
    check_others(of_others, outcomes[len(cases) :])


def test_a_disk_that_is_full_or_read_only(tmp_path: Path) -> None:
    check_both(tmp_path, ALWAYS, OFTEN)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_a_disk_that_fills_up_at_every_kind_of_write(tmp_path: Path) -> None:
    check_both(tmp_path, list(WRITES_OF_A_TRAINING), list(OTHER_WRITES))


def test_a_download_onto_a_full_disk(tmp_path: Path, server: Server) -> None:
    server.files["mnist.npz"] = bytes(11_490_434)
    home = tmp_path / "disk/a/home"
    get = ["datasets", "get", "mnist"]
    case = {"folder": "a", "at": r"\.part$", "full": [get], "then": [["datasets", "mnist", "--json"]]}
    env = {"BM_OFFLINE": "0", "BM_DATA_MIRROR": server.url, "BM_DATA_HOME": str(home)}
    (result,) = on_small_disk(tmp_path, [case], **env)
    check_refused(result["full"][0], "mnist.npz")
    assert json.loads(result["then"][0]["out"])["available"] is False


# === every single call =====================================================================================


@contextmanager
def failing(nth: int, calls: str) -> Iterator[list[str]]:
    """Within, the nth of these calls finds the disk full, and every later one too. Gives all calls so far."""
    seen: list[str] = []
    with pytest.MonkeyPatch.context() as patch:

        def watch(owner: Any, name: str) -> None:
            real = getattr(owner, name)

            def call(*arguments: Any, **options: Any) -> Any:
                seen.append(name)
                if len(seen) >= nth:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return real(*arguments, **options)

            patch.setattr(owner, name, call)

        if calls == "sync":
            watch(os, "fsync")
        elif calls == "rename":
            watch(Path, "replace")
        else:
            watch(Path, "write_bytes")
        yield seen


def check_each(folder: Path, calls: str, use: Any, check: Any, step: int = 1) -> None:
    """`use(folder)` with each call failing in turn, and what `check(folder, completed)` says after."""
    nth = 1
    while True:
        trial = folder.with_name(f"{folder.name}-{calls}-{nth}")
        if folder.exists():
            shutil.copytree(folder, trial)
        with failing(nth, calls) as seen:
            try:
                use(trial)
                completed = True
            except ResourceError as error:
                completed = False
                assert FULL in error.message and error.hint, error.message
                assert str(trial) in error.message
        check(trial, completed)
        assert not list(trial.rglob(".tmp-*"))
        if completed:
            assert len(seen) < nth and nth > 1
            return
        shutil.rmtree(trial)
        nth += step


@pytest.mark.parametrize("calls", ["sync", "rename", "write"])
def test_a_run_is_whole_whichever_call_fails(tmp_path: Path, calls: str) -> None:
    def use(root: Path) -> None:
        run = RunStore(root).create("digits")
        run.write_text("config.yaml", "a: 1\n")
        run.append_line("metrics.jsonl", "{}")
        run.write_text("config.yaml", "a: 2\n")
        run.write_folder("exports/x", lambda folder: (folder / "model").write_text("m") and None)
        run.seal("completed")

    def check(root: Path, completed: bool) -> None:
        store = RunStore(root)
        for run in store.all():
            assert run.verify().problems == ()
            assert run.record.status == ("completed" if completed else run.record.status)
            if run.exists("config.yaml"):
                assert run.read_text("config.yaml") in ("a: 1\n", "a: 2\n")
        assert len(store.all()) <= 1 and (store.all() or not completed)
        assert store.create("digits").verify().problems == ()

    check_each(tmp_path / "runs", calls, use, check)


def test_removing_a_file_leaves_no_damage_whichever_call_fails(tmp_path: Path) -> None:
    run = RunStore(tmp_path / "runs").create("digits")
    run.write_text("model.onnx", "m")
    with failing(1, "sync"), pytest.raises(ResourceError):
        run.remove_file("model.onnx")
    assert run.verify().problems == ()


def test_a_training_on_a_full_disk_names_what_was_being_written(tmp_path: Path) -> None:
    from bmcli.experiments.outcome import settling

    run = RunStore(tmp_path / "runs").create("digits")
    with (
        failing(1, "sync"),
        pytest.raises(ResourceError, match=r"last\.safetensors"),
        settling(run, "try less"),
    ):
        run.write_text("checkpoints/last.safetensors", "a state")


def test_a_run_that_could_not_be_sealed_is_not_running(tmp_path: Path) -> None:
    run = RunStore(tmp_path / "runs").create("digits")
    with failing(1, "sync"), pytest.raises(ResourceError):
        run.seal("failed", error="a full disk")
    assert Run(run.path).status == "failed"


def test_a_run_is_complete_only_when_it_is_sealed(tmp_path: Path) -> None:
    def use(root: Path) -> None:
        run = RunStore(root).create("digits")
        run.append_line("metrics.jsonl", "{}")
        run.seal("completed")

    def check(root: Path, completed: bool) -> None:
        for run in RunStore(root).all():
            vouched_for = run.record.status == "completed" and not run.verify().unverified
            assert vouched_for or (not completed and run.record.status != "completed")

    check_each(tmp_path / "runs", "rename", use, check)


def evaluated_whatever_fails(make_run: MakeRun, calls: str, step: int) -> None:
    run = make_run({"data": {"name": "digits", "limit": 100}})
    evaluate_run(run)
    stored = run.read_text("evaluation/test.json")
    metrics = run.reload().record.metrics

    def check(folder: Path, completed: bool) -> None:
        after = Run(folder)
        assert after.status == "completed" and after.verify().problems == ()
        assert after.read_text("evaluation/test.json") == stored
        assert after.record.metrics["test"]["accuracy"] == metrics["test"]["accuracy"]

    check_each(run.path, calls, lambda folder: evaluate_run(Run(folder)), check, step)


@pytest.mark.parametrize("calls", ["sync", "rename", "write"])
def test_an_evaluation_on_a_full_disk(make_run: MakeRun, calls: str) -> None:
    evaluated_whatever_fails(make_run, calls, step=10)


@pytest.mark.exhaustive
@pytest.mark.parametrize("calls", ["sync", "rename", "write"])
def test_an_evaluation_whichever_call_fails(make_run: MakeRun, calls: str) -> None:
    evaluated_whatever_fails(make_run, calls, step=1)
