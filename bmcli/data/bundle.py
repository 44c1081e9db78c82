"""What data is, once read: examples with targets, in splits, and a description of them.

Raw examples are one of three kinds, each indexable and cheap to pass around:

    Images   uint8 arrays in memory, or paths decoded when asked for
    Texts    a list of strings
    Table    named columns

`preprocessing` turns raw examples into arrays a model takes; nothing here knows how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from bmcli.core.errors import Problem

if TYPE_CHECKING:
    import polars as pl

    from bmcli.core.spec import Kind, SplitName, Task
    from bmcli.files.facts import ColumnFacts


@dataclass(frozen=True)
class Decoded:
    """N picture files as they were decoded when they were looked at: some of the pictures, sums over all.

    pictures: uint8 [M, height, width, channels], those that were kept; rows: int64 [N], where among them a
    file's picture is, -1 where it was not kept; sums: uint64 [N, 2, channels], of pixels and their squares.
    fit, window: how, as `readers.images.Manner` has it.
    """

    pictures: np.ndarray
    rows: np.ndarray
    sums: np.ndarray
    fit: str = "squash"
    window: tuple[float, float] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pictures.shape[1], self.pictures.shape[2]

    @property
    def channels(self) -> Literal[1, 3]:
        """1 grey, 3 RGB."""
        return 1 if self.pictures.shape[3] == 1 else 3

    def take(self, indices: Sequence[int] | np.ndarray) -> Decoded:
        """The same for the files at `indices`, in that order; the pictures are shared."""
        return replace(self, rows=self.rows[indices], sums=self.sums[indices])


@dataclass(frozen=True)
class Depths:
    """Of N images: bits, int64 [N], how many a value has in the file; extents: float64 [N, 4], of those of
    more than 8 bits the lowest and highest value, and those between which nearly all lie; else NaN."""

    bits: np.ndarray
    extents: np.ndarray

    @property
    def wide(self) -> np.ndarray:
        """bool [N], whether an image is held with more than 8 bits, and so needs a window to be scaled by."""
        return np.isfinite(self.extents[:, 0])

    def take(self, indices: Sequence[int] | np.ndarray) -> Depths:
        """The same of the images at `indices`."""
        return Depths(self.bits[indices], self.extents[indices])


@dataclass(frozen=True)
class Images:
    """N pictures. Exactly one of `arrays`, `paths` and `contents` is set.

    arrays: [N, height, width, channels], channels 1 or 3, as a named dataset or .npz brings them: uint8, or
        numbers that go beyond it. paths: files that Pillow can decode, read when needed; contents: the bytes
        of such files.
    sizes, grey: with paths, where they have been looked at: int32 [N, 2] heights and widths as shown, and
        bool [N], whether a file holds no colour.
    depths: with paths, where they have been looked at.
    decoded: with paths, where they were decoded on that occasion.
    digests: with paths, where they have been looked at: SHA-256 of each file's bytes.
    """

    arrays: np.ndarray | None = None
    paths: tuple[str, ...] | None = None
    sizes: np.ndarray | None = None
    grey: np.ndarray | None = None
    decoded: Decoded | None = None
    depths: Depths | None = None
    contents: tuple[bytes, ...] | None = None
    digests: tuple[bytes, ...] | None = None

    @property
    def sources(self) -> Sequence[str | bytes]:
        """Paths, or files' bytes."""
        return self.paths if self.paths is not None else self.contents or ()

    def __len__(self) -> int:
        return len(self.arrays) if self.arrays is not None else len(self.sources)

    def take(self, indices: Sequence[int] | np.ndarray) -> Images:
        """The pictures at `indices`, in that order."""
        if self.arrays is not None:
            return Images(arrays=self.arrays[indices])
        if self.contents is not None:
            return Images(contents=tuple(self.contents[int(i)] for i in indices))
        assert self.paths is not None
        return Images(
            paths=tuple(self.paths[int(i)] for i in indices),
            sizes=None if self.sizes is None else self.sizes[indices],
            grey=None if self.grey is None else self.grey[indices],
            decoded=None if self.decoded is None else self.decoded.take(indices),
            depths=None if self.depths is None else self.depths.take(indices),
            digests=None if self.digests is None else tuple(self.digests[int(i)] for i in indices),
        )


@dataclass(frozen=True)
class Texts:
    """N texts."""

    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int] | np.ndarray) -> Texts:
        """The texts at `indices`, in that order."""
        return Texts(tuple(self.texts[int(i)] for i in indices))


@dataclass(frozen=True)
class Table:
    """N rows of named columns, each an array of length N.

    A column of numbers or dates (days since 1970) is float64 with NaN for a missing value; a categorical
    column is an object array of str with None for a missing value. facts: what the columns of a file
    mean and how their cells are read.
    """

    columns: dict[str, np.ndarray]
    facts: Mapping[str, ColumnFacts] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def take(self, indices: Sequence[int] | np.ndarray) -> Table:
        """The rows at `indices`, in that order."""
        return Table({name: values[indices] for name, values in self.columns.items()}, self.facts)


Examples = Images | Texts | Table


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
        """The split of that name, or None where there is none."""
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
        """The split of that name, or None where there is none."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]
