"""The training loop: a generator of events over one model and one feed.

It prints nothing, knows no paths, and keeps no state that `state()` does not hold, so that a run may be
stopped after any group of steps and continued in another process bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from bmcli import tasks
from bmcli.core.errors import DivergedError, IntegrityError
from bmcli.core.stopwatch import phase, waiting
from bmcli.inference import adapters
from bmcli.inference.weights import sha256_of, weights_of
from bmcli.training.checkpoints import TrainingState
from bmcli.training.events import (
    EpochDone,
    EpochRecord,
    Event,
    FeaturesDone,
    Resumed,
    StepsDone,
    TrainingDone,
)
from bmcli.training.features import featurised, same
from bmcli.training.pace import Clock, Pace, Sums
from bmcli.training.steps.base import Finish
from bmcli.training.steps.select import forward, fuse, make_loop
from bmcli.training.swapped import Swapped
from bmcli.training.validation import Validation, measured
from bmcli.training.watch import Watch

if TYPE_CHECKING:
    import keras

    from bmcli.config.schema import TrainingConfig
    from bmcli.core.plain import Document
    from bmcli.core.spec import DataSpec
    from bmcli.training.features import FeatureCache
    from bmcli.training.feed import Feed, Group
    from bmcli.training.tuning import Tuning


class Trainer:
    """Trains `model` on `feed`.

    model: raw outputs, under the training precision; finished: the same weights with the task's activation;
    finish: what the preprocessing still does to a batch, on the device.
    validation: None if there is nothing to choose by. parts: of a batch, as `select.make_loop` takes it.
    tuning: which layers are trained when; None: all that are trainable, always.
    cache: keeps the features that a head alone is trained on; None: they are computed in each step, as
    augmentation changes them. fused: whether `select.fuse` may change how dropout and Adam are computed.
    """

    def __init__(
        self,
        model: keras.Model,
        finished: keras.Model,
        spec: DataSpec,
        config: TrainingConfig,
        feed: Feed,
        finish: Finish,
        validation: Validation | None,
        watch: Watch,
        parts: int = 1,
        tuning: Tuning | None = None,
        cache: FeatureCache | None = None,
        fused: bool = False,
    ) -> None:
        self.model = model
        self.finished = finished
        self.spec = spec
        self.task = tasks.of(spec.task)
        self.config = config
        self.feed = feed
        self.validation = validation
        self.watch = watch
        self.records: list[EpochRecord] = []
        self.finish = finish
        self.parts, self.tuning, self.cache, self.fused = parts, tuning, cache, fused
        self._all_layers = feed, validation
        self.epochs = config.epochs_of(feed.steps_per_epoch)
        self.epoch = 1
        self._now = Sums()
        self._set_up()

    def _set_up(self) -> None:
        """The optimizer and the compiled steps, for what the current epoch trains."""
        config, tuning, finish, parts = self.config, self.tuning, self.finish, self.parts
        network = self.model
        self.feed, self.validation = self._all_layers
        self._featured = False
        if tuning is not None:
            tuning.enter(self.epoch)
            if tuning.alone(self.epoch):
                network = tuning.body.head
                finish, parts = (same, 1) if self.cache else (tuning.body.finish(finish), parts)
        variables = network.trainable_variables
        self.optimizer = config.optimizer.build(variables, gradient_clipping=config.gradient_clipping)
        if self.fused:
            fuse(network, self.optimizer)
        if tuning is not None:
            tuning.scale(self.optimizer, variables)
        self.loop = make_loop(
            network, self.optimizer, self.spec.task, finish, ema=config.ema, xla=config.xla, parts=parts
        )
        self._clock, self._pace = Clock(), Pace()
        self._forward = forward(self.finished, self.finish, parts=self.parts)

    def resumed(self) -> Resumed | None:
        """Where restored training continues; None at the first step."""
        if not (self.records or self._now.step):
            return None
        return Resumed(
            self.epoch,
            self.epochs,
            self._now.step,
            self.feed.steps_per_epoch,
            tuple(self.records),
            self.watch.best_epoch,
        )

    # --- the run -----------------------------------------------------------------------------------------

    def run(self) -> Iterator[Event]:
        """Train to the end; DivergedError if the loss became NaN or infinite."""
        while self.epoch <= self.epochs and not self._should_stop:
            yield from self._featurise()
            yield from self._train_epoch()
            yield self._finish_epoch()
        early = self._should_stop and self.epoch <= self.epochs
        reason = (
            f"{self.watch.monitor} did not improve for {self.watch.waited} epochs"
            if early
            else "all epochs done"
        )
        yield TrainingDone(len(self.records), self.watch.best_epoch, reason)

    @property
    def _should_stop(self) -> bool:
        """Whether patience has run out; not before the layers below the head have joined in."""
        return self.watch.should_stop and not (self.tuning and self.tuning.constant(self.epoch))

    def _train_epoch(self) -> Iterator[StepsDone]:
        groups = self.feed.groups(self.epoch, start=self._now.step, size=lambda: self._clock.size)
        try:
            started = time.perf_counter()
            for group in waiting("waiting for data", groups):
                rates = np.array([self._rate(self._now.step + i) for i in range(group.steps)], np.float32)
                began = time.perf_counter()
                compiled = group.signature in self._clock.compiled
                with phase(self._clock.phase(group)):
                    result = self.loop.run(group, rates)
                now = time.perf_counter()
                self._clock.ran(group, now - began)
                if compiled:
                    self._pace.ran(group.steps, now - started)
                self._add(group, result.losses, result.metrics)
                self._now.seconds += now - started
                started = now
                if not result.finite:
                    self._diverged(group, result.losses, rates)
                yield self._steps_done(float(rates[-1]))
        finally:
            groups.close()  # type: ignore[attr-defined]

    def _featurise(self) -> Iterator[FeaturesDone]:
        """Before the first epoch of this session that trains the head alone: take features for inputs."""
        if self.cache is None or self.tuning is None or self._featured or not self.tuning.alone(self.epoch):
            return
        body = self.tuning.body
        compute = forward(body.features, self.finish, parts=self.parts)
        weights = sha256_of(adapters.without(weights_of(body.features)))
        made = featurised(self.cache, self.feed, self.validation, self.spec, compute, weights)
        self.feed, self.validation = yield from made
        self._forward = forward(body.finished, same)
        self._featured = True

    def _rate(self, step: int) -> float:
        first, last, factor = 1, self.epochs, 1.0
        if self.tuning is not None:
            first, last = self.tuning.span(self.epoch, self.epochs)
        if self.tuning is None or not self.tuning.constant(self.epoch):
            whole = (self.epoch - first) * self.feed.steps_per_epoch + step
            factor = self.config.schedule.rate(
                whole, steps_per_epoch=self.feed.steps_per_epoch, epochs=last - first + 1
            )
        return float(self.config.optimizer.learning_rate * factor)

    def _add(self, group: Group, losses: np.ndarray, metrics: np.ndarray) -> None:
        batch = group.batch_size
        # One by one: a sum in another order would differ in its last bit with the size of the groups.
        for loss, metric in zip(losses.tolist(), metrics.tolist(), strict=True):
            self._now.loss += loss * batch
            self._now.metric += metric
        self._now.step += group.steps
        self._now.examples += batch * group.steps

    def _diverged(self, group: Group, losses: np.ndarray, rates: np.ndarray) -> None:
        last = len(losses) - 1
        step = self._now.step - group.steps + last + 1
        what = "the gradient became" if math.isfinite(losses[last]) else "the loss became"
        examples = ", ".join(str(i) for i in group.examples[last][:8])
        raise DivergedError(
            f"{what} NaN or infinite in epoch {self.epoch}, step {step} of "
            f"{self.feed.steps_per_epoch}, at learning rate {rates[last]:.3g} "
            f"(training examples {examples}{', ...' if group.batch_size > 8 else ''})",
            hint="try a smaller training.optimizer.learning_rate, training.gradient_clipping: 1, or "
            "training.precision: float32",
        )

    def _means(self) -> tuple[float, float]:
        """Loss and running metric of the epoch under way, in the target's unit for regression."""
        examples = max(self._now.examples, 1)
        loss, metric = self._now.loss / examples, self._now.metric / examples
        return self.task.in_units(loss, metric, self.spec.target)

    def _steps_done(self, rate: float) -> StepsDone:
        loss, metric = self._means()
        left = None
        steps_left = (self.epochs - self.epoch + 1) * self.feed.steps_per_epoch - self._now.step
        if self._pace.steps:
            per_step = self._pace.seconds / self._pace.steps
            left = per_step * steps_left + self._between(per_step) * (self.epochs - self.epoch + 1)
        return StepsDone(
            epoch=self.epoch,
            epochs=self.epochs,
            step=self._now.step,
            steps=self.feed.steps_per_epoch,
            loss=loss,
            metric_name=self.task.running_name,
            metric=metric,
            learning_rate=rate,
            examples_per_second=self._now.examples / max(self._now.seconds, 1e-9),
            seconds=self._now.seconds,
            seconds_left=left,
        )

    def _between(self, per_step: float) -> float:
        """What validation takes after an epoch: as it did, but for the first time, which compiled; before the
        second time, what it takes to answer examples without learning from them, a third of a step."""
        past = [(record["seconds"] or 0) - (record["training_seconds"] or 0) for record in self.records]
        if len(past) > 1:
            return sum(past[1:]) / len(past[1:])
        count = 0 if self.validation is None else len(self.validation.source)
        return min([per_step * count / self.feed.batch_size / 3, *past])

    def measure(self, seconds: float) -> EpochDone:
        """The record of a model that was solved, not trained: the same metrics, as one epoch of `seconds`."""
        raw_outputs = forward(self.model, self.finish)
        for start in range(0, len(self.feed.source), self.feed.batch_size):
            part = np.arange(start, min(start + self.feed.batch_size, len(self.feed.source)))
            raw = raw_outputs(self.feed.source[part])
            targets = self.feed.targets[part]
            self._now.loss += float(np.sum(self.task.loss(raw, targets)))
            self._now.metric += float(np.sum(self.task.running(raw, targets)))
            self._now.examples += len(part)
        self._now.seconds = seconds
        return self._finish_epoch()

    def _finish_epoch(self) -> EpochDone:
        loss, metric = self._means()
        training_seconds = self._now.seconds
        began = time.perf_counter()
        with phase("validation"):
            found = self._validate()
        seconds = training_seconds + time.perf_counter() - began
        record: EpochRecord = {
            "epoch": self.epoch,
            "loss": loss,
            self.task.running_name: metric,
            **{f"val_{name}": value for name, value in found.items()},
            "learning_rate": self._rate(self.feed.steps_per_epoch - 1),
            "seconds": round(seconds, 3),
            "training_seconds": round(training_seconds, 3),
            "examples_per_second": round(self._now.examples / max(training_seconds, 1e-9), 1),
        }
        # JSON has no NaN: an undefined metric is null.
        record = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
        self.records.append(record)
        self.watch = self.watch.see(self.epoch, record.get(self.watch.monitor))
        done = EpochDone(self.epoch, self.epochs, record, self.watch.best_epoch == self.epoch)
        self._pace.fade()
        self._now = Sums()
        self._next_epoch()
        return done

    def _next_epoch(self) -> None:
        """The layers below the head join in from the weights that were measured, with an optimizer that has
        seen nothing yet and patience as at the beginning."""
        self.epoch += 1
        tuning = self.tuning
        if tuning is None or tuning.alone(self.epoch) or not tuning.alone(self.epoch - 1):
            return
        if self.epoch <= self.epochs:
            for variable, average in zip(
                self.loop.model.trainable_variables, self.loop.average, strict=False
            ):
                variable.assign(average)
            self.watch = replace(self.watch, waited=0)
            self._set_up()

    def _validate(self) -> dict[str, float | None]:
        if self.validation is None:
            return {}
        with self._averaged(), self.tuning.applied() if self.tuning else nullcontext():
            return measured(self.validation, self._forward)

    # --- weights and state -------------------------------------------------------------------------------

    def weights(self) -> dict[str, np.ndarray]:
        """The weights to evaluate: averaged where `ema` is on, adapters merged; float32 by variable path."""
        found = self.own_weights()
        return found if self.tuning is None else self.tuning.merged(found)

    def own_weights(self) -> dict[str, np.ndarray]:
        """The same with the adapters as variables of their own."""
        with self._averaged():
            return weights_of(self.model)

    def frozen(self) -> set[str]:
        """Paths of the variables that fine-tuning does not change in the current epoch."""
        return set() if self.tuning is None else self.tuning.frozen()

    def _averaged(self) -> Swapped:
        return Swapped(self.loop.model.trainable_variables if self.loop.average else [], self.loop.average)

    def state(self) -> TrainingState:
        """A copy of everything, between two groups of steps."""
        progress: Document = {
            "sums": asdict(self._now),
            "watch": asdict(self.watch),
            "records": self.records,
        }
        if self.tuning is not None:
            progress["frozen"] = self.tuning.frozen_sha256
        arrays = {name: variable.numpy() for name, variable in self._variables().items()}
        return TrainingState(arrays, self.epoch, self._now.step, progress)

    def load_frozen(self, weights: Mapping[str, np.ndarray], sha256: str) -> None:
        """Before `restore`: the weights that states leave out. IntegrityError if they are not the model's."""
        variables = {variable.path: variable for variable in self.model.variables}
        for path, array in weights.items():
            if path not in variables or tuple(variables[path].shape) != array.shape:
                raise IntegrityError(f"the frozen weights do not fit this model: {path}")
            variables[path].assign(array)
        if self.tuning is not None:
            self.tuning.frozen_sha256 = sha256

    def restore(self, state: TrainingState) -> None:
        """Go on from `state`; IntegrityError if it does not fit this model and optimizer."""
        if self.tuning is not None and self.tuning.alone(state.epoch) != self.tuning.alone(self.epoch):
            self.epoch = state.epoch
            self._set_up()
        variables = self._variables()
        if set(variables) != set(state.arrays):
            odd = sorted(set(variables) ^ set(state.arrays))
            raise IntegrityError(f"the checkpoint does not fit this model: {', '.join(odd[:5])}")
        for name, variable in variables.items():
            if tuple(variable.shape) != state.arrays[name].shape:
                raise IntegrityError(f"the checkpoint does not fit this model: shape of {name}")
        for name, variable in variables.items():
            variable.assign(state.arrays[name])
        self.epoch = state.epoch
        self.records = list(state.progress["records"])
        self.watch = replace(self.watch, **state.progress["watch"])
        self._now = Sums(**state.progress["sums"])

    def _variables(self) -> dict[str, keras.Variable]:
        """Every variable of the training by a name that does not depend on what was built before it; in
        fine-tuning without those that are frozen now.

        Seed generators are numbered by Keras per process, so their place in the model names them.
        """
        named: dict[str, keras.Variable] = {}
        randoms = 0
        frozen = self.frozen()
        for variable in (v for v in self.model.variables if v.path not in frozen):
            if "seed_generator" in variable.path:
                named[f"random/{randoms}"] = variable
                randoms += 1
            else:
                named[f"model/{variable.path}"] = variable
        for number, variable in enumerate(self.optimizer.variables):
            named[f"optimizer/{number:04d}"] = variable
        for number, variable in enumerate(self.loop.average):
            named[f"average/{number:04d}"] = variable
        return named
