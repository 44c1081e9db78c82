"""Labels that are probably wrong: confident learning (Northcutt, Jiang and Chuang, 2021).

A class's threshold is the mean probability that the model gives it where it is the label. An example that the
model takes for another class, over that class's threshold, is probably labelled wrongly; others follow.
In either part the surest come first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli.doctor.findings import MOST_EXAMPLES, Finding, Gathered
from bmcli.errors import UsageError

if TYPE_CHECKING:
    from bmcli.data.bundle import DataBundle
    from bmcli.runs.run import Run


@dataclass(frozen=True)
class Doubt:
    """position: of the example; label: what it says; likely: what the model says; margin: the probability of
    that less the label's own, from 0 to 1."""

    position: int
    label: int
    likely: int
    margin: float


def of_labels(every: Gathered, outputs: np.ndarray, run: str | None) -> list[Finding]:
    """outputs: of all examples, float [N, C].

    run: that has seen the training split; None where no example was seen by the model that judges it.
    """
    doubts, classes = doubtful(every.targets, outputs), every.bundle.classes
    if not doubts:
        return []
    examples = tuple(
        every.example(
            (one.position,),
            f"labelled '{classes[one.label]}', looks like '{classes[one.likely]}' ({one.margin:.2f})",
        )
        for one in doubts[:MOST_EXAMPLES]
    )
    seen = sum(every.split_of[one.position] == "train" for one in doubts) if run else 0
    message = f"{len(doubts):,} labels are doubtful, the likeliest mistakes first"
    if seen:
        message += f"; {run} has seen {seen:,} of them in training, and may have learned some by heart"
    return [Finding("labels", "warning", message, len(doubts), examples)]


def by_run(every: Gathered, run: Run) -> np.ndarray:
    """The run's outputs for all examples, float32 [N, C]; UsageError where its classes are others."""
    from bmcli.evaluation.run import predict_all
    from bmcli.inference.predict import load_preprocessing
    from bmcli.inference.session import open_session

    preprocessing, spec = load_preprocessing(run)
    if spec.classes != every.bundle.classes:
        raise UsageError(f"{run.id} knows other classes than the data has")
    session = open_session(run, spec)
    return np.concatenate([predict_all(session, preprocessing, e, 256) for e in every.examples])


def require_classes(bundle: DataBundle) -> None:
    """Raises UsageError where examples have not one class each."""
    if bundle.task not in ("binary", "multiclass"):
        raise UsageError(f"doubtful labels are found where each example has one class, not in {bundle.task}")


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
