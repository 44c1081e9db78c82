"""The registry for a user's own metrics, and a line about each of bm's, which the tasks name.

Rules for all metrics:
  - An undefined metric is None (JSON null), never NaN: no examples, an ROC curve of one class only, R² of a
    constant target, a model whose outputs are not finite.
  - The predicted class is the one with the highest probability, the first if several are equal; a label of a
    multilabel task is predicted from probability 0.5 on.
  - Macro averages cover the classes that occur in the targets or predictions; there a precision or recall of
    0/0 counts as 0. On its own, it is None.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, ClassVar

from bmcli.core.component import Component
from bmcli.core.errors import UsageError
from bmcli.core.plugin_calls import Check, not_a_number
from bmcli.core.registry import Registry

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

    tasks: ClassVar[tuple[Task, ...] | None] = None
    """Names of the tasks it is for; None: of all."""
    greater_is_better: ClassVar[bool] = True

    def compute(self, targets: np.ndarray, outputs: np.ndarray, classes: tuple[str, ...]) -> float:
        """One number for a whole split; NaN if it is undefined.

        targets: classes int64 [N]; multilabel float32 [N, L] of 0 and 1; regression float64 [N].
        outputs: float32 of the finished model: probabilities [N, C] or [N, L], or values [N, 1].
        classes: class or label names in index order; empty for regression.
        """
        raise NotImplementedError


METRICS: Registry[Metric] = Registry("metric", Metric, __name__, needs="compute")

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


def value_of(
    metric: Measures,
    task: Task,
    built_in: Collection[str],
    targets: np.ndarray,
    outputs: np.ndarray,
    classes: tuple[str, ...],
) -> float | None:
    """A user's metric of one split. built_in: the names of the task's own.

    Raises UsageError if it has a built-in's name or is for another task, PluginError if it fails.
    """
    name = metric.registry_name
    if name in built_in:
        raise UsageError(f"metric '{name}' has the name of a built-in metric", hint="choose a different name")
    if metric.tasks is not None and task not in metric.tasks:
        raise UsageError(f"metric '{name}' is for {', '.join(metric.tasks)}, not {task}")
    # Read-only views: all metrics of a split are computed from the same two arrays.
    value = float(metric.compute(_read_only(targets), _read_only(outputs), classes))
    return value if math.isfinite(value) else None


def _read_only(array: np.ndarray) -> np.ndarray:
    import numpy as np

    # A view of the array itself could be made writable again.
    return np.asarray(array.data.toreadonly())
