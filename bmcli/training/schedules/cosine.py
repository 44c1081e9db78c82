"""Cosine decay."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bmcli.training.schedules import SCHEDULES, Schedule, half_cosine


@SCHEDULES.register("cosine")
class Cosine(Schedule):
    """Half a cosine from the full rate down to `final`."""

    source = "Loshchilov & Hutter 2017, arXiv 1608.03983"

    final: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="Factor at the end.")

    def factor(self, progress: float, epoch: float) -> float:
        """See Schedule.factor."""
        return self.final + (1 - self.final) * half_cosine(progress)
