"""Run every stage on a few batches, to check a config: train, save, evaluate, export, predict."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.core.cores import available_cores
from bmcli.experiments.display import Began, Event, Note, Stage, Warned
from bmcli.experiments.start import start
from bmcli.experiments.trackers import require
from bmcli.experiments.train import complete
from bmcli.inference.opened import OpenedRun
from bmcli.inference.predictor import predict
from bmcli.runs.store import RunStore
from bmcli.runs.trust import Trust
from bmcli.training.steps.threads import LEAST_PART, MOST_PARTS

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig

BATCHES = 3
"""Batches of each split."""


class _Stopwatch:
    """A display that notes when each stage began."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self.marks: list[tuple[str, float]] = [("prepare", time.perf_counter())]

    def handle(self, event: Event) -> None:
        """See Display."""
        if isinstance(event, Note):
            self._note(event.text)
        elif isinstance(event, Warned):
            self._note(f"warning: {event.text}")
        elif isinstance(event, Stage):
            self.stage(event.text)
        elif isinstance(event, Began):
            self.stage("train")

    def stage(self, name: str) -> None:
        """One begins."""
        self.marks.append((name, time.perf_counter()))


def smoke(
    config: ExperimentConfig, folder: Path, *, device: str, note: Callable[[str], None]
) -> dict[str, float]:
    """Run every stage in `folder`, which is empty; seconds of each. Raises whatever a stage raises."""
    began = time.monotonic()
    watch, store = _Stopwatch(note), RunStore(folder)
    require(config.trackers)
    made_up = folder / "made_up"
    made_up.mkdir()
    model = config.model.made_up(made_up)
    if model is not config.model:
        note("the pretrained weights are not on this machine: random ones take their place")
    config = config.model_copy(update={"model": model})
    config = shortened(config)
    examples = BATCHES * config.training.batch_size
    started = start(config, store, device=device, alone=True, examples=examples, display=watch)
    run = complete(started, store, watch, began=began)
    watch.stage("predict")
    some = started.experiment.bundle.train.examples.take([0, 1])
    list(predict(OpenedRun(run, Trust(code=True)), some))  # its code has just trained it
    watch.marks.append(("", time.perf_counter()))
    return {
        name: round(after - before, 3)
        for (name, before), (_, after) in zip(watch.marks, watch.marks[1:], strict=False)
    }


def shortened(config: ExperimentConfig) -> ExperimentConfig:
    """The same config, one epoch long, in batches that any machine takes quickly: the smallest that the cores
    share as they share larger ones. Trackers have nothing to follow."""
    batch = LEAST_PART * min(available_cores(), MOST_PARTS)
    less: dict[str, object] = {
        "epochs": 1,
        "early_stopping": None,
        "batch_size": min(config.training.batch_size, batch),
    }
    finetune = config.training.finetune
    if finetune is not None and finetune.layers != "none" and finetune.first_epochs:
        # An epoch of the head alone, and one of the layers below it.
        less |= {"epochs": 2, "finetune": finetune.model_copy(update={"head_epochs": 1})}
    training = config.training.model_copy(update=less)
    schedule = training.schedule.model_copy(update={"warmup_epochs": 0.0})
    training = training.model_copy(update={"schedule": schedule})
    return config.model_copy(update={"training": training, "trackers": []})
