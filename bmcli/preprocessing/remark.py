"""A line about how the data was prepared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Remark:
    """One line on screen and in the run's notes.

    warning: something may be wrong, rather than worth knowing.
    """

    text: str
    warning: bool = False
