"""Which of PyTorch's tensors each variable of a Keras layer is made from, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Source:
    """tensors: the names and shapes of those that a variable is made from; None: any size. combine: from
    their values, in that order, to the variable's."""

    tensors: tuple[tuple[str, tuple[int | None, ...]], ...]
    combine: Callable[..., np.ndarray]


Sources = dict[str, Source]
"""By variable path ('stem_conv/kernel')."""


def convolution(
    layer: str, tensor: str, inputs: int, outputs: int, size: int, *, bias: bool = False
) -> Sources:
    """[outputs, inputs, height, width] to [height, width, inputs, outputs]."""
    kernel = Source(((f"{tensor}.weight", (outputs, inputs, size, size)),), lambda w: w.transpose(2, 3, 1, 0))
    return {f"{layer}/kernel": kernel} | (
        {f"{layer}/bias": vector(f"{tensor}.bias", outputs)} if bias else {}
    )


def depthwise(layer: str, tensor: str, width: int, size: int) -> Sources:
    """[width, 1, height, width of the kernel] to [height, width of the kernel, width, 1]."""
    kernel = Source(((f"{tensor}.weight", (width, 1, size, size)),), lambda w: w.transpose(2, 3, 0, 1))
    return {f"{layer}/kernel": kernel}


def batch_norm(layer: str, tensor: str, width: int) -> Sources:
    """Scale and shift, and the statistics."""
    names = {"gamma": "weight", "beta": "bias"}
    names |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
    return {f"{layer}/{ours}": vector(f"{tensor}.{theirs}", width) for ours, theirs in names.items()}


def layer_norm(layer: str, tensor: str, width: int) -> Sources:
    """Scale and shift."""
    return {
        f"{layer}/gamma": vector(f"{tensor}.weight", width),
        f"{layer}/beta": vector(f"{tensor}.bias", width),
    }


def dense(layer: str, tensor: str, inputs: int, outputs: int, *, scale: str | None = None) -> Sources:
    """[outputs, inputs] to [inputs, outputs]. scale: the tensor [outputs] that the layer's outputs are
    multiplied by, which becomes a part of its weights."""
    weight, bias = (f"{tensor}.weight", (outputs, inputs)), (f"{tensor}.bias", (outputs,))
    if scale is None:
        kernel, offset = Source((weight,), lambda w: w.T), vector(*_one(bias))
    else:
        by = (scale, (outputs,))
        kernel = Source((weight, by), lambda w, s: (w * s[:, None]).T)
        offset = Source((bias, by), lambda b, s: b * s)
    return {f"{layer}/kernel": kernel, f"{layer}/bias": offset}


def vector(tensor: str, width: int) -> Source:
    """[width], as it is."""
    return Source(((tensor, (width,)),), lambda values: values)


def _one(tensor: tuple[str, tuple[int, ...]]) -> tuple[str, int]:
    return tensor[0], tensor[1][0]
