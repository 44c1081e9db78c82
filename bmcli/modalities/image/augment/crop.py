"""Shift images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from bmcli.modalities.image.augment import AUGMENTATIONS, Augmentation

if TYPE_CHECKING:
    import numpy as np


@AUGMENTATIONS.register("crop")
class Crop(Augmentation):
    """Shift each image by up to `padding` pixels; what comes in from outside is black or mirrored."""

    uniforms: ClassVar[int] = 2
    source: ClassVar[str] = "He et al. 2016, Deep residual learning, section 4.2, arXiv:1512.03385"

    padding: Annotated[int, Field(ge=1, le=512)] = Field(
        4, description="Pixels added on each side before a crop of the image's own size is cut out."
    )
    fill: Literal["zero", "reflect"] = Field(
        "zero", description="What is outside: black, or the image mirrored at its edge."
    )

    def apply(self, images: np.ndarray, targets: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u = (down, right): 0 shifts the window to the top or left edge, 1/2 leaves the image alone."""
        import numpy as np

        n, height, width, channels = images.shape
        edge = self.padding
        padded = np.pad(
            images,
            ((0, 0), (edge, edge), (edge, edge), (0, 0)),
            mode="constant" if self.fill == "zero" else "reflect",
        )
        lines = padded.reshape(n, height + 2 * edge, -1)
        windows = np.lib.stride_tricks.sliding_window_view(lines, (height, width * channels), axis=(1, 2))
        top, left = (u * (2 * edge + 1)).astype(np.int64).T
        return windows[np.arange(n), top, left * channels].reshape(images.shape), targets
