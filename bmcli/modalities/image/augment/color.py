"""Change brightness, contrast and saturation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bmcli.modalities.image.augment import AUGMENTATIONS, Augmentation, Strength

if TYPE_CHECKING:
    import numpy as np


@AUGMENTATIONS.register("color")
class Color(Augmentation):
    """Change brightness, contrast and saturation at random."""

    uniforms: ClassVar[int] = 3
    source: ClassVar[str] = (
        "Howard 2013, Some improvements on deep CNN based image classification, arXiv:1312.5402"
    )

    brightness: Strength = Field(0.2, description="Pixels are multiplied by up to 1 ± this.")
    contrast: Strength = Field(
        0.2, description="Distances from the mean grey are multiplied by up to 1 ± this."
    )
    saturation: Strength = Field(
        0.2, description="Distances from the pixel's own grey are multiplied by up to 1 ± this."
    )

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u = (brightness, contrast, saturation), applied in this order; 1/2 leaves the image alone."""
        import numpy as np

        strengths = np.array([self.brightness, self.contrast, self.saturation])
        factors = (1 + (2 * u - 1) * strengths).astype(np.float32)[:, :, None, None, None]
        pixels = (images * factors[:, 0]).clip(0, 255)
        if self.contrast:
            mean = _grey(pixels).mean(axis=(1, 2), keepdims=True)
            pixels = (mean + (pixels - mean) * factors[:, 1]).clip(0, 255)
        if self.saturation and images.shape[3] == 3:
            grey = _grey(pixels)
            pixels = (grey + (pixels - grey) * factors[:, 2]).clip(0, 255)
        return np.rint(pixels).astype(np.uint8), targets


def _grey(pixels: np.ndarray) -> np.ndarray:
    """ITU-R 601 luma, float32 [n, height, width, 1]."""
    import numpy as np

    if pixels.shape[3] == 1:
        return pixels
    return pixels @ np.array([[0.299], [0.587], [0.114]], np.float32)
