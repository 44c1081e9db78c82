"""Low-rank adapters among stored weights, and how they are merged into the kernels they were trained beside.

A layer with the kernel W and an adapter computes with W + scale · down · up (LoRA; Hu et al. 2021,
arXiv:2106.09685). Checkpoints of a training keep down and up, and W by reference; a model that is used has
the sum alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bmcli.core.errors import IntegrityError

DOWN, UP = "adapter_down", "adapter_up"
"""The variables of an adapter, beside the layer's 'kernel': [..., rank] and [rank, ...]."""

SCALE = "adapter_scale"
"""In the metadata of weights with adapters: what their product is multiplied by."""


def without(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights that belong to no adapter."""
    return {path: array for path, array in weights.items() if path.rpartition("/")[2] not in (DOWN, UP)}


def merged(weights: Mapping[str, np.ndarray], scale: float) -> dict[str, np.ndarray]:
    """The weights, variable path -> array, with every adapter added to its kernel. IntegrityError for an
    adapter that fits no kernel."""
    found = without(weights)
    for path, down in weights.items():
        stem, _, name = path.rpartition("/")
        if name != DOWN:
            continue
        kernel, up = found.get(f"{stem}/kernel"), weights.get(f"{stem}/{UP}")
        if kernel is None or up is None or down.shape[-1:] != up.shape[:1]:
            raise IntegrityError(f"{path} does not fit {stem}/{UP} and {stem}/kernel")
        found[f"{stem}/kernel"] = added(kernel, down, up, scale)
    return found


def added(kernel: np.ndarray, down: np.ndarray, up: np.ndarray, scale: float) -> np.ndarray:
    """kernel + scale · down · up, in float64, rounded to the kernel's dtype: the sum then does not depend on
    the order in which it is taken. IntegrityError if the shapes do not fit."""
    product = np.tensordot(down.astype(np.float64), up.astype(np.float64), axes=1)
    if product.shape != kernel.shape:
        raise IntegrityError(
            f"an adapter is for a kernel of {product.shape}, and the kernel is {kernel.shape}"
        )
    summed: np.ndarray = (kernel + scale * product).astype(kernel.dtype)
    return summed
