"""A closer look at a run on one of its splits: slices of it, and corrupted copies of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli.data.bundle import Images, Texts
from bmcli.errors import UsageError
from bmcli.evaluation import corruptions
from bmcli.evaluation.evaluate import to_text
from bmcli.evaluation.intervals import intervals
from bmcli.evaluation.metrics import epoch_metrics, headline_of
from bmcli.evaluation.run import predict_all, prepare
from bmcli.evaluation.slices import Slice, slices
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.data.bundle import Examples
    from bmcli.evaluation.run import Prepared
    from bmcli.runs.run import Run

FORMAT = 1
PIECE = 1024
"""Pictures that are corrupted at once."""


@dataclass(frozen=True)
class Corrupted:
    """The headline figure on corrupted copies of all examples. strength: 1 to 5; 0: as they are."""

    corruption: str
    strength: int
    metric: str
    figure: float | None
    interval: tuple[float, float] | None

    def to_json(self) -> dict[str, Any]:
        """Strict JSON data."""
        return {**asdict(self), "interval": self.interval and list(self.interval)}


def by_slices(run: Run, by: Sequence[str], split: str = "test", *, trust_code: bool = False) -> list[Slice]:
    """Of one of the run's splits; also written to evaluation/<split>-slices.json. For what is raised see
    `evaluate_run`; UsageError for what the data cannot be sliced by."""
    ready = prepare(run, split, trust_code=trust_code)
    outputs = predict_all(ready.session, ready.preprocessing, ready.split.examples, ready.batch_size)
    spec = ready.spec
    found = slices(spec.task, ready.split.examples, ready.split.targets, outputs, spec.classes, by)
    document = {"format": FORMAT, "split": split, "slices": [one.to_json() for one in found]}
    run.write_text(layout.evaluation_of(f"{split}-slices"), to_text(document))
    return found


def by_corruptions(
    run: Run,
    split: str = "test",
    *,
    trust_code: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Corrupted]:
    """Of one of the run's splits; also written to evaluation/<split>-corruptions.json. For what is raised see
    `evaluate_run`; UsageError for tables."""
    ready = prepare(run, split, trust_code=trust_code)
    examples = ready.split.examples
    kinds = corruptions.PICTURES if isinstance(examples, Images) else corruptions.TEXTS
    if not isinstance(examples, Images | Texts):
        raise UsageError("pictures and texts are corrupted, not rows of tables")
    found = [
        _measured(
            ready, "none", 0, predict_all(ready.session, ready.preprocessing, examples, ready.batch_size)
        )
    ]
    steps = [(name, strength) for name in kinds for strength in corruptions.STRENGTHS]
    for done, (name, strength) in enumerate(steps, 1):
        outputs = _corrupted(ready, examples, name, strength)
        found.append(_measured(ready, name, strength, outputs))
        if progress is not None:
            progress("corrupted copies", done, len(steps))
    document = {"format": FORMAT, "split": split, "corruptions": [one.to_json() for one in found]}
    run.write_text(layout.evaluation_of(f"{split}-corruptions"), to_text(document))
    return found


def _corrupted(ready: Prepared, examples: Examples, name: str, strength: int) -> np.ndarray:
    rng = np.random.default_rng([strength, *name.encode()])
    if isinstance(examples, Texts):
        spoiled = Texts(tuple(corruptions.TEXTS[name](examples.texts, strength, rng)))
        return predict_all(ready.session, ready.preprocessing, spoiled, ready.batch_size)
    source = ready.preprocessing.encode(examples)
    outputs = []
    for start in range(0, len(examples), PIECE):
        pictures = np.asarray(source[np.arange(start, min(start + PIECE, len(examples)))])
        spoiled_pictures = corruptions.PICTURES[name](pictures, strength, rng)
        outputs.append(ready.session.predict(ready.preprocessing.finish(spoiled_pictures), ready.batch_size))
    return np.concatenate(outputs)


def _measured(ready: Prepared, name: str, strength: int, outputs: np.ndarray) -> Corrupted:
    task, targets = ready.spec.task, ready.split.targets
    metric = headline_of(task)
    value = epoch_metrics(task, targets, outputs, ready.spec.classes)[metric]
    interval = intervals(task, targets, outputs, {metric: value})[metric]
    return Corrupted(name, strength, metric, value, interval)
