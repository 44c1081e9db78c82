"""The truth in the target columns of a table: classes, numbers, or several labels per row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import polars as pl

from bmcli.config.schema import DataConfig
from bmcli.core.errors import DataError
from bmcli.data.column_meanings import require_answers
from bmcli.files.cells import parse_cells
from bmcli.files.facts import ColumnFacts, shortened
from bmcli.files.numbers import FALSE, TRUE, NumberFormat
from bmcli.files.tables import Frame
from bmcli.modalities.table.columns import lowered, texts, without
from bmcli.tasks._truth import Truth

_YES = ("1", "1.0", *TRUE)
_NO = ("0", "0.0", *FALSE)
CLASS_MISSING = frozenset({"na", "n/a", "#n/a", "#na", "<na>", "nan", "null"})
"""In a target of classes, what says that the truth is missing; a class may well be called 'none'."""


def truth_of(
    frame: Frame, targets: Sequence[str], config: DataConfig, facts: Mapping[str, ColumnFacts]
) -> tuple[Truth, list[tuple[int, str]]]:
    """The truth in the target columns, and the rows where it is missing or makes no sense."""
    if len(targets) > 1:
        return _truth_of_columns(frame, targets, facts)
    (name,) = targets
    series, about = frame.data[name], facts[name]
    if (
        isinstance(series.dtype, pl.List)
        and series.dtype.inner is not None
        and not series.dtype.inner.is_nested()
    ):
        lists = series.to_list()
        bad = [(i, f"target '{name}' is missing") for i, v in enumerate(lists) if v is None]
        return Truth(tuple(tuple(str(x).strip() for x in v or () if x is not None) for v in lists)), bad
    if series.dtype.is_nested():
        raise DataError(f"{frame.path}: the target '{name}' holds nested values")
    values = texts(series)
    if config.label_delimiter is not None:  # here an empty cell says something: no label
        cut = config.label_delimiter
        return Truth(
            tuple(tuple(x.strip() for x in (v or "").split(cut) if x.strip()) for v in values.tolist())
        ), []
    if about.type == "date":
        raise DataError(
            f"{frame.path}: the target '{name}' holds dates, and bm predicts numbers and classes",
            hint=f"data.columns: {{{name}: category}} makes each a class",
        )
    require_answers(frame, [about])
    odd: dict[int, str] = {}
    if about.type in ("number", "identifier") and isinstance(about.format, NumberFormat):
        values, odd = _as_plain_numbers(series, values, about.format, config.missing)
    else:
        values = without(values, config.missing if about.said else {*config.missing, *CLASS_MISSING})
    found = values.tolist()
    bad = [(i, f"target '{name}' is missing") for i, v in enumerate(found) if v is None]
    bad += [(i, f"target '{name}' {what}") for i, what in odd.items()]
    quantity = True if about.said and about.type == "number" else None
    numbers = not (about.said and about.type in ("category", "boolean", "text"))
    return Truth(tuple(v or "" for v in found), numbers=numbers, quantity=quantity), bad


def _as_plain_numbers(
    series: pl.Series, cells: np.ndarray, format_: NumberFormat, missing: Collection[str]
) -> tuple[np.ndarray, dict[int, str]]:
    """The cells with numbers as programs write them: '$290,000' becomes '290000'; others stay as they are.

    Position -> what is wrong with those that do not fit a format of their own: 0.5 among percents.
    """
    values, bad = parse_cells(series, format_, lowered(missing))
    found = cells.copy()
    gone = [i for i in np.flatnonzero(np.isnan(values)).tolist() if i not in bad]
    found[gone] = None
    if series.dtype == pl.String:
        odd = series.str.strip_chars().cast(pl.Float64, strict=False).is_null().to_numpy()
        for i in np.flatnonzero(np.isfinite(values) & (odd | (not format_.plain))).tolist():
            number = float(values[i])
            found[i] = str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    return found, {} if format_.plain else bad


def _truth_of_columns(
    frame: Frame, targets: Sequence[str], facts: Mapping[str, ColumnFacts]
) -> tuple[Truth, list[tuple[int, str]]]:
    labels: list[list[str]] = [[] for _ in range(frame.data.height)]
    bad: list[tuple[int, str]] = []
    for name in targets:
        about = facts[name]
        flag = isinstance(about.format, NumberFormat) and about.format.flag
        values = without(texts(frame.data[name]), CLASS_MISSING).tolist()
        known = about.type == "boolean" or flag or about.different <= 2
        if not known or (about.filled and not any((v or "").lower() in (*_YES, *_NO) for v in values)):
            example = next((v for v in values if v not in (None, "0", "1")), "")
            held = f"{about.different:,} value{'s' * (about.different != 1)}"
            raise DataError(
                f"{frame.path}: several targets are labels, columns of 0 and 1, and '{name}' holds {held} "
                f"such as '{shortened(str(example))}'",
                hint=f"a run predicts one quantity: data.target: {name}",
            )
        for i, value in enumerate(values):
            word = None if value is None else value.lower()
            if word in _YES:
                labels[i].append(name)
            elif word not in _NO:
                what = "is missing" if value is None else f"is '{shortened(value)}', not 0 or 1"
                bad.append((i, f"target '{name}' {what}"))
    return Truth(tuple(map(tuple, labels)), names=tuple(targets)), bad
