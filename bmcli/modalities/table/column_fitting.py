"""Statistics of the columns of a training table: scales and fills of numbers, places of categories."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import DataError, Place, Problem
from bmcli.files.facts import truth_value
from bmcli.modalities.table.examples import Table
from bmcli.modalities.table.fitted_columns import CategoricalColumn, NumericColumn

if TYPE_CHECKING:
    from bmcli.config.schema import TableConfig


LISTED = 1000
"""Bad cells listed in one error at most."""
RARE = 10_000
"""Number of rare categories that are recorded, to distinguish a new value from a rare one."""


def fit_columns(
    table: Table, options: TableConfig, ids: Sequence[str] | None
) -> tuple[NumericColumn | CategoricalColumn, ...]:
    """Each column fitted on the training rows. ids: names of the rows, for messages.

    Raises DataError listing missing cells where they are refused, and infinite ones.
    """
    refused = options.missing == "error"
    columns: list[NumericColumn | CategoricalColumn] = []
    problems: list[Problem] = []
    for name, values in table.columns.items():
        about = table.facts.get(name)
        marks = about.missing_words if about is not None else ()
        if values.dtype.kind == "O":
            boolean = about is not None and about.type == "boolean"
            columns.append(_fit_categories(name, values, options.max_categories, boolean, marks))
            continue
        missing = np.isnan(values)
        if refused:
            problems += [
                cell_problem(name, row, "is missing", ids) for row in np.flatnonzero(missing)[:LISTED]
            ]
        problems += [
            cell_problem(name, row, "is not finite", ids) for row in np.flatnonzero(np.isinf(values))[:LISTED]
        ]
        column = _fit_numbers(name, values[np.isfinite(values)], bool(missing.any()), options)
        if about is not None and about.format is not None:
            column = replace(
                column, format=about.format, parts=about.parts, cyclic=about.cyclic, missing=marks
            )
        columns.append(column)
    if problems:
        raise bad_cells(
            problems,
            len(problems),
            "preprocessing.table.missing=mean or median fills missing numbers" if refused else None,
        )
    return tuple(columns)


def _fit_numbers(name: str, known: np.ndarray, had_missing: bool, options: TableConfig) -> NumericColumn:
    """known: the finite training values, float64."""
    if len(known) == 0:
        return NumericColumn(name, 0.0, 1.0, None if options.missing == "error" else 0.0, had_missing)
    low, high = float(known.min()), float(known.max())
    with np.errstate(over="ignore"):
        mean, deviation = float(known.mean()), float(known.std())
    offset, scale = 0.0, 1.0
    if options.scaling == "standard":
        offset, scale = mean, deviation
    elif options.scaling == "minmax":
        offset, scale = low, high - low
    if low == high:
        # Compared, not computed: the deviation of a constant is often a tiny number instead of 0.
        offset, scale = (low if options.scaling != "none" else 0.0), 1.0
    fill = {"mean": mean, "median": float(np.median(known)), "error": None}[options.missing]
    if not (math.isfinite(offset) and math.isfinite(scale) and math.isfinite(mean)):
        raise DataError(
            f"column '{name}' holds numbers too large to scale", hint="divide it, or leave it out"
        )
    return NumericColumn(name, offset, scale if scale > 0 else 1.0, fill, had_missing)


def _fit_categories(
    name: str, values: np.ndarray, at_most: int, boolean: bool, missing: tuple[str, ...]
) -> CategoricalColumn:
    """The most frequent categories, ties by name; of a boolean the most frequent word for each value."""
    counts = Counter(value for value in values.tolist() if value is not None)
    ranked = sorted(counts, key=lambda category: (-counts[category], category))
    if boolean:
        first: dict[bool | None, str] = {}
        for word in ranked:
            first.setdefault(truth_value(word), word)
        return CategoricalColumn(name, tuple(first.values()), True, (), missing)
    rest = ranked[at_most:]
    return CategoricalColumn(
        name, tuple(ranked[:at_most]), rare=tuple(rest) if len(rest) <= RARE else None, missing=missing
    )


def cell_problem(column: str, row: int, message: str, ids: Sequence[str] | None) -> Problem:
    """What is wrong with a cell, or with a row where `column` is empty."""
    where = f"column '{column}' {message}" if column else message
    return Problem(where, Place(ids[row] if ids else f"row {row + 1}"))


def bad_cells(problems: list[Problem], count: int, hint: str | None = None) -> DataError:
    """An error that lists the problems; count: of all, where only the first are listed."""
    first = problems[0]
    message = f"{first.place}: {first.message}" if count == 1 else f"{count:,} cells or rows cannot be used"
    return DataError(message, hint=hint, problems=problems)
