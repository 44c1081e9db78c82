"""The predictions of a split, as comparisons take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Predictions:
    """Every prediction of a split.

    ids: as written (see `safe_cell`); targets: classes int64 [N], labels float32 [N, L] of 0 and 1, or values
    float64 [N]; outputs: float32 [N, C] of the finished model.
    """

    ids: tuple[str, ...]
    targets: np.ndarray
    outputs: np.ndarray
