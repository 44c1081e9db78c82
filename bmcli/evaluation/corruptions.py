"""Pictures and texts as the world makes them: noisy, blurred, bright, compressed; with typos, in capitals.

Kinds and strengths of pictures are those of CIFAR-10-C (Hendrycks and Dietterich, 2019), blur in proportion
to the side.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np

STRENGTHS = (1, 3, 5)
_NOISE = {1: 0.04, 3: 0.08, 5: 0.10}
_BLUR = {1: 0.4, 3: 0.7, 5: 1.0}
_BRIGHTNESS = {1: 0.05, 3: 0.15, 5: 0.30}
_QUALITY = {1: 80, 3: 58, 5: 40}
_TYPOS = {1: 0.05, 3: 0.15, 5: 0.30}
_CAPITALS = {1: 0.1, 3: 0.5, 5: 1.0}

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


def with_typos(texts: Sequence[str], strength: int, rng: np.random.Generator) -> list[str]:
    """A share of the words loses a letter, doubles one, or has two neighbours swapped."""

    def spoiled(word: str) -> str:
        if len(word) < 3 or rng.random() >= _TYPOS[strength]:
            return word
        at, kind = int(rng.integers(0, len(word) - 1)), int(rng.integers(3))
        if kind == 0:
            return word[:at] + word[at + 1 :]
        if kind == 1:
            return word[: at + 1] + word[at:]
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    return [" ".join(spoiled(word) for word in text.split(" ")) for text in texts]


def in_capitals(texts: Sequence[str], strength: int, rng: np.random.Generator) -> list[str]:
    """A share of the words is written in capitals."""
    share = _CAPITALS[strength]
    return [
        " ".join(word.upper() if rng.random() < share else word for word in text.split(" ")) for text in texts
    ]


TEXTS: dict[str, Callable[[Sequence[str], int, np.random.Generator], list[str]]] = {
    "typos": with_typos,
    "capitals": in_capitals,
}
