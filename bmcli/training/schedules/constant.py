"""A constant learning rate."""

from __future__ import annotations

from bmcli.training.schedules import SCHEDULES, Schedule


@SCHEDULES.register("constant")
class Constant(Schedule):
    """A constant learning rate."""

    def factor(self, progress: float, epoch: float) -> float:
        """See Schedule.factor."""
        return 1.0
