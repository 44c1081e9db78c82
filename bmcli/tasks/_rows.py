"""Cells of the tables that hold every prediction of a split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MOST_COLUMNS = 50
"""Up to this number of classes or labels, each has its own column."""
TOP = 5
"""Beyond that, this number of the most probable ones do."""


def digits(values: Iterable[float]) -> list[str]:
    """9 significant digits: enough to give every float32 back exactly."""
    return ["%.9g" % value for value in values]  # noqa: UP031 - twice as fast as format() here


def numbered(prefix: str, classes: Sequence[str]) -> list[str]:
    """'p_0', 'p_1', ..."""
    return [f"{prefix}_{index}" for index in range(len(classes))]


def top_columns() -> list[str]:
    """'top_1', 'p_top_1', ..."""
    return [column for k in range(1, TOP + 1) for column in (f"top_{k}", f"p_top_{k}")]


def top_cells(names: Sequence[str], order: Sequence[int], row: Sequence[float]) -> list[str]:
    """Name and probability of each of the most probable."""
    return [cell for i in order for cell in (names[i], *digits([row[i]]))]
