"""Metrics of a run on slices of a split and on corrupted copies of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli import tasks
from bmcli.core.errors import UsageError
from bmcli.evaluation.metrics import to_text
from bmcli.evaluation.slices import Slice, slices
from bmcli.modalities.base import at_hand, modality_of
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.data.bundle import Split
    from bmcli.evaluation.measure import Prepared

FORMAT = 1
STRENGTHS = (1, 3, 5)


@dataclass(frozen=True)
class Corrupted:
    """The headline metric on corrupted copies of all examples. strength: 1 to 5; 0: as they are;
    no_interval: why there is none."""

    corruption: str
    strength: int
    metric: str
    figure: float | None
    interval: tuple[float, float] | None
    no_interval: str | None = None

    def to_json(self) -> dict[str, object]:
        """Strict JSON data."""
        return {**asdict(self), "interval": self.interval and list(self.interval)}


def by_slices(ready: Prepared, by: Sequence[str]) -> list[Slice]:
    """Of those examples; also written to evaluation/<name>-slices.json. UsageError for what the data cannot
    be sliced by, as `check_sliceable` finds beforehand."""
    found = slices(ready.spec.task, ready.split, ready.outputs, ready.spec.classes, by)
    _write(ready, "slices", found)
    return found


def by_corruptions(
    ready: Prepared, progress: Callable[[str, int, int], None] | None = None
) -> list[Corrupted]:
    """Of those examples; also written to evaluation/<name>-corruptions.json. UsageError for tables."""
    check_corruptible(ready.split)
    modality = modality_of(ready.split.examples.kind)
    found = [_measured(ready, "none", 0, ready.outputs)]
    steps = [(name, strength) for name in modality.corruptions() for strength in STRENGTHS]
    for done, (name, strength) in enumerate(steps, 1):
        outputs = _corrupted(ready, name, strength)
        found.append(_measured(ready, name, strength, outputs))
        if progress is not None:
            progress("corrupted copies", done, len(steps))
    _write(ready, "corruptions", found)
    return found


def check_corruptible(split: Split) -> None:
    """UsageError for what has no corruptions: rows of tables."""
    modality = modality_of(split.examples.kind)
    if not modality.corruptions():
        able = " and ".join(one.words.many for one in at_hand() if one.corruptions())
        raise UsageError(f"only {able} can be corrupted, not {modality.words.inputs}")


def _write(ready: Prepared, kind: str, found: Sequence[Slice] | Sequence[Corrupted]) -> None:
    document = {"format": FORMAT, "split": ready.name, kind: [one.to_json() for one in found]}
    ready.run.write_text(layout.evaluation_of(f"{ready.name}-{kind}"), to_text(document))


def _corrupted(ready: Prepared, name: str, strength: int) -> np.ndarray:
    rng = np.random.default_rng([strength, *name.encode()])
    examples = ready.split.examples
    modality = modality_of(examples.kind)
    pieces = modality.corrupted(name, strength, rng, examples, ready.preprocessing)
    return np.concatenate([ready.predict(piece) for piece in pieces])


def _measured(ready: Prepared, name: str, strength: int, outputs: np.ndarray) -> Corrupted:
    task, targets = tasks.of(ready.spec.task), ready.split.targets
    metric = task.headline
    value = task.measure(targets, outputs, ready.spec.classes)[metric]
    found = task.intervals(targets, outputs, {metric: value})
    return Corrupted(name, strength, metric, value, found.intervals[metric], found.reasons.get(metric))
