"""Statistics of examples that recognise inputs unlike those of training: a few named numbers each.

The modality defines what is measured; `familiarity` compares it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from bmcli.core.examples import Examples
    from bmcli.modalities.preprocessing import Preprocessing

LOOKED_AT = 6_000
"""Number of training examples measured, evenly spaced."""
FEWEST = 20
"""Fewest training examples: with fewer, any input would look unusual."""
BEYOND = 0.1
"""What a single trait must be beyond the range of training, as a share of its width; of few examples
MARGIN."""
MARGIN = 0.25
"""Share of its width by which a range is widened."""


@dataclass(frozen=True)
class Trait:
    """name: within an unusual combination. low, high: what is said of an input below, above, if anything.
    finest: the least standard deviation that counts, in the trait's own unit."""

    name: str
    low: str
    high: str
    finest: float


class Usual:
    """What the traits of training examples are like: what those of an input are compared to. Each modality
    has its own."""

    blank: ClassVar[str | None] = None
    """The only remark on an example without anything to measure."""

    implied: ClassVar[str | None] = None
    """Remarks left out where a more certain one implies them."""

    def known(self, encoder: Preprocessing) -> tuple[Trait, ...]:
        """The traits that are measured."""
        raise NotImplementedError

    def measured(
        self, encoder: Preprocessing, examples: Examples, compact: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Float64 [N, D], and bool [N], which examples hold nothing to be measured. compact: as they are
        encoded."""
        raise NotImplementedError

    def in_words(self, reason: str, blank: bool) -> str:
        """A trait's words for an example; blank: it holds nothing to be measured."""
        return reason

    def open_columns(self) -> Collection[str] | None:
        """Columns in which new categories are usual; None if there are no columns."""
        return None

    def to_json(self) -> dict[str, object] | None:
        """Strict JSON data; None if there is nothing to keep."""
        return None


@dataclass(frozen=True)
class Measured:
    """The statistics of training examples.

    usual: what it is compared to. values: float64 [N, D], as of examples that training does not have.
    low, high: float64 [D], the range that a single trait must leave to be unusual. ranges: used by older
    versions; columns: of a table, the name of each numeric feature.
    """

    usual: Usual
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    columns: tuple[str | None, ...] = ()


def spread(count: int, most: int) -> np.ndarray:
    """Positions of at most that many of `count`, evenly spread."""
    return np.arange(min(count, most)) * count // min(count, most)


def outer(values: np.ndarray, far: float, enough: int) -> tuple[np.ndarray, np.ndarray]:
    """`low` and `high` of Measured: the quantiles `far` from either end, and some beyond."""
    margin = BEYOND if len(values) >= enough else MARGIN
    low, high = np.quantile(values, [far, 1 - far], axis=0)
    return low - margin * (high - low), high + margin * (high - low)


def ranges_of(
    statistics: Mapping[str, np.ndarray], least_is_nothing: Sequence[str] = ()
) -> dict[str, tuple[float, float]]:
    """Ranges of older versions. least_is_nothing: statistics that cannot be negative."""
    ranges = {}
    for name, values in statistics.items():
        low, high = (float(v) for v in np.quantile(values, [0.001, 0.999]))
        widened = MARGIN * (high - low)
        # Not negative: half of the lowest value in training.
        below = low / 2 if name in least_is_nothing else low - widened
        ranges[name] = (below, high + widened)
    return ranges
