"""One split of the user's own data as a reader found it, before targets are encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import Place, Problem
from bmcli.core.examples import Examples
from bmcli.core.spec import Kind
from bmcli.data.bundle import Split
from bmcli.tasks._truth import Truth

if TYPE_CHECKING:
    from bmcli.files.facts import ColumnFacts
    from bmcli.files.tables import Frame


FORMATS = "a folder of images or texts, .csv, .tsv, .jsonl, .parquet or .npz"


@dataclass(frozen=True)
class Raw:
    """One split as found.

    groups: one text per example, or None; origin: where it comes from; frame, rows: the table and the
    positions in it, for messages; beside: its columns that are neither truth nor examples. facts: what its
    columns mean.
    """

    kind: Kind
    examples: Examples
    truth: Truth
    ids: tuple[str, ...]
    origin: str
    groups: tuple[str, ...] | None = None
    frame: Frame | None = None
    rows: np.ndarray | None = None
    beside: tuple[str, ...] = ()
    facts: Mapping[str, ColumnFacts] = field(default_factory=dict)

    def take(self, indices: np.ndarray) -> Raw:
        """The examples at `indices`."""
        return replace(
            self,
            examples=self.examples.take(indices),
            truth=replace(self.truth, labels=tuple(self.truth.labels[i] for i in indices)),
            ids=tuple(self.ids[i] for i in indices),
            groups=None if self.groups is None else tuple(self.groups[i] for i in indices),
            rows=None if self.rows is None else self.rows[indices],
        )

    def split(self, targets: np.ndarray, bad: Mapping[int, str]) -> Split:
        """With those targets, and without the examples that are bad."""
        beside = None
        if self.frame is not None and self.rows is not None and self.beside:
            beside = self.frame.data.select(self.beside)[self.rows]
        return Split(self.examples, targets, self.ids, beside).take(others(len(self.ids), bad))

    def problem(self, index: int, message: str) -> Problem:
        """Something wrong with the example at that position."""
        if self.frame is not None and self.rows is not None:
            return self.frame.problem(int(self.rows[index]), message)
        return Problem(message, Place(self.ids[index]))


@dataclass(frozen=True)
class Found:
    """What a reader brings: splits by name, unusable files or rows ('file', 'row'), things to say, and the
    column of the texts."""

    splits: dict[str, Raw]
    problems: list[Problem]
    unit: str
    target_name: str = "target"
    notes: tuple[str, ...] = ()


def others(size: int, bad: Mapping[int, str]) -> np.ndarray:
    """int64: the positions below `size` that are not bad."""
    return np.array([i for i in range(size) if i not in bad], np.int64)
