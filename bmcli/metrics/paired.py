"""Is one model better than another? Paired, on the same examples, so that what both find hard cancels out.

A side is one run, or several that differ in their seed alone; its metric is then their mean. The interval of
a difference covers the choice of the examples (by the same bootstrap resamples for both sides) and, with
several runs, the luck of training too:

  - one run each: percentiles of the resampled differences; p by McNemar's test, mid-p (Fagerland, Lydersen
    and Laake, 2013), for shares of right answers, by the resamples for all others, by the normal distribution
    for areas under ROC curves (DeLong, DeLong and Clarke-Pearson, 1988);
  - more: the variance of the difference has two parts, that of the means over the seeds, which a few runs
    tell (Student's t), and that of the examples, which many examples tell (the normal distribution).
    The critical value lies between those of the two (see `_Noise`).

p values of several comparisons are corrected together (Holm, 1979).

`benchmarks/comparisons.py` measures how often equally good models are reported as different.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from bmcli.metrics import interval_methods, intervals

if TYPE_CHECKING:
    from bmcli.metrics.predictions import Predictions

MOST_SHOWN = 20

FEWEST_ALONE = 3
"""With fewer runs a side's own variance over seeds says next to nothing: both sides share one estimate."""

_NOTHING = 1e-12
"""A standard deviation of no more than this part of a metric is rounding."""


@dataclass(frozen=True)
class Difference:
    """Of one metric, the second side's less the first's. interval: 95 %, None if it says nothing; p:
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


class Compared(Protocol):
    """What a comparison asks of a task: see `bmcli.tasks.Task`, which has it."""

    exclusive: ClassVar[bool]

    def resampled(
        self, targets: np.ndarray, outputs: np.ndarray, top_k: int | None = None
    ) -> dict[str, np.ndarray]: ...

    def influences(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None: ...

    def right(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray | None: ...


class Side:
    """One run or several that differ in their seed; their metrics and predictions of one split."""

    def __init__(
        self,
        task: Compared,
        metrics: Sequence[Mapping[str, float | None]],
        predictions: Sequence[Predictions],
    ) -> None:
        self.task = task
        self.metrics = metrics
        self.predictions = predictions
        top_k = intervals.top_k_of(metrics[0])
        each = [task.resampled(p.targets, p.outputs, top_k) for p in predictions]
        self._resampled = {name: np.mean([found[name] for found in each], axis=0) for name in each[0]}
        self._apart = {name: self._variance_apart([found[name] for found in each]) for name in each[0]}

    def __len__(self) -> int:
        return len(self.metrics)

    def values(self, metric: str) -> list[float]:
        """The metric of each run that has it."""
        return [value for metrics in self.metrics if (value := metrics.get(metric)) is not None]

    def resampled(self, metric: str) -> np.ndarray | None:
        """The mean over the runs, of each resample."""
        return self._resampled.get(metric)

    @cached_property
    def _influences(self) -> list[np.ndarray] | None:
        """Of each example on each run's area under the ROC curve; None if one has none."""
        found = [self.task.influences(p.targets, p.outputs) for p in self.predictions]
        known = [one for one in found if one is not None]
        return known if len(known) == len(found) else None

    def influences(self) -> np.ndarray | None:
        """Of each example on the mean area under the ROC curve."""
        return None if self._influences is None else np.mean(self._influences, axis=0)

    def variance_of_examples(self, metric: str) -> float:
        """How much of the variance between its runs is due to the choice of the examples: runs that are
        equally good are wrong on different ones. Needs two runs, and a metric with resamples or influences.
        """
        if metric in self._apart:
            return self._apart[metric]
        assert self._influences is not None
        apart = np.subtract(self._influences, np.mean(self._influences, axis=0))
        return float((apart**2).sum() / (len(self) - 1))

    @staticmethod
    def _variance_apart(each: Sequence[np.ndarray]) -> float:
        """Of resampled metrics about their mean over the runs; 0 for one run."""
        if len(each) < 2:
            return 0.0
        apart = np.subtract(each, np.mean(each, axis=0))
        known = apart[:, np.isfinite(apart).all(axis=0)]
        return float(known.var(axis=1, ddof=1).sum() / (len(each) - 1)) if known.shape[1] > 1 else 0.0

    def right(self) -> np.ndarray | None:
        """bool [N], of the first run: which answers are right altogether; None if none is or is not."""
        return self.task.right(self.predictions[0].targets, self.predictions[0].outputs)


def differences(first: Side, second: Side) -> list[Difference]:
    """Of every metric that all runs of both sides have."""
    found = []
    for metric in first.metrics[0]:
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
        return _with_seeds(metric, difference, error, first, second)
    rights = (first.right(), second.right()) if metric in ("accuracy", "subset_accuracy") else (None, None)
    if rights[0] is not None and rights[1] is not None:
        p = mcnemar(rights[0], rights[1])
    elif drawn is not None:
        p = _bootstrap_p(drawn)
    else:
        p = _normal_p(difference, error)
    if drawn is not None:
        return Difference(metric, difference, intervals.percentiles(drawn), p)
    half = _normal_quantile() * error
    return Difference(metric, difference, (difference - half, difference + half) if error else None, p)


def _with_seeds(metric: str, difference: float, error: float, first: Side, second: Side) -> Difference:
    noise = _noise(metric, error, first, second)
    largest = max(map(abs, (*first.values(metric), *second.values(metric))))
    if noise.deviation <= _NOTHING * largest:
        return Difference(metric, difference, None, 1.0 if abs(difference) <= _NOTHING * largest else None)
    half = noise.quantile(_normal_quantile()) * noise.deviation
    return Difference(metric, difference, (difference - half, difference + half), noise.p(difference))


@dataclass(frozen=True)
class _Noise:
    """Of a difference of means over seeds.

    seeds: variance of the means over the seeds, estimated with `freedom` degrees of freedom; examples: what
    the choice of the examples adds to it, as good as known.

    Where one variance is known and the other estimated with one to four degrees of freedom, Welch and
    Satterthwaite give far too many degrees of freedom (false positives of up to 13 % at a nominal 5 %). After
    Cochran and Cox (1957, Experimental Designs, 4.14) the critical value is instead a weighted mean of
    Student's and the normal one. Their weight of Student's, the seeds' share of the variance, is too careful
    from two degrees of freedom on; its power 2 - 1/freedom keeps false positives between 4 and 6 % at any
    share, and with one degree of freedom between 2 and 6 %.
    """

    seeds: float
    freedom: float
    examples: float

    @property
    def deviation(self) -> float:
        """The standard deviation of the difference."""
        return float(np.sqrt(self.seeds + self.examples))

    @property
    def _weight(self) -> float:
        return float((self.seeds / (self.seeds + self.examples)) ** (2 - 1 / self.freedom))

    def quantile(self, normal: float) -> float:
        """Where a standard normal value has this upper quantile: of the difference over its deviation."""
        from scipy.special import ndtr, stdtrit

        if self._weight == 0:  # Student's quantile may be infinite, and 0 times that is not a number
            return normal
        return float((1 - self._weight) * normal - self._weight * stdtrit(self.freedom, ndtr(-normal)))

    def p(self, difference: float) -> float:
        """Two-sided: the level at which the interval would end at zero."""
        from scipy.special import ndtr

        found, low, high = abs(difference) / self.deviation, 0.0, 37.0  # beyond, ndtr is 0
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if self.quantile(middle) < found else (low, middle)
        return min(1.0, float(2 * ndtr(-low)))


def _noise(metric: str, error: float, first: Side, second: Side) -> _Noise:
    """error: the standard deviation of the difference of means over resampled examples."""
    sides = [side for side in (first, second) if len(side) > 1]
    freedoms = [len(side) - 1 for side in sides]
    variances = [float(np.var(side.values(metric), ddof=1)) for side in sides]
    of_examples = [side.variance_of_examples(metric) for side in sides]
    if min(len(first), len(second)) < FEWEST_ALONE:
        # One estimate for both sides: a side of one run has none of its own, and two runs say hardly more.
        share = 1 / len(first) + 1 / len(second)
        seeds, both = (share * float(np.average(of, weights=freedoms)) for of in (variances, of_examples))
        freedom = float(sum(freedoms))
    else:
        parts = [variance / len(side) for variance, side in zip(variances, sides, strict=True)]
        seeds = sum(parts)
        both = sum(variance / len(side) for variance, side in zip(of_examples, sides, strict=True))
        # Welch (1947): without the 2s the degrees of freedom of a few runs are too few.
        weakness = sum(part**2 / (freedom + 2) for part, freedom in zip(parts, freedoms, strict=True))
        freedom = max(seeds**2 / weakness - 2, min(freedoms)) if weakness > 0 else float(sum(freedoms))
    # Runs differ between seeds also because they are wrong on different examples. The resamples show that
    # part of their variance once more: it must not count twice.
    return _Noise(seeds, freedom, max(0.0, error**2 - both))


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


def _normal_quantile() -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + interval_methods.LEVEL) / 2))


def _normal_p(difference: float, error: float) -> float:
    from scipy.special import ndtr

    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * ndtr(-abs(difference) / error))


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
    """Of the first run of each side; None if no answer is right or wrong altogether."""
    a, b = first.right(), second.right()
    if a is None or b is None:
        return None
    one, other = first.predictions[0], second.predictions[0]
    examples = []
    if first.task.exclusive:
        wrong_by = np.where(a, other.outputs.max(axis=1), one.outputs.max(axis=1))
        where = np.flatnonzero(a != b)
        for i in where[np.argsort(-wrong_by[where], kind="stable")][:MOST_SHOWN]:
            names = (one.targets[i], one.outputs[i].argmax(), other.outputs[i].argmax())
            examples.append(Disagreement(one.ids[i], *(classes[int(index)] for index in names)))
    counts = [int(n) for n in ((a & b).sum(), (a & ~b).sum(), (~a & b).sum(), (~a & ~b).sum())]
    return Disagreements(counts[0], counts[1], counts[2], counts[3], tuple(examples))
