"""Predictions for one input, by task, and how they are shown in the terminal, in JSON and in a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bmcli.core.number_format import probability, quantity
from bmcli.core.sanitize import one_line

if TYPE_CHECKING:
    import numpy as np

TOP_K = 5
"""Number of classes listed by default."""


@dataclass(frozen=True)
class Choice:
    """A class or label with its probability."""

    label: str
    index: int
    probability: float

    def to_json(self) -> dict[str, object]:
        """An entry of a prediction's `top`."""
        return {"label": self.label, "index": self.index, "probability": self.probability}


@dataclass(frozen=True)
class Bar:
    """A line below a single answer. holds: whether a label applies; None if that is not a question."""

    label: str
    probability: float
    holds: bool | None = None


class Answer(ABC):
    """A task's prediction for one input."""

    is_quantity: ClassVar[bool] = False
    """Whether it is a value of the predicted quantity, under whose name it is listed."""

    @abstractmethod
    def to_json(self) -> dict[str, object]:
        """Strict JSON data."""

    @abstractmethod
    def row(self) -> dict[str, object]:
        """Its columns in a file of predictions."""

    @abstractmethod
    def line(self) -> tuple[str, str]:
        """The answer, and what else there is to say of it, for a table of answers."""

    def bars(self) -> list[Bar]:
        """What a single answer is shown with; empty if `line` says it all."""
        return []


@dataclass(frozen=True)
class Value(Answer):
    """A number in the target's own unit."""

    value: float
    is_quantity: ClassVar[bool] = True

    def to_json(self) -> dict[str, object]:
        """See Answer."""
        return {"value": self.value}

    def row(self) -> dict[str, object]:
        """See Answer."""
        return {"value": self.value}

    def line(self) -> tuple[str, str]:
        """See Answer."""
        return quantity(self.value), ""


@dataclass(frozen=True)
class Classes(Answer):
    """The most probable classes, best first; the first one is predicted."""

    top: tuple[Choice, ...]

    def to_json(self) -> dict[str, object]:
        """See Answer."""
        return {**self.top[0].to_json(), "top": [choice.to_json() for choice in self.top]}

    def row(self) -> dict[str, object]:
        """label, index, probability, label_2, probability_2, ..."""
        row = self.top[0].to_json()
        for place, choice in enumerate(self.top[1:], start=2):
            row |= {f"label_{place}": choice.label, f"probability_{place}": choice.probability}
        return row

    def line(self) -> tuple[str, str]:
        """See Answer."""
        first, *others = self.top
        return _listed([first]), f"({_listed(others[:2])})" if others else ""

    def bars(self) -> list[Bar]:
        """One per class."""
        return [Bar(choice.label, choice.probability) for choice in self.top]


@dataclass(frozen=True)
class Labels(Answer):
    """labels: those that hold; top: the most probable ones, best first."""

    labels: tuple[Choice, ...]
    top: tuple[Choice, ...]

    def to_json(self) -> dict[str, object]:
        """See Answer."""
        return {
            "labels": [choice.to_json() for choice in self.labels],
            "top": [choice.to_json() for choice in self.top],
        }

    def row(self) -> dict[str, object]:
        """The labels that hold, and p_<index> for each of `top`."""
        by_index = sorted(self.top, key=lambda choice: choice.index)
        return {
            "labels": "; ".join(choice.label for choice in self.labels),
            **{f"p_{choice.index}": choice.probability for choice in by_index},
        }

    def line(self) -> tuple[str, str]:
        """See Answer."""
        return _listed(self.labels) or "none", ""

    def bars(self) -> list[Bar]:
        """One per label, marked where it holds."""
        return [Bar(choice.label, choice.probability, choice in self.labels) for choice in self.top]


def _listed(choices: Sequence[Choice]) -> str:
    return ", ".join(f"{one_line(c.label)} {probability(c.probability)}" for c in choices)


def choices(classes: Sequence[str], output: np.ndarray, indices: Sequence[int]) -> tuple[Choice, ...]:
    """The classes of these indices. output: float32 [C]."""
    return tuple(Choice(classes[i], i, shortest(output[i])) for i in indices)


def shortest(value: np.float32) -> float:
    """The number with the fewest digits that is this float32: 0.9, not 0.8999999761581421."""
    import numpy as np

    return float(str(np.float32(value)))
