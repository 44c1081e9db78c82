"""Where training is tracked besides its run directory: TensorBoard, MLflow, Weights & Biases.

The run directory stays the truth. A tracker that fails (a server that is gone, a full disk of its own) is
reported once and then ignored; training continues.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bmcli.core.errors import BmError, MissingExtraError
from bmcli.experiments.tensorboard import EventWriter
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.runs.run import Run
    from bmcli.training.events import EpochRecord

NAMES = {"tensorboard": "TensorBoard", "mlflow": "MLflow", "wandb": "Weights & Biases"}


class Tracker(Protocol):
    """One service. Its methods may raise."""

    def epoch(self, record: EpochRecord) -> None:
        """The metrics of one line of metrics.jsonl."""

    def finished(self, metrics: Mapping[str, float], plots: Mapping[str, Path]) -> None:
        """The metrics of the evaluated splits, as <split>_<metric>, and the plots, by name."""

    def report(self, page: Path) -> None:
        """The run's page, when the run is sealed."""

    def close(self, status: str) -> None:
        """No more. status: completed, interrupted or failed."""


def require(names: Sequence[str]) -> None:
    """MissingExtraError for a tracker whose library is not installed: before hours of training."""
    for name in names:
        if name != "tensorboard" and importlib.util.find_spec(name) is None:
            raise MissingExtraError(f"tracking with {NAMES[name]}", name)


class Trackers:
    """All of a run's trackers, as one."""

    def __init__(
        self,
        run: Run,
        config: Mapping[str, object],
        names: Sequence[str],
        *,
        epoch: int,
        warn: Callable[[str], None],
    ) -> None:
        self._warn = warn
        self._open: dict[str, Tracker] = {}
        made: dict[str, Callable[[], Tracker]] = {
            "tensorboard": lambda: _TensorBoard(run, epoch),
            "mlflow": lambda: _MLflow(run, config),
            "wandb": lambda: _WandB(run, config),
        }
        for name in names:
            self._try(name, lambda name=name: self._open.update({name: made[name]()}))  # type: ignore[misc]

    def epoch(self, record: EpochRecord) -> None:
        """An epoch is done."""
        self._each(lambda tracker: tracker.epoch(record))

    def finished(self, run: Run) -> None:
        """The run is complete."""
        metrics = {
            f"{split}_{name}": float(value)
            for split, values in run.record.metrics.items()
            for name, value in values.items()
            if value is not None
        }
        prefix = f"{layout.PLOTS}/"
        names = [name for name in run.files() if name.startswith(prefix) and name.endswith(".png")]
        plots = {name.removeprefix(prefix).removesuffix(".png"): run.path_of(name) for name in names}
        self._each(lambda tracker: tracker.finished(metrics, plots))

    def report(self, run: Run) -> None:
        """The run's report is written."""
        self._each(lambda tracker: tracker.report(run.path_of(layout.REPORT)))

    def close(self, status: str) -> None:
        """No more, of any."""
        self._each(lambda tracker: tracker.close(status))
        self._open.clear()

    def _each(self, act: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._open.items()):
            self._try(name, lambda tracker=tracker: act(tracker))  # type: ignore[misc]

    def _try(self, name: str, act: Callable[[], object]) -> None:
        try:
            act()
        except BmError:  # of the run directory itself: a full disk there ends the training
            raise
        except Exception as error:
            self._open.pop(name, None)
            reason = str(error).strip().splitlines()
            self._warn(
                f"{NAMES[name]} is no longer used, after an error: "
                f"{reason[0] if reason else type(error).__name__}"
            )


class _TensorBoard:
    """Event files in the run directory."""

    def __init__(self, run: Run, epoch: int) -> None:
        self._writer = EventWriter(run.path_of(layout.TENSORBOARD), epoch=epoch)
        self._last = epoch

    def epoch(self, record: EpochRecord) -> None:
        self._writer.epoch(record)
        self._last = int(record["epoch"] or 0)

    def finished(self, metrics: Mapping[str, float], plots: Mapping[str, Path]) -> None:
        for name, path in plots.items():
            self._writer.image(name, path.read_bytes(), step=self._last)

    def report(self, page: Path) -> None:
        pass  # it shows metrics and plots, not pages

    def close(self, status: str) -> None:
        self._writer.close()


class _MLflow:
    """The store is MLflow's: MLFLOW_TRACKING_URI, else its default in the working directory. The experiment
    is MLFLOW_EXPERIMENT_NAME, else the run's name. A resumed run continues in the same MLflow run."""

    def __init__(self, run: Run, config: Mapping[str, object]) -> None:
        import mlflow

        self._client = mlflow.MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", run.name)
        known = self._client.get_experiment_by_name(name)
        experiment = known.experiment_id if known is not None else self._client.create_experiment(name)
        earlier = self._client.search_runs([experiment], f"tags.`bm.uuid` = '{run.record.uuid}'")
        if earlier:
            self._run = earlier[0].info.run_id
            self._client.set_terminated(self._run, "RUNNING")
            return
        tags = {"bm.uuid": run.record.uuid, "bm.run": run.id, "bm.path": str(run.path.absolute())}
        tags |= {f"bm.tag.{tag}": "true" for tag in run.record.tags}
        self._run = self._client.create_run(experiment, tags=tags, run_name=run.id).info.run_id
        parameters = [(key, str(value)[:500]) for key, value in flat(config).items()]
        for start in range(0, len(parameters), 100):  # the most that one request takes
            some = parameters[start : start + 100]
            self._client.log_batch(self._run, params=[mlflow.entities.Param(*one) for one in some])

    def epoch(self, record: EpochRecord) -> None:
        metrics = {name: value for name, value in record.items() if name != "epoch" and value is not None}
        self._log(metrics, int(record["epoch"] or 0))

    def finished(self, metrics: Mapping[str, float], plots: Mapping[str, Path]) -> None:
        self._log(metrics, 0)
        for path in plots.values():
            self._client.log_artifact(self._run, str(path), "plots")

    def report(self, page: Path) -> None:
        self._client.log_artifact(self._run, str(page))

    def _log(self, metrics: Mapping[str, float], step: int) -> None:
        """All in one request."""
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        logged = [Metric(name, float(value), now, step) for name, value in metrics.items()]
        self._client.log_batch(self._run, metrics=logged)

    def close(self, status: str) -> None:
        state = {"completed": "FINISHED", "interrupted": "KILLED"}.get(status, "FAILED")
        self._client.set_terminated(self._run, state)


class _WandB:
    """The project is WANDB_PROJECT, else the run's name; WANDB_MODE=offline keeps everything in WANDB_DIR. A
    resumed run continues in the same W&B run."""

    def __init__(self, run: Run, config: Mapping[str, object]) -> None:
        import wandb

        self._library = wandb
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", run.name),
            name=run.id,
            id=run.record.uuid.replace("-", "")[:32],
            resume="allow",
            config=dict(config),
            tags=list(run.record.tags),
            settings=wandb.Settings(console="off", silent=True),
        )

    def epoch(self, record: EpochRecord) -> None:
        metrics = {name: value for name, value in record.items() if value is not None}
        self._run.log(metrics, step=int(record["epoch"] or 0))

    def finished(self, metrics: Mapping[str, float], plots: Mapping[str, Path]) -> None:
        self._run.summary.update(dict(metrics))
        self._run.log({name: self._library.Image(str(path)) for name, path in plots.items()})

    def report(self, page: Path) -> None:
        self._run.log({"report": self._library.Html(page.read_text("utf-8"), inject=False)})

    def close(self, status: str) -> None:
        self._run.finish(exit_code=0 if status == "completed" else 1)


def flat(config: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested maps as dotted keys."""
    found: dict[str, object] = {}
    for key, value in config.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        found |= flat(value, name) if isinstance(value, Mapping) and value else {name: value}
    return found
