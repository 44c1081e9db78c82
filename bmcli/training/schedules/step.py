"""Drops at regular intervals."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from bmcli.training.schedules import SCHEDULES, Schedule


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
