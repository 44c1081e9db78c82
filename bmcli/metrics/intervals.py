"""95 % confidence intervals: how far a figure may lie from what more examples of the same kind would give.

They cover the choice of the examples, not the luck of one training. Per kind of figure (`bounds.py` holds the
methods and their sources):

  - shares of examples (accuracy, top-k, subset accuracy, precision and recall of a class): the exact one;
  - F1 of one class: exact too, as F1 = 2J/(1+J), where J is the share of right ones among the examples that
    are of the class or were taken for it;
  - averages over classes, and shares of a multilabel task's decisions: like exact ones, with the number
    of examples that the figure's bootstrap variance (Efron, 1979) implies, and the weight of one mistake;
  - areas under ROC curves: the same, with the variance of DeLong, DeLong and Clarke-Pearson (1988);
  - log loss: a mean of losses, where one more answer may be as wrong as any that these predictions allow;
  - errors of a regression: a mean whose unseen part is extrapolated from its largest terms; R² as a ratio of
    two;
  - ece: up as a figure between 0 and 1, as chance only makes it larger; down by what chance may make of it.

Where the examples cannot tell there is no interval, and a reason in its place. `benchmarks/coverage.py`
measures how often the intervals hold the truth; docs/evaluation.md has its table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from bmcli.metrics import formulas, interval_methods
from bmcli.metrics.interval_methods import LEVEL, Interval

if TYPE_CHECKING:
    from bmcli.core.spec import Task

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


@dataclass(frozen=True)
class Found:
    """intervals: name -> low and high, or None; reasons: name -> why, of those that are None."""

    intervals: dict[str, Interval | None]
    reasons: dict[str, str]


class _Few(Exception):
    """Says why the examples cannot support an interval."""


def intervals_of(
    task: Task,
    targets: np.ndarray,
    outputs: np.ndarray,
    figures: Mapping[str, float | None],
    drawn: dict[str, np.ndarray] | None = None,
) -> Found:
    """Low and high of every figure in `figures`, or why it has none: it is undefined, a user's own, or there
    are too few examples of some kind for an interval that holds.

    targets, outputs: as in `evaluate`; drawn: what `resampled` makes of them, where that is known.
    """
    methods = _methods(task, targets, outputs, top_k_of(figures), drawn)
    found: dict[str, Interval | None] = {}
    reasons: dict[str, str] = {}
    for name, value in figures.items():
        found[name] = None
        if value is None:
            reasons[name] = "undefined"
        elif name not in methods:
            reasons[name] = "of your own: no method is known for it"
        else:
            try:
                low, high = methods[name](value)
                # At the ends of the scale rounding would leave a figure outside of its own interval.
                found[name] = (min(low, value), max(high, value))
            except _Few as few:
                reasons[name] = str(few)
    return Found(found, reasons)


def top_k_of(figures: Iterable[str]) -> int | None:
    """The k of `top_<k>_accuracy`, where it is among the figures."""
    found = (re.fullmatch(r"top_(\d+)_accuracy", name) for name in figures)
    return next((int(match[1]) for match in found if match), None)


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


Method = Callable[[float], Interval]
"""From a figure's value to its interval; raises _Few."""


def _methods(
    task: Task,
    targets: np.ndarray,
    outputs: np.ndarray,
    top_k: int | None,
    known: dict[str, np.ndarray] | None,
) -> dict[str, Method]:
    """The method of every built-in figure of the task; none computes before it is called."""
    if task == "regression":
        return _methods_of_regression(targets, outputs)
    drawn = cache(lambda: known if known is not None else resampled(task, targets, outputs, top_k))
    weights = cache(lambda: _weights(task, targets, outputs))
    found: dict[str, Method] = {
        name: partial(_of_weights, name, drawn, weights, targets, outputs) for name in _WEIGHTED[task]
    }
    found |= {name: partial(_exact, *hits) for name, hits in shares(task, targets, outputs, top_k).items()}
    found["loss"] = lambda value: _log_loss(task, targets, outputs)
    found["roc_auc"] = lambda value: _of_area(_areas(task, targets, outputs))
    found["ece"] = lambda value: _ece(value, *_gaps(task, targets, outputs))
    if task == "binary":
        found["f1"] = lambda value: _f1(*_of_second(targets, outputs))
    return found


_WEIGHTED: dict[Task, tuple[str, ...]] = {
    "binary": ("balanced_accuracy", "f1_macro"),
    "multiclass": ("balanced_accuracy", "f1_macro", "f1_weighted", "precision_macro", "recall_macro"),
    "multilabel": ("label_accuracy", "f1_macro", "f1_micro", "precision_micro", "recall_micro"),
    "regression": (),
}


def _enough(count: int, fewest: int = FEWEST) -> None:
    if count < fewest:
        raise _Few(f"too few: {_examples(count)}, {fewest} are needed")


def _examples(count: int) -> str:
    return f"{count:,} example{'' if count == 1 else 's'}"


def _enough_of_classes(support: np.ndarray, what: str, examples: str = "examples") -> None:
    few = int((support < FEWEST_OF_CLASS).sum())
    if few > MOST_FEW * len(support):
        of = f"{few:,} of {len(support):,} {what} have" if len(support) > 1 else f"{what} has"
        raise _Few(f"too few: {of} fewer than {FEWEST_OF_CLASS} {examples}")


def _exact(hits: int, count: int, value: float) -> Interval:
    found = interval_methods.share(hits, count)
    assert found is not None, "a share of nothing is undefined"
    return found


def class_intervals(hits: int, answers: int, support: int) -> dict[str, Interval | None]:
    """Exact intervals of precision, recall and F1 of one class, from its right answers, its answers and its
    examples; None where the figure is undefined."""
    return {
        "precision": interval_methods.share(hits, answers),
        "recall": interval_methods.share(hits, support),
        "f1": _f1(hits, answers, support) if answers + support else None,
    }


def _f1(hits: int, answers: int, support: int) -> Interval:
    low, high = _exact(hits, answers + support - hits, 0.0)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def _of_second(targets: np.ndarray, outputs: np.ndarray) -> tuple[int, int, int]:
    """Right answers, answers and examples of the second of two classes."""
    predicted = outputs.argmax(axis=1)
    return int(((predicted == 1) & (targets == 1)).sum()), int(predicted.sum()), int(targets.sum())


def shares(
    task: Task, targets: np.ndarray, outputs: np.ndarray, top_k: int | None
) -> dict[str, tuple[int, int]]:
    """The figures that are shares of examples: (hits, of how many)."""
    count = len(targets)
    if task == "multilabel":
        right = ((targets > 0.5) == (outputs >= 0.5)).all(axis=1)
        return {"subset_accuracy": (int(right.sum()), count)}
    found = {"accuracy": (int((outputs.argmax(axis=1) == targets).sum()), count)}
    if top_k is not None:
        found[f"top_{top_k}_accuracy"] = (int(formulas.top_k_hits(targets, outputs, top_k).sum()), count)
    if task == "binary":
        both, answers, support = _of_second(targets, outputs)
        found |= {"recall": (both, support), "precision": (both, answers)}
    return found


@dataclass(frozen=True)
class _Weights:
    """How far one more answer can move each figure: name -> up or down, by the most it can. support and
    answers: int64 [C], examples of each class (positives of each label), and how often it was the answer."""

    moves: dict[str, float]
    support: np.ndarray
    answers: np.ndarray


def _weights(task: Task, targets: np.ndarray, outputs: np.ndarray) -> _Weights:
    if task == "multilabel":
        return _weights_of_labels(targets > 0.5, outputs >= 0.5)
    matrix = formulas.confusion_matrix(targets, outputs.argmax(axis=1), outputs.shape[1])
    hits, answers, support = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    count, occurs = int(support.sum()), max(int((answers + support > 0).sum()), 1)
    true = max(int((support > 0).sum()), 1)
    # A mistake is one class's miss and another's false alarm.
    f1 = _moves_of_f1(hits, answers, support, wrong=2)
    return _Weights(
        {
            "balanced_accuracy": 1 / float(support[support > 0].min(initial=count)) / true,
            "recall_macro": 1 / float(support[support > 0].min(initial=count)) / occurs,
            "precision_macro": 1 / float(answers[answers > 0].min(initial=count)) / occurs,
            "f1_macro": float(f1.max()) / occurs,
            "f1_weighted": float((f1 * support).max()) / count,
        },
        support,
        answers,
    )


def _moves_of_f1(hits: np.ndarray, answers: np.ndarray, support: np.ndarray, wrong: int) -> np.ndarray:
    """How far an answer moves the F1 of each class [C]: so many mistakes at once down, or a right one up."""
    f1 = np.nan_to_num(formulas.per_class_of(hits, answers, support).f1)
    either = answers + support
    moved = np.maximum(wrong * f1 / (either + 1), 2 * (1 - f1) / (either + 2))
    return np.where(either > 0, moved, 0.0)


def _weights_of_labels(truth: np.ndarray, predicted: np.ndarray) -> _Weights:
    hits, answers, support = (
        counted.sum(axis=0).astype(np.int64) for counted in (truth & predicted, predicted, truth)
    )
    # One example may be wrong, or right, in as many labels at once as any has.
    of_example, answered = int(truth.sum(axis=1).max()), int(predicted.sum(axis=1).max())
    at_once = max(min(of_example + answered, truth.shape[1]), 1)
    known = answers + support > 0
    moved = np.sort(_moves_of_f1(hits[known], answers[known], support[known], wrong=1))[-at_once:]

    def of_sums(hits: int, total: int, most: int, twice: int = 1) -> float:
        value, most = twice * hits / max(total, 1), max(most, 1)
        down = value - twice * hits / (total + most)
        return max(down, twice * (hits + most) / (total + twice * most) - value)

    h, a, s = (int(counted.sum()) for counted in (hits, answers, support))
    return _Weights(
        {
            "label_accuracy": 1 / len(truth),
            "f1_macro": float(moved.sum()) / max(int(known.sum()), 1),
            "f1_micro": of_sums(h, a + s, max(of_example, answered), twice=2),
            "precision_micro": of_sums(h, a, answered),
            "recall_micro": of_sums(h, s, of_example),
        },
        support,
        answers,
    )


def _of_weights(
    name: str,
    drawn: Callable[[], dict[str, np.ndarray]],
    weights: Callable[[], _Weights],
    targets: np.ndarray,
    outputs: np.ndarray,
    value: float,
) -> Interval:
    """Of an average over classes, or a share of decisions."""
    count = len(targets)
    _enough(count)
    found = weights()
    if name.endswith(("_macro", "balanced_accuracy")):
        what = "labels" if np.ndim(targets) > 1 else "classes"
        _enough_of_classes(found.support, what)
    if name == "precision_macro":
        _enough_of_classes(found.answers, "classes", "answers")
    known = drawn()[name]
    known = known[np.isfinite(known)]
    if len(known) < 2:
        raise _Few("too few: undefined in most resamples")
    # Within a class the bootstrap takes the spread of n examples for (n - 1)/n of what it is.
    several = found.support[found.support > 1]
    shrunk = float((several / (several - 1)).mean()) if len(several) else 1.0
    variance, bias = float(known.var(ddof=1)) * shrunk, float(known.mean()) - value
    low, high = interval_methods.bounded(value, variance, found.moves[name])
    # A figure that few examples make larger is taken for as much smaller at the low end, and the reverse.
    return max(0.0, low - max(bias, 0.0)), min(1.0, high - min(bias, 0.0))


def _log_loss(task: Task, targets: np.ndarray, outputs: np.ndarray) -> Interval:
    _enough(len(targets))
    if task == "multilabel":
        truth = targets > 0.5
        losses = formulas.label_losses(truth, outputs).mean(axis=1)
        either = np.maximum(formulas.label_losses(truth, outputs), formulas.label_losses(~truth, outputs))
        # One more example may be as wrong as any label can be, in as many labels as any example is.
        wrong = max(int((truth != (outputs >= 0.5)).sum(axis=1).max()), 1)
        unseen = max(float(either.max()) * wrong / truth.shape[1], float(losses.max()))
    else:
        losses = formulas.log_losses(targets, outputs)
        unseen = float(-np.log(max(float(outputs.min()), formulas.LOG_LOSS_CLIP)))
    return _known(interval_methods.mean(losses, unseen))


def _known(found: Interval | None) -> Interval:
    if found is None:
        raise _Few("too few: a handful of the largest values decides")
    return found


def _methods_of_regression(targets: np.ndarray, outputs: np.ndarray) -> dict[str, Method]:
    truth = np.asarray(targets, np.float64).reshape(-1)
    count = len(truth)

    with np.errstate(over="ignore", invalid="ignore"):
        errors = np.abs(truth - np.asarray(outputs, np.float64).reshape(-1))
        squares = errors**2

    floor = interval_methods.floor_of_squares(count)

    def of_mean(values: np.ndarray, fewest: int, floor: float) -> Interval:
        _enough(count, fewest)
        if np.ptp(values) == 0:
            raise _Few("every error is the same")
        return _known(interval_methods.mean(values, interval_methods.unseen_of(values, floor)))

    def root(value: float) -> Interval:
        low, high = of_mean(squares, FEWEST_SQUARES, floor)
        return float(np.sqrt(low)), float(np.sqrt(high))

    def explained(value: float) -> Interval:
        _enough(count, FEWEST_SQUARES)
        spread = (truth - truth.mean()) ** 2
        if not squares.any():
            raise _Few("there is no error")
        low, high = _known(interval_methods.ratio(squares, spread, floor))
        return 1 - high, 1 - low

    return {
        "loss": lambda value: of_mean(squares, FEWEST_SQUARES, floor),
        "mae": lambda value: of_mean(errors, FEWEST, interval_methods.LIGHTEST),
        "rmse": root,
        "r2": explained,
    }


def _gaps(task: Task, targets: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each example adds to how far certainty and truth lie apart in each bin of `calibration`: float64
    [N, bins], whose column means' absolute sum is the ece; and the variance [bins] of a mistake and a right
    answer that none of the bin's may have shown."""
    from bmcli.metrics.calibration import BINS, answers

    confidence, right = answers(task, targets, outputs)
    count = len(targets)
    of_each = len(confidence) // count
    bin_of = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    places = np.repeat(np.arange(count), of_each) * BINS + bin_of
    gaps = np.bincount(places, weights=(confidence - right) / of_each, minlength=count * BINS)
    used = np.bincount(bin_of, minlength=BINS)
    # Two more of each kind, as Agresti and Coull (1998) count them.
    hits = np.bincount(bin_of, weights=right, minlength=BINS) + 2
    likely = hits / (used + 4)
    unseen = used * likely * (1 - likely) / of_each / count**2 / of_each
    return gaps.reshape(count, BINS), unseen


def _ece(value: float, gaps: np.ndarray, unseen: np.ndarray) -> Interval:
    """The figure is a sum of absolute values: with chance in them its mean is at least the truth, so the high
    end needs its own spread only. It is off by at most the sum of how far each bin is off: the low end."""
    count = len(gaps)
    _enough(count)
    middle = gaps.mean(axis=0)
    around = gaps - middle
    covariance = around.T @ around / count**2
    extra = np.maximum(unseen - np.diag(covariance), 0)
    scales, axes = np.linalg.eigh(covariance + np.diag(extra))
    normal = np.random.default_rng(SEED).standard_normal((RESAMPLES, len(middle)))
    off = normal * np.sqrt(np.maximum(scales, 0)) @ axes.T
    farthest = float(np.quantile(np.abs(off).sum(axis=1), interval_methods.UPPER))
    spread = float(np.abs(middle + off).sum(axis=1).var())
    _, high = interval_methods.bounded(value, spread, 1 / count)
    return max(0.0, value - farthest), high


@dataclass(frozen=True)
class _Areas:
    """Of the ROC curves of a task. value: their mean area, None where all are undefined; influences: of each
    example, float64 [N], None where one side of a curve has a single one; smaller: int64 [curves], examples
    on the smaller side of each, undefined ones too; parts: [sides, 2], the variance that each side of each
    curve brings to the mean, and its degrees of freedom."""

    value: float | None
    influences: np.ndarray | None
    smaller: np.ndarray
    parts: np.ndarray


def _areas(task: Task, targets: np.ndarray, outputs: np.ndarray) -> _Areas:
    if task == "binary":
        positives, scores = [targets == 1], [outputs[:, 1]]
    elif task == "multilabel":
        positives, scores = list((targets > 0.5).T), list(outputs.T)
    else:
        positives, scores = [targets == i for i in range(outputs.shape[1])], list(outputs.T)
    areas: list[float] = []
    smaller: list[int] = []
    parts: list[tuple[float, int]] = []
    influences: np.ndarray | None = np.zeros(len(targets))
    for positive, score in zip(positives, scores, strict=True):
        above, below = int(positive.sum()), int((~positive).sum())
        smaller.append(min(above, below))
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
        parts.append((float((influence[positive] ** 2).sum()), above - 1))
        parts.append((float((influence[~positive] ** 2).sum()), below - 1))
    mean = float(np.mean(areas)) if areas else None
    if influences is not None:
        influences = influences / len(areas) if areas else None
    return _Areas(mean, influences, np.array(smaller), np.array(parts).reshape(-1, 2))


def area(task: Task, targets: np.ndarray, outputs: np.ndarray) -> tuple[float | None, np.ndarray | None]:
    """`roc_auc`, and each example's influence on it, float64 [N]: the sum of their squares is its variance.

    None where the area is undefined; no influences where one side of a curve has a single example.
    """
    found = _areas(task, targets, outputs)
    return found.value, found.influences


def _of_area(found: _Areas) -> Interval:
    from scipy.special import ndtri, stdtrit

    several = len(found.smaller) > 1
    what = "curves" if several else "the smaller of two classes"
    _enough_of_classes(found.smaller, what)
    if found.value is None or found.influences is None:
        raise _Few("too few: a class has a single example")
    variance = float((found.influences**2).sum())
    each, freedom = found.parts.T
    if variance > 0:  # of few examples it is itself uncertain (Satterthwaite, 1946)
        degrees = max(float(each.sum() ** 2 / (each**2 / freedom).sum()), 2.0)
        variance *= float(stdtrit(degrees, interval_methods.UPPER) / ndtri(interval_methods.UPPER)) ** 2
    # One more example of the smaller side that ranks like one of the other: half of its pairs are wrong.
    sides = found.smaller[found.smaller > 0]
    weight = 0.5 / float(sides.min()) / len(sides)
    return interval_methods.bounded(found.value, variance, weight)


def _share_below(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each score, the share of the others that lie below it, equals counting half."""
    ordered = np.sort(others)
    left, right = np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right")
    return np.asarray((left + right) / (2.0 * len(others)))
