"""Labels that are probably wrong: confident learning (Northcutt, Jiang and Chuang, 2021).

A class's threshold is the mean probability that the model gives it where it is the label. An example that the
model takes for another class, over that class's threshold, is probably labelled wrongly; others follow.
In either part the surest come first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli import tasks
from bmcli.core.errors import UsageError
from bmcli.core.number_format import decimals, interval
from bmcli.doctor.findings import MOST_EXAMPLES, Finding, Gathered
from bmcli.evaluation.measure import predict_all
from bmcli.metrics import interval_methods
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.data.bundle import DataBundle
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.run import Run

STRONG = 0.9
"""Accuracy below which most of the doubted labels may be right."""
PIECE = 4096
"""Examples that are judged at once."""


@dataclass(frozen=True)
class Doubt:
    """position: of the example; label: what it says; likely: what the model says; margin: the probability of
    that less the label's own, from 0 to 1."""

    position: int
    label: int
    likely: int
    margin: float


@dataclass(frozen=True)
class Judge:
    """The quality of the model that doubts labels, on examples it was not trained on.

    accuracy, interval: of `examples` of them, 95 %; trivial: the accuracy of always answering `most`, their
    most frequent class; expected: suspects that the model's own mistakes alone would make of all examples.
    """

    accuracy: float
    interval: tuple[float, float]
    trivial: float
    most: str
    examples: int
    expected: int

    @property
    def hopeless(self) -> bool:
        """Whether it may be no better than the trivial answer."""
        return self.interval[0] <= self.trivial

    def to_json(self) -> dict[str, object]:
        """Strict JSON data."""
        return {**asdict(self), "interval": list(self.interval), "judged": not self.hopeless}

    def sentence(self) -> str:
        """For people."""
        return (
            f"its accuracy is {decimals(self.accuracy)} (95 % interval {interval(self.interval)}; always "
            f"'{self.most}': {decimals(self.trivial)}) on {self.examples:,} examples that it was not "
            "trained on"
        )


def of_labels(every: Gathered, outputs: np.ndarray, run: Run | None) -> list[Finding]:
    """outputs: of all examples, float [N, C].

    run: that has seen the training split; None if no example was seen by the model that judges it.
    """
    judge = judge_of(every, outputs, run)
    who = run.id if run is not None else "the model of these folds"
    if judge is not None and judge.hopeless:
        message = f"the labels were not judged: {who} is too weak; {judge.sentence()}"
        return [Finding("labels", "note", message, 0, judge=judge.to_json())]
    doubts, classes = doubtful(every.targets, outputs), every.bundle.classes
    known = None if judge is None else judge.to_json()
    if not doubts:
        return []
    examples = tuple(
        every.example(
            (one.position,),
            f"labelled '{classes[one.label]}', looks like '{classes[one.likely]}' ({one.margin:.2f})",
        )
        for one in doubts[:MOST_EXAMPLES]
    )
    seen = sum(every.split_of[one.position] == "train" for one in doubts) if run is not None else 0
    count = len(doubts)
    message = f"{count:,} of {len(every.ids):,} labels are doubtful; the most probable errors come first"
    if judge is None:
        message += f"; the quality of {who} is unknown, as it was trained on all examples"
    else:
        message += (
            f"; {who} judges: {judge.sentence()}, so about {judge.expected:,} suspects are its own mistakes"
        )
        if judge.accuracy < STRONG:
            message += ": a weak model, so most of these labels may be right"
    if seen:
        message += f"; it was trained on {seen:,} of them, and may have memorised label errors"
    return [Finding("labels", "warning", message, count, examples, known)]


def judge_of(every: Gathered, outputs: np.ndarray, run: Run | None) -> Judge | None:
    """By the examples that the model was not trained on: of a run its validation and test splits, where the
    data is cut as it was then, else what its evaluation says; None if there are none."""
    total, classes = len(every.ids), every.bundle.classes
    unseen = np.array([run is None or split != "train" for split in every.split_of], bool)
    if run is not None and run.record.data_fingerprint not in (None, every.bundle.fingerprint):
        return _recorded(run, total)
    if not unseen.any():
        return None
    targets = every.targets[unseen]
    right = outputs[unseen].argmax(axis=1) == targets
    counts = np.bincount(targets, minlength=len(classes))
    found = interval_methods.share(int(right.sum()), len(right))
    assert found is not None
    accuracy = float(right.mean())
    return Judge(
        accuracy,
        found,
        float(counts.max() / len(targets)),
        classes[int(counts.argmax())],
        len(targets),
        round((1 - accuracy) * total),
    )


def _recorded(run: Run, total: int) -> Judge | None:
    """By the run's own evaluation of its test or validation split."""
    for name in ("test", "validation"):
        if not run.exists(layout.evaluation_of(name)):
            continue
        document = json.loads(run.read_text(layout.evaluation_of(name)))
        counts = [one["support"] for one in document["per_class"]]
        accuracy, found = document["metrics"]["accuracy"], document["intervals"]["accuracy"]
        if accuracy is None or found is None:
            continue
        return Judge(
            accuracy,
            (found[0], found[1]),
            max(counts) / sum(counts),
            document["classes"][counts.index(max(counts))],
            document["examples"],
            round((1 - accuracy) * total),
        )
    return None


def by_run(
    every: Gathered, opened: OpenedRun, progress: Callable[[str, int, int], None] | None = None
) -> np.ndarray:
    """The run's outputs for all examples, float32 [N, C]; UsageError if its classes are others."""
    if opened.spec.classes != every.bundle.classes:
        raise UsageError(f"{opened.run.id} has different classes than the data")
    session, preprocessing = opened.session, opened.preprocessing
    outputs, done = [], 0
    for examples in every.examples:
        for start in range(0, len(examples), PIECE):
            some = examples.take(np.arange(start, min(start + PIECE, len(examples))))
            outputs.append(predict_all(session, preprocessing, some, 256))
            done += len(some)
            if progress is not None:
                progress("judging labels", done, len(every.ids))
    return np.concatenate(outputs)


def require_classes(bundle: DataBundle) -> None:
    """Raises UsageError if examples have not one class each."""
    if not tasks.of(bundle.task).exclusive:
        raise UsageError(
            f"doubtful labels can only be found if each example has one class, not in {bundle.task} tasks"
        )


def doubtful(targets: np.ndarray, probabilities: np.ndarray) -> list[Doubt]:
    """targets: int [N]; probabilities: float [N, C], best of examples the model was not trained on."""
    count, classes = probabilities.shape
    if not count:
        return []
    p = probabilities.astype(np.float64)
    thresholds = np.array(
        [p[targets == c, c].mean() if (targets == c).any() else 1.0 for c in range(classes)]
    )
    rows, likely = np.arange(count), p.argmax(axis=1)
    margin = p[rows, likely] - p[rows, targets]
    confident = p[rows, likely] >= thresholds[likely]
    chosen = np.flatnonzero(likely != targets)
    order = chosen[np.lexsort((-margin[chosen], ~confident[chosen]))]
    return [Doubt(int(i), int(targets[i]), int(likely[i]), float(margin[i])) for i in order]
