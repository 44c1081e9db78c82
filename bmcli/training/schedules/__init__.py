"""Learning-rate schedules: pure functions of the step, so that a resumed run continues the same curve."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bmcli.core.component import Component
from bmcli.core.plugin_calls import Check, not_a_number
from bmcli.core.registry import Registry


def _factor(result: Any, args: tuple[object, ...]) -> str | None:
    if (wrong := not_a_number(result, args)) is not None:
        return wrong
    fine = math.isfinite(result) and result >= 0
    return None if fine else f"gives {float(result)}, not a finite number of at least 0"


class Schedule(Component):
    """Base of all schedules: a factor on the optimizer's learning rate, after an optional warm-up."""

    results: ClassVar[dict[str, Check]] = {"factor": _factor}

    warmup_epochs: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Number of epochs over which the learning rate first rises linearly from 0."
    )

    def rate(self, step: int, *, steps_per_epoch: int, epochs: int) -> float:
        """Factor at `step` (from 0, over the whole training), in [0, 1]."""
        warmup = round(self.warmup_epochs * steps_per_epoch)
        if step < warmup:
            return (step + 1) / warmup
        total = max(1, steps_per_epoch * epochs - warmup)
        return self.factor((step - warmup) / total, (step - warmup) / steps_per_epoch)

    def factor(self, progress: float, epoch: float) -> float:
        """Factor after warm-up: `progress` in [0, 1) over the remaining steps, `epoch` in epochs since
        warm-up."""
        raise NotImplementedError


SCHEDULES: Registry[Schedule] = Registry("schedule", Schedule, __name__, needs="factor")


def half_cosine(progress: float) -> float:
    """1 at 0, 0 at 1."""
    return (1 + math.cos(math.pi * progress)) / 2
