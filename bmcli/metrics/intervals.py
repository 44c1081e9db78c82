"""95 % confidence intervals: how far a metric may lie from its value on many more examples of the same kind.

They cover the choice of the examples, not the variation between training runs. Per kind of metric
(`interval_methods.py` has the methods and their sources):

  - shares of examples (accuracy, top-k, subset accuracy, precision and recall of a class): the exact one;
  - F1 of one class: exact too, as F1 = 2J/(1+J), where J is the share of right ones among the examples that
    are of the class or were predicted as it;
  - averages over classes, and shares of a multilabel task's decisions: like exact ones, with the number
    of examples that the metric's bootstrap variance (Efron, 1979) implies, and the weight of one mistake;
  - areas under ROC curves: the same, with the variance of DeLong, DeLong and Clarke-Pearson (1988);
  - log loss: a mean of losses, where one more answer may be as wrong as any that these predictions allow;
  - errors of a regression: a mean whose unseen part is extrapolated from its largest terms; R² as a ratio of
    two;
  - ece: up as a metric between 0 and 1, as chance only makes it larger; down by what chance may make of it.

Where the examples cannot tell there is no interval, and a reason in its place. `benchmarks/coverage.py`
measures how often the intervals hold the truth; docs/evaluation.md has its table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bmcli.metrics import interval_methods
from bmcli.metrics.interval_methods import LEVEL, Interval

RESAMPLES = 1_000
SEED = 0
FEWEST = 20
"""Examples below which only shares have an interval."""
FEWEST_SQUARES = 50
"""Examples of a regression below which a mean of squared errors has none: the largest are not among them."""
FEWEST_OF_CLASS = 5
"""Examples of a class below which its part in an average over classes, and its ROC curve, are not known."""
MOST_FEW = 0.1
"""Share of the classes that may have fewer, for the average over them to have an interval."""


Method = Callable[[float], Interval]
"""From a metric's value to its interval; raises TooFew. None computes before it is called."""


@dataclass(frozen=True)
class Found:
    """intervals: name -> low and high, or None; reasons: name -> why, of those that are None."""

    intervals: dict[str, Interval | None]
    reasons: dict[str, str]


class TooFew(Exception):
    """Says why the examples cannot support an interval."""


def intervals_of(methods: Mapping[str, Method], metrics: Mapping[str, float | None]) -> Found:
    """Low and high of every metric in `metrics`, or why it has none: it is undefined, a user's own, or there
    are too few examples of some kind for an interval that holds."""
    found: dict[str, Interval | None] = {}
    reasons: dict[str, str] = {}
    for name, value in metrics.items():
        found[name] = None
        if value is None:
            reasons[name] = "undefined"
        elif name not in methods:
            reasons[name] = "of your own: no method is known for it"
        else:
            try:
                low, high = methods[name](value)
                # At the ends of the scale rounding would leave a metric outside of its own interval.
                found[name] = (min(low, value), max(high, value))
            except TooFew as few:
                reasons[name] = str(few)
    return Found(found, reasons)


def top_k_of(metrics: Iterable[str]) -> int | None:
    """The k of `top_<k>_accuracy`, where it is among the metrics."""
    found = (re.fullmatch(r"top_(\d+)_accuracy", name) for name in metrics)
    return next((int(match[1]) for match in found if match), None)


def resamples(count: int) -> Iterator[np.ndarray]:
    """Blocks float64 [b, count] of how often each example is drawn, RESAMPLES rows in all."""
    rng = np.random.default_rng(SEED)
    block = max(1, min(RESAMPLES, 2**21 // max(count, 1)))
    for start in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - start)
        drawn = rng.integers(0, count, (rows, count), dtype=np.int32 if count < 2**31 else np.int64)
        yield np.stack([np.bincount(row, minlength=count) for row in drawn]).astype(np.float64)


def percentiles(values: np.ndarray) -> Interval | None:
    """The middle LEVEL of resampled values; None if they are all equal, or undefined."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return (float(low), float(high)) if high - low > 1e-12 else None  # but for rounding


def sums(terms: np.ndarray) -> np.ndarray:
    """float64 [RESAMPLES, K]: terms [N, K] summed over the examples of each resample."""
    terms = np.asarray(terms, np.float64)
    return np.concatenate([weights @ terms for weights in resamples(len(terms))])


def enough(count: int, fewest: int = FEWEST) -> None:
    """TooFew below that many examples."""
    if count < fewest:
        raise TooFew(f"too few: {_examples(count)}, {fewest} are needed")


def _examples(count: int) -> str:
    return f"{count:,} example{'' if count == 1 else 's'}"


def enough_of_classes(support: np.ndarray, what: str, examples: str = "examples") -> None:
    """TooFew where too many classes have hardly any."""
    few = int((support < FEWEST_OF_CLASS).sum())
    if few > MOST_FEW * len(support):
        of = f"{few:,} of {len(support):,} {what} have" if len(support) > 1 else f"{what} has"
        raise TooFew(f"too few: {of} fewer than {FEWEST_OF_CLASS} {examples}")


def exact(hits: int, count: int, value: float) -> Interval:
    """Of a share of examples."""
    found = interval_methods.share(hits, count)
    assert found is not None, "a share of nothing is undefined"
    return found


def class_intervals(hits: int, answers: int, support: int) -> dict[str, Interval | None]:
    """Exact intervals of precision, recall and F1 of one class, from its right answers, its answers and its
    examples; None if the metric is undefined."""
    return {
        "precision": interval_methods.share(hits, answers),
        "recall": interval_methods.share(hits, support),
        "f1": f1_of_class(hits, answers, support) if answers + support else None,
    }


def f1_of_class(hits: int, answers: int, support: int) -> Interval:
    """Of F1 = 2J/(1+J), where J is a share; of one class, from the same numbers."""
    low, high = exact(hits, answers + support - hits, 0.0)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def known(found: Interval | None) -> Interval:
    """TooFew where there is none."""
    if found is None:
        raise TooFew("too few: a handful of the largest values decides")
    return found
