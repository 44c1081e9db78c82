"""Cross-validation: a prediction for every example by a model of the config that was not trained on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import UsageError
from bmcli.evaluation.measure import predict_all
from bmcli.experiments.prepare import build, initialise, make_trainer, refitted
from bmcli.inference.session import KerasSession
from bmcli.training.events import StepsDone

if TYPE_CHECKING:
    from bmcli.data.bundle import Split
    from bmcli.experiments.prepare import Experiment


def assigned(targets: np.ndarray, count: int, seed: int) -> np.ndarray:
    """int64 [N]: the fold of each example, every class spread evenly over all folds."""
    rng = np.random.default_rng(seed)
    folds = np.zeros(len(targets), np.int64)
    for label in np.unique(targets):
        of_class = rng.permutation(np.flatnonzero(targets == label))
        # A class of fewer examples than folds must not always begin at the first.
        folds[of_class] = (np.arange(len(of_class)) + rng.integers(count)) % count
    return folds


def out_of_fold(
    experiment: Experiment, count: int, progress: Callable[[str, int, int], None] | None = None
) -> list[np.ndarray]:
    """Outputs float32 [n, C] of the train, validation and test splits there are, in that order.

    Each training example's are of a model trained on the other folds, with preprocessing fitted on these;
    those of the other splits are the mean over all `count` models. Trains `count` times, to the config's last
    epoch.
    """
    bundle, batch_size = experiment.bundle, experiment.config.evaluation.batch_size
    others = [split for split in (bundle.validation, bundle.test) if split is not None]
    if count > len(bundle.train):
        raise UsageError(f"there are {len(bundle.train)} training examples, too few for {count} folds")
    folds = assigned(bundle.train.targets, count, experiment.config.seed)
    width = max(len(bundle.classes), 1)
    of_train = np.zeros((len(bundle.train), width), np.float32)
    of_others = [np.zeros((len(split), width), np.float64) for split in others]
    for fold in range(count):
        held_out, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        # Not the experiment's preprocessing: its words and scales know the examples held out.
        part = refitted(experiment, bundle.train.take(rest))
        session = _trained(part, fold, count, progress)

        def answers(split: Split, session: KerasSession = session, part: Experiment = part) -> np.ndarray:
            return predict_all(session, part.preprocessing, split.examples, batch_size)

        if len(held_out):  # of few examples some folds have none
            of_train[held_out] = answers(bundle.train.take(held_out))
        for total, split in zip(of_others, others, strict=True):
            total += answers(split) / count
    return [of_train, *(total.astype(np.float32) for total in of_others)]


def _trained(
    part: Experiment,
    fold: int,
    count: int,
    progress: Callable[[str, int, int], None] | None,
) -> KerasSession:
    """A model of the config, trained on this part of the data."""
    if not part.config.model.pretrained:  # these weights are not the ones that are to be fine-tuned
        training = part.config.training.model_copy(update={"finetune": None})
        part = replace(part, config=part.config.model_copy(update={"training": training}))
    network, complete = build(part)
    initialise(part, network)
    trainer = make_trainer(part, network, complete)
    for event in trainer.run():
        if progress is not None and isinstance(event, StepsDone):
            done = (event.epoch - 1) * event.steps + event.step
            progress(f"training without fold {fold + 1} of {count}", done, event.epochs * event.steps)
    return KerasSession(complete)
