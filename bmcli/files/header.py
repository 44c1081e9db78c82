"""Whether the first row of a table names its columns, inferred from the rows below it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

_FEW = 0.2
"""Share of different values up to which a column is one of categories."""
_MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-"})
_YEAR = re.compile(r"(18|19|20|21)\d\d")
_STEPS = 5
"""Columns from which on numbers in equal steps, such as wavelengths, name them."""


@dataclass(frozen=True)
class Verdict:
    """header: whether the first row names the columns; sure: whether there is evidence; note: on this."""

    header: bool
    sure: bool
    note: str | None = None


def verdict(rows: Sequence[Sequence[str]], names: Collection[str] = ()) -> Verdict:
    """Of a table's first rows. names: columns that the config names, which a header has."""
    if not rows:
        return Verdict(True, False)
    first = [cell.strip() for cell in rows[0]]
    if names and set(names) & set(first):
        return Verdict(True, True)
    body = [row for row in rows[1:] if len(row) == len(first)]
    if len(body) < 2:
        return Verdict(True, False)
    if not first[0] and len(first) > 1 and _counts([row[0] for row in body]):
        plain = not any(is_number(name) for name in first[1:])
        return Verdict(True, True, None if plain else _names_note(first))
    for_header, for_data = 0, 0
    numeric = []
    for i, name in enumerate(first):
        cells = [cell for row in body if (cell := row[i].strip()).lower() not in _MISSING]
        if not cells or name.lower() in _MISSING:
            continue
        if sum(map(is_number, cells)) >= 0.9 * len(cells):
            if not is_number(name):
                return Verdict(True, True)
            numeric.append(i)
            for_data += 1
            continue
        if len(cells) < 2:
            continue
        different = Counter(cells)
        if len(different) <= max(2, _FEW * len(cells)) and min(different.values()) > 1:
            for_header += name not in different
            for_data += name in different
        elif name in different:
            for_data += 1
    if for_data == 0:
        return Verdict(True, for_header > 0)
    if for_header:
        return Verdict(True, True, _names_note(first))
    if _years(first, body, numeric):
        return Verdict(
            True, True, "the first row holds years and names the columns (header: false if it is data)"
        )
    if _in_steps(first, body, numeric):
        return Verdict(
            True, True, "the first row counts the columns and names them (header: false if it is data)"
        )
    return Verdict(
        False, True, "the first row is data: columns are called 0, 1, 2, … (header: true if it names them)"
    )


def _names_note(first: Sequence[str]) -> str:
    shown = ", ".join(map(repr, first[:5]))
    return f"the first row names the columns: {shown} (header: false if it is data)"


def _counts(cells: Sequence[str]) -> bool:
    """Whether they number the rows from 0 or 1, as the index that pandas and R write."""
    return any(cells == [str(i) for i in range(start, start + len(cells))] for start in (0, 1))


def _years(first: Sequence[str], body: Sequence[Sequence[str]], numeric: Sequence[int]) -> bool:
    """Whether the numbers in the first row are years one after another, and those below are something
    else."""
    named = [i for i in numeric if _YEAR.fullmatch(first[i])]
    years = [int(first[i]) for i in named]
    if len(named) < 2 or len(named) < len(numeric) - 1 or sorted(set(years)) != years:
        return False
    below = [row[i].strip() for row in body for i in named]
    return sum(bool(_YEAR.fullmatch(cell)) for cell in below) < 0.2 * len(below)


def _in_steps(first: Sequence[str], body: Sequence[Sequence[str]], numeric: Sequence[int]) -> bool:
    """Whether the numbers in the first row go on by one, or many of them in equal steps, as in no row
    below."""
    try:
        counted = [float(first[i]) for i in numeric]
    except ValueError:
        return False
    if len(counted) < 3 or not all(first):
        return False
    if _even_step(counted) == 1.0:
        return True
    if len(counted) < _STEPS or not _even_step(counted):
        return False
    try:
        return not any(_even_step([float(row[i]) for i in numeric]) for row in body[:20])
    except ValueError:
        return False


def _even_step(values: Sequence[float]) -> float:
    """The step between values in equal steps; 0 if they are not."""
    steps = [b - a for a, b in pairwise(values)]
    return steps[0] if all(abs(step - steps[0]) <= 1e-6 * abs(steps[0]) for step in steps) else 0.0


def is_number(cell: str) -> bool:
    """Whether a cell reads as a number in some format."""
    try:
        float(cell)
    except ValueError:
        return bool(re.fullmatch(r"[-+]?[\d.,]*\d", cell.strip()))
    return True
