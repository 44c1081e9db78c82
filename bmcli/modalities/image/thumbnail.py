"""An image small enough to be drawn among others."""

from __future__ import annotations

import numpy as np

from bmcli.modalities.image.decode import read, upright
from bmcli.modalities.image.depth import narrowed
from bmcli.modalities.image.examples import Images
from bmcli.modalities.image.formats import by_pillow

THUMBNAIL = 192
"""Images are drawn at most this many pixels wide and high."""


def thumbnail(images: Images, position: int, window: tuple[float, float] | None = None) -> np.ndarray:
    """uint8 [h, w] or [h, w, 3], upright, at most THUMBNAIL on a side."""
    from PIL import Image

    if images.arrays is not None:
        array = images.arrays[position]
        if array.dtype != np.uint8:
            array = narrowed(array, window)
        image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    else:
        assert images.paths is not None
        with by_pillow(read(images.paths[position])) as opened:
            opened.draft(opened.mode, (2 * THUMBNAIL, 2 * THUMBNAIL))
            image = upright(opened, window)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return np.asarray(image)
