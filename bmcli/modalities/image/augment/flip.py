"""Mirror images."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bmcli.modalities.image.augment import AUGMENTATIONS, Augmentation

if TYPE_CHECKING:
    import numpy as np


@AUGMENTATIONS.register("flip")
class Flip(Augmentation):
    """Mirror half of the images, left to right."""

    uniforms: ClassVar[int] = 2
    source: ClassVar[str] = (
        "Krizhevsky, Sutskever and Hinton 2012, ImageNet classification with deep CNNs; alternating: Jordan "
        "2024, arXiv:2404.00498"
    )

    horizontal: bool = Field(True, description="Left to right, with probability 1/2.")
    vertical: bool = Field(False, description="Upside down, with probability 1/2.")
    alternate: bool = Field(
        False,
        description="Each image in every second epoch, half of them in the first: the network sees both "
        "sides of all as often, and so learns faster.",
    )

    @property
    def alternates(self) -> bool:
        """See Augmentation."""
        return self.alternate

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u < 1/2 mirrors: u[:, 0] left to right, u[:, 1] upside down."""
        import numpy as np

        flipped = images.copy()
        if self.horizontal:
            chosen = np.flatnonzero(u[:, 0] < 0.5)
            mirrored = images[chosen][:, :, ::-1]
            for channel in range(images.shape[3]):  # pixel by pixel NumPy would take three times as long
                flipped[chosen, :, :, channel] = mirrored[..., channel]
        if self.vertical:
            chosen = np.flatnonzero(u[:, 1] < 0.5)
            flipped[chosen] = flipped[chosen, ::-1]
        return flipped, targets
