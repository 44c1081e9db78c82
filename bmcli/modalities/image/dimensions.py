"""Size and number of channels that a run brings its images to."""

from __future__ import annotations

from typing import Literal

from bmcli.modalities.image.decode_pool import without_colour
from bmcli.modalities.image.examples import Images
from bmcli.modalities.image.formats import FORMATS

DEFAULT_SIZE = (64, 64)
LOOKED_AT = 256
"""How many images decide whether all are grey."""


def size_of(images: Images, wanted: int | tuple[int, int] | None) -> tuple[int, int]:
    """Height and width: as wanted, or the images' own where all are alike."""
    if wanted is not None:
        return (wanted, wanted) if isinstance(wanted, int) else wanted
    if images.arrays is not None:
        return images.arrays.shape[1], images.arrays.shape[2]
    if images.sizes is not None:  # read while probing
        alike = len(images) > 0 and bool((images.sizes == images.sizes[0]).all())
        return (int(images.sizes[0, 0]), int(images.sizes[0, 1])) if alike else DEFAULT_SIZE
    sizes = (size for path in images.paths or () if (size := _own_size(path)) is not None)
    first = next(sizes, None)
    return first if first is not None and all(size == first for size in sizes) else DEFAULT_SIZE


def _own_size(path: str) -> tuple[int, int] | None:
    """Height and width as shown, from the file's header; None if it has none (`encode` will report it)."""
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return (width, height) if turned else (height, width)


def channels_of(images: Images) -> Literal[1, 3]:
    """1 if all of a sample are grey, spread over the split; arrays keep what they have."""
    if images.arrays is not None:
        return 1 if images.arrays.shape[3] == 1 else 3
    if images.grey is not None and images.grey.all():
        return 1
    return 1 if without_colour(images.paths or (), at_most=LOOKED_AT) else 3
