"""An explained image as a PNG: the image, and overlays of what the prediction depends on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

    from bmcli.explain.base import Explanation

SIDE = 280
"""Pixels of a panel's longer side."""
BLUE, ORANGE = (0, 95, 153), (200, 80, 0)
"""What speaks against a class, and for it."""


def overlay(explanation: Explanation) -> bytes:
    """PNG: the image, Grad-CAM over it, and what speaks for the class (orange) and against it (blue)."""
    from PIL import Image as images

    assert explanation.image is not None
    array = explanation.image
    plain = images.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).convert("RGB")
    scale = SIDE / max(plain.size)
    size = max(1, round(plain.width * scale)), max(1, round(plain.height * scale))
    smooth = images.Resampling.NEAREST if scale > 2 else images.Resampling.BILINEAR
    plain = plain.resize(size, smooth)
    panels = [plain]
    if explanation.heat is not None:
        panels.append(_heated(plain, explanation.heat))
    panels.append(_signed(plain, explanation.weights, smooth))
    gap = 8
    made = images.new("RGB", (len(panels) * (size[0] + gap) - gap, size[1]), "white")
    for i, panel in enumerate(panels):
        made.paste(panel, (i * (size[0] + gap), 0))
    stream = io.BytesIO()
    made.save(stream, "PNG")
    return stream.getvalue()


def _heated(plain: Image, heat: np.ndarray) -> Image:
    from matplotlib import colormaps
    from PIL import Image as images

    grown = images.fromarray((255 * heat).astype(np.uint8)).resize(plain.size, images.Resampling.BICUBIC)
    share = np.asarray(grown, np.float64) / 255
    colours = colormaps["inferno"](share)[..., :3] * 255
    alpha = (0.25 + 0.5 * share)[..., None]
    grey = np.asarray(plain.convert("L").convert("RGB"), np.float64)
    return images.fromarray((grey * (1 - alpha) + colours * alpha).astype(np.uint8))


def _signed(plain: Image, weights: np.ndarray, smooth: int) -> Image:
    from PIL import Image as images

    # The largest hundredth would leave everything else pale.
    top = float(np.quantile(np.abs(weights), 0.99)) or float(np.abs(weights).max()) or 1.0
    scaled = np.clip(weights / top, -1, 1).astype(np.float32)
    grown = np.asarray(images.fromarray(scaled).resize(plain.size, images.Resampling(smooth)))[..., None]
    colours = np.where(grown > 0, ORANGE, BLUE)
    paper = 255 - 0.25 * (255 - np.asarray(plain.convert("L").convert("RGB"), np.float64))
    alpha = np.abs(grown) * 0.9
    return images.fromarray((paper * (1 - alpha) + colours * alpha).astype(np.uint8))
