"""Meters measure a split batch by batch; a meter may keep sums instead of all outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from bmcli.core.spec import Target
from bmcli.metrics.results import Sections
from bmcli.tasks import Task

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.components import Measures
    from bmcli.metrics.intervals import Found


class Meter(ABC):
    """Measures one split. `update` is called first, once per batch."""

    @abstractmethod
    def update(self, targets: np.ndarray, outputs: np.ndarray) -> None:
        """Add a batch, in the order of the split."""

    @abstractmethod
    def metrics(self) -> dict[str, float | None]:
        """Every metric of an evaluation, in the order they are shown."""

    @abstractmethod
    def intervals(self) -> Found:
        """Their intervals, or why they have none."""

    @abstractmethod
    def sections(self) -> Sections:
        """The other parts of an evaluation."""


class EpochMeter(ABC):
    """Measures a split at the end of an epoch."""

    @abstractmethod
    def update(self, positions: np.ndarray, targets: np.ndarray, outputs: np.ndarray) -> None:
        """Add a batch. positions: int64 [b] of its examples in the split: batches come in any order, each
        example once."""

    @abstractmethod
    def metrics(self) -> dict[str, float | None]:
        """Every metric that can be monitored; see `Task.monitorable`."""


class WholeEpoch(EpochMeter):
    """Keeps all targets and outputs. count: of the split's examples."""

    def __init__(self, task: Task, target: Target, count: int, extra: Sequence[Measures]) -> None:
        self.task = task
        self.target = target
        self.count = count
        self.extra = extra
        self._all: tuple[np.ndarray, np.ndarray] | None = None

    def update(self, positions: np.ndarray, targets: np.ndarray, outputs: np.ndarray) -> None:
        """See EpochMeter."""
        import numpy as np

        if self._all is None:
            shapes = [(self.count, *some.shape[1:]) for some in (targets, outputs)]
            self._all = np.empty(shapes[0], targets.dtype), np.empty(shapes[1], outputs.dtype)
        self._all[0][positions], self._all[1][positions] = targets, outputs

    def metrics(self) -> dict[str, float | None]:
        """See EpochMeter."""
        assert self._all is not None  # a split has examples
        return self.task.measure(*self._all, self.target.classes, self.extra)


class WholeSplit(Meter):
    """Keeps all targets and outputs: most metrics, and all intervals, are of the whole split."""

    def __init__(
        self, task: Task, target: Target, extra: Sequence[Measures], top_k: int, temperature: float | None
    ) -> None:
        self.task = task
        self.target = target
        self.extra = extra
        self.top_k = top_k
        self.temperature = temperature
        self._batches: list[tuple[np.ndarray, np.ndarray]] = []

    def update(self, targets: np.ndarray, outputs: np.ndarray) -> None:
        """See Meter."""
        self._batches.append((targets, outputs))

    @cached_property
    def _all(self) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        if len(self._batches) == 1:
            return self._batches[0]
        targets, outputs = zip(*self._batches, strict=True)
        return np.concatenate(targets), np.concatenate(outputs)

    @cached_property
    def _metrics(self) -> dict[str, float | None]:
        return self.task.evaluated(self.target, *self._all, self.extra, self.top_k)

    def metrics(self) -> dict[str, float | None]:
        """See Meter."""
        return dict(self._metrics)

    def intervals(self) -> Found:
        """See Meter."""
        return self.task.intervals(*self._all, self._metrics)

    def sections(self) -> Sections:
        """See Meter."""
        return self.task.sections(self.target, *self._all, self.temperature)
