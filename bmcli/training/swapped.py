"""Variables that hold other values for a while, such as their averages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import numpy as np


class Swapped:
    """While entered, `variables` hold the values of `others`; after that, their own again."""

    def __init__(
        self, variables: Sequence[keras.Variable], others: Sequence[keras.Variable | np.ndarray]
    ) -> None:
        self.variables, self.others = variables, others

    def __enter__(self) -> None:
        self.own = [v.numpy().copy() for v in self.variables]
        for variable, other in zip(self.variables, self.others, strict=True):
            variable.assign(other)

    def __exit__(self, *_: object) -> None:
        for variable, value in zip(self.variables, self.own, strict=True):
            variable.assign(value)
