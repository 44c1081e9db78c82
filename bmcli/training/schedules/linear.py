"""Linear decay."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bmcli.training.schedules import SCHEDULES, Schedule


@SCHEDULES.register("linear")
class Linear(Schedule):
    """Linear decay to `final`."""

    final: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="Factor at the end.")

    def factor(self, progress: float, epoch: float) -> float:
        """See Schedule.factor."""
        return 1 + (self.final - 1) * progress
