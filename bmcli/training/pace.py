"""What an epoch has come to, how fast its steps are, and how many of them make a group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bmcli.training.feed import Group, Signature

GROUP_SECONDS = 0.3
"""Target duration of a group of steps: short enough for a live display and a quick reaction to Ctrl-C."""
MAX_GROUP = 256


@dataclass
class Sums:
    """Of the epoch under way; seconds of earlier sessions included."""

    step: int = 0
    examples: int = 0
    loss: float = 0.0
    metric: float = 0.0
    seconds: float = 0.0


@dataclass
class Clock:
    """Adapts the group size to GROUP_SECONDS, in powers of two."""

    size: int = 1
    compiled: set[Signature] = field(default_factory=set)

    def phase(self, group: Group) -> str:
        """What a group's time goes into: the first one of a shape compiles."""
        return "training steps" if group.signature in self.compiled else "compiling"

    def ran(self, group: Group, seconds: float) -> None:
        shape = group.signature
        if shape not in self.compiled:  # the first call compiled; its time says nothing
            self.compiled.add(shape)
        elif group.steps == self.size and seconds < GROUP_SECONDS / 2:
            self.size = min(self.size * 2, MAX_GROUP)
        elif seconds > GROUP_SECONDS * 2:
            self.size = max(self.size // 2, 1)


@dataclass
class Pace:
    """What steps take in this session, for the time left: without those that compiled, which come once.

    Of older epochs less and less: half in the next one, a quarter in the one after.
    """

    steps: float = 0.0
    seconds: float = 0.0

    def ran(self, steps: int, seconds: float) -> None:
        self.steps += steps
        self.seconds += seconds

    def fade(self) -> None:
        self.steps, self.seconds = self.steps / 2, self.seconds / 2
