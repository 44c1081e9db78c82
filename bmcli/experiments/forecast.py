"""A forecast of the cost of training, from a short piece of it: time by phase, memory, disk.

The piece is a real training in a folder that is thrown away: all data are read, the network is compiled,
steps are taken until their rate is steady, then the end of an epoch, and everything after the training, on a
part of the examples. What was cut short is scaled; all else took what it takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core import stopwatch
from bmcli.core.errors import InterruptedRunError
from bmcli.evaluation.measure import measure as measure_split
from bmcli.experiments.display import Event, Note, Warned
from bmcli.experiments.prepare import measurable
from bmcli.experiments.signals import Stopped, stops_at_once
from bmcli.experiments.start import start
from bmcli.experiments.trackers import require
from bmcli.experiments.train import complete
from bmcli.inference.opened import OpenedRun
from bmcli.runs import environment, layout
from bmcli.runs.store import RunStore
from bmcli.runs.trust import Trust
from bmcli.tasks._meter import EpochMeter
from bmcli.training import events
from bmcli.training.events import EpochDone, StepsDone, TrainingDone

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig, TrainingConfig
    from bmcli.core.batch import Batch
    from bmcli.core.stopwatch import Stopwatch
    from bmcli.data.bundle import Split
    from bmcli.experiments.prepare import Experiment
    from bmcli.modalities.source import BatchSource
    from bmcli.runs.run import Run
    from bmcli.training.trainer import Trainer
    from bmcli.training.validation import Validation

LEAST_SECONDS, MOST_SECONDS = 4.0, 10.0
"""Shortest and longest time that steps are measured for, without compilation."""
STEADY = 0.05
"""The rate is steady where it changes by less than this share from one third of the time to the next."""
PART = 2048
"""Of a larger validation split, and of a split more than twice that large to be evaluated, so many examples
are measured."""
LOG_BYTES, LOG_BYTES_PER_EPOCH = 2000, 100
"""Displays write the log; a forecast has none, so its size is estimated."""


@dataclass(frozen=True)
class Cost:
    """What `bm train` will need.

    parts: seconds by phase; upper_bound: whether early stopping may end it sooner; peak_memory: bytes of the
    process; disk: bytes of the run directory; rate: examples per second of the steps, None for a model that
    is solved in closed form; experiment: what was measured; frozen: as of `Started`.
    """

    parts: dict[str, float]
    upper_bound: bool
    peak_memory: int
    disk: int
    rate: float | None
    experiment: Experiment
    parameters: int
    frozen: tuple[int, int] | None

    @property
    def seconds(self) -> float:
        """Of all parts."""
        return sum(self.parts.values())


def measure(
    config: ExperimentConfig, folder: Path, *, runs: RunStore, watch: Stopwatch, note: Callable[[str], None]
) -> Cost:
    """Train a piece of `config` in `folder` (empty, thrown away by the caller).

    runs: where the run of `init_from` is found; watch: running, since the process began. Raises whatever
    training raises, ResourceError if it would not even be begun.
    """
    began = time.monotonic()
    require(config.trackers)
    if config.init_from is not None:
        other = runs.find(config.init_from.run).path.resolve()
        config = config.model_copy(
            update={"init_from": config.init_from.model_copy(update={"run": str(other)})}
        )
    # Room is needed for the states of training too, whether or not they stay.
    checkpoint = config.training.checkpoint.model_copy(update={"keep": True})
    training = _without_head_epochs(config.training.model_copy(update={"checkpoint": checkpoint}))
    config = config.model_copy(update={"training": training, "trackers": []})  # nothing to follow
    display, store = _Telling(note), RunStore(folder)
    try:
        with stops_at_once():
            started = start(config, store, alone=True, display=display)
            piece = _Piece(watch, started.experiment, started.trainer)
            started = replace(started, experiment=piece.experiment)
            run = complete(started, store, display, began=began, events=piece.run())
            parts = piece.scaled(watch.seconds())
            disk = piece.disk(run)
            for name, split in piece.cut.items():
                per_example = _seconds_per_example(run, piece.experiment, name, split, watch)
                parts[f"evaluation on {name}"] += per_example * (len(split) - PART)
    except Stopped as stopped:
        raise InterruptedRunError("stopped", signal_exit_code=stopped.exit_code) from stopped
    except InterruptedRunError as stopped:  # nothing is left to go on with
        raise InterruptedRunError("stopped", signal_exit_code=stopped.signal_exit_code) from stopped
    return Cost(
        parts,
        upper_bound=config.training.early_stopping is not None and not piece.whole,
        peak_memory=environment.peak_memory(),
        disk=disk,
        rate=piece.rate,
        experiment=piece.experiment,
        parameters=run.record.parameters or 0,
        frozen=started.frozen,
    )


def _without_head_epochs(training: TrainingConfig) -> TrainingConfig:
    """The same, but for what fine-tuning begins with: epochs of the head alone are counted as if they trained
    the layers below it too, which they do not take longer than."""
    finetune = training.finetune
    if finetune is None or finetune.layers == "none":
        return training
    return training.model_copy(update={"finetune": finetune.model_copy(update={"head_epochs": 0})})


class _Piece:
    """A short sample of every kind of a trainer's work, and how long it took.

    experiment: what is evaluated; cut: the splits of which that has only `PART` examples, in full; whole:
    whether the training was taken whole; rate: examples per second of steps.
    """

    def __init__(self, watch: Stopwatch, experiment: Experiment, trainer: Trainer) -> None:
        self._watch = watch
        self._trainer = trainer
        self._points: list[tuple[int, float, float]] = [(0, 0.0, 0.0)]
        self._epochs_done = 0
        self._validations: list[float] = []
        self._afterwards: list[float] = []
        self._beyond = 0.0
        self.whole = True
        self.rate: float | None = None
        self.cut = _large_splits(experiment)
        shorter = {name: _spread(split, PART) for name, split in self.cut.items()}
        bundle = replace(
            experiment.bundle,
            train=shorter.get("train", experiment.bundle.train),
            validation=shorter.get("validation", experiment.bundle.validation),
            test=shorter.get("test", experiment.bundle.test),
        )
        self.experiment = replace(experiment, bundle=bundle)
        self._validate_less()

    def _validate_less(self) -> None:
        """Validate on as many examples as make full batches of about `PART`, where there are more."""
        validation = self._trainer.validation
        if validation is None:
            return
        count = len(validation.source)
        part = max(2, -(-PART // validation.batch_size)) * validation.batch_size
        if count <= part:
            return
        self._beyond = count / part - 1
        source = _First(validation.source, part)
        lengths = {name: of[:part] for name, of in validation.lengths.items()}
        self._trainer.validation = replace(
            validation, source=source, meter=lambda: _Repeated(validation), lengths=lengths
        )

    def run(self) -> Iterator[events.Event]:
        """Steps until their rate is steady, then the end of the first epoch, twice: what comes first is
        compiled first. A training that is over before that is taken whole."""
        trainer = self._trainer
        noted = self._noted(0)
        for event in noted:
            yield from self._handed_on(event)
            if isinstance(event, TrainingDone):
                self._window = self._points[1:]
                return
            if isinstance(event, StepsDone) and self._steady():
                break
        noted.close()
        self.whole = False
        self._window = self._points[1:]
        last = trainer.feed.steps_per_epoch - 1
        state = trainer.state()
        sums = {**state.progress["sums"], "step": last}
        state = replace(state, step=last, progress={**state.progress, "sums": sums})
        for _ in range(2):
            trainer.restore(state)
            for event in self._noted(last):
                yield from self._handed_on(event)
                if isinstance(event, EpochDone):
                    break
        yield TrainingDone(self._epochs_done, trainer.watch.best_epoch, "measured")

    def _noted(self, step: int) -> Generator[events.Event]:
        """What the trainer reports from `step` on, noted on the way."""
        validated = self._spent("validation", "metrics")
        for event in self._trainer.run():
            if isinstance(event, StepsDone):
                taken = self._points[-1][0] + event.step - step
                step = event.step
                self._points.append((taken, self._spent("training steps"), self._spent("waiting for data")))
            elif isinstance(event, EpochDone):
                step = 0
                self._epochs_done += 1
                before, validated = validated, self._spent("validation", "metrics")
                self._validations.append(validated - before)
            yield event

    def _handed_on(self, event: events.Event) -> Iterator[events.Event]:
        """The time a caller spends on the end of an epoch, saving aside, is measured too."""
        rest = self._spent(stopwatch.REST)
        yield event
        if isinstance(event, EpochDone):
            self._afterwards.append(self._spent(stopwatch.REST) - rest)

    def _spent(self, *phases: str) -> float:
        seconds = self._watch.seconds()
        return sum(seconds.get(phase, 0.0) for phase in phases)

    def _steady(self) -> bool:
        steps, *spent = np.array(self._points[1:]).T  # the first group compiled
        times = spent[0] + spent[1]
        elapsed = times[-1] - times[0]
        if elapsed < LEAST_SECONDS:
            return False
        if elapsed >= MOST_SECONDS:
            return True
        first, second = (int(np.searchsorted(times, times[0] + elapsed * share)) for share in (1 / 3, 2 / 3))
        if not first < second < len(times) - 1:
            return False
        middle = (steps[second] - steps[first]) / (times[second] - times[first])
        last = (steps[-1] - steps[second]) / (times[-1] - times[second])
        return bool(abs(last / middle - 1) < STEADY)

    def scaled(self, parts: dict[str, float]) -> dict[str, float]:
        """The forecast for the whole, from the measured piece."""
        metrics = parts.pop("metrics", 0.0)
        if not self._epochs_done:  # solved in closed form
            return parts
        steps, training, waiting = self._per_step()
        self.rate = self._trainer.feed.batch_size / max(training + waiting, 1e-9)
        left = 0 if self.whole else self._trainer.epochs * self._trainer.feed.steps_per_epoch - steps
        parts["training steps"] = max(parts.get("training steps", 0.0) + training * left, 0.0)
        parts["waiting for data"] = max(parts["waiting for data"] + waiting * left, 0.0)
        epochs = self._epochs()
        again = epochs - self._epochs_done
        predicting = self._validations[-1] - metrics / self._epochs_done
        parts["validation"] += metrics + self._validations[-1] * again + self._beyond * predicting * epochs
        parts["checkpoints"] *= self._saves() / self._epochs_done
        parts[stopwatch.REST] += float(np.median(self._afterwards)) * again
        return parts

    def _per_step(self) -> tuple[int, float, float]:
        """Steps taken in all; seconds of training and of waiting for data of a step, once it is steady."""
        # The first third still fetched what had been prepared while compiling.
        window = np.array(self._window[len(self._window) // 3 :] or self._points)
        since, until = (window[0] if len(window) > 1 else np.zeros(3)), window[-1]
        each = (until[1:] - since[1:]) / max(until[0] - since[0], 1)
        return self._points[-1][0], float(each[0]), float(each[1])

    def _epochs(self) -> int:
        return self._epochs_done if self.whole else self._trainer.epochs

    def _saves(self) -> int:
        """How often the state is saved: after each epoch, and within long ones."""
        every = self.experiment.config.training.checkpoint.every_minutes
        _, *seconds = self._per_step()
        within = int(sum(seconds) * self._trainer.feed.steps_per_epoch // (every * 60)) if every else 0
        return self._epochs() * (1 + within)

    def disk(self, run: Run) -> int:
        """Bytes that the whole's run directory has at most: with the states of training."""
        bytes_of = {name: float((run.path / name).stat().st_size) for name in run.files()}
        for name, split in self.cut.items():
            predictions = layout.predictions_of(name)
            for file in (predictions, predictions.removesuffix(".csv") + ".npz"):
                bytes_of[file] = bytes_of.get(file, 0.0) * len(split) / PART
        epochs = 1
        if self._epochs_done:
            epochs = self._epochs()
            for file in bytes_of:
                if file.startswith((layout.METRICS, layout.TENSORBOARD)):
                    bytes_of[file] *= epochs / self._epochs_done
            last = bytes_of[layout.LAST]
            bytes_of[layout.PREVIOUS] = last if self._saves() > 1 else 0.0
        return round(sum(bytes_of.values())) + LOG_BYTES + LOG_BYTES_PER_EPOCH * epochs


class _Telling:
    """A display that hands notes and warnings on."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note

    def handle(self, event: Event) -> None:
        """See Display."""
        if isinstance(event, Note):
            self._note(event.text)
        elif isinstance(event, Warned):
            self._note(f"warning: {event.text}")


class _First:
    """The first `count` examples of a source."""

    def __init__(self, source: BatchSource, count: int) -> None:
        self._source, self._count = source, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, indices: np.ndarray, /) -> Batch:
        return self._source[indices]


class _Repeated(EpochMeter):
    """Measures the outputs of a part of `whole`, repeated to as many as there will be."""

    def __init__(self, whole: Validation) -> None:
        self._whole = whole
        self._batches: list[tuple[np.ndarray, np.ndarray]] = []

    def update(self, positions: np.ndarray, targets: np.ndarray, outputs: np.ndarray) -> None:
        """See EpochMeter."""
        self._batches.append((positions, outputs))

    def metrics(self) -> dict[str, float | None]:
        """See EpochMeter."""
        with stopwatch.phase("metrics"):
            positions, outputs = map(np.concatenate, zip(*self._batches, strict=True))
            count = len(self._whole.source)
            repeated = np.resize(outputs[np.argsort(positions)], (count, *outputs.shape[1:]))
            meter = self._whole.meter()
            meter.update(np.arange(count), self._whole.targets, repeated)
            return meter.metrics()


def _large_splits(experiment: Experiment) -> dict[str, Split]:
    """The splits to be evaluated that are so large that a part of them is enough to measure the rest by."""
    closed_form = experiment.config.model.closed_form
    found: dict[str, Split] = {}
    for name in experiment.config.evaluation.splits:
        split = experiment.bundle.split(name)
        if split is not None and len(split) > 2 * PART and not (closed_form and name == "train"):
            found[name] = split
    return found


def _spread(split: Split, count: int) -> Split:
    """This many examples, evenly spaced."""
    return split.take(np.linspace(0, len(split) - 1, count).astype(np.int64))


def _seconds_per_example(
    run: Run, experiment: Experiment, name: str, split: Split, watch: Stopwatch
) -> float:
    """Seconds of evaluation per further example, plots aside; most of the rest is spent only once."""
    session = OpenedRun(run, Trust(code=True)).session
    seconds = []
    for count in (PART // 8, PART):
        before = watch.seconds().get("again", 0.0)
        with stopwatch.phase("again"):
            measure_split(measurable(experiment, run, session, name, _spread(split, count)))
        seconds.append(watch.seconds()["again"] - before)
    return max(seconds[1] - seconds[0], 0.0) / (PART - PART // 8)
