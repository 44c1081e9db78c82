"""The different values of a column and how often each stands there: all that the rules about texts look
at."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import polars as pl

from bmcli.files import numbers
from bmcli.files.facts import EXAMPLES


@dataclass(frozen=True)
class Values:
    """Different stripped values of the filled cells, how often each stands there, and its lower case."""

    cells: pl.Series
    counts: pl.Series
    lower: pl.Series
    empty: int = 0
    marks: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def where(self, keep: pl.Series) -> Values:
        return replace(
            self,
            cells=self.cells.filter(keep),
            counts=self.counts.filter(keep),
            lower=self.lower.filter(keep),
        )

    def examples(self) -> tuple[str, ...]:
        order = self.counts.arg_sort(descending=True)[:EXAMPLES]
        return tuple(self.cells.gather(order).to_list())


def distinct_values(series: pl.Series) -> Values:
    counted = (
        pl.DataFrame({"cell": series.drop_nulls().str.strip_chars()})
        .group_by("cell", maintain_order=True)
        .agg(pl.len().alias("count"))
    )
    if counted["cell"].str.contains(r"[^\x00-\x7f]").any():
        counted = (
            counted.with_columns(pl.col("cell").str.normalize("NFC"))
            .group_by("cell", maintain_order=True)
            .agg(pl.col("count").sum())
        )
    cells = counted["cell"]
    return Values(cells, counted["count"], cells.str.to_lowercase(), series.null_count())


def without_marked_cells(values: Values, marks: Collection[str]) -> tuple[Values, tuple[str, ...]]:
    said = numbers.numeric_marks(marks)
    gone = values.cells.cast(pl.Float64, strict=False).is_in(said).fill_null(False) if said else None
    if gone is None or not gone.any():
        return values, ()
    found = values.where(gone).examples()
    return replace(values.where(~gone), empty=values.empty + int(values.counts.filter(gone).sum())), found


def without_marks(values: Values, marks: frozenset[str]) -> Values:
    gone = values.lower.is_in(list(marks))
    if not gone.any():
        return values
    said = (*values.marks, *values.where(gone).examples())
    return replace(
        values.where(~gone), empty=values.empty + int(values.counts.filter(gone).sum()), marks=said
    )


def written_whole(series: pl.Series) -> pl.Series:
    """As text; a whole number without a fraction."""
    if series.dtype.is_float():
        finite = series.drop_nulls().drop_nans()
        if len(finite) and bool((finite % 1 == 0).all()) and float(finite.abs().max()) < 2**53:  # type: ignore[arg-type]
            series = series.fill_nan(None).cast(pl.Int64)
    return series.cast(pl.String)
