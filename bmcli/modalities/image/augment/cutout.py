"""Cover a square."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from bmcli.modalities.image.augment import AUGMENTATIONS, Augmentation

if TYPE_CHECKING:
    import numpy as np


@AUGMENTATIONS.register("cutout")
class Cutout(Augmentation):
    """Cover one square of each image with the image's mean colour."""

    uniforms: ClassVar[int] = 2
    source: ClassVar[str] = (
        "DeVries and Taylor 2017, Improved regularization of CNNs with cutout, arXiv:1708.04552"
    )

    size: Annotated[int, Field(ge=1, le=4096)] = Field(
        8, description="Side of the square in pixels; its centre is anywhere, so edges may cut it."
    )

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u = (row, column) of the square's centre."""
        import numpy as np

        _, height, width, _ = images.shape
        top = (u[:, 0] * height).astype(np.int64)[:, None] - self.size // 2
        left = (u[:, 1] * width).astype(np.int64)[:, None] - self.size // 2
        y, x = np.arange(height), np.arange(width)
        in_rows, in_columns = (y >= top) & (y < top + self.size), (x >= left) & (x < left + self.size)
        mean = np.rint(images.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
        covered = in_rows[:, :, None, None] & in_columns[:, None, :, None]
        return np.where(covered, mean, images), targets
