"""Rows of a table that are the same but for spelling or rounding.

Two rows count as one when their texts differ in case and spacing alone, and their numbers by no more
than TOLERANCE of the column's spread. Candidates share a cell of a grid over a few columns, laid twice in
each, half a cell apart, so that no edge parts a pair in both; then every column parts what is farther away.

Close is not yet copied. Rows of few categories, or of columns that follow each other, are close by nature;
so a pair must be too rare for chance, were the columns to know nothing of each other; and where others
around tell that many are close anyway, must be far from those. Uncertain pairs are not reported.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bmcli.doctor.findings import TOLERANCE

AROUND = 10.0
"""Up to so many tolerances away, others tell how many are close by nature."""
CHANCE = 0.05
"""Of all pairs that are near, so many may be expected to be no copies."""
MOST_TOGETHER = 64
"""Distinct rows that are so close to each other prove nothing."""
MOST_EQUAL = 10
"""Nor do rows of which there are more copies, equal to the last character."""
GRIDS = 3
"""Columns that grids are laid over."""
CELL = 3 * AROUND
"""Tolerances; at least twice AROUND, so that the edges of the two grids are farther apart than a pair."""


@dataclass(frozen=True)
class Near:
    """Two rows, the first the smaller; how: 'spelled otherwise', 'rounded', or both."""

    first: int
    second: int
    how: str


def near_rows(columns: Sequence[np.ndarray], copies: np.ndarray) -> list[Near]:
    """columns: as in `Table`, [n] each, no two rows equal; copies: int [n], rows that each stands for."""
    count = len(copies)
    spelled = [column for column in columns if column.dtype == object]
    texts = [_codes([_folded(text) for text in column.tolist()]) for column in spelled]
    numbers = [_measured(column.astype(np.float64)) for column in columns if column.dtype != object]
    # A missing number is near to a missing one only.
    gaps = [np.isnan(one).astype(np.int64) for one in numbers if np.isnan(one).any()]
    first, second, crowded = _candidates([*texts, *gaps], numbers, count)
    seen = ~(crowded[first] | crowded[second])
    first, second = first[seen], second[seen]
    apart = np.zeros(len(first))
    for one in numbers:
        apart = np.fmax(apart, _distance(one[first], one[second]))
    near = apart <= 1
    allowed, by_nature = CHANCE * near.sum(), _by_nature(apart)
    if near.sum() <= 2 * by_nature:
        return []
    chance = _chance(texts, numbers, count)
    told = near & (np.maximum(chance[first], chance[second]) <= max(allowed, 1))
    if by_nature > allowed:  # then only where it is lonely
        strangers = np.zeros(count, bool)
        for side in (first, second):
            strangers[side[~near & (apart <= AROUND)]] = True
        told &= ~(strangers[first] | strangers[second])
    told &= copies[first] + copies[second] <= MOST_EQUAL
    found = []
    for a, b, away in zip(first[told].tolist(), second[told].tolist(), apart[told].tolist(), strict=True):
        otherwise = any(column[a] != column[b] for column in spelled)
        how = ["spelled otherwise"] * otherwise + ["rounded"] * (away > 0 or not otherwise)
        found.append(Near(a, b, " and ".join(how)))
    return found


def _folded(text: str | None) -> str | None:
    return None if text is None else " ".join(text.casefold().split())


def _codes(values: Sequence[str | None]) -> np.ndarray:
    """int64 [n], the same for the same text."""
    known: dict[str | None, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], np.int64)


def _measured(column: np.ndarray) -> np.ndarray:
    """In tolerances: of the standard deviation, or less where a few far values make that large."""
    finite = column[np.isfinite(column)]
    with np.errstate(all="ignore"):
        distinct = np.unique(finite)
        if len(distinct) < 2:
            return column
        # Of the distinct values: where most are zero, the quartiles of all would be.
        low, high = np.quantile(distinct, [0.25, 0.75])
        tolerance = TOLERANCE * min(finite.std(), (high - low) / 1.349)
        measured: np.ndarray = (column - np.median(distinct)) / tolerance
    if not np.isfinite(measured[np.isfinite(column)]).all():  # no spread that a float could hold
        measured = np.searchsorted(distinct, column) * 2 * AROUND + np.where(np.isnan(column), np.nan, 0.0)
    return measured


def _distance(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """NaN for two that are missing or infinite: those are near."""
    with np.errstate(invalid="ignore"):
        distance: np.ndarray = np.abs(ones - others)
        return distance


def _candidates(
    codes: Sequence[np.ndarray], numbers: Sequence[np.ndarray], count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of rows, among them all that are AROUND of each other: int64 [m] twice, and which rows are in a
    crowd too large to be compared, bool [n]."""
    rows, groups = np.arange(count), np.zeros(count, np.int64)
    for one in codes:
        rows, groups = _parted(rows, groups, one[rows], 0)
    for one in numbers:
        rows, groups = _parted(rows, groups, one[rows], AROUND)
    crowded = np.zeros(count, bool)
    keys = [np.zeros(0, np.int64)]
    over = sorted(numbers, key=_together)[:GRIDS]
    for offsets in itertools.product((0.0, 0.5), repeat=len(over)):
        some, of = rows, groups
        for one, offset in zip(over, offsets, strict=True):
            some, of = _parted(some, of, np.floor(one[some] / CELL + offset), 0)
        for one in [*numbers, *numbers]:  # twice: fewer rows in a group have wider gaps between them
            some, of = _parted(some, of, one[some], AROUND)
        large = np.bincount(of)[of] > MOST_TOGETHER
        crowded[some[large]] = True
        some, of = some[~large], of[~large]
        order = np.lexsort((some, of))
        some, of = some[order], of[order]
        for step in range(1, MOST_TOGETHER):
            together = np.flatnonzero(of[step:] == of[:-step])
            if not len(together):
                break
            keys.append(some[together] * count + some[together + step])
    first, second = np.divmod(np.unique(np.concatenate(keys)), max(count, 1))
    return first, second, crowded


def _parted(
    rows: np.ndarray, groups: np.ndarray, values: np.ndarray, gap: float
) -> tuple[np.ndarray, np.ndarray]:
    """The groups, parted where neighbouring values are more than `gap` apart; without rows left alone."""
    if not len(rows):
        return rows, groups
    order = np.lexsort((values, groups))
    rows, groups, values = rows[order], groups[order], values[order]
    new = (groups[1:] != groups[:-1]) | (_distance(values[1:], values[:-1]) > gap)
    groups = np.concatenate([[0], np.cumsum(new)])
    shared = np.bincount(groups)[groups] > 1
    return rows[shared], groups[shared]


def _together(measured: np.ndarray) -> float:
    """The share of pairs in one cell."""
    _, sizes = np.unique(np.floor(measured / CELL), return_counts=True)
    return float((sizes.astype(np.float64) ** 2).sum()) / max(len(measured), 1) ** 2


def _by_nature(apart: np.ndarray) -> float:
    """How many pairs would be near if none were copies, told by those a little farther away.

    Their number grows as a power of the distance: that of the columns that are free to vary, 1 at least.
    """
    half = AROUND**0.5
    inner = float(((apart > 1) & (apart <= half)).sum())
    outer = float(((apart > half) & (apart <= AROUND)).sum())
    return float(min(inner**2 / max(outer - inner, 1.0), outer / (AROUND - half)))


def _chance(texts: Sequence[np.ndarray], numbers: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Pairs that chance would bring about if all rows were as common as this one, float64 [n]."""
    total = np.full(count, 2 * np.log(max(count, 1)))
    for one in texts:
        total += _share(np.bincount(one)[one], np.zeros(count), count)
    for one in numbers:
        ordered = np.sort(one)

        def within(reach: float, one: np.ndarray = one, ordered: np.ndarray = ordered) -> np.ndarray:
            low = np.searchsorted(ordered, one - reach)
            high = np.searchsorted(ordered, one + reach, "right")
            near: np.ndarray = np.where(np.isnan(one), np.isnan(one).sum(), high - low)
            return near

        total += _share(within(1.0), within(AROUND) / AROUND, count)
    pairs: np.ndarray = np.exp(np.minimum(total, 700.0))
    return pairs


def _share(alike: np.ndarray, smoothed: np.ndarray, count: int) -> np.ndarray:
    """Logarithm. The row itself and its copy tell nothing; half a row more stands for what was not seen."""
    share: np.ndarray = np.log(np.maximum(np.maximum(alike - 1.5, 0.5), smoothed) / max(count, 1))
    return share
