"""The area under ROC curves, and its interval from the placements of scores (DeLong et al., 1988)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bmcli.metrics import interval_methods
from bmcli.metrics.interval_methods import Interval
from bmcli.metrics.intervals import TooFew, enough_of_classes

Curves = Sequence[tuple[np.ndarray, np.ndarray]]
"""Of each ROC curve which examples are positive, bool [N], and their scores, float32 [N]."""


@dataclass(frozen=True)
class Areas:
    """Of the ROC curves of a task. value: their mean area, None if all are undefined; influences: of each
    example, float64 [N], None if one side of a curve has a single one; smaller: int64 [curves], examples
    on the smaller side of each, undefined ones too; parts: [sides, 2], the variance that each side of each
    curve brings to the mean, and its degrees of freedom."""

    value: float | None
    influences: np.ndarray | None
    smaller: np.ndarray
    parts: np.ndarray


def areas_of(curves: Curves) -> Areas:
    areas: list[float] = []
    smaller: list[int] = []
    parts: list[tuple[float, int]] = []
    influences: np.ndarray | None = np.zeros(len(curves[0][0]))
    for positive, score in curves:
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
    return Areas(mean, influences, np.array(smaller), np.array(parts).reshape(-1, 2))


def area(curves: Curves) -> tuple[float | None, np.ndarray | None]:
    """`roc_auc`, and each example's influence on it, float64 [N]: the sum of their squares is its variance.

    None if the area is undefined; no influences where one side of a curve has a single example.
    """
    found = areas_of(curves)
    return found.value, found.influences


def of_area(found: Areas) -> Interval:
    from scipy.special import ndtri, stdtrit

    several = len(found.smaller) > 1
    what = "curves" if several else "the smaller of two classes"
    enough_of_classes(found.smaller, what)
    if found.value is None or found.influences is None:
        raise TooFew("too few: a class has a single example")
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
