"""Rows of a table that are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np

from bmcli.doctor import findings
from bmcli.doctor.columns import OF_COLUMNS, of_columns
from bmcli.doctor.findings import Finding, Gathered, Pair, of_pairs
from bmcli.doctor.near_rows import near_rows
from bmcli.modalities.table.examples import Table

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig


class Examiner(findings.Examiner):
    """Rows: copies, and columns that are uninformative or give the target away."""

    def findings(
        self,
        every: Gathered,
        config: ExperimentConfig,
        shown: np.ndarray | tuple[str, ...] | None,
        progress: Callable[[int, int], None] | None,
    ) -> list[Finding]:
        """See findings.Examiner."""
        return [*of_columns(every.bundle), *of_rows(every)]

    def checks(self, every: Gathered) -> list[tuple[str, str, int]]:
        """See findings.Examiner."""
        count = len(_tables(every)[0].columns)
        return [(name, "columns", count) for name in OF_COLUMNS]

    def counted(self, finding: Finding) -> int:
        """See findings.Examiner; of a column it is one."""
        return 1 if finding.check in OF_COLUMNS else finding.count


def _tables(every: Gathered) -> list[Table]:
    return cast("list[Table]", every.examples)


def of_rows(every: Gathered) -> list[Finding]:
    """Equal rows, and those that are the same but for spelling or rounding."""
    pairs = same_rows(_tables(every))
    hint = "data.group keeps related rows (of one person, one place) in one split"
    return of_pairs(every, pairs, "rows", neighbours=hint)


def same_rows(tables: list[Table]) -> list[Pair]:
    """Pairs of equal rows of tables with the same columns, positions counted through.

    Of n equal rows n - 1 pairs; of rows that are nearly equal all, each by the first row that equals it.
    """
    columns = [np.concatenate([table.columns[name] for table in tables]) for name in tables[0].columns]
    seen: dict[tuple[object, ...], int] = {}
    pairs = []
    equal: list[int] = []
    for i, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        key = tuple(None if value != value else value for value in row)  # NaN equals nothing
        equal.append(seen.setdefault(key, i))
        if equal[i] != i:
            pairs.append(Pair(equal[i], i, True, "same"))
    kept, copies = np.unique(np.array(equal, np.int64), return_counts=True)
    near = near_rows([column[kept] for column in columns], copies)
    pairs += [Pair(int(kept[one.first]), int(kept[one.second]), False, one.how) for one in near]
    return pairs
