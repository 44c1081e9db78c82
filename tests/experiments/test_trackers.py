"""Trackers with their own libraries, offline, read back by them; skipped where those are not installed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from bmcli import api
from bmcli.core.errors import MissingExtraError
from bmcli.experiments import trackers
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore

QUICK = ["training.epochs=2", "training.schedule=constant", "data.limit=300", "model={name: linear}"]


def trained(folder: Path, *overrides: str) -> Run:
    api.train("digits_cnn", [*QUICK, *overrides], runs_dir=folder / "runs")
    return RunStore(folder / "runs").find("digits-cnn")


def losses(run: Run) -> list[float]:
    return [json.loads(line)["val_loss"] for line in run.read_text("metrics.jsonl").splitlines()]


@pytest.mark.draws
def test_tensorboard_has_curves_and_plots(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = trained(tmp_path)
    events = accumulator.EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert [e.value for e in events.Scalars("loss/validation")] == pytest.approx(losses(run), rel=1e-6)
    (plot,) = events.Images("confusion_matrix-test")
    assert plot.encoded_image_string == run.read_bytes("plots/confusion_matrix-test.png")
    assert plot.width > 100 and plot.step == 2
    assert not run.verify().problems


def test_without_any(tmp_path: Path) -> None:
    run = trained(tmp_path, "trackers=[]")
    assert not (run.path / "tensorboard").exists() and not run.verify().problems


def test_a_missing_library_is_named_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="extra 'mlflow'"):
        trained(tmp_path, "trackers=[mlflow]")
    assert not list((tmp_path / "runs").glob("digits*"))


class Broken:
    """A service that goes away after the first epoch."""

    def __init__(self, run: Run, config: Any) -> None:
        self.epochs = 0

    def epoch(self, record: Any) -> None:
        self.epochs += 1
        if self.epochs == 2:
            raise ConnectionError("the server\nis gone")

    def finished(self, metrics: Any, plots: Any) -> None:
        pytest.fail("it was left alone")

    close = report = finished


def test_a_tracker_that_fails_is_warned_of_once_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "_MLflow", Broken)
    warned: list[str] = []
    run = RunStore(tmp_path).create("trial")
    followed = trackers.Trackers(run, {}, ["mlflow"], epoch=1, warn=warned.append)
    for epoch in (1, 2, 3):
        followed.epoch({"epoch": epoch, "loss": 1.0})
    followed.finished(run)
    followed.close("completed")
    assert warned == ["MLflow is no longer used, after an error: the server"]


def test_mlflow_with_a_local_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'store.db'}")
    run = trained(tmp_path, "trackers=[mlflow]")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("digits-cnn")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED" and found.info.run_name == run.id
    assert found.data.params["training.epochs"] == "2" and found.data.tags["bm.uuid"] == run.record.uuid
    history = client.get_metric_history(found.info.run_id, "val_loss")
    assert [(one.step, one.value) for one in history] == list(enumerate(losses(run), 1))
    assert found.data.metrics["test_accuracy"] == run.record.metrics["test"]["accuracy"]
    artifacts = {one.path for one in client.list_artifacts(found.info.run_id)}
    assert artifacts == {"plots", "report.html"}
    # A resumed run goes on where it was.
    again = trackers.Trackers(run, {}, ["mlflow"], epoch=3, warn=pytest.fail)
    again.epoch({"epoch": 3, "loss": 0.5})
    again.close("interrupted")
    (same,) = client.search_runs([experiment.experiment_id])
    assert same.info.run_id == found.info.run_id and same.info.status == "KILLED"


def test_wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    run = trained(tmp_path, "trackers=[wandb]")
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    (stored,) = folder.glob("*.wandb")
    assert run.record.uuid.replace("-", "")[:32] in folder.name
    deadline = time.monotonic() + 30  # a process of wandb's own writes it, and may be a moment behind
    while stored.stat().st_size < 1000 and time.monotonic() < deadline:
        time.sleep(0.1)
    content = stored.read_bytes()
    for text in (b"val_loss", b"confusion_matrix-test", b"report"):
        assert text in content, text
