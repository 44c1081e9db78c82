"""What data is, once read: examples with targets, in splits, and a description of them.

What examples are, their modality says: images, texts, rows of a table. `preprocessing` turns them into arrays
a model takes; nothing here knows how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import Problem
from bmcli.core.examples import Examples
from bmcli.modalities.image.examples import Decoded, Depths, Images
from bmcli.modalities.mixed.examples import Mixed
from bmcli.modalities.table.examples import Table
from bmcli.modalities.text.examples import Texts

if TYPE_CHECKING:
    import polars as pl

    from bmcli.core.spec import Kind, SplitName, Task
    from bmcli.files.facts import ColumnFacts

__all__ = [
    "DataBundle",
    "Decoded",
    "Depths",
    "Examples",
    "Images",
    "Mixed",
    "Parts",
    "Split",
    "Table",
    "Texts",
]


@dataclass(frozen=True)
class Split:
    """One split's examples and their truth.

    ids: a name per example, unique within the data: relative path, 'file.csv:17' (row numbers count from 1
        without the header), or 'train/17' for arrays.
    targets: classes int64 [N]; multilabel float32 [N, L] of 0 and 1; regression float64 [N].
    beside: of a table file, the columns as read that are neither targets nor examples; no model sees them.
    """

    examples: Examples
    targets: np.ndarray
    ids: tuple[str, ...]
    beside: pl.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, indices: Sequence[int] | np.ndarray) -> Split:
        """The examples at `indices`, in that order."""
        return Split(
            self.examples.take(indices),
            self.targets[indices],
            tuple(self.ids[int(i)] for i in indices),
            None if self.beside is None else self.beside[np.asarray(indices)],
        )


@dataclass(frozen=True)
class Parts:
    """Examples as a reader or a named dataset brings them, before anything is cut.

    train: the training split where the data has splits, else all examples. validation, test: as the data
        brings them. groups: what keeps examples of `train` together, one text each. classes: in index order;
        targets already count by them. splits_from, notes: as in DataBundle. problems: unusable files or rows
        (`unit`), already left out here; whether that ends it is decided once all are known. columns: of a
        table file, what each means.
    """

    kind: Kind
    task: Task
    classes: tuple[str, ...]
    train: Split
    validation: Split | None = None
    test: Split | None = None
    groups: tuple[str, ...] | None = None
    target_name: str = "target"
    splits_from: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    unit: str = "file"
    columns: tuple[ColumnFacts, ...] = ()

    def split(self, name: SplitName) -> Split | None:
        """The split of that name, or None if there is none."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def with_split(self, name: SplitName, split: Split) -> Parts:
        """The same with that split put in."""
        if name == "train":
            return replace(self, train=split)
        return replace(self, validation=split) if name == "validation" else replace(self, test=split)


@dataclass(frozen=True)
class DataBundle:
    """All that `data` hands on: one config's examples, split, and what is known of them.

    classes: class (or label, for multilabel) names in index order; empty for regression.
    target_name: the predicted quantity, for regression ('target' where the data does not name it).
    fingerprint: SHA-256 over ids, targets and content of every split, hex.
    splits_from: how each split came about, for the run's record: 'official', 'folder test/', 'cut 0.1,
        stratified, seed 0', 'file test.csv'.
    notes: things worth a line on screen and in the run ('3 unusable files left out', 'not the official
        release: ...'). columns: of a table file, what each means and is used for.
    """

    kind: Kind
    task: Task
    classes: tuple[str, ...]
    train: Split
    validation: Split | None
    test: Split | None
    fingerprint: str
    target_name: str = "target"
    splits_from: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    columns: tuple[ColumnFacts, ...] = ()

    @property
    def text_column(self) -> str | None:
        """Of a table file, the column that holds the texts."""
        return next((one.name for one in self.columns if one.role == "text"), None)

    def split(self, name: SplitName) -> Split | None:
        """The split of that name, or None if there is none."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]
