"""The metrics of one split as values: what is measured, stored, drawn and reported."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bmcli.core.spec import Task
    from bmcli.metrics.calibration import Reliability

FORMAT = 1
FEW = 30
"""A class with fewer examples is marked: its recall moves by more than 3 points with every example."""


@dataclass(frozen=True)
class TargetSummary:
    """What the training split's targets are like; all that a trivial answer may know.

    counts: examples per class or label in index order (classification); mean: of the targets (regression).
    """

    examples: int
    counts: tuple[int, ...] | None = None
    mean: float | None = None

    def to_json(self) -> dict[str, object]:
        """Strict JSON data; `TargetSummary(**...)` reads it back but for the list."""
        return {"examples": self.examples, "counts": self.counts and list(self.counts), "mean": self.mean}


@dataclass(frozen=True)
class Baseline:
    """A trivial answer's value of the headline metric. name: "always 'daisy'"."""

    name: str
    metric: str
    value: float | None


@dataclass(frozen=True)
class ClassMetrics:
    """One class's (or label's) metrics; None if undefined. support: examples truly of it; the intervals:
    95 % of each, low and high."""

    name: str
    index: int
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    recall_interval: tuple[float, float] | None
    precision_interval: tuple[float, float] | None = None
    f1_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Confusion:
    """How often examples of one class were predicted as another."""

    true: str
    predicted: str
    count: int


@dataclass(frozen=True)
class WeakestClass:
    """The class (label) with the lowest recall (F1) of those that occur. few: fewer than FEW examples."""

    name: str
    index: int
    metric: str
    value: float
    support: int
    few: bool


@dataclass(frozen=True)
class Sections:
    """What an evaluation holds besides metrics; each where the task has it. Fields as in `Evaluation`."""

    per_class: tuple[ClassMetrics, ...] = ()
    confusion_matrix: list[object] | None = None
    most_confused: Confusion | None = None
    weakest_class: WeakestClass | None = None
    calibration: Reliability | None = None


@dataclass(frozen=True)
class Seen:
    """Which labelled examples a run was made from.

    training, validation: examples that were trained on, and others that the best epoch was chosen by; None
        where that cannot be known, and `unknown` says why.
    examples: the names of the first. left_out: examples that are not measured for that.
    usual: of rows, the share of the run's own test examples that equal one of training or validation; None
        where there is no such split, and for images and texts.
    """

    training: int | None
    validation: int | None
    examples: tuple[str, ...] = ()
    left_out: int = 0
    unknown: str | None = None
    usual: float | None = None

    def to_json(self) -> dict[str, object]:
        """Strict JSON data, as stored in an evaluation."""
        return {
            "seen_in_training": self.training,
            "seen_in_validation": self.validation,
            "seen_examples": list(self.examples),
            "seen_unknown": self.unknown,
            "left_out": self.left_out,
        }

    def warning(self, where: str, count: int) -> str | None:
        """In a sentence; None if nothing was seen. count: of all examples there; where: their name."""
        if self.unknown is not None:
            return f"it is unknown whether {where} contains training examples: {self.unknown}"
        both = (self.training or 0) + (self.validation or 0)
        if not both:
            return None
        named = ", ".join(self.examples[:3]) + (", …" if both > 3 else "")
        parts = f"training {self.training or 0:,}, validation {self.validation or 0:,}"
        text = f"{both:,} of the {count:,} examples in {where} were used to make this run ({parts}): {named}"
        if self.left_out:
            return f"{text}; they are left out"
        usual = f"; {self.usual:.1%} of its own test rows also equal such a row" if self.usual else ""
        return f"{text}{usual}; metrics will look too good (--unseen-only leaves them out)"


@dataclass(frozen=True)
class Evaluation:
    """The metrics of one split (or scored file).

    metrics: name -> value, None if undefined; intervals: 95 % of each, low and high, None if there is
    none (see `intervals.py`); no_interval: name -> why, of those ('too few: 30 examples, 50 are needed');
    lower_is_better: those of them. confusion_matrix: counts,
    row = truth, [C][C]; multilabel [[tn, fp], [fn, tp]] per label; None for regression. examples_sha256: over
    ids, targets and contents; metrics of different examples cannot be compared. seen: of labelled data, what
    of it the run was trained on.
    """

    split: str
    examples: int
    task: Task
    classes: tuple[str, ...]
    metrics: dict[str, float | None]
    intervals: dict[str, tuple[float, float] | None]
    headline: str
    lower_is_better: tuple[str, ...]
    baseline: Baseline | None
    per_class: tuple[ClassMetrics, ...]
    confusion_matrix: list[object] | None
    most_confused: Confusion | None
    weakest_class: WeakestClass | None
    calibration: Reliability | None = None
    training_targets: TargetSummary | None = None
    examples_sha256: str | None = None
    seen: Seen | None = None
    no_interval: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """The document of evaluation/<split>.json, as strict JSON data; docs/evaluation.md describes it."""
        return {
            "format": FORMAT,
            "split": self.split,
            "examples": self.examples,
            "task": self.task,
            "classes": list(self.classes),
            "headline": self.headline,
            "metrics": dict(self.metrics),
            "intervals": {name: found and list(found) for name, found in self.intervals.items()},
            "no_interval": dict(self.no_interval),
            "lower_is_better": list(self.lower_is_better),
            "baseline": self.baseline and asdict(self.baseline),
            "weakest_class": self.weakest_class and asdict(self.weakest_class),
            "most_confused": self.most_confused and asdict(self.most_confused),
            "per_class": [asdict(one) for one in self.per_class],
            "confusion_matrix": self.confusion_matrix,
            "calibration": self.calibration and asdict(self.calibration),
            "training_targets": self.training_targets and self.training_targets.to_json(),
            "examples_sha256": self.examples_sha256,
            **(self.seen.to_json() if self.seen is not None else {}),
        }
