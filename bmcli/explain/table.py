"""What each column of a row adds to an answer: integrated gradients from the average training row."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from bmcli.evaluation.training_data import training_data
from bmcli.explain import base
from bmcli.files import dates
from bmcli.modalities.table.fitted_columns import CategoricalColumn

if TYPE_CHECKING:
    from bmcli.core.examples import Examples
    from bmcli.explain.explain import Explainer
    from bmcli.explain.mixed import OnePart
    from bmcli.modalities.table.encoder import TablePreprocessing
    from bmcli.modalities.table.examples import Table

TOLERANCE = 0.002
"""Of completeness: their sums are shown beside the answer, and steps cost little."""


class Part(base.Part):
    """From the average training row."""

    def __init__(self, explainer: Explainer | OnePart) -> None:
        super().__init__(explainer)
        self._means, self._average, self.note = _average_row(explainer)

    def explain(
        self, about: base.About, compact: np.ndarray, finished: np.ndarray, example: Examples
    ) -> base.Explanation:
        """See `base.Part`."""
        encoder = cast("TablePreprocessing", self.explainer.preprocessing)
        given = finished[0].astype(np.float32)
        chosen = self.explainer.chosen(about["index"])
        found, known = self.explainer.integrated(self.gradient, [given], [self._means], [chosen], TOLERANCE)
        columns = [column.name for column in encoder.columns]
        weights = np.zeros(len(columns))
        for feature, weight in zip(encoder.features, found.attributions[0].tolist(), strict=True):
            weights[columns.index(feature.column)] += weight
        cells = encoder.cells(cast("Table", example))
        return base.Explanation(
            **about,
            **known,
            baseline=self._average,
            weights=weights,
            features=tuple((name, cells[name][0]) for name in columns),
        )


def _average_row(explainer: Explainer | OnePart) -> tuple[np.ndarray, str, str | None]:
    """What contributions are measured from: float32 [features], its description, and a note on it."""
    preprocessing, run = cast("TablePreprocessing", explainer.preprocessing), explainer.opened.run
    means, average = preprocessing.means, "the average training row, with the share of each category"
    if means:
        return np.array(means, np.float32), average, None
    bundle = training_data(run, explainer.opened.config)
    if isinstance(bundle, str):
        note = (
            f"{run.id} was trained by an older version of bm without category shares, and its training data "
            f"cannot be used ({bundle}): every category counts as equally frequent"
        )
        return _assumed(preprocessing), "a row in which every category is equally frequent", note
    rows = cast("Table", bundle.train.examples)
    return np.array(preprocessing.means_of(rows), np.float32), average, None


def _assumed(preprocessing: TablePreprocessing) -> np.ndarray:
    """What is near the mean of each feature, as far as the statistics of an older bm say: float32."""
    made: list[float] = []
    for column in preprocessing.columns:
        if isinstance(column, CategoricalColumn):
            known = len(column.categories)
            made += [*([1 / known] * known), 0.0] if known else [1.0]
            continue
        middle = column.offset if column.fill is None else column.fill
        made += [(middle - column.offset) / column.scale, *([0.0] if column.indicator else [])]
        for part in column.parts:
            made += [0.0, 0.0] if column.cyclic else [1 / dates.PERIODS[part]] * dates.PERIODS[part]
    return np.array(made, np.float32)
