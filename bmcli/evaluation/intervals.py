"""95 % confidence intervals: how far a figure may lie from what more examples of the same kind would give.

They cover the choice of the examples, not the luck of one training. Per kind of figure:

  - a share of examples (accuracy, recall, precision): Wilson's score interval (Wilson, 1927), which stays
    honest where every answer is right;
  - areas under ROC curves: from the placements of the examples (DeLong, DeLong and Clarke-Pearson, 1988), the
    mean over classes included, on the logit scale;
  - all others: percentiles of RESAMPLES bootstrap resamples of the examples (Efron, 1979), from a fixed seed.

An interval without width (a bootstrap of nothing but right answers) says nothing, and is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from bmcli.evaluation import formulas

if TYPE_CHECKING:
    from bmcli.data.bundle import Task

LEVEL = 0.95
RESAMPLES = 1_000
SEED = 0
_Z = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""

Interval = tuple[float, float]


def intervals(
    task: Task, targets: np.ndarray, outputs: np.ndarray, figures: Mapping[str, float | None]
) -> dict[str, Interval | None]:
    """Low and high of every figure in `figures` there is a method for; None where it says nothing.

    targets, outputs: as in `evaluate`; a user's own figures have none.
    """
    top_k = top_k_of(figures)
    found = {name: percentiles(values) for name, values in resampled(task, targets, outputs, top_k).items()}
    if task != "regression":
        found |= {name: wilson(*share) for name, share in _shares(task, targets, outputs, top_k).items()}
        found["roc_auc"] = area_interval(*area(task, targets, outputs))
    return {name: found.get(name) if value is not None else None for name, value in figures.items()}


def top_k_of(figures: Iterable[str]) -> int | None:
    """The k of `top_<k>_accuracy`, where it is among the figures."""
    found = (re.fullmatch(r"top_(\d+)_accuracy", name) for name in figures)
    return next((int(match[1]) for match in found if match), None)


def wilson(hits: float, count: float) -> Interval | None:
    """Wilson's interval of a share; None of nothing."""
    if not count:
        return None
    share, z2 = hits / count, _Z**2
    middle = share + z2 / (2 * count)
    half = _Z * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    scale = 1 + z2 / count
    low, high = (middle - half) / scale, (middle + half) / scale
    # At the ends of the scale rounding would leave a figure outside of its own interval.
    return (0.0 if hits == 0 else float(max(low, 0.0))), (1.0 if hits == count else float(min(high, 1.0)))


def resamples(count: int, seed: int = SEED) -> Iterator[np.ndarray]:
    """Blocks float64 [b, count] of how often each example is drawn, RESAMPLES rows in all."""
    rng = np.random.default_rng(seed)
    block = max(1, min(RESAMPLES, 2**21 // max(count, 1)))
    for start in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - start)
        drawn = rng.integers(0, count, (rows, count), dtype=np.int32 if count < 2**31 else np.int64)
        yield np.stack([np.bincount(row, minlength=count) for row in drawn]).astype(np.float64)


def percentiles(values: np.ndarray) -> Interval | None:
    """The middle LEVEL of resampled values; None where they are all equal, or undefined."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return (float(low), float(high)) if high - low > 1e-12 else None  # but for rounding


def resampled(
    task: Task, targets: np.ndarray, outputs: np.ndarray, top_k: int | None = None
) -> dict[str, np.ndarray]:
    """Every figure but areas under curves, of each resample: name -> float64 [RESAMPLES], NaN: undefined.

    The r-th resample is the same for all runs of as many examples: their differences are paired.
    """
    if task == "regression":
        return _regression(targets, outputs)
    if task == "multilabel":
        return _multilabel(targets > 0.5, outputs)
    return _classification(task, targets, outputs, top_k)


def _sums(terms: np.ndarray) -> np.ndarray:
    """float64 [RESAMPLES, K]: terms [N, K] summed over the examples of each resample."""
    terms = np.asarray(terms, np.float64)
    return np.concatenate([weights @ terms for weights in resamples(len(terms))])


def _classification(
    task: Task, targets: np.ndarray, outputs: np.ndarray, top_k: int | None
) -> dict[str, np.ndarray]:
    count, classes = outputs.shape
    # A cell of the confusion matrix is drawn as often as its examples are.
    cells, cell = np.unique(np.asarray(targets) * classes + outputs.argmax(axis=1), return_inverse=True)
    terms = [formulas.log_losses(targets, outputs)]
    if top_k is not None:
        terms.append(formulas.top_k_hits(targets, outputs, top_k))
    columns = np.column_stack(terms).astype(np.float64)
    drawn, means = [], []
    for weights in resamples(count):
        drawn.append([np.bincount(cell, weights=row, minlength=len(cells)) for row in weights])
        means.append(weights @ columns / count)
    of_cells = np.concatenate(drawn)
    true, predicted = np.divmod(cells, classes)
    of_class = np.eye(classes)
    support, answers = of_cells @ of_class[true], of_cells @ of_class[predicted]
    hits = of_cells @ (of_class[true] * (true == predicted)[:, None])
    found = formulas.confusion_figures(hits, answers, support)
    found["loss"] = np.concatenate(means)[:, 0]
    if top_k is not None:
        found[f"top_{top_k}_accuracy"] = np.concatenate(means)[:, 1]
    if task == "binary":
        second = formulas.per_class_of(hits[:, 1], answers[:, 1], support[:, 1])
        found |= {"precision": second.precision, "recall": second.recall, "f1": second.f1}
    return found


def _multilabel(truth: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
    count, labels = truth.shape
    predicted = outputs >= 0.5
    right = truth == predicted
    means = [formulas.label_losses(truth, outputs).mean(axis=1), right.mean(axis=1), right.all(axis=1)]
    sums = _sums(np.column_stack([truth & predicted, predicted, truth, *means]))
    hits, answers, support = (sums[:, i * labels : (i + 1) * labels] for i in range(3))
    loss, label_accuracy, subset_accuracy = (sums[:, -3 + i] / count for i in range(3))
    return {
        "loss": loss,
        "subset_accuracy": subset_accuracy,
        "label_accuracy": label_accuracy,
        **formulas.label_figures(hits, answers, support),
    }


def _regression(targets: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
    truth = np.asarray(targets, np.float64).reshape(-1)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        errors = truth - np.asarray(outputs, np.float64).reshape(-1)
        centred = truth - truth.mean()
        terms = [np.abs(errors), errors**2, centred, centred**2]
        absolute, square, first, second = _sums(np.column_stack(terms)).T
        count = len(truth)
        spread = second - first**2 / count
        return {
            "loss": square / count,
            "mae": absolute / count,
            "rmse": np.sqrt(square / count),
            "r2": np.where(spread > 0, 1 - square / np.where(spread > 0, spread, 1), np.nan),
        }


def _shares(
    task: Task, targets: np.ndarray, outputs: np.ndarray, top_k: int | None
) -> dict[str, tuple[int, int]]:
    """The figures that are shares of examples: (hits, of how many)."""
    count = len(targets)
    if task == "multilabel":
        right = ((targets > 0.5) == (outputs >= 0.5)).all(axis=1)
        return {"subset_accuracy": (int(right.sum()), count)}
    predicted = outputs.argmax(axis=1)
    shares = {"accuracy": (int((predicted == targets).sum()), count)}
    if top_k is not None:
        shares[f"top_{top_k}_accuracy"] = (int(formulas.top_k_hits(targets, outputs, top_k).sum()), count)
    if task == "binary":
        both = int(((predicted == 1) & (targets == 1)).sum())
        shares |= {"recall": (both, int(targets.sum())), "precision": (both, int(predicted.sum()))}
    return shares


def area(task: Task, targets: np.ndarray, outputs: np.ndarray) -> tuple[float | None, np.ndarray | None]:
    """`roc_auc`, and each example's influence on it, float64 [N]: the sum of their squares is its variance.

    None where the area is undefined; no influences where one side of a curve has a single example.
    """
    if task == "binary":
        positives, scores = [targets == 1], [outputs[:, 1]]
    elif task == "multilabel":
        positives, scores = list((targets > 0.5).T), list(outputs.T)
    else:
        positives, scores = [targets == i for i in range(outputs.shape[1])], list(outputs.T)
    areas: list[float] = []
    influences: np.ndarray | None = np.zeros(len(targets))
    for positive, score in zip(positives, scores, strict=True):
        above, below = int(positive.sum()), int((~positive).sum())
        if not above or not below:
            continue
        placement = np.empty(len(score))
        placement[positive] = _share_below(score[positive], score[~positive])
        placement[~positive] = 1 - _share_below(score[~positive], score[positive])
        value = float(placement[positive].mean())
        areas.append(value)
        if above < 2 or below < 2 or influences is None:
            influences = None
            continue
        # The variance of the area is that of both sides' mean placements; examples stand on one side each.
        influence = placement - value
        influence[positive] /= np.sqrt(above * (above - 1.0))
        influence[~positive] /= np.sqrt(below * (below - 1.0))
        influences += influence
    if not areas:
        return None, None
    return float(np.mean(areas)), None if influences is None else influences / len(areas)


def area_interval(value: float | None, influences: np.ndarray | None) -> Interval | None:
    """Of an area, by the normal distribution of its logit; None where it says nothing."""
    if value is None or influences is None or not 0 < value < 1:
        return None
    error = float(np.sqrt((influences**2).sum()))
    if error == 0:
        return None
    logit, step = np.log(value / (1 - value)), _Z * error / (value * (1 - value))
    low, high = 1 / (1 + np.exp(-(logit - step))), 1 / (1 + np.exp(-(logit + step)))
    return float(low), float(high)


def _share_below(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each score, the share of the others that lie below it, equals counting half."""
    ordered = np.sort(others)
    left, right = np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right")
    return np.asarray((left + right) / (2.0 * len(others)))
