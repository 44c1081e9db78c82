"""A task in one file of the user's, named in the config: every command takes it, and bm is as it was."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bmcli
from bmcli.experiments import checkpointing
from bmcli.tasks import TASKS
from tests.conftest import Done

Invoke = Callable[..., Done]

CONFIG = """\
name: visits
code: counts_task.py
data: {path: visits.csv, task: counts, target: visits}
model: {name: mlp, hidden: [8]}
training:
  epochs: 6
  batch_size: 32
  optimizer: {name: adam, learning_rate: 5e-2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 400))
    counts = rng.poisson(np.exp(0.5 + 0.8 * a))
    rows = [f"{x:.3f},{y:.3f},{n}" for x, y, n in zip(a, b, counts, strict=True)]
    (tmp_path / "visits.csv").write_text("a,b,visits\n" + "\n".join(rows) + "\n")
    (tmp_path / "new.csv").write_text("a,b\n2.0,0.1\n-2.0,0.1\n")
    shutil.copy(Path(__file__).with_name("counts_task.py"), tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path


def test_every_command_takes_it(folder: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = invoke("check", "c.yaml", "--json")
    assert checked.code == 0, checked.err
    wrong = invoke("check", "c.yaml", "training.label_smoothing=0.1")
    assert wrong.code == 2 and "this is a count" in wrong.err

    _train_and_resume(folder, invoke, monkeypatch)
    evaluation = json.loads((folder / "runs/visits-v1/evaluation/test.json").read_text())
    assert evaluation["headline"] == "deviance" and list(evaluation["metrics"]) == ["loss", "deviance", "mae"]
    assert evaluation["metrics"]["deviance"] < evaluation["baseline"]["value"]
    low, high = evaluation["intervals"]["deviance"]
    assert low < evaluation["metrics"]["deviance"] < high

    again = invoke("evaluate", "visits-v1", "--trust-code", "--json")
    assert again.code == 0 and again.json["metrics"] == evaluation["metrics"]
    many, few = _values(invoke("predict", "new.csv", "--run", "visits-v1", "--trust-code", "--json"))
    assert many > 4 > 1 > few > 0
    explained = invoke("explain", "new.csv", "--run", "visits-v1", "--trust-code", "--json")
    assert explained.code == 0, explained.err
    first = json.loads(explained.out.splitlines()[0])
    assert first["base"] + first["difference"] == pytest.approx(np.log(first["value"]), abs=0.05)
    assert first["total"] == "logarithm of the count"
    shown = invoke("explain", "new.csv", "--run", "visits-v1", "--trust-code")
    assert "= score" in shown.out and "logarithm of the count" in shown.out and "= answer" not in shown.out

    assert invoke("train", "c.yaml", "seed=1").code == 0
    compared = invoke("compare", "visits-v1", "visits-v2", "--json")
    assert compared.code == 0, compared.err
    assert invoke("gate", "visits-v1", "--max", "deviance=1.6").code == 0
    gated = invoke("gate", "visits-v1", "--max", "deviance=0.01")
    assert gated.code == 7 and "deviance" in gated.err + gated.out
    report = invoke("report", "visits-v1", "-o", "report.html")
    assert report.code == 0, report.err
    page = (folder / "report.html").read_text()
    assert "Furthest off" in page and "loss (Poisson)" in page
    exported = invoke("export", "visits-v1", "--format", "onnx", "-o", "out", "--trust-code")
    assert exported.code == 0, exported.err
    assert "the expected count" in next((folder / "out").rglob("README.md")).read_text()

    run = bmcli.load("visits-v1")
    predictions = run.predict([{"a": 2.0, "b": 0.1}], trust_code=True)
    assert predictions[0].value == pytest.approx(many, rel=1e-4)
    assert run.predictions().targets.dtype == np.float64


def test_where_its_code_is_not_loaded(folder: Path, invoke: Invoke) -> None:
    assert invoke("train", "c.yaml", "training.epochs=1").code == 0
    assert invoke("train", "c.yaml", "training.epochs=2").code == 0
    compared = invoke("compare", "visits-v1", "visits-v2", "--json")
    assert compared.json["paired"], compared.err
    TASKS._classes.pop("counts")  # as in another process
    refused = invoke("predict", "new.csv", "--run", "visits")
    assert refused.code == 2 and "--trust-code" in refused.err
    # What is only looked at needs no code.
    assert invoke("report", "visits", "-o", "report.html").code == 0
    assert "deviance" in (folder / "report.html").read_text()
    assert invoke("gate", "visits", "--max", "deviance=99").code == 0
    assert invoke("runs", "--sort", "deviance").code == 0
    # Compared by their predictions, they are read as the task writes them.
    refused = invoke("compare", "visits-v1", "visits-v2")
    assert refused.code == 2 and "--trust-code runs it" in refused.err
    again = invoke("compare", "visits-v1", "visits-v2", "--trust-code", "--json")
    assert again.code == 0 and again.json == compared.json
    assert bmcli.compare("visits-v1", "visits-v2", trust_code=True).paired
    assert len(_values(invoke("predict", "new.csv", "--run", "visits", "--trust-code", "--json"))) == 2


def _train_and_resume(folder: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after two epochs, then continued."""
    save, saves = checkpointing.save, []

    def counted(run: Any, trainer: Any, **how: bool) -> None:
        save(run, trainer, **how)
        saves.append(1)
        if len(saves) == 2:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(checkpointing, "save", counted)
        assert invoke("train", "c.yaml").code == 143
    resumed = invoke("train", "--resume", "visits-v1", "--trust-code")
    assert resumed.code == 0, resumed.err
    record = json.loads((folder / "runs/visits-v1/run.json").read_text())
    assert (record["status"], record["task"], record["epochs"]) == ("completed", "counts", 6)


def _values(done: Done) -> list[float]:
    assert done.code == 0, done.err
    return [json.loads(line)["value"] for line in done.out.splitlines()]


def test_what_is_no_count_is_named(folder: Path, invoke: Invoke) -> None:
    text = (folder / "visits.csv").read_text().splitlines()
    (folder / "visits.csv").write_text("\n".join([*text, "0.1,0.2,2.5"]) + "\n")
    done = invoke("train", "c.yaml", "training.epochs=1")
    assert done.code == 3 and "the target is 2.5, not a count" in done.err


def test_epochs_are_measured_without_the_whole_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy's sums are the metrics of the whole split, whatever the order, and no array of it is made."""
    from bmcli.core.spec import Target
    from bmcli.tasks import _meter
    from tests.tasks import counts_task

    monkeypatch.setattr(_meter, "WholeEpoch", None)  # which would keep all outputs
    task, rng = counts_task.Counts(), np.random.default_rng(1)
    means = rng.uniform(0.1, 5, (103, 1)).astype(np.float32)
    counts = rng.poisson(means[:, 0]).astype(np.float64)
    meter = task.epoch_meter(Target("counts"), len(counts))
    for part in np.array_split(rng.permutation(len(counts)), 7):
        meter.update(part, counts[part], means[part])
        kept = [value for value in vars(meter).values() if isinstance(value, np.ndarray | list | tuple)]
        assert not kept
    assert meter.metrics() == pytest.approx(task.compute(counts, means))


def test_the_default_meter_measures_the_split_in_its_order() -> None:
    from bmcli import tasks
    from bmcli.core.spec import Target

    rng = np.random.default_rng(2)
    outputs = rng.dirichlet(np.ones(3), 50).astype(np.float32)
    targets = rng.integers(0, 3, 50)
    task, target = tasks.of("multiclass"), Target("multiclass", ("a", "b", "c"))
    meter = task.epoch_meter(target, len(targets))
    for part in np.array_split(rng.permutation(50), 4):
        meter.update(part, targets[part], outputs[part])
    assert meter.metrics() == task.measure(targets, outputs, target.classes)
