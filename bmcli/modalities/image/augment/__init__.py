"""Random changes to training images, by name.

An augmentation is a pure function of a batch and of uniform random numbers, one row per example: the trainer
makes the numbers from (seed, epoch, example), so that a resumed run sees the same changes. All work on whole
batches of uint8 images, before normalisation. NumPy is imported inside, so that `bm check` stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from bmcli.core.component import Component
from bmcli.core.plugin_calls import Check, kind_of
from bmcli.core.registry import Registry

if TYPE_CHECKING:
    import numpy as np

Strength = Annotated[float, Field(ge=0, le=1)]


def _batch(result: object, args: tuple[Any, ...]) -> str | None:
    import numpy as np

    images, targets = args[0], args[1]
    if not isinstance(result, tuple) or len(result) != 2:
        return f"gives {kind_of(result)}, not (images, targets)"
    for new, old, name in ((result[0], images, "images"), (result[1], targets, "targets")):
        if not isinstance(new, np.ndarray) or new.shape != old.shape:
            shape = getattr(new, "shape", None)
            found = kind_of(new) if shape is None else f"shape {tuple(shape)}"
            return f"gives {name} of {found}; they came with shape {old.shape}"
        if new.dtype != old.dtype:
            return f"gives {name} of {new.dtype}; they came as {old.dtype}"
    return None


class Augmentation(Component):
    """Base of all augmentations: the fields are the options, `apply` makes the change."""

    results: ClassVar[dict[str, Check]] = {"apply": _batch}

    uniforms: ClassVar[int] = 0
    """How many uniform random numbers one example takes."""
    blends: ClassVar[bool] = False
    """Whether it mixes examples, and their targets too, so that no part of an example can be left out."""

    @property
    def alternates(self) -> bool:
        """Whether an example keeps its numbers u through all epochs, as u and 1 - u in turn."""
        return False

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The changed images and targets; the same for the same `u`; the arguments stay as they are.

        images: uint8 [n, height, width, channels]; targets: float32 [n, units]; u: float64 [n, uniforms] in
        [0, 1). Images come out as uint8 of the same shape.
        """
        raise NotImplementedError


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", Augmentation, __name__, needs="apply")
