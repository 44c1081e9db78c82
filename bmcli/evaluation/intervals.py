"""95 % confidence intervals: how far a figure may lie from what more examples of the same kind would give.

They cover the choice of the examples, not the luck of one training. Per kind of figure:

  - a share of examples (accuracy, recall, precision): Wilson's score interval (Wilson, 1927), which stays
    honest where every answer is right;
  - areas under ROC curves: from the placements of the examples (DeLong, DeLong and Clarke-Pearson, 1988), the
    mean over classes included, on the logit scale;
  - all others: percentiles of RESAMPLES bootstrap resamples of the examples (Efron, 1979), from a fixed seed.
    What depends on the confusion matrix alone is resampled cell by cell, which is the same and costs less.

An interval without width (a bootstrap of nothing but right answers) says nothing, and is None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    if task == "regression":
        found = _regression(targets, outputs)
    elif task == "multilabel":
        found = _multilabel(targets > 0.5, outputs)
    else:
        found = _classification(task, targets, outputs)
    for name, value in figures.items():
        if name.startswith("top_") and value is not None:
            found[name] = wilson(value * len(targets), len(targets))
    return {name: found.get(name) if value is not None else None for name, value in figures.items()}


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
    """Blocks float32 [b, count] of how often each example is drawn, RESAMPLES rows in all."""
    rng = np.random.default_rng(seed)
    block = max(1, min(RESAMPLES, 2**22 // max(count, 1)))
    for start in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - start)
        drawn = rng.integers(0, count, (rows, count), dtype=np.int32 if count < 2**31 else np.int64)
        yield np.stack([np.bincount(row, minlength=count) for row in drawn]).astype(np.float32)


def percentiles(values: np.ndarray) -> Interval | None:
    """The middle LEVEL of resampled values; None where they are all equal, or undefined."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return (float(low), float(high)) if low < high else None


def _sums(terms: np.ndarray) -> np.ndarray:
    """float64 [RESAMPLES, K]: terms [N, K] summed over the examples of each resample."""
    terms = np.asarray(terms, np.float64)
    return np.concatenate([weights.astype(np.float64) @ terms for weights in resamples(len(terms))])


def _classification(task: Task, targets: np.ndarray, outputs: np.ndarray) -> dict[str, Interval | None]:
    count, classes = outputs.shape
    matrix = formulas.confusion_matrix(targets, outputs.argmax(axis=1), classes)
    true, predicted = np.nonzero(matrix)
    cells = matrix[true, predicted]
    drawn = np.random.default_rng(SEED).multinomial(count, cells / cells.sum(), RESAMPLES).astype(np.float64)
    of_class = np.eye(classes)
    support, answers = drawn @ of_class[true], drawn @ of_class[predicted]
    hits = drawn @ (of_class[true] * (true == predicted)[:, None])
    figures = formulas.confusion_figures(hits, answers, support)
    found = {name: percentiles(values) for name, values in figures.items()}
    found["accuracy"] = wilson(np.trace(matrix), count)
    if task == "binary":
        per = formulas.per_class(matrix)
        f1 = 2 * hits[:, 1] / np.maximum(answers[:, 1] + support[:, 1], 1)
        found |= {"f1": percentiles(np.where(answers[:, 1] + support[:, 1] > 0, f1, np.nan))}
        found["recall"] = wilson(matrix[1, 1], per.support[1])
        found["precision"] = wilson(matrix[1, 1], matrix[:, 1].sum())
        found["roc_auc"] = area([targets == 1], [outputs[:, 1]])
    else:
        found["roc_auc"] = area([targets == i for i in range(classes)], list(outputs.T))
    losses = formulas.log_losses(targets, outputs)
    found["loss"] = percentiles(_sums(losses[:, None])[:, 0] / count)
    return found


def _multilabel(truth: np.ndarray, outputs: np.ndarray) -> dict[str, Interval | None]:
    count, labels = truth.shape
    predicted = outputs >= 0.5
    right = (truth == predicted).mean(axis=1)
    losses = formulas.label_losses(truth, outputs).mean(axis=1)
    sums = _sums(np.column_stack([truth & predicted, predicted, truth, losses, right]))
    hits, answers, support = (sums[:, i * labels : (i + 1) * labels] for i in range(3))
    found = {
        name: percentiles(values) for name, values in formulas.label_figures(hits, answers, support).items()
    }
    found["loss"], found["label_accuracy"] = (percentiles(sums[:, -2 + i] / count) for i in range(2))
    found["subset_accuracy"] = wilson(int((right == 1).sum()), count)
    found["roc_auc"] = area(list(truth.T), list(outputs.T))
    return found


def _regression(targets: np.ndarray, outputs: np.ndarray) -> dict[str, Interval | None]:
    truth = np.asarray(targets, np.float64).reshape(-1)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        errors = truth - np.asarray(outputs, np.float64).reshape(-1)
        centred = truth - truth.mean()
        absolute, square, first, second = _sums(
            np.column_stack([np.abs(errors), errors**2, centred, centred**2])
        ).T
        count = len(truth)
        spread = second - first**2 / count
        return {
            "loss": percentiles(square / count),
            "mae": percentiles(absolute / count),
            "rmse": percentiles(np.sqrt(square / count)),
            "r2": percentiles(np.where(spread > 0, 1 - square / np.where(spread > 0, spread, 1), np.nan)),
        }


def area(positives: list[np.ndarray], scores: list[np.ndarray]) -> Interval | None:
    """Of the mean area under the ROC curves of several 'this or not' over the same examples.

    positives: bool [N] each; scores: [N] each. None where none is defined, or one side has a single example.
    """
    areas: list[float] = []
    influences = np.zeros(len(scores[0]))
    for positive, score in zip(positives, scores, strict=True):
        above, below = int(positive.sum()), int((~positive).sum())
        if not above or not below:
            continue
        if above < 2 or below < 2:
            return None
        placement = np.empty(len(score))
        placement[positive] = _share_below(score[positive], score[~positive])
        placement[~positive] = 1 - _share_below(score[~positive], score[positive])
        value = placement[positive].mean()
        areas.append(float(value))
        # The variance of the area is that of both sides' mean placements; examples stand on one side each.
        influence = placement - value
        influence[positive] /= np.sqrt(above * (above - 1.0))
        influence[~positive] /= np.sqrt(below * (below - 1.0))
        influences += influence
    if not areas:
        return None
    value = float(np.mean(areas))
    error = float(np.sqrt((influences**2).sum()) / len(areas))
    if error == 0 or not 0 < value < 1:
        return None
    logit, step = np.log(value / (1 - value)), _Z * error / (value * (1 - value))
    low, high = 1 / (1 + np.exp(-(logit - step))), 1 / (1 + np.exp(-(logit + step)))
    return float(low), float(high)


def _share_below(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each score, the share of the others that lie below it, equals counting half."""
    ordered = np.sort(others)
    left, right = np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right")
    return np.asarray((left + right) / (2.0 * len(others)))
