"""What each number of an encoded row is, and the parts of dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bmcli.files import dates
from bmcli.files.dates import Part
from bmcli.modalities.table.fitted_columns import NumericColumn


@dataclass(frozen=True)
class Feature:
    """One number the model sees: (raw - offset) / scale of a column's raw value, where a missing one counts
    as the column's fill.

    of: 'value', 'missing' (1 if the value is missing), 'category' or 'part' (of a date).
    category: which one; None for all others.
    offset 0 and scale 1 but for values.
    """

    name: str
    column: str
    of: Literal["value", "missing", "category", "part"]
    offset: float = 0.0
    scale: float = 1.0
    category: str | None = None


def part_names(column: NumericColumn) -> list[str]:
    """Names of the features that parts of a date become, in the order of `part_values`."""
    names = []
    for part in column.parts:
        if column.cyclic:
            names += [f"{column.name} {part} (sine)", f"{column.name} {part} (cosine)"]
        else:
            first = dates.FIRST[part]
            names += [f"{column.name} {part} {first + i}" for i in range(dates.PERIODS[part])]
    return names


def part_values(days: np.ndarray, part: Part, *, cyclic: bool) -> list[np.ndarray]:
    """float64 [N] each, 0 if the date is missing: one-hot, or sine and cosine of the turn."""
    import polars as pl

    finite = np.isfinite(days)
    places = np.zeros(len(days))
    places[finite] = dates.part(pl.Series(days[finite]), part).to_numpy() - dates.FIRST[part]
    if not cyclic:
        return [(finite & (places == i)).astype(np.float64) for i in range(dates.PERIODS[part])]
    turn = 2 * np.pi * places / dates.PERIODS[part]
    return [np.where(finite, np.sin(turn), 0.0), np.where(finite, np.cos(turn), 0.0)]
