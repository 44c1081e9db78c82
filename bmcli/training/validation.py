"""What is measured after every epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bmcli.training.feed import shortened

if TYPE_CHECKING:
    from bmcli.core.batch import Batch
    from bmcli.modalities.source import BatchSource
    from bmcli.tasks._meter import EpochMeter


@dataclass(frozen=True)
class Validation:
    """What is measured after every epoch.

    targets: as the task has them, of every example; meter: makes what measures one epoch, of the
    finished model's outputs, float32 [b, C], batch by batch; lengths: of padded inputs int [N] by name:
    examples are then processed in the order of the first, padded no longer than needed.
    """

    source: BatchSource
    targets: np.ndarray
    meter: Callable[[], EpochMeter]
    batch_size: int
    lengths: Mapping[str, np.ndarray] = field(default_factory=dict)


def measured(v: Validation, forward: Callable[[Batch], np.ndarray]) -> dict[str, float | None]:
    """Its metrics. forward: from compact arrays to predictions."""
    count = len(v.source)
    order = np.argsort(next(iter(v.lengths.values())), kind="stable") if v.lengths else None
    meter = v.meter()
    for start in range(0, count, v.batch_size):
        some = slice(start, min(start + v.batch_size, count))
        part = np.arange(some.start, some.stop) if order is None else order[some]
        # The last batch is filled up, so that one compiled shape serves all.
        full = np.resize(part, v.batch_size) if count > v.batch_size else part
        inputs = shortened(v.source[full], v.lengths, full)
        meter.update(part, v.targets[part], forward(inputs)[: len(part)])
    return meter.metrics()
