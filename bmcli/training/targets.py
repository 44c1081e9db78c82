"""From a split's targets to what the loss takes, and the weight of each example in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bmcli import tasks
from bmcli.core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from bmcli.core.spec import DataSpec


def dense_targets(spec: DataSpec, targets: np.ndarray, *, label_smoothing: float = 0.0) -> np.ndarray:
    """float32 [N, units]; see `Task.dense`."""
    return tasks.of(spec.task).dense(targets, spec.target, label_smoothing)


def example_weights(
    spec: DataSpec, targets: np.ndarray, class_weights: str | dict[str, float] | None
) -> np.ndarray | None:
    """float32 [N], mean 1 over the split, or None if all weigh the same.

    'balanced' weighs a class by N / (classes · its count), so that all classes count alike.
    """
    if class_weights is None:
        return None
    classes = len(spec.classes)
    if isinstance(class_weights, dict):
        unknown = [name for name in class_weights if name not in spec.classes]
        if unknown:
            raise ConfigError(
                f"training.class_weights names '{unknown[0]}', which is not a class of this data",
                hint=did_you_mean(unknown[0], spec.classes) or f"classes: {', '.join(spec.classes[:20])}",
            )
        per_class = np.array([class_weights.get(name, 1.0) for name in spec.classes])
    else:
        counts = np.bincount(targets, minlength=classes)
        per_class = len(targets) / (classes * np.maximum(counts, 1))
    weights = per_class[targets]
    relative: np.ndarray = (weights / weights.mean()).astype(np.float32)
    return relative
