"""A run's calibration: fitted on its validation split, applied to its predictions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bmcli import tasks
from bmcli.core.errors import IntegrityError, UsageError
from bmcli.metrics.calibration import LEAST, MOST, Threshold
from bmcli.runs import layout
from bmcli.runs.documents import strict
from bmcli.runs.store import reference_to

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Task
    from bmcli.runs.run import Run

FORMAT = 1
FITTED_ON = "validation"


@dataclass(frozen=True)
class Calibration:
    """What calibration.json holds: fitted on the validation split of that many examples. log_loss: of the
    split, without and with the temperature."""

    split: str
    examples: int
    examples_sha256: str | None
    temperature: float
    log_loss: tuple[float, float]
    threshold: Threshold | None

    def to_json(self) -> dict[str, object]:
        """Strict JSON data."""
        return {"format": FORMAT, **asdict(self), "log_loss": list(self.log_loss)}


def fit(
    task: Task, targets: np.ndarray, outputs: np.ndarray, *, examples_sha256: str | None = None
) -> Calibration | None:
    """Of validation outputs; None if there is nothing to fit."""
    found = tasks.of(task).calibrate(targets, outputs) if len(targets) else None
    if found is None:
        return None
    return Calibration(
        FITTED_ON, len(targets), examples_sha256, found.temperature, found.log_loss, found.threshold
    )


def load(run: Run) -> Calibration | None:
    """What was fitted for a run; None if nothing was, IntegrityError if the file is damaged."""
    if not run.exists(layout.CALIBRATION) and layout.CALIBRATION not in run.manifest():
        return None
    try:
        found = strict(run.read_text(layout.CALIBRATION))
        found.pop("format")
        threshold = found.pop("threshold")
        low, high = found.pop("log_loss")
        made = Calibration(
            **found, log_loss=(low, high), threshold=None if threshold is None else Threshold(**threshold)
        )
        if not LEAST <= made.temperature <= MOST:
            raise ValueError(f"temperature {made.temperature}")
        numbers = [low, high, *(vars(made.threshold).values() if made.threshold else ())]
        if not all(type(number) in (int, float) for number in numbers) or type(made.examples) is not int:
            raise ValueError("it contains text in place of numbers")
        if made.threshold is not None and not 0 <= made.threshold.value <= 1:
            raise ValueError(f"threshold {made.threshold.value}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{run.path / layout.CALIBRATION} is damaged: {error}") from error
    return made


def required(run: Run) -> Calibration:
    """The same; UsageError if there is none."""
    found = load(run)
    if found is None:
        task = run.record.task
        if task is not None and not tasks.of(task).has_classes:
            raise UsageError(f"{run.id} is a regression: there is nothing to calibrate")
        hint = f"bm evaluate {reference_to(run)} --split {FITTED_ON} fits it"
        raise UsageError(f"{run.id} has no calibration", hint=hint)
    return found
