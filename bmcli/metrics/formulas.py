"""The formulas behind the metrics: NumPy only, vectorised, float64 sums. Undefined is None.

Names and conventions are scikit-learn's (sklearn.metrics), against which every one is tested; the rules for
undefined values are in `metric.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LOG_LOSS_CLIP = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to [2.2e-16, 1 - 2.2e-16] before the logarithm, as scikit-learn does for float64:
one example costs at most 36.04 nats."""

Metrics = dict[str, float | None]


@dataclass(frozen=True)
class PerClass:
    """One value per class, [C]; NaN if undefined (precision of a class never predicted, recall of one
    that does not occur, F1 of one that does neither). hits: its right answers; answers: all of its answers;
    support: the examples truly of it."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    hits: np.ndarray
    answers: np.ndarray
    support: np.ndarray


def usable(outputs: np.ndarray) -> bool:
    """Whether there is anything to measure: at least one example, and finite outputs. The four functions
    below require it."""
    return len(outputs) > 0 and bool(np.isfinite(outputs).all())


def multiclass(targets: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """Metrics of int targets [N] and probabilities [N, C]."""
    matrix = confusion_matrix(targets, probabilities.argmax(axis=1), probabilities.shape[1])
    return {
        "loss": log_loss(targets, probabilities),
        **_defined_of(confusion_metrics(*_counts(matrix))),
        "roc_auc": roc_auc_one_vs_rest(targets, probabilities),
    }


def binary(targets: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """Metrics of targets 0 or 1 [N] and probabilities [N, 2]; class 1 is the positive one."""
    matrix = confusion_matrix(targets, probabilities.argmax(axis=1), 2)
    classes = per_class(matrix)
    both = _defined_of(confusion_metrics(*_counts(matrix)))
    return {
        "loss": log_loss(targets, probabilities),
        "accuracy": both["accuracy"],
        "balanced_accuracy": both["balanced_accuracy"],
        "precision": _defined(classes.precision[1]),
        "recall": _defined(classes.recall[1]),
        "f1": _defined(classes.f1[1]),
        "f1_macro": both["f1_macro"],
        "roc_auc": roc_auc(targets == 1, probabilities[:, 1]),
    }


def multilabel(targets: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """Metrics of 0/1 targets [N, L] and independent probabilities [N, L]."""
    truth, predicted = targets > 0.5, probabilities >= 0.5
    right = truth == predicted
    pairs = label_confusion(truth, predicted)
    counts = pairs[:, 1, 1], pairs[:, :, 1].sum(axis=1), pairs[:, 1, :].sum(axis=1)
    areas = [roc_auc(truth[:, i], probabilities[:, i]) for i in range(truth.shape[1])]
    return {
        "loss": binary_cross_entropy(truth, probabilities),
        "subset_accuracy": float(right.all(axis=1).mean()),
        "label_accuracy": float(right.mean()),
        **_defined_of(label_metrics(*counts)),
        "roc_auc": _mean_of_defined(np.array([np.nan if a is None else a for a in areas])),
    }


def regression(targets: np.ndarray, outputs: np.ndarray) -> Metrics:
    """Metrics of targets [N] and values [N, 1] or [N], in the target's own unit."""
    truth = np.asarray(targets, np.float64).reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        errors = truth - np.asarray(outputs, np.float64).reshape(-1)
        square = float(np.mean(errors**2))
        spread = float(np.sum((truth - truth.mean()) ** 2)) if np.ptp(truth) > 0 else np.nan
        explained = 1.0 - float(np.sum(errors**2)) / spread if spread > 0 else np.nan
        absolute = float(np.mean(np.abs(errors)))
    return {
        "loss": _defined(square),
        "mae": _defined(absolute),
        "rmse": _defined(np.sqrt(square)),
        "r2": _defined(explained),
    }


def confusion_matrix(targets: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts int64 [C, C]: row is the true class, column the predicted one."""
    cells = np.asarray(targets, np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def label_confusion(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts int64 [L, 2, 2] of bool arrays [N, L]: per label [[tn, fp], [fn, tp]]."""
    tp = (truth & predicted).sum(axis=0)
    fp = (~truth & predicted).sum(axis=0)
    fn = (truth & ~predicted).sum(axis=0)
    tn = len(truth) - tp - fp - fn
    return np.stack([tn, fp, fn, tp], axis=1).reshape(-1, 2, 2).astype(np.int64)


def confusion_metrics(hits: np.ndarray, predicted: np.ndarray, support: np.ndarray) -> dict[str, np.ndarray]:
    """What depends on the confusion matrix alone, of one or of many: name -> [...], NaN if undefined.

    [..., C] each: examples of a class that were predicted as it, predictions of it, examples of it.
    """
    classes = per_class_of(hits, predicted, support)
    occurs = predicted + support > 0
    total = support.sum(axis=-1)

    def macro(values: np.ndarray) -> np.ndarray:
        return _mean(np.where(np.isnan(values), 0.0, values), occurs)

    with np.errstate(divide="ignore", invalid="ignore"):
        weights = support / total[..., None]
        return {
            "accuracy": hits.sum(axis=-1) / total,
            "balanced_accuracy": _mean(classes.recall, ~np.isnan(classes.recall)),
            "f1_macro": macro(classes.f1),
            "f1_weighted": (np.nan_to_num(classes.f1, nan=0.0) * weights).sum(axis=-1),
            "precision_macro": macro(classes.precision),
            "recall_macro": macro(classes.recall),
        }


def label_metrics(hits: np.ndarray, predicted: np.ndarray, support: np.ndarray) -> dict[str, np.ndarray]:
    """The same for labels [..., L]: macro over those with a defined F1, micro over all decisions."""
    labels = per_class_of(hits, predicted, support)
    total = per_class_of(hits.sum(axis=-1), predicted.sum(axis=-1), support.sum(axis=-1))
    return {
        "f1_macro": _mean(labels.f1, ~np.isnan(labels.f1)),
        "f1_micro": total.f1,
        "precision_micro": total.precision,
        "recall_micro": total.recall,
    }


def per_class(matrix: np.ndarray) -> PerClass:
    """Precision, recall, F1 and support of every class of a confusion matrix [C, C]."""
    return per_class_of(*_counts(matrix))


def per_label(pairs: np.ndarray) -> PerClass:
    """The same of every label, from `label_confusion` [L, 2, 2]."""
    return per_class_of(pairs[:, 1, 1], pairs[:, :, 1].sum(axis=1), pairs[:, 1, :].sum(axis=1))


def per_class_of(hits: np.ndarray, predicted: np.ndarray, support: np.ndarray) -> PerClass:
    """The same from counts of any shape: right answers, answers, and true examples of each class."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return PerClass(
            precision=hits / predicted,
            recall=hits / support,
            f1=2 * hits / (predicted + support),
            hits=hits,
            answers=predicted,
            support=support,
        )


def _counts(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hits, answers and support [C] of a confusion matrix."""
    return np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)


def _mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The mean along the last axis over what `where` says; NaN of nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(where, values, 0.0).sum(axis=-1) / where.sum(axis=-1))


def top_k_accuracy(targets: np.ndarray, probabilities: np.ndarray, k: int) -> float | None:
    """How often the truth is among the k most probable; of equal ones the first come first."""
    if not len(targets):
        return None
    return float(top_k_hits(targets, probabilities, k).mean())


def top_k_hits(targets: np.ndarray, probabilities: np.ndarray, k: int) -> np.ndarray:
    """bool [N]: whether the truth is among them."""
    own = np.take_along_axis(probabilities, targets[:, None].astype(np.int64), axis=1)
    earlier = np.arange(probabilities.shape[1])[None, :] < targets[:, None]
    ahead = (probabilities > own) | ((probabilities == own) & earlier)
    return np.asarray(ahead.sum(axis=1) < k)


def log_loss(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of -log p(true class), natural logarithm, clipped as LOG_LOSS_CLIP says."""
    return float(log_losses(targets, probabilities).mean())


def log_losses(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """-log p(true class) of each example, float64 [N]."""
    own = np.take_along_axis(probabilities, targets[:, None].astype(np.int64), axis=1)
    return np.asarray(-np.log(_clipped(own[:, 0])))


def binary_cross_entropy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean over examples and labels of -log p(what is true), clipped as LOG_LOSS_CLIP says."""
    return float(label_losses(truth, probabilities).mean())


def label_losses(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """-log p(what is true) of each example and label, float64 [N, L]."""
    p = _clipped(probabilities)
    return np.asarray(-np.log(np.where(truth, p, 1.0 - p)))


def roc_auc(positive: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting half.

    The Mann-Whitney U statistic over its maximum (Hanley and McNeil, 1982). None if one side is empty.
    positive: bool [N]; scores: [N].
    """
    above, below = scores[positive], np.sort(scores[~positive])
    if not len(above) or not len(below):
        return None
    # Twice U, in integers: exact for any number of pairs.
    twice = np.searchsorted(below, above, "left").sum() + np.searchsorted(below, above, "right").sum()
    return float(twice / (2.0 * len(above) * len(below)))


def roc_auc_one_vs_rest(targets: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Mean over classes of the area for 'this class or another'; classes for which it is undefined (none
    or all of the examples) are left out."""
    columns = np.ascontiguousarray(probabilities.T)
    areas = [roc_auc(targets == i, column) for i, column in enumerate(columns)]
    defined = [area for area in areas if area is not None]
    return float(np.mean(defined)) if defined else None


def _clipped(probabilities: np.ndarray) -> np.ndarray:
    return np.clip(probabilities.astype(np.float64), LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP)


def _defined_of(metrics: dict[str, np.ndarray]) -> Metrics:
    return {name: _defined(float(value)) for name, value in metrics.items()}


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _mean_of_defined(values: np.ndarray) -> float | None:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else None
