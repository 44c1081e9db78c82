"""Slices: the headline metric of parts of a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from bmcli import tasks
from bmcli.core.errors import UsageError, did_you_mean
from bmcli.core.number_format import cell
from bmcli.files.dates import DateFormat, written
from bmcli.modalities.base import modality_of
from bmcli.modalities.table.columns import guessed

if TYPE_CHECKING:
    from bmcli.core.spec import Task
    from bmcli.data.bundle import Split

FEW = 30
"""A slice of fewer examples is marked: what it shows may be chance."""
PARTS = 4
"""Number of slices of equal size that a column of numbers is cut into."""
FEW_VALUES = 6
"""Up to this number of different numbers in a column, each is a slice."""
MOST_VALUES = 20
"""Of a column of words, the most frequent; the others together are one slice."""


@dataclass(frozen=True)
class Slice:
    """by: the column, 'size' or 'length'; value: what its examples have in common; few: fewer than FEW;
    no_interval: why there is none."""

    by: str
    value: str
    examples: int
    metric: str
    figure: float | None
    interval: tuple[float, float] | None
    few: bool
    no_interval: str | None = None

    def to_json(self) -> dict[str, object]:
        """Strict JSON data."""
        return {**asdict(self), "interval": self.interval and list(self.interval)}


def sliceable(split: Split) -> list[str]:
    """What a split can be sliced by: its columns, also those no model sees; the length of texts and the
    size of images."""
    beside = [] if split.beside is None else split.beside.columns
    return list(dict.fromkeys(modality_of(split.examples.kind).sliceable(split.examples, beside)))


def check_sliceable(split: Split, by: Sequence[str]) -> None:
    """UsageError for the first of `by` that is not `sliceable`."""
    known = sliceable(split)
    for name in by:
        if name not in known:
            hint = (
                did_you_mean(name, known) or f"known: {', '.join(known) or 'nothing (all images are alike)'}"
            )
            raise UsageError(f"the data cannot be sliced by '{name}'", hint=hint)


def slices(
    task: Task,
    split: Split,
    outputs: np.ndarray,
    classes: tuple[str, ...],
    by: Sequence[str],
) -> list[Slice]:
    """The slices by each of `by`, in order of their values. UsageError for what the data does not have."""
    check_sliceable(split, by)
    asked = tasks.of(task)
    metric = asked.headline
    found = []
    for name in dict.fromkeys(by):
        for value, rows in _parts(name, split):
            targets, predicted = split.targets[rows], outputs[rows]
            metrics = asked.measure(targets, predicted, classes)
            of_metric = asked.intervals(targets, predicted, {metric: metrics[metric]})
            interval, why = of_metric.intervals[metric], of_metric.reasons.get(metric)
            few = len(rows) < FEW
            found.append(Slice(name, value, len(rows), metric, metrics[metric], interval, few, why))
    return found


def _parts(name: str, split: Split) -> list[tuple[str, np.ndarray]]:
    examples = split.examples
    if split.beside is not None and name in split.beside.columns:
        return _of_column(guessed(split.beside[name]))
    found = modality_of(examples.kind).attribute(examples, name)
    if found.unit or found.format is not None:
        return _of_numbers(found.values, found.unit, found.format)
    return _of_column(found.values)


def _of_column(values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    if values.dtype != object:
        return _of_numbers(values, "")
    words = values.tolist()
    counts: dict[str | None, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    kept = sorted(counts, key=lambda word: (-counts[word], str(word)))[:MOST_VALUES]
    parts = [
        ("(missing)" if word is None else str(word), np.array([i for i, w in enumerate(words) if w == word]))
        for word in kept
    ]
    rest = np.array([i for i, w in enumerate(words) if w not in set(kept)], int)
    return [*parts, ("(others)", rest)] if len(rest) else parts


def _of_numbers(
    values: np.ndarray, unit: str, dates: DateFormat | None = None
) -> list[tuple[str, np.ndarray]]:
    """Slices of about equal size, between quantiles; the missing apart. dates: the numbers are days."""
    missing = np.isnan(values)
    known = values[~missing]
    if 0 < len(distinct := np.unique(known)) <= FEW_VALUES:
        parts = [
            (f"{_number(value, dates)} {unit}".rstrip(), np.flatnonzero(values == value))
            for value in distinct
        ]
        return [*parts, ("(missing)", np.flatnonzero(missing))] if missing.any() else parts
    edges = np.unique(np.quantile(known, np.linspace(0, 1, PARTS + 1))) if len(known) else np.zeros(0)
    parts = []
    for i, (low, high) in enumerate(pairwise(edges.tolist())):
        last = i == len(edges) - 2
        rows = np.flatnonzero(~missing & (values >= low) & ((values <= high) if last else (values < high)))
        if len(rows):  # named by what is in it: quantiles of whole numbers would overlap
            least, most = values[rows].min(), values[rows].max()
            name = _number(least, dates)
            dash = "–" if least >= 0 or dates is not None else "to"
            name += f" {dash} {_number(most, dates)}" if least < most else ""
            parts.append((f"{name} {unit}".rstrip(), rows))
    if missing.any():
        parts.append(("(missing)", np.flatnonzero(missing)))
    return parts


def _number(value: float, dates: DateFormat | None) -> str:
    return cell(value) if dates is None else written(value, dates)
