"""Watches the monitored metric: which epoch was best, and whether it is time to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Watch:
    """A value; `see` gives the next one. All of it is saved with the training state.

    monitor: key of the epoch's record; greater_is_better: its direction; patience: epochs without an
    improvement of more than `min_delta` before stopping, or None for never; keep_last: there is nothing to
    choose by (no validation split), so that the last epoch is the best.
    """

    monitor: str
    greater_is_better: bool
    patience: int | None = None
    min_delta: float = 0.0
    keep_last: bool = False
    best: float | None = None
    best_epoch: int = 0
    waited: int = 0

    def see(self, epoch: int, value: float | None) -> Watch:
        """After `epoch` (from 1) with that metric.

        None (undefined) and NaN never improve; while nothing else was seen, the latest epoch stands as best.
        """
        if self.keep_last:
            return replace(self, best=value, best_epoch=epoch)
        if value is None or math.isnan(value):
            best_epoch = epoch if self.best is None else self.best_epoch
            return replace(self, best_epoch=best_epoch, waited=self.waited + 1)
        if self.best is None or self._gain(value) > self.min_delta:
            return replace(self, best=value, best_epoch=epoch, waited=0)
        return replace(self, waited=self.waited + 1)

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.waited >= self.patience

    def _gain(self, value: float) -> float:
        assert self.best is not None
        return value - self.best if self.greater_is_better else self.best - value
