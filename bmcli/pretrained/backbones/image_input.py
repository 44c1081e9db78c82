"""What an image backbone was trained on: the size, scaling and resizing of its images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Interpolation = Literal["bilinear", "bicubic"]

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class ImageInput:
    """How images become a backbone's input.

    size: (height, width). mean, deviation: of each channel of RGB, for pixels from 0 to 1. crop: the share of
    the image that its largest centred part of the right proportions is cut down to; None: the weights do not
    say.
    """

    size: tuple[int, int]
    mean: tuple[float, ...] = IMAGENET_MEAN
    deviation: tuple[float, ...] = IMAGENET_DEVIATION
    interpolation: Interpolation = "bilinear"
    crop: float | None = None

    @property
    def scale(self) -> tuple[float, ...]:
        """What each channel's pixels, from 0 to 255, are multiplied by."""
        return tuple(1 / (255 * one) for one in self.deviation)

    @property
    def offset(self) -> tuple[float, ...]:
        """What is then added to them."""
        return tuple(-mean / one for mean, one in zip(self.mean, self.deviation, strict=True))
