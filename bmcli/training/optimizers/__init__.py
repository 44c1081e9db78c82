"""Optimizers by name: typed options for Keras's optimizers.

Weight decay is decoupled from the gradient (Loshchilov & Hutter 2019) in all of them and, as usual, excludes
biases and the gains and offsets of normalisation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from bmcli.core.component import Component
from bmcli.core.plugin_calls import Check, kind_of
from bmcli.core.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

Rate = Annotated[float, Field(ge=0, lt=1)]


def _optimizer(result: object, _: tuple[object, ...]) -> str | None:
    import keras

    fine = isinstance(result, keras.optimizers.Optimizer)
    return None if fine else f"gives {kind_of(result)}, not a keras.optimizers.Optimizer"


class Optimizer(Component):
    """Base of all optimizers. The schedule multiplies `learning_rate`."""

    results: ClassVar[dict[str, Check]] = {"make": _optimizer}

    gentle: ClassVar[float | None] = 1e-4
    """A peak rate that changes pretrained layers little; None: it cannot fine-tune at all."""

    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="Peak step size.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Weight decay: share of each weight removed per step, times the learning rate."
    )

    @property
    def gentle_rate(self) -> float | None:
        """The rate of the layers next to the head in fine-tuning, where the config gives none."""
        return None if self.gentle is None else min(self.gentle, self.learning_rate)

    def build(self, variables: Sequence[keras.Variable], *, gradient_clipping: float | None = None) -> object:
        """A Keras optimizer, built for `variables`, with global-norm clipping if requested."""
        shared: dict[str, object] = {"learning_rate": self.learning_rate, "name": "optimizer"}
        if gradient_clipping is not None:
            shared["global_clipnorm"] = gradient_clipping
        if self.weight_decay:
            shared["weight_decay"] = self.weight_decay
        optimizer = self.make(shared)
        if self.weight_decay:
            spared = [v for v in variables if len(v.shape) < 2]
            if spared:
                optimizer.exclude_from_weight_decay(var_list=spared)
        optimizer.build(list(variables))
        return optimizer

    def make(self, shared: dict[str, object]) -> keras.optimizers.Optimizer:
        """The Keras optimizer, from the shared options (learning rate, decay, clipping) and its own."""
        raise NotImplementedError


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer", Optimizer, __name__, needs="make")
