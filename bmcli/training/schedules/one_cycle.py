"""One cycle."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bmcli.training.schedules import SCHEDULES, Schedule, half_cosine


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
        share = away if self.shape == "linear" else 1 - half_cosine(away)
        return 1 + (end - 1) * share
