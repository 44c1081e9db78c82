"""Images as the world makes them: noisy, blurred, bright, compressed.

Kinds and strengths are those of CIFAR-10-C (Hendrycks and Dietterich, 2019), blur in proportion to the side.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

_NOISE = {1: 0.04, 3: 0.08, 5: 0.10}
_BLUR = {1: 0.4, 3: 0.7, 5: 1.0}
_BRIGHTNESS = {1: 0.05, 3: 0.15, 5: 0.30}
_QUALITY = {1: 80, 3: 58, 5: 40}

Corruption = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def _bytes(pixels: np.ndarray) -> np.ndarray:
    """Rounded, and cut off at 0 and 255: uint8."""
    cut: np.ndarray = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return cut


def _noise(images: np.ndarray, strength: int, rng: np.random.Generator) -> np.ndarray:
    noisy = images + 255 * _NOISE[strength] * rng.standard_normal(images.shape, np.float32)
    return _bytes(noisy)


def _blur(images: np.ndarray, strength: int, _: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    sigma = _BLUR[strength] * max(images.shape[1:3]) / 32
    blurred = gaussian_filter(images.astype(np.float32), (0, sigma, sigma, 0), mode="nearest")
    return _bytes(blurred)


def _brightness(images: np.ndarray, strength: int, _: np.random.Generator) -> np.ndarray:
    return np.clip(images.astype(np.int16) + round(255 * _BRIGHTNESS[strength]), 0, 255).astype(np.uint8)


def _jpeg(images: np.ndarray, strength: int, _: np.random.Generator) -> np.ndarray:
    from PIL import Image

    def one(image: np.ndarray) -> np.ndarray:
        stream = io.BytesIO()
        grey = image.shape[2] == 1
        Image.fromarray(image[:, :, 0] if grey else image).save(stream, "JPEG", quality=_QUALITY[strength])
        return np.asarray(Image.open(stream)).reshape(image.shape)

    return np.stack([one(image) for image in images])


CORRUPTIONS: dict[str, Corruption] = {
    "noise": _noise,
    "blur": _blur,
    "brightness": _brightness,
    "jpeg": _jpeg,
}
"""From uint8 [n, height, width, channels], a strength and a generator to the same shape."""
