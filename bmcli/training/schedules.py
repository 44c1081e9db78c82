"""Learning-rate schedules: pure functions of the step, so that a resumed run continues the same curve."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

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


@SCHEDULES.register("constant")
class Constant(Schedule):
    """A constant learning rate."""

    def factor(self, progress: float, epoch: float) -> float:
        """See Schedule.factor."""
        return 1.0


@SCHEDULES.register("step")
class Step(Schedule):
    """Multiply the learning rate by `gamma` at regular intervals."""

    every_epochs: Annotated[float, Field(gt=0)] = Field(
        10.0, description="Number of epochs between two drops."
    )
    gamma: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="Factor of each drop.")

    def factor(self, progress: float, epoch: float) -> float:
        """See Schedule.factor."""
        return float(self.gamma ** math.floor(epoch / self.every_epochs))


@SCHEDULES.register("exponential")
class Exponential(Schedule):
    """Exponential decay: multiply by `gamma` per epoch, continuously."""

    gamma: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="Factor per epoch.")

    def factor(self, progress: float, epoch: float) -> float:
        """See Schedule.factor."""
        return float(self.gamma**epoch)


@SCHEDULES.register("cosine")
class Cosine(Schedule):
    """Half a cosine from the full rate down to `final`."""

    source = "Loshchilov & Hutter 2017, arXiv 1608.03983"

    final: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="Factor at the end.")

    def factor(self, progress: float, epoch: float) -> float:
        """See Schedule.factor."""
        return self.final + (1 - self.final) * _half_cosine(progress)


@SCHEDULES.register("linear")
class Linear(Schedule):
    """Linear decay to `final`."""

    final: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="Factor at the end.")

    def factor(self, progress: float, epoch: float) -> float:
        """See Schedule.factor."""
        return 1 + (self.final - 1) * progress


@SCHEDULES.register("one_cycle")
class OneCycle(Schedule):
    """One cycle: rise to the full rate, then fall to almost nothing."""

    source = "Smith & Topin 2018, arXiv 1708.07120"

    peak: Annotated[float, Field(gt=0, lt=1)] = Field(0.3, description="Share of the steps spent rising.")
    start: Annotated[float, Field(ge=0, le=1)] = Field(0.04, description="Factor at the beginning.")
    final: Annotated[float, Field(ge=0, le=1)] = Field(0.0001, description="Factor at the end.")
    shape: Literal["cosine", "linear"] = Field("cosine", description="Shape of both legs.")

    def factor(self, progress: float, epoch: float) -> float:
        """See Schedule.factor."""
        if progress < self.peak:
            end, away = self.start, 1 - progress / self.peak
        else:
            end, away = self.final, (progress - self.peak) / (1 - self.peak)
        share = away if self.shape == "linear" else 1 - _half_cosine(away)
        return 1 + (end - 1) * share


def _half_cosine(progress: float) -> float:
    """1 at 0, 0 at 1."""
    return (1 + math.cos(math.pi * progress)) / 2
