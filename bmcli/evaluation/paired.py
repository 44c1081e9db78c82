"""Is one model better than another? Paired, on the same examples, so that what both find hard cancels out.

A side is one run, or several that differ in their seed alone; its figure is then their mean. The interval of
a difference covers the choice of the examples (by the same bootstrap resamples for both sides) and, with
several runs, the luck of training too:

  - one run each: percentiles of the resampled differences; p by McNemar's test, mid-p (Fagerland, Lydersen
    and Laake, 2013), for shares of right answers, by the resamples for all others, by the normal distribution
    for areas under ROC curves (DeLong, DeLong and Clarke-Pearson, 1988);
  - more: Student's t, its variance that of the resampled differences plus that of the means over the seeds,
    its degrees of freedom Welch's. A side of one run is taken to vary as much as the other.

p values of several comparisons are corrected together (Holm, 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli.evaluation import intervals

if TYPE_CHECKING:
    from bmcli.data.bundle import Task
    from bmcli.evaluation.predictions import Predictions

MOST_SHOWN = 20


@dataclass(frozen=True)
class Difference:
    """Of one figure, the second side's less the first's. interval: 95 %, None where it says nothing; p:
    two-sided, that both are equally good; p_holm: corrected for the number of comparisons."""

    metric: str
    difference: float
    interval: tuple[float, float] | None
    p: float | None
    p_holm: float | None = None


@dataclass(frozen=True)
class Disagreement:
    """An example that one run has right and another wrong; true and predicted: class names."""

    id: str
    true: str
    first: str
    second: str


@dataclass(frozen=True)
class Disagreements:
    """Of two runs on the same examples. examples: the first MOST_SHOWN, by how sure the wrong one was."""

    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int
    examples: tuple[Disagreement, ...]


class Side:
    """One run or several that differ in their seed; their figures and predictions of one split."""

    def __init__(
        self,
        task: Task,
        figures: Sequence[Mapping[str, float | None]],
        predictions: Sequence[Predictions],
    ) -> None:
        self.task: Task = task
        self.figures = figures
        self.predictions = predictions
        top_k = intervals.top_k_of(figures[0])
        each = [intervals.resampled(task, p.targets, p.outputs, top_k) for p in predictions]
        self._resampled = {name: np.mean([found[name] for found in each], axis=0) for name in each[0]}

    def __len__(self) -> int:
        return len(self.figures)

    def values(self, metric: str) -> list[float]:
        """The figure of each run that has it."""
        return [value for figures in self.figures if (value := figures.get(metric)) is not None]

    def resampled(self, metric: str) -> np.ndarray | None:
        """The mean over the runs, of each resample."""
        return self._resampled.get(metric)

    def influences(self) -> np.ndarray | None:
        """Of each example on the mean area under the ROC curve."""
        if self.task == "regression":
            return None
        found = [intervals.area(self.task, p.targets, p.outputs)[1] for p in self.predictions]
        known = [one for one in found if one is not None]
        return np.mean(known, axis=0) if len(known) == len(found) else None

    def right(self) -> np.ndarray:
        """bool [N], of the first run: which answers are right altogether."""
        targets, outputs = self.predictions[0].targets, self.predictions[0].outputs
        if self.task == "multilabel":
            return np.asarray(((targets > 0.5) == (outputs >= 0.5)).all(axis=1))
        return np.asarray(outputs.argmax(axis=1) == targets)


def differences(first: Side, second: Side) -> list[Difference]:
    """Of every figure that all runs of both sides have."""
    found = []
    for metric in first.figures[0]:
        a, b = first.values(metric), second.values(metric)
        if len(a) == len(first) and len(b) == len(second):
            found.append(_difference(metric, float(np.mean(b) - np.mean(a)), first, second))
    return found


def _difference(metric: str, difference: float, first: Side, second: Side) -> Difference:
    a, b = first.resampled(metric), second.resampled(metric)
    drawn, error = None, None
    if a is not None and b is not None:
        drawn = (b - a)[np.isfinite(b - a)]
        error = float(drawn.std(ddof=1)) if len(drawn) > 1 else None
    elif metric == "roc_auc":
        of_first, of_second = first.influences(), second.influences()
        if of_first is not None and of_second is not None:
            error = float(np.sqrt(((of_second - of_first) ** 2).sum()))
    if error is None:
        return Difference(metric, difference, None, None)
    if len(first) + len(second) > 2:
        return _with_seeds(metric, difference, error, first.values(metric), second.values(metric))
    if metric in ("accuracy", "subset_accuracy"):
        p = mcnemar(first.right(), second.right())
    elif drawn is not None:
        p = _bootstrap_p(drawn)
    else:
        p = _student_p(difference, error, np.inf)
    if drawn is not None:
        return Difference(metric, difference, intervals.percentiles(drawn), p)
    half = _student_quantile(np.inf) * error
    return Difference(metric, difference, (difference - half, difference + half) if error else None, p)


def _with_seeds(
    metric: str, difference: float, error: float, first: Sequence[float], second: Sequence[float]
) -> Difference:
    sides = (first, second)
    known = [(np.var(side, ddof=1), len(side) - 1) for side in sides if len(side) > 1]
    pooled = sum(variance * freedom for variance, freedom in known) / sum(freedom for _, freedom in known)
    parts = [
        (np.var(side, ddof=1) / len(side), len(side) - 1) if len(side) > 1 else (pooled, known[0][1])
        for side in sides
    ]
    variance = error**2 + sum(part for part, _ in parts)
    if variance == 0:
        return Difference(metric, difference, None, 1.0 if difference == 0 else None)
    weakness = sum(part**2 / freedom for part, freedom in parts)
    freedom = float(variance**2 / weakness) if weakness > 0 else np.inf
    total = float(np.sqrt(variance))
    half = _student_quantile(freedom) * total
    p = _student_p(difference, total, freedom)
    return Difference(metric, difference, (difference - half, difference + half), p)


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided mid-p of McNemar's test; bool [N] each: which answers are right."""
    from scipy.special import bdtr

    wins, losses = int((second & ~first).sum()), int((first & ~second).sum())
    n, fewer = wins + losses, min(wins, losses)
    if wins == losses:
        return 1.0
    below = float(bdtr(fewer - 1, n, 0.5)) if fewer else 0.0
    up_to = float(bdtr(fewer, n, 0.5))
    return min(1.0, below + up_to)


def _bootstrap_p(drawn: np.ndarray) -> float:
    """Twice the share of resamples on the other side of zero, the sample itself counted as one."""
    if not np.any(drawn):
        return 1.0
    below, above = int((drawn <= 0).sum()), int((drawn >= 0).sum())
    return min(1.0, 2 * (min(below, above) + 1) / (len(drawn) + 1))


def _student_quantile(freedom: float) -> float:
    from scipy.special import ndtri, stdtrit

    upper = (1 + intervals.LEVEL) / 2
    return float(ndtri(upper) if np.isinf(freedom) else stdtrit(freedom, upper))


def _student_p(difference: float, error: float, freedom: float) -> float:
    from scipy.special import ndtr, stdtr

    if error == 0:
        return 1.0 if difference == 0 else 0.0
    t = -abs(difference) / error
    return float(2 * (ndtr(t) if np.isinf(freedom) else stdtr(freedom, t)))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction; None stays None, and is not counted."""
    known = sorted((p, i) for i, p in enumerate(values) if p is not None)
    corrected: list[float | None] = [None] * len(values)
    least = 0.0
    for rank, (p, i) in enumerate(known):
        least = max(least, min(1.0, p * (len(known) - rank)))
        corrected[i] = least
    return corrected


def disagreements(first: Side, second: Side, classes: Sequence[str]) -> Disagreements | None:
    """Of the first run of each side; None for regression."""
    if first.task == "regression":
        return None
    a, b = first.right(), second.right()
    one, other = first.predictions[0], second.predictions[0]
    examples = []
    if first.task != "multilabel":
        wrong_by = np.where(a, other.outputs.max(axis=1), one.outputs.max(axis=1))
        where = np.flatnonzero(a != b)
        for i in where[np.argsort(-wrong_by[where], kind="stable")][:MOST_SHOWN]:
            names = (one.targets[i], one.outputs[i].argmax(), other.outputs[i].argmax())
            examples.append(Disagreement(one.ids[i], *(classes[int(index)] for index in names)))
    counts = [int(n) for n in ((a & b).sum(), (a & ~b).sum(), (~a & b).sum(), (~a & ~b).sum())]
    return Disagreements(counts[0], counts[1], counts[2], counts[3], tuple(examples))
