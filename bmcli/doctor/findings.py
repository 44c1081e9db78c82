"""Findings, the examples they are about, and findings about pairs of equal examples."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bmcli import tasks
from bmcli.core.plugin_calls import comes_with_bm
from bmcli.core.spec import SPLITS
from bmcli.modalities.base import modality_of

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig
    from bmcli.data.bundle import DataBundle
    from bmcli.doctor.features import Neighbours

MOST_EXAMPLES = 10_000
"""Number of examples stored per finding."""
TOLERANCE = 1e-3
"""Numbers count as the same when they differ by no more than this part of their spread."""


@dataclass(frozen=True)
class Example:
    """One or two examples that a finding is about. positions: in `Gathered`; detail: what of them;
    by_features: see Pair."""

    ids: tuple[str, ...]
    splits: tuple[str, ...]
    detail: str
    positions: tuple[int, ...]
    by_features: bool = False

    def to_json(self) -> dict[str, object]:
        """Strict JSON data."""
        found = {"found_by": "features"} if self.by_features else {}
        return {"ids": list(self.ids), "splits": list(self.splits), "detail": self.detail, **found}


@dataclass(frozen=True)
class Finding:
    """severity: 'problem' (metrics will mislead), 'warning' (look at it) or 'note'. count: of all examples
    it is about, of which `examples` are the first. judge: of doubtful labels, how good the model is that
    doubts them, as strict JSON data."""

    check: str
    severity: str
    message: str
    count: int
    examples: tuple[Example, ...] = ()
    judge: dict[str, object] | None = None

    def to_json(self) -> dict[str, object]:
        """Strict JSON data."""
        judge = {} if self.judge is None else {"judge": self.judge}
        return {
            "check": self.check,
            "severity": self.severity,
            "message": self.message,
            "count": self.count,
            **judge,
            "examples": [one.to_json() for one in self.examples],
        }


@dataclass(frozen=True)
class Check:
    """What was looked for, by the name that its findings have. of: 'images', 'texts', 'rows', 'columns' or
    'classes', `count` of them; found: how many it is true of."""

    check: str
    of: str
    count: int
    found: int


class Gathered:
    """Every split's examples one after the other, with where each is from.

    examples: per split. ids, split_of, targets: of each example; a position is one in these. neighbours: by
    the features of a run, where there is one.
    """

    neighbours: Neighbours | None = None

    def __init__(self, bundle: DataBundle) -> None:
        there = [(name, split) for name in SPLITS if (split := bundle.split(name)) is not None]
        self.bundle = bundle
        self.examples = [split.examples for _, split in there]
        self.ids = tuple(name for _, split in there for name in split.ids)
        self.split_of = [name for name, split in there for _ in split.ids]
        self.targets = np.concatenate([split.targets for _, split in there])
        self._spread = float(self.targets.std()) if len(self.targets) else 0.0

    def example(self, positions: Sequence[int], detail: str) -> Example:
        """One or two examples to show."""
        return Example(
            tuple(self.ids[i] for i in positions),
            tuple(self.split_of[i] for i in positions),
            detail,
            tuple(positions),
        )

    def labelled_alike(self, pair: Pair) -> bool:
        """Whether their targets are the same, or almost, for a quantity of an inexact pair."""
        one, other = self.targets[pair.first], self.targets[pair.second]
        return tasks.of(self.bundle.task).alike(
            one, other, tolerance=0.0 if pair.exact else TOLERANCE * self._spread
        )


class Examiner:
    """What is looked for in examples of one modality, besides what is looked for in all.

    `doctor/<modality>.py` holds one for each that comes with bm; one of a plugin brings its own
    (`Modality.examiner`).
    """

    def shown(self, every: Gathered, config: ExperimentConfig) -> np.ndarray | tuple[str, ...] | None:
        """What all examples look like: thumbnails uint8 [N, 32, 32, C], texts, or None."""
        return None

    def findings(
        self,
        every: Gathered,
        config: ExperimentConfig,
        shown: np.ndarray | tuple[str, ...] | None,
        progress: Callable[[int, int], None] | None,
    ) -> list[Finding]:
        """What was found. shown: as `shown` gives it; progress: called with (compared, all)."""
        return []

    def checks(self, every: Gathered) -> list[tuple[str, str, int]]:
        """What was looked for: its name, in what ('columns'; '' for all examples), and in how many."""
        return []

    def counted(self, finding: Finding) -> int:
        """How many of these a finding is about."""
        return finding.count


def examiner_of(kind: str) -> Examiner:
    """What looks at examples of that modality."""
    modality = modality_of(kind)
    own: type[Examiner] | None = modality.examiner()
    if own is None and comes_with_bm(type(modality)):
        own = importlib.import_module(f"bmcli.doctor.{kind}").Examiner
    return Examiner() if own is None else own()


@dataclass(frozen=True)
class Pair:
    """Two positions, the first the smaller; exact: every pixel, character or cell is equal; how: 'same', or
    what was done to one of them: 'flipped', 'reworded', 'rounded', …; by_features: found because they are
    near in a run's features."""

    first: int
    second: int
    exact: bool
    how: str
    by_features: bool = False


def by_features(every: Gathered, pairs: Sequence[Pair]) -> list[Finding]:
    """A note of what was looked for by a run's features, if it was. pairs: all that were found."""
    if every.neighbours is None:
        return []
    count = sum(pair.by_features for pair in pairs)
    many = f"{len(every.neighbours.pairs):,} pairs of neighbours"
    what = f"by them alone, {count:,} near {'copy was' if count == 1 else 'copies were'} found"
    message = f"{many} by the features of {every.neighbours.run} were compared too: {what}"
    return [Finding("features", "note", message, 0)]


def of_pairs(
    every: Gathered, pairs: Sequence[Pair], unit: str, *, neighbours: str | None = None
) -> list[Finding]:
    """Findings about equal examples: across splits, with different labels, and the rest.

    neighbours: what to do where close examples may belong together rather than be copies. Of such alone it is
    only warned about, and differing numeric targets do not contradict each other.
    """
    across, contradicting, within = [], [], []
    for pair in pairs:
        how = "equal" if pair.exact else pair.how
        first, second = pair.first, pair.second
        same = every.labelled_alike(pair)
        labels = "" if same else ", labelled differently"
        if pair.by_features:
            how += ", found by features"
        example = replace(every.example((first, second), how + labels), by_features=pair.by_features)
        if every.split_of[first] != every.split_of[second]:
            across.append((pair.exact, example))
        elif not same and (pair.exact or tasks.of(every.bundle.task).has_classes):
            contradicting.append((pair.exact, example))
        else:
            within.append((pair.exact, example))
    found = []
    for check, severity, what, listed in (
        ("duplicates across splits", "problem", "in two splits: metrics will look too good", across),
        ("contradictions", "problem", "in one split, with different labels", contradicting),
        ("duplicates", "note", "in one split", within),
    ):
        if listed:
            exact = sum(is_exact for is_exact, _ in listed)
            if neighbours and not exact and severity == "problem":
                severity, what = "warning", f"{what}; {neighbours}"
            listed.sort(key=lambda entry: not entry[0])
            pairs_of = f"{len(listed):,} pair{'s' if len(listed) > 1 else ''} of {unit}"
            verb = "is" if len(listed) == 1 else "are"
            message = f"{pairs_of} {verb} {what} ({exact:,} equal, {len(listed) - exact:,} nearly)"
            examples = tuple(example for _, example in listed[:MOST_EXAMPLES])
            found.append(Finding(check, severity, message, len(listed), examples))
    return found
