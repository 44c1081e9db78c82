"""The metrics of one split, of each of its classes, the baseline to beat, and which classes are confused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bmcli import tasks
from bmcli.core.errors import DivergedError
from bmcli.core.spec import Target
from bmcli.metrics.results import Baseline, Evaluation, TargetSummary

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

    Raises DivergedError if an output is NaN or infinite, UsageError if a user's metric fails.
    """
    import numpy as np

    bad = int((~np.isfinite(outputs)).any(axis=1).sum())
    if bad:
        raise DivergedError(
            f"the model outputs NaN or infinity for {bad} of {len(outputs)} examples of {split}",
            hint="train again with a smaller learning rate, or gradient_clipping",
        )
    asked, target = tasks.of(task), Target(task, tuple(classes))
    meter = asked.meter(target, extra=extra_metrics, top_k=top_k, temperature=temperature)
    meter.update(targets, outputs)
    metrics, found, sections = meter.metrics(), meter.intervals(), meter.sections()
    return Evaluation(
        split=split,
        examples=len(targets),
        task=task,
        classes=tuple(classes),
        metrics=metrics,
        intervals=found.intervals,
        no_interval=found.reasons,
        headline=asked.headline,
        lower_is_better=asked.lower_is_better(metrics, extra_metrics),
        baseline=baseline(task, classes, targets, training_targets) if training_targets else None,
        per_class=sections.per_class,
        confusion_matrix=sections.confusion_matrix,
        most_confused=sections.most_confused,
        weakest_class=sections.weakest_class,
        calibration=sections.calibration,
        training_targets=training_targets,
        examples_sha256=examples_sha256,
    )


def summarize(task: Task, classes: tuple[str, ...], targets: np.ndarray) -> TargetSummary:
    """The summary of a training split's targets."""
    return tasks.of(task).summarise(targets, classes)


def baseline(
    task: Task, classes: tuple[str, ...], targets: np.ndarray, training: TargetSummary
) -> Baseline | None:
    """The headline metric of the best answer that ignores the input; None if there was nothing
    to learn from, or none is known."""
    if not len(targets) or not training.examples:
        return None
    return tasks.of(task).baseline(targets, classes, training)


def to_text(document: dict[str, object]) -> str:
    """A JSON text a person can read: one line per key, and per row of a list of rows."""

    def value(data: object) -> str:
        if isinstance(data, list) and data and isinstance(data[0], (list, dict)):
            return "[\n    " + ",\n    ".join(one(item) for item in data) + "\n  ]"
        return one(data)

    def one(data: object) -> str:
        return json.dumps(data, allow_nan=False)

    return "{\n" + ",\n".join(f"  {one(key)}: {value(data)}" for key, data in document.items()) + "\n}\n"
