"""Rows of a table as they are read: named columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from bmcli.files.facts import ColumnFacts


@dataclass(frozen=True)
class Table:
    """N rows of named columns, each an array of length N.

    A column of numbers or dates (days since 1970) is float64 with NaN for a missing value; a categorical
    column is an object array of str with None for a missing value. facts: what the columns of a file
    mean and how their cells are read.
    """

    kind: ClassVar[str] = "table"

    columns: dict[str, np.ndarray]
    facts: Mapping[str, ColumnFacts] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def take(self, indices: Sequence[int] | np.ndarray) -> Table:
        """The rows at `indices`, in that order."""
        return Table({name: values[indices] for name, values in self.columns.items()}, self.facts)
