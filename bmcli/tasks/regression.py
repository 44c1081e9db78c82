"""A number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from bmcli.core.errors import DataError
from bmcli.tasks import TASKS, Task
from bmcli.tasks._truth import as_number, shortened

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.spec import Target
    from bmcli.tasks._truth import Truth

LARGEST = 1e18
"""Squared errors of larger targets do not fit into float32, whose largest number is 3.4e38."""


@TASKS.register("regression")
class Regression(Task):
    """A number: mean squared error; headline r2."""

    headline: ClassVar[str] = "r2"
    figures: ClassVar[dict[str, bool]] = {"loss": False, "mae": False, "rmse": False, "r2": True}
    running_name: ClassVar[str] = "mae"
    loss_name: ClassVar[str] = "MSE"
    outputs_are: ClassVar[str] = "the predicted value, in the unit of the data"
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
                f"the target '{name}' has values up to {largest:.0e}, too large to compute "
                "squared errors with",
                hint="write it in a larger unit, or as its logarithm",
            )

    def alike(self, one: Any, other: Any, tolerance: float) -> bool:
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

    def head(self, raw: Any, target: Target) -> Any:
        """The value [batch, 1], in the target's own unit."""
        import keras

        return keras.layers.Rescaling(target.scale, offset=target.offset, dtype="float32", name="output")(raw)

    def dense(self, targets: np.ndarray, target: Target, label_smoothing: float = 0.0) -> np.ndarray:
        """Standardised values, [N, 1]."""
        import numpy as np

        scaled = (targets.astype(np.float64) - target.offset) / target.scale
        return scaled.astype(np.float32).reshape(-1, 1)

    def loss(self, raw: Any, dense: Any) -> Any:
        """The squared error."""
        from keras import ops

        return ops.mean(ops.square(ops.cast(raw, "float32") - dense), axis=-1)

    def running(self, raw: Any, dense: Any) -> Any:
        """The absolute error."""
        from keras import ops

        return ops.mean(ops.abs(ops.cast(raw, "float32") - dense), axis=-1)

    def in_units(self, loss: float, running: float, target: Target) -> tuple[float, float]:
        """Undoes the standardisation."""
        return loss * target.scale**2, running * target.scale
