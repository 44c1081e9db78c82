"""Labels that are probably wrong: confident learning (Northcutt, Jiang and Chuang, 2021).

A class's threshold is the mean probability that the model gives it where it is the label. An example that the
model takes for another class, over that class's threshold, is probably labelled wrongly; others follow.
In either part the surest come first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Doubt:
    """position: of the example; label: what it says; likely: what the model says; margin: the probability of
    that less the label's own, from 0 to 1."""

    position: int
    label: int
    likely: int
    margin: float


def doubtful(targets: np.ndarray, probabilities: np.ndarray) -> list[Doubt]:
    """targets: int [N]; probabilities: float [N, C], best of examples the model was not trained on."""
    count, classes = probabilities.shape
    if not count:
        return []
    p = probabilities.astype(np.float64)
    thresholds = np.array(
        [p[targets == c, c].mean() if (targets == c).any() else 1.0 for c in range(classes)]
    )
    rows, likely = np.arange(count), p.argmax(axis=1)
    margin = p[rows, likely] - p[rows, targets]
    confident = p[rows, likely] >= thresholds[likely]
    chosen = np.flatnonzero(likely != targets)
    order = chosen[np.lexsort((-margin[chosen], ~confident[chosen]))]
    return [Doubt(int(i), int(targets[i]), int(likely[i]), float(margin[i])) for i in order]
