"""Turn images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from bmcli.modalities.image.augment import AUGMENTATIONS, Augmentation

if TYPE_CHECKING:
    import numpy as np


@AUGMENTATIONS.register("rotation")
class Rotation(Augmentation):
    """Turn each image about its centre by a random angle, with bilinear interpolation."""

    uniforms: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Simard, Steinkraus and Platt 2003, Best practices for convolutional neural networks"
    )

    degrees: Annotated[float, Field(gt=0, le=180)] = Field(
        10.0, description="Largest angle, either way; all angles up to it are equally likely."
    )
    fill: Literal["zero", "edge"] = Field(
        "zero", description="What comes in from outside: black, or the nearest pixel of the edge."
    )

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u = 1/2 leaves the image alone; smaller turns clockwise, larger counter-clockwise."""
        import numpy as np

        n, height, width, channels = images.shape
        angle = np.deg2rad((2 * u[:, 0] - 1) * self.degrees).astype(np.float32)[:, None, None]
        y = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2
        x = np.arange(width, dtype=np.float32)[None, :] - (width - 1) / 2
        # Where each pixel of the result comes from.
        from_y = np.sin(angle) * x + np.cos(angle) * y + (height - 1) / 2
        from_x = np.cos(angle) * x - np.sin(angle) * y + (width - 1) / 2
        if self.fill == "edge":
            from_y, from_x = from_y.clip(0, height - 1), from_x.clip(0, width - 1)
        top, left = np.floor(from_y).astype(np.int32), np.floor(from_x).astype(np.int32)
        down, right = from_y - top, from_x - left
        # A margin of two black pixels: whatever is farther away than one is black altogether.
        padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
        pixels = padded.reshape(-1, channels)
        first = np.arange(n, dtype=np.int32)[:, None, None] * (height + 4)
        total = np.zeros(images.shape, np.float32)
        for dy, weight_y in ((0, 1 - down), (1, down)):
            rows = (first + (top + dy).clip(-2, height + 1) + 2) * (width + 4)
            for dx, weight_x in ((0, 1 - right), (1, right)):
                columns = (left + dx).clip(-2, width + 1) + 2
                total += (weight_y * weight_x)[..., None] * pixels[rows + columns]
        return np.rint(total).astype(np.uint8), targets
