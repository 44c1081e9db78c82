"""Intervals of the metrics of classes and labels; see `intervals`.

Of classes, targets are int64 [N] and outputs probabilities [N, C]; of labels, truth is bool [N, L] and
outputs probabilities [N, L].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from bmcli.metrics import formulas, interval_methods, intervals
from bmcli.metrics.area_intervals import Curves, areas_of, of_area
from bmcli.metrics.calibration import BINS
from bmcli.metrics.interval_methods import Interval
from bmcli.metrics.intervals import Method, TooFew, enough, enough_of_classes, exact, f1_of_class, known

Drawn = dict[str, np.ndarray]
"""Every metric but areas under curves, of each resample: float64 [RESAMPLES], NaN if it is undefined."""


def resampled_classes(
    targets: np.ndarray, outputs: np.ndarray, top_k: int | None, *, second: bool = False
) -> Drawn:
    """second: with precision, recall and F1 of the second of two classes."""
    count, classes = outputs.shape
    # A cell of the confusion matrix is drawn as often as its examples are.
    cells, cell = np.unique(np.asarray(targets) * classes + outputs.argmax(axis=1), return_inverse=True)
    terms = [formulas.log_losses(targets, outputs)]
    if top_k is not None:
        terms.append(formulas.top_k_hits(targets, outputs, top_k))
    columns = np.column_stack(terms).astype(np.float64)
    drawn, means = [], []
    for weights in intervals.resamples(count):
        drawn.append([np.bincount(cell, weights=row, minlength=len(cells)) for row in weights])
        means.append(weights @ columns / count)
    of_cells = np.concatenate(drawn)
    true, predicted = np.divmod(cells, classes)
    of_class = np.eye(classes)
    support, answers = of_cells @ of_class[true], of_cells @ of_class[predicted]
    hits = of_cells @ (of_class[true] * (true == predicted)[:, None])
    found = formulas.confusion_metrics(hits, answers, support)
    found["loss"] = np.concatenate(means)[:, 0]
    if top_k is not None:
        found[f"top_{top_k}_accuracy"] = np.concatenate(means)[:, 1]
    if second:
        of_it = formulas.per_class_of(hits[:, 1], answers[:, 1], support[:, 1])
        found |= {"precision": of_it.precision, "recall": of_it.recall, "f1": of_it.f1}
    return found


def resampled_labels(truth: np.ndarray, outputs: np.ndarray) -> Drawn:
    """Of every label's decisions."""
    count, labels = truth.shape
    predicted = outputs >= 0.5
    right = truth == predicted
    means = [formulas.label_losses(truth, outputs).mean(axis=1), right.mean(axis=1), right.all(axis=1)]
    summed = intervals.sums(np.column_stack([truth & predicted, predicted, truth, *means]))
    hits, answers, support = (summed[:, i * labels : (i + 1) * labels] for i in range(3))
    loss, label_accuracy, subset_accuracy = (summed[:, -3 + i] / count for i in range(3))
    return {
        "loss": loss,
        "subset_accuracy": subset_accuracy,
        "label_accuracy": label_accuracy,
        **formulas.label_metrics(hits, answers, support),
    }


def methods_of_classes(
    targets: np.ndarray,
    outputs: np.ndarray,
    top_k: int | None,
    averages: Sequence[str],
    curves: Callable[[], Curves],
    draw: Callable[[], Drawn],
) -> dict[str, Method]:
    """The method of every metric but those of one class. averages: over the classes; draw: the resamples."""
    weights = cache(lambda: _weights(targets, outputs))
    found = _methods(averages, draw, weights, targets, curves)
    shares = shares_of_classes(targets, outputs, top_k)
    found |= {name: partial(exact, *hits) for name, hits in shares.items()}

    def loss(value: float) -> Interval:
        enough(len(targets))
        unseen = float(-np.log(max(float(outputs.min()), formulas.LOG_LOSS_CLIP)))
        return known(interval_methods.mean(formulas.log_losses(targets, outputs), unseen))

    return {**found, "loss": loss}


def methods_of_second(targets: np.ndarray, outputs: np.ndarray) -> dict[str, Method]:
    """The methods of precision, recall and F1 of the second of two classes."""
    both, answers, support = of_second(targets, outputs)
    return {
        "recall": partial(exact, both, support),
        "precision": partial(exact, both, answers),
        "f1": lambda value: f1_of_class(both, answers, support),
    }


def methods_of_labels(
    truth: np.ndarray,
    outputs: np.ndarray,
    averages: Sequence[str],
    curves: Callable[[], Curves],
    draw: Callable[[], Drawn],
) -> dict[str, Method]:
    """The method of every metric."""
    weights = cache(lambda: _weights_of_labels(truth, outputs >= 0.5))
    found = _methods(averages, draw, weights, truth, curves)
    found["subset_accuracy"] = partial(exact, *shares_of_labels(truth, outputs)["subset_accuracy"])

    def loss(value: float) -> Interval:
        enough(len(truth))
        losses = formulas.label_losses(truth, outputs).mean(axis=1)
        either = np.maximum(formulas.label_losses(truth, outputs), formulas.label_losses(~truth, outputs))
        # One more example may be as wrong as any label can be, in as many labels as any example is.
        wrong = max(int((truth != (outputs >= 0.5)).sum(axis=1).max()), 1)
        unseen = max(float(either.max()) * wrong / truth.shape[1], float(losses.max()))
        return known(interval_methods.mean(losses, unseen))

    return {**found, "loss": loss}


def _methods(
    averages: Sequence[str],
    draw: Callable[[], Drawn],
    weights: Callable[[], _Weights],
    targets: np.ndarray,
    curves: Callable[[], Curves],
) -> dict[str, Method]:
    draw = cache(draw)
    found: dict[str, Method] = {name: partial(_of_weights, name, draw, weights, targets) for name in averages}
    return {**found, "roc_auc": lambda value: of_area(areas_of(curves()))}


def of_second(targets: np.ndarray, outputs: np.ndarray) -> tuple[int, int, int]:
    """Right answers, answers and examples of the second of two classes."""
    predicted = outputs.argmax(axis=1)
    return int(((predicted == 1) & (targets == 1)).sum()), int(predicted.sum()), int(targets.sum())


def shares_of_classes(
    targets: np.ndarray, outputs: np.ndarray, top_k: int | None
) -> dict[str, tuple[int, int]]:
    """The metrics that are shares of all examples: (hits, of how many)."""
    count = len(targets)
    found = {"accuracy": (int((outputs.argmax(axis=1) == targets).sum()), count)}
    if top_k is not None:
        found[f"top_{top_k}_accuracy"] = (int(formulas.top_k_hits(targets, outputs, top_k).sum()), count)
    return found


def shares_of_labels(truth: np.ndarray, outputs: np.ndarray) -> dict[str, tuple[int, int]]:
    """The same."""
    return {"subset_accuracy": (int((truth == (outputs >= 0.5)).all(axis=1).sum()), len(truth))}


@dataclass(frozen=True)
class _Weights:
    """How far one more answer can move each metric: name -> up or down, by the most it can. support and
    answers: int64 [C], examples of each class (positives of each label), and how often it was the answer."""

    moves: dict[str, float]
    support: np.ndarray
    answers: np.ndarray


def _weights(targets: np.ndarray, outputs: np.ndarray) -> _Weights:
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
    """How far an answer moves the F1 of each class [C]: down by several mistakes, or up by a correct one."""
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
    draw: Callable[[], Drawn],
    weights: Callable[[], _Weights],
    targets: np.ndarray,
    value: float,
) -> Interval:
    """Of an average over classes, or a share of decisions."""
    count = len(targets)
    enough(count)
    found = weights()
    if name.endswith(("_macro", "balanced_accuracy")):
        what = "labels" if np.ndim(targets) > 1 else "classes"
        enough_of_classes(found.support, what)
    if name == "precision_macro":
        enough_of_classes(found.answers, "classes", "answers")
    drawn = draw()[name]
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < 2:
        raise TooFew("too few: undefined in most resamples")
    # Within a class the bootstrap takes the spread of n examples for (n - 1)/n of what it is.
    several = found.support[found.support > 1]
    shrunk = float((several / (several - 1)).mean()) if len(several) else 1.0
    variance, bias = float(drawn.var(ddof=1)) * shrunk, float(drawn.mean()) - value
    low, high = interval_methods.bounded(value, variance, found.moves[name])
    # A metric that few examples make larger is reduced by as much at the low end, and the reverse.
    return max(0.0, low - max(bias, 0.0)), min(1.0, high - min(bias, 0.0))


def _gaps(count: int, confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each example adds to how far certainty and truth lie apart in each bin of `calibration`: float64
    [N, bins], whose column means' absolute sum is the ece; and the variance [bins] of a mistake and a right
    answer that none of the bin's may have shown."""
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


def of_ece(value: float, count: int, confidence: np.ndarray, right: np.ndarray) -> Interval:
    """Of the answers of that many examples: their probability, and whether they came true.

    The metric is a sum of absolute values: with chance in them its mean is at least the truth, so the high
    end needs its own spread only. It is off by at most the sum of how far each bin is off: the low end.
    """
    enough(count)
    gaps, unseen = _gaps(count, confidence, right)
    middle = gaps.mean(axis=0)
    around = gaps - middle
    covariance = around.T @ around / count**2
    extra = np.maximum(unseen - np.diag(covariance), 0)
    scales, axes = np.linalg.eigh(covariance + np.diag(extra))
    normal = np.random.default_rng(intervals.SEED).standard_normal((intervals.RESAMPLES, len(middle)))
    off = normal * np.sqrt(np.maximum(scales, 0)) @ axes.T
    farthest = float(np.quantile(np.abs(off).sum(axis=1), interval_methods.UPPER))
    spread = float(np.abs(middle + off).sum(axis=1).var())
    _, high = interval_methods.bounded(value, spread, 1 / count)
    return max(0.0, value - farthest), high
