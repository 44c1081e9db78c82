"""A closer look at a run on one of its splits: slices of it, and corrupted copies of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli import tasks
from bmcli.core.errors import UsageError
from bmcli.data.bundle import Images, Texts
from bmcli.evaluation import corruptions
from bmcli.evaluation.figures import to_text
from bmcli.evaluation.slices import Slice, slices
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.data.bundle import Examples, Split
    from bmcli.evaluation.measure import Prepared

FORMAT = 1
PIECE = 1024
"""Images that are corrupted at once."""


@dataclass(frozen=True)
class Corrupted:
    """The headline figure on corrupted copies of all examples. strength: 1 to 5; 0: as they are;
    no_interval: why there is none."""

    corruption: str
    strength: int
    metric: str
    figure: float | None
    interval: tuple[float, float] | None
    no_interval: str | None = None

    def to_json(self) -> dict[str, Any]:
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
    examples = ready.split.examples
    kinds = corruptions.PICTURES if isinstance(examples, Images) else corruptions.TEXTS
    found = [_measured(ready, "none", 0, ready.outputs)]
    steps = [(name, strength) for name in kinds for strength in corruptions.STRENGTHS]
    for done, (name, strength) in enumerate(steps, 1):
        outputs = _corrupted(ready, examples, name, strength)
        found.append(_measured(ready, name, strength, outputs))
        if progress is not None:
            progress("corrupted copies", done, len(steps))
    _write(ready, "corruptions", found)
    return found


def check_corruptible(split: Split) -> None:
    """UsageError for rows of tables."""
    if not isinstance(split.examples, Images | Texts):
        raise UsageError("only images and texts can be corrupted, not rows of tables")


def _write(ready: Prepared, kind: str, found: Sequence[Slice] | Sequence[Corrupted]) -> None:
    document = {"format": FORMAT, "split": ready.name, kind: [one.to_json() for one in found]}
    ready.run.write_text(layout.evaluation_of(f"{ready.name}-{kind}"), to_text(document))


def _corrupted(ready: Prepared, examples: Examples, name: str, strength: int) -> np.ndarray:
    rng = np.random.default_rng([strength, *name.encode()])
    if isinstance(examples, Texts):
        spoiled = Texts(tuple(corruptions.TEXTS[name](examples.texts, strength, rng)))
        return ready.predict(spoiled)
    source = ready.preprocessing.encode(examples)
    outputs = []
    for start in range(0, len(examples), PIECE):
        pictures = np.asarray(source[np.arange(start, min(start + PIECE, len(examples)))])
        spoiled_pictures = corruptions.PICTURES[name](pictures, strength, rng)
        spoiled_inputs = ready.preprocessing.finish(spoiled_pictures)
        outputs.append(ready.session.predict(spoiled_inputs, ready.options.batch_size))
    return np.concatenate(outputs)


def _measured(ready: Prepared, name: str, strength: int, outputs: np.ndarray) -> Corrupted:
    task, targets = tasks.of(ready.spec.task), ready.split.targets
    metric = task.headline
    value = task.measure(targets, outputs, ready.spec.classes)[metric]
    found = task.intervals(targets, outputs, {metric: value})
    return Corrupted(name, strength, metric, value, found.intervals[metric], found.reasons.get(metric))
