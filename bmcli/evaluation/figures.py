"""One split, measured: figures, the trivial answer to beat, what each class gets and what is mixed up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from bmcli.core.errors import DivergedError
from bmcli.core.number_format import quantity
from bmcli.metrics.metric import Metric, epoch_metrics, headline_of, monitorable

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Task
    from bmcli.evaluation.overlap import Seen
    from bmcli.metrics.calibration import Reliability

FORMAT = 1
FEW = 30
"""A class with fewer examples is marked: its recall moves by more than 3 points with every example."""


@dataclass(frozen=True)
class TargetSummary:
    """What the training split's targets are like; all that a trivial answer may know.

    counts: examples per class or label in index order (classification); mean: of the targets (regression).
    """

    examples: int
    counts: tuple[int, ...] | None = None
    mean: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Strict JSON data; `TargetSummary(**...)` reads it back but for the list."""
        return {"examples": self.examples, "counts": self.counts and list(self.counts), "mean": self.mean}


@dataclass(frozen=True)
class Baseline:
    """A trivial answer's value of the headline figure. name: "always 'daisy'"."""

    name: str
    metric: str
    value: float | None


@dataclass(frozen=True)
class ClassFigures:
    """One class's (or label's) figures; None where undefined. support: examples truly of it; the intervals:
    95 % of each, low and high."""

    name: str
    index: int
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    recall_interval: tuple[float, float] | None
    precision_interval: tuple[float, float] | None = None
    f1_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Confusion:
    """How often examples of one class were taken for another."""

    true: str
    predicted: str
    count: int


@dataclass(frozen=True)
class WeakestClass:
    """The class (label) with the lowest recall (F1) of those that occur. few: fewer than FEW examples."""

    name: str
    index: int
    metric: str
    value: float
    support: int
    few: bool


@dataclass(frozen=True)
class Evaluation:
    """The figures of one split (or scored file).

    metrics: name -> value, None where undefined; intervals: 95 % of each, low and high, None where there is
    none (see `intervals.py`); no_interval: name -> why, of those ('too few: 30 examples, 50 are needed');
    lower_is_better: those of them. confusion_matrix: counts,
    row = truth, [C][C]; multilabel [[tn, fp], [fn, tp]] per label; None for regression. examples_sha256: over
    ids, targets and contents; figures of different examples cannot be compared. seen: of labelled data, what
    of it the run was trained on.
    """

    split: str
    examples: int
    task: Task
    classes: tuple[str, ...]
    metrics: dict[str, float | None]
    intervals: dict[str, tuple[float, float] | None]
    headline: str
    lower_is_better: tuple[str, ...]
    baseline: Baseline | None
    per_class: tuple[ClassFigures, ...]
    confusion_matrix: list[Any] | None
    most_confused: Confusion | None
    weakest_class: WeakestClass | None
    calibration: Reliability | None = None
    training_targets: TargetSummary | None = None
    examples_sha256: str | None = None
    seen: Seen | None = None
    no_interval: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The document of evaluation/<split>.json, as strict JSON data; docs/evaluation.md describes it."""
        return {
            "format": FORMAT,
            "split": self.split,
            "examples": self.examples,
            "task": self.task,
            "classes": list(self.classes),
            "headline": self.headline,
            "metrics": dict(self.metrics),
            "intervals": {name: found and list(found) for name, found in self.intervals.items()},
            "no_interval": dict(self.no_interval),
            "lower_is_better": list(self.lower_is_better),
            "baseline": self.baseline and asdict(self.baseline),
            "weakest_class": self.weakest_class and asdict(self.weakest_class),
            "most_confused": self.most_confused and asdict(self.most_confused),
            "per_class": [asdict(one) for one in self.per_class],
            "confusion_matrix": self.confusion_matrix,
            "calibration": self.calibration and asdict(self.calibration),
            "training_targets": self.training_targets and self.training_targets.to_json(),
            "examples_sha256": self.examples_sha256,
            **(self.seen.to_json() if self.seen is not None else {}),
        }


def evaluate(
    task: Task,
    classes: tuple[str, ...],
    targets: np.ndarray,
    outputs: np.ndarray,
    *,
    split: str,
    top_k: int = 5,
    extra_metrics: Sequence[Metric] = (),
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
