"""A number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from bmcli.core.errors import DataError
from bmcli.core.number_format import quantity
from bmcli.tasks import TASKS, Task
from bmcli.tasks._rows import digits
from bmcli.tasks._truth import as_number, shortened

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Target
    from bmcli.core.tensor import Tensor
    from bmcli.metrics.intervals import Method
    from bmcli.metrics.results import Baseline, TargetSummary
    from bmcli.tasks._answers import Answer
    from bmcli.tasks._learning import OneTarget
    from bmcli.tasks._truth import Truth

LARGEST = 1e18
"""Squared errors of larger targets do not fit into float32, whose largest number is 3.4e38."""


@TASKS.register("regression")
class Regression(Task):
    """A number: mean squared error; headline r2."""

    headline: ClassVar[str] = "r2"
    metrics: ClassVar[dict[str, bool]] = {"loss": False, "mae": False, "rmse": False, "r2": True}
    running_name: ClassVar[str] = "mae"
    loss_name: ClassVar[str] = "MSE"
    loss_key: ClassVar[str] = "mse"
    loss_means: ClassVar[str] = "the mean squared error"
    noun: ClassVar[str] = "a regression"
    family: ClassVar[str] = "regression"
    plots: ClassVar[tuple[str, ...]] = ("regression",)
    shown_plot: ClassVar[str] = "regression"
    shown_plot_says: ClassVar[str] = "Predicted against true values, and the errors against the predictions."
    mistakes_title: ClassVar[str] = "Furthest off"
    mistake_columns: ClassVar[tuple[tuple[str, bool], ...]] = (
        ("true", True),
        ("predicted", True),
        ("off by", True),
    )
    outputs_are: ClassVar[str] = "the predicted value, in the unit of the data"
    unbounded: ClassVar[tuple[str, ...]] = ("loss", "mae", "rmse", "r2")
    squared_error: ClassVar[bool] = True
    rank: ClassVar[int | None] = 2

    def fits(self, truth: Truth) -> bool:
        """Numbers of which one has a fraction, or many that differ."""
        return truth.is_quantity()

    def encode(self, truth: Truth, classes: tuple[str, ...]) -> tuple[np.ndarray, dict[int, str]]:
        """float64 [N]."""
        import numpy as np

        problems: dict[int, str] = {}
        values = np.zeros(len(truth.labels), np.float64)
        for i, label in enumerate(truth.labels):
            number = as_number(label) if isinstance(label, str) else None
            if number is None:
                problems[i] = f"the target is '{shortened(label)}', not a number"
            elif not math.isfinite(number):
                problems[i] = f"the target is {label}"
            else:
                values[i] = number
        return values, problems

    def check_range(self, targets: np.ndarray, name: str) -> None:
        """Squared errors must fit into float32."""
        import numpy as np

        largest = float(np.abs(targets).max()) if len(targets) else 0.0
        if largest > LARGEST:
            raise DataError(
                f"the target '{name}' has values up to {largest:.0e}, too large to compute squared errors",
                hint="write it in a larger unit, or as its logarithm",
            )

    def alike(self, one: OneTarget, other: OneTarget, tolerance: float) -> bool:
        """Whether the numbers differ by little."""
        import numpy as np

        return bool(np.abs(one - other) <= tolerance)

    def scaling(self, targets: np.ndarray) -> tuple[float, float]:
        """Mean and standard deviation; a constant's deviation counts as 1."""
        scale = float(targets.std()) if targets.min() < targets.max() else 1.0
        return float(targets.mean()), scale if scale > 0 and math.isfinite(scale) else 1.0

    def synthesise(self, level: np.ndarray, classes: int, random: np.random.Generator) -> np.ndarray:
        """The level, between 0 and 1, with a little noise."""
        return level / (max(2, classes) - 1) + random.normal(0, 0.1, len(level))

    def head(self, raw: object, target: Target) -> object:
        """The value [batch, 1], in the target's own unit."""
        import keras

        return keras.layers.Rescaling(target.scale, offset=target.offset, dtype="float32", name="output")(raw)

    def dense(self, targets: np.ndarray, target: Target, label_smoothing: float = 0.0) -> np.ndarray:
        """Standardised values, [N, 1]."""
        import numpy as np

        scaled = (targets.astype(np.float64) - target.offset) / target.scale
        return scaled.astype(np.float32).reshape(-1, 1)

    def loss(self, raw: object, dense: object) -> Tensor:
        """The squared error."""
        from keras import ops

        squared: Tensor = ops.mean(ops.square(ops.cast(raw, "float32") - dense), axis=-1)
        return squared

    def running(self, raw: object, dense: object) -> Tensor:
        """The absolute error."""
        from keras import ops

        absolute: Tensor = ops.mean(ops.abs(ops.cast(raw, "float32") - dense), axis=-1)
        return absolute

    def in_units(self, loss: float, running: float, target: Target) -> tuple[float, float]:
        """Undoes the standardisation."""
        return loss * target.scale**2, running * target.scale

    def compute(self, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float | None]:
        """See `formulas.regression`."""
        from bmcli.metrics import formulas

        return formulas.regression(targets, outputs)

    def interval_methods(
        self,
        targets: np.ndarray,
        outputs: np.ndarray,
        metrics: Mapping[str, float | None],
        drawn: dict[str, np.ndarray] | None,
    ) -> dict[str, Method]:
        """See Task."""
        from bmcli.metrics.number_intervals import methods

        return methods(targets, outputs)

    def resampled(
        self, targets: np.ndarray, outputs: np.ndarray, top_k: int | None = None
    ) -> dict[str, np.ndarray]:
        """See Task."""
        from bmcli.metrics import number_intervals

        return number_intervals.resampled(targets, outputs)

    def summarise(self, targets: np.ndarray, classes: Sequence[str]) -> TargetSummary:
        """Their mean."""
        import numpy as np

        from bmcli.metrics.results import TargetSummary

        return TargetSummary(len(targets), mean=float(np.mean(targets)) if len(targets) else None)

    def baseline(
        self, targets: np.ndarray, classes: Sequence[str], training: TargetSummary
    ) -> Baseline | None:
        """Always the training mean."""
        import numpy as np

        from bmcli.metrics.results import Baseline

        assert training.mean is not None
        value = self.compute(targets, np.full((len(targets), 1), training.mean))[self.headline]
        return Baseline(f"always the training mean, {quantity(training.mean)}", self.headline, value)

    def answer(
        self, target: Target, outputs: np.ndarray, top_k: int | None = None, threshold: float | None = None
    ) -> Iterator[Answer]:
        """The value."""
        from bmcli.tasks._answers import Value, shortest

        for output in outputs:
            yield Value(shortest(output[0]))

    def rows(
        self, targets: np.ndarray, outputs: np.ndarray, classes: Sequence[str]
    ) -> Iterable[Sequence[str]]:
        """Both values."""
        return zip(digits(targets.tolist()), digits(outputs.reshape(-1).tolist()), strict=True)

    def read_rows(
        self, rows: Sequence[Sequence[str]], classes: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """See Task."""
        import numpy as np

        numbers = np.array([row[:2] for row in rows], np.float64).reshape(-1, 2)
        return numbers[:, 0], numbers[:, 1:].astype(np.float32)

    def worst_first(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The furthest off first."""
        import numpy as np

        return np.argsort(-np.abs(outputs[:, 0] - targets), kind="stable")

    def mistakes(
        self, targets: np.ndarray, outputs: np.ndarray, classes: Sequence[str], order: Sequence[int]
    ) -> list[list[str]]:
        """Both values and their difference, of all in `order`."""
        both = [(targets[i], outputs[i, 0]) for i in order]
        return [[quantity(float(value)) for value in (true, said, abs(said - true))] for true, said in both]

    def truth(self, target: OneTarget, classes: Sequence[str]) -> float:
        """The number."""
        return float(target)

    def score(self, index: int, target: Target) -> np.ndarray:
        """The number in its own unit, but for the offset."""
        import numpy as np

        return np.array([target.scale], np.float32)

    def score_offset(self, target: Target) -> float:
        """See Task."""
        return target.offset
