"""One split, measured: figures, the trivial answer to beat, what each class gets and what is mixed up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bmcli.core.errors import DivergedError
from bmcli.core.number_format import quantity
from bmcli.metrics.metric import epoch_metrics, headline_of, monitorable
from bmcli.metrics.results import (
    FEW,
    Baseline,
    ClassFigures,
    Confusion,
    Evaluation,
    TargetSummary,
    WeakestClass,
)

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.components import Measures
    from bmcli.core.spec import Task


def evaluate(
    task: Task,
    classes: tuple[str, ...],
    targets: np.ndarray,
    outputs: np.ndarray,
    *,
    split: str,
    top_k: int = 5,
    extra_metrics: Sequence[Measures] = (),
    training_targets: TargetSummary | None = None,
    examples_sha256: str | None = None,
    temperature: float | None = None,
) -> Evaluation:
    """Measure a split.

    targets: as in `Split.targets`; outputs: float32 of the finished model, [N, C] or [N, 1].
    top_k: adds `top_<k>_accuracy` where there are more than k classes.
    training_targets: what the baseline may know; without it there is none.
    temperature: the run's, where it was not fitted on these examples.

    Raises DivergedError where an output is NaN or infinite, UsageError where a user's metric fails.
    """
    import numpy as np

    from bmcli.metrics.calibration import reliability
    from bmcli.metrics.intervals import intervals_of

    bad = int((~np.isfinite(outputs)).any(axis=1).sum())
    if bad:
        raise DivergedError(
            f"the model answers NaN or infinity for {bad} of {len(outputs)} examples of {split}",
            hint="train again with a smaller learning rate, or gradient_clipping",
        )
    metrics = epoch_metrics(task, targets, outputs, classes, extra_metrics)
    figures, matrix = _classes(task, classes, targets, outputs, top_k, metrics)
    calibration = reliability(task, targets, outputs, temperature)
    lower = [name for name, up in monitorable(task, extra_metrics).items() if not up]
    if calibration is not None:
        metrics["ece"] = calibration.ece
        lower.append("ece")
    found = intervals_of(task, targets, outputs, metrics)
    return Evaluation(
        split=split,
        examples=len(targets),
        task=task,
        classes=tuple(classes),
        metrics=metrics,
        intervals=found.intervals,
        no_interval=found.reasons,
        headline=headline_of(task),
        lower_is_better=tuple(lower),
        baseline=baseline(task, classes, targets, training_targets) if training_targets else None,
        per_class=figures,
        confusion_matrix=None if matrix is None else matrix.tolist(),
        most_confused=None if matrix is None or task == "multilabel" else _most_confused(matrix, classes),
        weakest_class=_weakest(figures, "f1" if task == "multilabel" else "recall"),
        calibration=calibration,
        training_targets=training_targets,
        examples_sha256=examples_sha256,
    )


def summarize(task: Task, classes: tuple[str, ...], targets: np.ndarray) -> TargetSummary:
    """The summary of a training split's targets."""
    import numpy as np

    if task == "regression":
        return TargetSummary(len(targets), mean=float(np.mean(targets)) if len(targets) else None)
    if task == "multilabel":
        counts = np.asarray(targets).sum(axis=0)
    else:
        counts = np.bincount(targets, minlength=len(classes))
    return TargetSummary(len(targets), counts=tuple(int(count) for count in counts))


def baseline(
    task: Task, classes: tuple[str, ...], targets: np.ndarray, training: TargetSummary
) -> Baseline | None:
    """What the best answer that ignores the input gets of the headline figure.

    Always the most frequent training class; always the training mean; for multilabel every label always,
    which has the best F1 of all constant answers. None where there was nothing to learn from.
    """
    import numpy as np

    from bmcli.metrics import formulas

    headline = headline_of(task)
    if not len(targets) or not training.examples:
        return None
    if task == "regression":
        assert training.mean is not None
        value = formulas.regression(targets, np.full(len(targets), training.mean))[headline]
        return Baseline(f"always the training mean, {quantity(training.mean)}", headline, value)
    if task == "multilabel":
        value = formulas.multilabel(targets, np.ones_like(targets))[headline]
        return Baseline("always every label", headline, value)
    assert training.counts is not None
    most = int(np.argmax(training.counts))
    return Baseline(f"always '{classes[most]}'", headline, float(np.mean(targets == most)))


def to_text(document: dict[str, Any]) -> str:
    """A JSON text a person can read: one line per key, and per row of a list of rows."""

    def value(data: Any) -> str:
        if isinstance(data, list) and data and isinstance(data[0], (list, dict)):
            return "[\n    " + ",\n    ".join(one(item) for item in data) + "\n  ]"
        return one(data)

    def one(data: Any) -> str:
        return json.dumps(data, allow_nan=False)

    return "{\n" + ",\n".join(f"  {one(key)}: {value(data)}" for key, data in document.items()) + "\n}\n"


def _classes(
    task: Task,
    classes: tuple[str, ...],
    targets: np.ndarray,
    outputs: np.ndarray,
    top_k: int,
    metrics: dict[str, float | None],
) -> tuple[tuple[ClassFigures, ...], np.ndarray | None]:
    """Per-class figures and the confusion matrix; adds top-k accuracy to `metrics` where it says anything."""
    import numpy as np

    from bmcli.metrics import formulas
    from bmcli.metrics.intervals import class_intervals

    if task == "regression":
        return (), None
    if task == "multilabel":
        matrix = formulas.label_confusion(targets > 0.5, outputs >= 0.5)
        values = formulas.per_label(matrix)
    else:
        predicted = outputs.argmax(axis=1)
        matrix = formulas.confusion_matrix(targets, predicted, len(classes))
        values = formulas.per_class(matrix)
        if len(classes) > top_k:
            metrics[f"top_{top_k}_accuracy"] = formulas.top_k_accuracy(targets, outputs, top_k)

    def defined(array: np.ndarray, index: int) -> float | None:
        return None if np.isnan(array[index]) else float(array[index])

    found = []
    for index, name in enumerate(classes):
        counts = values.hits[index], values.answers[index], values.support[index]
        of_class = class_intervals(*(int(count) for count in counts))
        found.append(
            ClassFigures(
                name=name,
                index=index,
                precision=defined(values.precision, index),
                recall=defined(values.recall, index),
                f1=defined(values.f1, index),
                support=int(values.support[index]),
                recall_interval=of_class["recall"],
                precision_interval=of_class["precision"],
                f1_interval=of_class["f1"],
            )
        )
    return tuple(found), matrix


def _most_confused(matrix: np.ndarray, classes: tuple[str, ...]) -> Confusion | None:
    """The largest count off the diagonal, the first of equals; None where there is no mistake."""
    import numpy as np

    mistakes = matrix - np.diag(np.diag(matrix))
    true, predicted = np.unravel_index(int(mistakes.argmax()), mistakes.shape)
    count = int(mistakes[true, predicted])
    return Confusion(classes[true], classes[predicted], count) if count else None


def _weakest(figures: tuple[ClassFigures, ...], metric: str) -> WeakestClass | None:
    """The lowest value of the classes that occur, of equals the one with most examples; None where no class
    has a flaw."""
    known = [(getattr(one, metric), -one.support, one) for one in figures if one.support]
    if not known:
        return None
    value, _, one = min(known, key=lambda entry: entry[:2])
    if value >= 1.0:
        return None
    return WeakestClass(one.name, one.index, metric, value, one.support, one.support < FEW)
