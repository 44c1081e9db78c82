"""Metrics by name: those of each task, whether higher is better, and the registry for users' own.

Names are known here without NumPy, so that a config can be checked; `formulas.py` computes.

Rules for all metrics:
  - An undefined metric is None (JSON null), never NaN: no examples, an ROC curve of one class only, R² of a
    constant target, a model whose outputs are not finite.
  - The predicted class is the one with the highest probability, the first if several are equal; a label of a
  multilabel task is predicted from probability 0.5 on.
  - Macro averages cover the classes that occur in the targets or predictions; there a precision or recall of
  0/0 counts as 0. By itself, it is None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from bmcli.core.errors import UsageError
from bmcli.core.plugin_calls import Check, not_a_number
from bmcli.core.registry import Component, Registry

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.components import Measures
    from bmcli.core.spec import Task


class Metric(Component):
    """Base of a user's own metric: the fields are the options, `compute` returns the value.

    It is registered by name in a Python file listed under `code`:

        @METRICS.register("cost")
        class Cost(Metric):
            \"\"\"The cost of mistakes, in euros per example.\"\"\"

            tasks = ("binary",)
            greater_is_better = False

            def compute(self, targets, outputs, classes): ...
    """

    results: ClassVar[dict[str, Check]] = {"compute": not_a_number}

    tasks: ClassVar[tuple[Task, ...]] = ("binary", "multiclass", "multilabel", "regression")
    greater_is_better: ClassVar[bool] = True

    def compute(self, targets: np.ndarray, outputs: np.ndarray, classes: tuple[str, ...]) -> float:
        """One number for a whole split; NaN if it is undefined.

        targets: classes int64 [N]; multilabel float32 [N, L] of 0 and 1; regression float64 [N].
        outputs: float32 of the finished model: probabilities [N, C] or [N, L], or values [N, 1].
        classes: class or label names in index order; empty for regression.
        """
        raise NotImplementedError


METRICS: Registry[Metric] = Registry("metric", Metric, __name__, needs="compute")

_CLASSIFICATION = {
    "loss": False,
    "accuracy": True,
    "balanced_accuracy": True,
    "f1_macro": True,
    "f1_weighted": True,
    "precision_macro": True,
    "recall_macro": True,
    "roc_auc": True,
}

_BUILT_IN: dict[Task, dict[str, bool]] = {
    "binary": {
        "loss": False,
        "accuracy": True,
        "balanced_accuracy": True,
        "precision": True,
        "recall": True,
        "f1": True,
        "f1_macro": True,
        "roc_auc": True,
    },
    "multiclass": _CLASSIFICATION,
    "multilabel": {
        "loss": False,
        "subset_accuracy": True,
        "label_accuracy": True,
        "f1_macro": True,
        "f1_micro": True,
        "precision_micro": True,
        "recall_micro": True,
        "roc_auc": True,
    },
    "regression": {"loss": False, "mae": False, "rmse": False, "r2": True},
}

DESCRIPTIONS = {
    "loss": "Mean cross-entropy in nats; for regression, the mean squared error.",
    "accuracy": "Share of examples whose predicted class is correct.",
    "balanced_accuracy": "Mean recall over the classes.",
    "precision": "Share of predictions of the second class that are correct.",
    "recall": "Share of the second class that is predicted as such.",
    "f1": "Harmonic mean of precision and recall of the second class.",
    "f1_macro": "Mean F1 over classes or labels.",
    "f1_weighted": "Mean F1 over classes, weighted by their number of examples.",
    "f1_micro": "F1 over all labels of all examples together.",
    "precision_macro": "Mean precision over classes.",
    "recall_macro": "Mean recall over classes.",
    "precision_micro": "Precision over all labels of all examples together.",
    "recall_micro": "Recall over all labels of all examples together.",
    "roc_auc": "Area under the ROC curve: one versus the rest, mean over classes or labels.",
    "subset_accuracy": "Share of examples with all labels correct.",
    "label_accuracy": "Share of labels that are correct.",
    "mae": "Mean absolute error.",
    "rmse": "Root of the mean squared error.",
    "r2": "Share of the target's variance that is explained.",
}
"""One line about each metric."""

_HEADLINES: dict[Task, str] = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "multilabel": "f1_macro",
    "regression": "r2",
}


def headline_of(task: Task) -> str:
    """The headline metric of this task."""
    return _HEADLINES[task]


def monitorable(task: Task, extra: Sequence[Measures] = ()) -> dict[str, bool]:
    """All metrics of a split at the end of an epoch: name -> whether greater is better.

    A config monitors them as `val_<name>`. extra: the config's `evaluation.metrics`.
    """
    return _BUILT_IN[task] | {metric.registry_name: metric.greater_is_better for metric in extra}


def greater_is_better(task: Task, name: str, extra: Sequence[Measures] = ()) -> bool:
    """Whether a metric of `monitorable` improves upwards. KeyError for another name."""
    return monitorable(task, extra)[name]


def epoch_metrics(
    task: Task,
    targets: np.ndarray,
    outputs: np.ndarray,
    classes: tuple[str, ...],
    extra: Sequence[Measures] = (),
) -> dict[str, float | None]:
    """All `monitorable` metrics of one split, in that order. None: undefined (see above).

    targets: as in `Split.targets`; outputs: float32 of the finished model. `loss` is the mean log loss in
    nats (multilabel: over labels too), or the mean squared error in the target's unit.

    Raises UsageError if a user's metric has the name of a built-in or is for another task, PluginError if it
    fails.
    """
    from bmcli.metrics import formulas

    if not formulas.usable(outputs):
        return dict.fromkeys(monitorable(task, extra))
    if task == "regression":
        figures = formulas.regression(targets, outputs)
    elif task == "multilabel":
        figures = formulas.multilabel(targets, outputs)
    elif task == "binary":
        figures = formulas.binary(targets, outputs)
    else:
        figures = formulas.multiclass(targets, outputs)
    for metric in extra:
        figures[metric.registry_name] = _own(metric, task, targets, outputs, classes)
    return figures


def _own(
    metric: Measures, task: Task, targets: np.ndarray, outputs: np.ndarray, classes: tuple[str, ...]
) -> float | None:
    """A user's metric; errors in it are reported as the user's."""
    name = metric.registry_name
    if name in _BUILT_IN[task]:
        raise UsageError(f"metric '{name}' has the name of a built-in metric", hint="choose a different name")
    if task not in metric.tasks:
        raise UsageError(f"metric '{name}' is for {', '.join(metric.tasks)}, not {task}")
    # Read-only views: all metrics of a split are computed from the same two arrays.
    value = float(metric.compute(_read_only(targets), _read_only(outputs), classes))
    return value if math.isfinite(value) else None


def _read_only(array: np.ndarray) -> np.ndarray:
    import numpy as np

    # A view of the array itself could be made writable again.
    return np.asarray(array.data.toreadonly())
