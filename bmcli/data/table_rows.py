"""The rows of a table: the split and the id that a column gives each, and what is wrong with some."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bmcli.core.errors import DataError, Place, Problem
from bmcli.files.facts import SPLIT_WORDS, shortened
from bmcli.files.tables import Frame
from bmcli.modalities.table.columns import texts


def splits_of(frame: Frame, name: str) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """Which split a column says each row belongs to: object array [N] of 'train', 'validation' and 'test';
    and the rows where it says something else. DataError if no row is for training."""
    cells = texts(frame.data[name]).tolist()
    said = np.array([SPLIT_WORDS.get((cell or "").lower(), "") for cell in cells], object)
    bad = [
        (
            i,
            f"column '{name}' is empty: is the row train, validation or test?"
            if cells[i] is None
            else f"column '{name}' is '{shortened(str(cells[i]))}', not train, validation or test",
        )
        for i in np.flatnonzero(said == "").tolist()
    ]
    if not (said == "train").any():
        raise DataError(
            f"{frame.path}: no row of column '{name}' contains 'train' (data.split)",
            place=Place(str(frame.path)),
            hint=f"it says {_some(cells)}",
        )
    return said, bad


def _some(cells: Sequence[str | None]) -> str:
    different = list(dict.fromkeys(cell for cell in cells if cell is not None))
    return ", ".join(f"'{shortened(cell)}'" for cell in different[:5]) or "nothing"


def names_of(frame: Frame, name: str) -> tuple[tuple[str, ...], list[tuple[int, str]]]:
    """The examples' names in the column `data.id`, and the rows whose name is missing or repeated."""
    cells = texts(frame.data[name]).tolist()
    seen: dict[str, int] = {}
    bad = []
    for i, cell in enumerate(cells):
        if cell is None:
            bad.append((i, f"id '{name}' is missing"))
        elif cell in seen:
            bad.append((i, f"id '{shortened(cell)}' is that of row {frame.rows[seen[cell]]} too"))
        else:
            seen[cell] = i
    return tuple(cell or "" for cell in cells), bad


def row_problems(frame: Frame, found: Sequence[tuple[int, str]]) -> tuple[list[Problem], np.ndarray]:
    """One problem per row, in the file's order, and which rows have none: bool [N]."""
    by_row: dict[int, list[str]] = {}
    for i, what in found:
        by_row.setdefault(i, []).append(what)
    good = np.ones(frame.data.height, bool)
    good[list(by_row)] = False
    return [frame.problem(i, "; ".join(by_row[i])) for i in sorted(by_row)], good
