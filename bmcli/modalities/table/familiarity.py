"""What is measured on a row: its numbers, how many cells are missing, how rare its categories are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli.modalities.measured import FEWEST, LOOKED_AT, Measured, Trait, Usual, spread
from bmcli.modalities.novelty import ALPHA, ENOUGH
from bmcli.modalities.table.encoder import TablePreprocessing
from bmcli.modalities.table.examples import Table

if TYPE_CHECKING:
    from bmcli.core.examples import Examples
    from bmcli.core.plain import Document
    from bmcli.modalities.preprocessing import Preprocessing

MOST_CELLS = 4_000_000
"""Of a wide table, fewer rows are measured."""
RARER = "rarer categories than in any training row"
MISSING = "more values are missing than in any training row"
NO_NUMBER = "all its numbers are missing"


@dataclass(frozen=True)
class RowTraits(Usual):
    """What training rows are like.

    middle, spread: of each column of numbers; a number counts as asinh((number - middle) / spread), so that a
    column of long tails does not speak louder than the others. rarity: of each column of categories, the
    logarithm of how rare each place is. novel: of each, the share of rows whose category occurs in no other.
    finest: the least standard deviation of the share of missing cells.
    """

    implied = RARER

    middle: np.ndarray
    spread: np.ndarray
    rarity: tuple[np.ndarray, ...]
    novel: Mapping[str, float]
    finest: float

    @classmethod
    def fit(
        cls, preprocessing: TablePreprocessing, table: Table, chosen: np.ndarray, enough: int
    ) -> tuple[RowTraits, np.ndarray, np.ndarray, np.ndarray]:
        """The traits of the rows of a training table at `chosen`, fitted; their values [N, D]; and the range
        [D], [D] that a single trait must leave to be unusual.

        A number must leave the training range by a quarter of its width, or by all of it if there are fewer
        rows than `enough`, or if it is a date, as dates increase over time. For new categories, all rows
        count.
        """
        numbers, places, missing = preprocessing.numbers_and_places(table.take(chosen))
        middle, spread = np.zeros(numbers.shape[1]), np.ones(numbers.shape[1])
        lowest, highest = np.zeros(numbers.shape[1]), np.zeros(numbers.shape[1])
        dates = [date for _, date in preprocessing.number_columns]
        for column, values in enumerate(numbers.T):
            known = values[np.isfinite(values)]
            if len(known):
                low, middle[column], high = np.quantile(known, [0.25, 0.5, 0.75])
                wide = max((high - low) / 1.35, 0.1 * float(known.std()))
                spread[column] = max(wide, 1e-6 * abs(middle[column]), 1e-9)
                margin = 1.0 if dates[column] or len(chosen) < enough else 0.25
                least, most = np.quantile(known, [0.001, 0.999])
                lowest[column] = least - margin * (most - least)
                highest[column] = most + margin * (most - least)
        rarity, alone = [], []
        for column, width in enumerate(preprocessing.category_widths):
            counts = np.bincount(places[:, column], minlength=width).astype(np.float64)
            rarity.append(-np.log((counts + 0.5) / (len(places) + 0.5 * width)))
            # As a row that training does not have would find it.
            alone.append(-np.log((counts - 0.5).clip(0.5) / (len(places) + 0.5 * width))[places[:, column]])
        columns = numbers.shape[1] + places.shape[1]
        finest = 0.15 / max(columns, 1) if len(chosen) >= enough else 0.05
        made = cls(middle, spread, tuple(rarity), preprocessing.novel(table), finest)
        rare = np.sum(alone, axis=0) if alone else np.zeros(len(chosen))
        traits = made._together(numbers, missing, rare)
        low = made._together(lowest[None], np.zeros(1), np.zeros(1))[0]
        high = made._together(
            highest[None], traits[:, -2].max(keepdims=True), traits[:, -1].max(keepdims=True)
        )
        return made, traits, low, high[0]

    def measured(
        self, encoder: Preprocessing, examples: Examples, compact: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See Usual; a row without any number is blank."""
        assert isinstance(encoder, TablePreprocessing) and isinstance(examples, Table)
        numbers, places, missing = encoder.numbers_and_places(examples)
        rare = np.zeros(len(numbers))
        for column, rarity in enumerate(self.rarity):
            rare += rarity[places[:, column]]
        none = ~np.isfinite(numbers).any(axis=1) if numbers.shape[1] else np.zeros(len(numbers), bool)
        return self._together(numbers, missing, rare), none

    def _together(self, numbers: np.ndarray, missing: np.ndarray, rare: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            bent = np.arcsinh((numbers - self.middle) / self.spread)
        return np.column_stack([bent, missing, rare])

    def in_words(self, reason: str, blank: bool) -> str:
        """See Usual."""
        return NO_NUMBER if blank and reason == MISSING else reason

    def open_columns(self) -> Collection[str]:
        """See Usual."""
        return {name for name, share in self.novel.items() if share > ALPHA}

    def known(self, encoder: Preprocessing) -> tuple[Trait, ...]:
        """See Usual: the traits of the columns of numbers, then of missing cells and of categories."""
        assert isinstance(encoder, TablePreprocessing)
        columns = [
            Trait(
                f"'{name}'",
                f"{name} is far below everything in training",
                f"{name} is far above everything in training",
                0.05,
            )
            for name, _ in encoder.number_columns
        ]
        return (
            *columns,
            Trait("missing values", "", MISSING, self.finest),
            Trait("categories", "", RARER, 0.5),
        )

    def to_json(self) -> dict[str, object]:
        """Strict JSON data."""
        return {
            "middle": self.middle.tolist(),
            "spread": self.spread.tolist(),
            "rarity": [[round(one, 4) for one in column.tolist()] for column in self.rarity],
            "novel": dict(self.novel),
            "finest": self.finest,
        }

    @classmethod
    def from_json(cls, document: Document, preprocessing: TablePreprocessing) -> RowTraits:
        """The inverse; KeyError, TypeError or ValueError if it does not fit these columns."""
        middle = np.array(document["middle"], np.float64)
        spread = np.array(document["spread"], np.float64)
        rarity = tuple(np.array(column, np.float64) for column in document["rarity"])
        if not middle.shape == spread.shape == (len(preprocessing.number_columns),):
            raise ValueError("another number of columns")
        if [len(column) for column in rarity] != list(preprocessing.category_widths):
            raise ValueError("another number of categories")
        finite = all(np.isfinite(one).all() for one in (middle, spread, *rarity))
        finest = float(document["finest"])
        if not finite or (spread <= 0).any() or not finest > 0:
            raise ValueError("what is usual for rows is not finite")
        novel = {str(name): float(share) for name, share in document["novel"].items()}
        return cls(middle, spread, rarity, novel, finest)


def fit(encoder: Preprocessing, examples: Examples) -> Measured:
    """Of training rows."""
    assert isinstance(encoder, TablePreprocessing) and isinstance(examples, Table)
    chosen = spread(len(examples), LOOKED_AT)
    most = min(len(chosen), max(FEWEST, MOST_CELLS // len(examples.columns)))
    chosen = spread(len(examples), most)
    compact = np.asarray(encoder.encode(examples.take(chosen)))
    columns = tuple(one.column if one.of == "value" else None for one in encoder.features)
    ranges = {}
    for name, values in statistics(compact, columns).items():
        low, high = float(values.min()), float(values.max())
        ranges[name] = (low - (high - low), high + (high - low))
    usual, traits, low_, high_ = RowTraits.fit(encoder, examples, chosen, ENOUGH)
    return Measured(usual, traits, low_, high_, ranges, columns)


def statistics(compact: np.ndarray, columns: tuple[str | None, ...]) -> dict[str, np.ndarray]:
    """The statistics with which older runs recognise unfamiliar rows."""
    return {
        name: compact[:, place].astype(np.float64) for place, name in enumerate(columns) if name is not None
    }
