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


def _noise(pictures: np.ndarray, strength: int, rng: np.random.Generator) -> np.ndarray:
    noisy = pictures + 255 * _NOISE[strength] * rng.standard_normal(pictures.shape, np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _blur(pictures: np.ndarray, strength: int, _: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    sigma = _BLUR[strength] * max(pictures.shape[1:3]) / 32
    blurred = gaussian_filter(pictures.astype(np.float32), (0, sigma, sigma, 0), mode="nearest")
    return np.clip(np.rint(blurred), 0, 255).astype(np.uint8)


def _brightness(pictures: np.ndarray, strength: int, _: np.random.Generator) -> np.ndarray:
    return np.clip(pictures.astype(np.int16) + round(255 * _BRIGHTNESS[strength]), 0, 255).astype(np.uint8)


def _jpeg(pictures: np.ndarray, strength: int, _: np.random.Generator) -> np.ndarray:
    from PIL import Image

    def one(picture: np.ndarray) -> np.ndarray:
        stream = io.BytesIO()
        grey = picture.shape[2] == 1
        Image.fromarray(picture[:, :, 0] if grey else picture).save(
            stream, "JPEG", quality=_QUALITY[strength]
        )
        return np.asarray(Image.open(stream)).reshape(picture.shape)

    return np.stack([one(picture) for picture in pictures])


PICTURES: dict[str, Corruption] = {"noise": _noise, "blur": _blur, "brightness": _brightness, "jpeg": _jpeg}
"""From uint8 [n, height, width, channels], a strength and a generator to the same shape."""
