"""What the columns of a table mean: as the config says, the rest as `bmcli.files.columns` finds it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import polars as pl

from bmcli.config.schema import DataConfig
from bmcli.core.errors import DataError, Place, Problem
from bmcli.files.columns import facts_of
from bmcli.files.dialect import Options
from bmcli.files.facts import ColumnFacts, Said, shortened
from bmcli.files.numbers import numeric_marks
from bmcli.files.tables import Frame
from bmcli.modalities.table.columns import lowered, more, resolve


def options_of(config: DataConfig) -> Options:
    """How a table file is written, as far as the config says it."""
    named: list[object] = [config.group, config.split, config.id, *config.columns]
    for several in (config.target, config.features, config.text):
        named += several if isinstance(several, list) else [several]
    names = frozenset(name for name in named if isinstance(name, str))
    return Options(config.delimiter, config.header, config.quoting, names)


def without_marks(frame: Frame, missing: Collection[str]) -> tuple[Frame, list[str]]:
    """The table with nulls where `data.missing` says that a value is missing, and a note of how many. A mark
    that is a number stands for that number, however it is written."""
    marks = lowered(missing)
    numbers = numeric_marks(marks)
    changed: list[pl.Series] = []
    counts: list[str] = []
    for series in frame.data.iter_columns() if marks else ():
        if series.dtype.is_numeric():
            gone = series.cast(pl.Float64).is_in(list(numbers)) if numbers else None
        elif series.dtype == pl.String:
            cells = series.str.strip_chars()
            gone = cells.str.to_lowercase().is_in(list(marks))
            if numbers:
                gone |= cells.cast(pl.Float64, strict=False).is_in(list(numbers)).fill_null(False)
        else:
            continue
        if gone is not None and (count := int(gone.sum())):
            changed.append(
                frame.data.select(pl.when(~gone.fill_null(False)).then(series).alias(series.name)).to_series()
            )
            counts.append(f"'{shortened(series.name)}' ({count:,})")
    if not changed:
        return frame, []
    listed = ", ".join(counts[:10]) + more(len(counts) - 10)
    return replace(frame, data=frame.data.with_columns(changed)), [f"cells missing by data.missing: {listed}"]


def meanings(frame: Frame, config: DataConfig) -> dict[str, ColumnFacts]:
    """What each column means: as the config says, else as its cells do. DataError if the config names a
    column that the file does not have."""
    said = {}
    for name, about in config.columns.items():
        if isinstance(about, str):
            said[resolve(frame, name, "columns")] = Said(about)
        else:
            said[resolve(frame, name, "columns")] = Said(
                about.type, about.decimal, about.unit, about.day_first, tuple(about.parts), about.cyclic
            )
    return facts_of(frame.data, said, config.missing)


def require_answers(frame: Frame, columns: Sequence[ColumnFacts]) -> None:
    """DataError with every question about a column that the config has to answer."""
    problems = [Problem(f.question, Place(str(frame.path))) for f in columns if f.question is not None]
    if len(problems) == 1:
        raise DataError(f"{frame.path}: {problems[0].message}", place=Place(str(frame.path)))
    if problems:
        raise DataError(f"{frame.path}: {len(problems)} columns can be read in two ways", problems=problems)
