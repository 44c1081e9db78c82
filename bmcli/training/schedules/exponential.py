"""Exponential decay."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bmcli.training.schedules import SCHEDULES, Schedule


@SCHEDULES.register("exponential")
class Exponential(Schedule):
    """Exponential decay: multiply by `gamma` per epoch, continuously."""

    gamma: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="Factor per epoch.")

    def factor(self, progress: float, epoch: float) -> float:
        """See Schedule.factor."""
        return float(self.gamma**epoch)
