"""Images of more than 8 bits per value (16-bit, 32-bit, floats), and how they become 8-bit ones.

What their values mean depends on what made them: an X-ray of 12 bits fills a sixteenth of 16, a thermal image
holds a few degrees as floats. So they are scaled by a window, two values of which the lower becomes 0 and the
higher 255; what is beyond is clipped. The window is the range that the training images have, or the user's.
"""

from __future__ import annotations

import io
import os
import stat
from typing import TypeAlias

import numpy as np
from PIL import Image

from bmcli.modalities.image.formats import FAILURES, TIFF_STARTS, Unusable, hush_libtiff

Window: TypeAlias = tuple[float, float]
BLOCK = 2**18
"""Values scaled in one go: a whole large image as float64 would take eight times its size."""
LOOKED_AT = 2**16
"""Number of evenly spaced values of an image that locate the bulk of its values."""
BULK = (0.001, 0.999)
NO_RANGE = "holds more than bytes, and the run has no range of values to scale it by"
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO, _UNSIGNED = 0, 1
BOXES = 2**16
"""Bytes of a HEIC or AVIF file that contain its description."""
_DEEPER = (10, 12, 16)
_GREY_PNG = (0,)
"""The colour type that Pillow reads with all 16 bits."""


def glance(source: str | bytes) -> tuple[int, bool]:
    """`bits` and `is_wide` of a file, by its first bytes, undecoded; (8, False) where it is none."""
    try:
        head = source[:32] if isinstance(source, bytes) else _head(source)
        if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) > 25:
            return (16, head[25] in _GREY_PNG) if head[24] == 16 else (8, False)
        if head.startswith(TIFF_STARTS):
            hush_libtiff()
            file = io.BytesIO(source) if isinstance(source, bytes) else source
            with Image.open(file, formats=["TIFF"]) as image:
                return bits(image), is_wide(image)
    except FAILURES:
        pass
    return 8, False


def is_deeper(data: bytes) -> bool:
    """Whether a HEIC or AVIF file holds more than 8 bits per value, of which the upper 8 are read: by its
    pixel information (ISO/IEC 23008-12), undecoded."""
    if data[4:8] != b"ftyp":
        return False
    at = data.find(b"pixi", 0, BOXES)
    while (
        at >= 0
    ):  # after the name, four bytes of version and flags, the number of channels, the bits of each
        channels = data[at + 8 : at + 9]
        if channels and max(data[at + 9 : at + 9 + channels[0]], default=0) in _DEEPER:
            return True
        at = data.find(b"pixi", at + 4, BOXES)
    return False


def _head(path: str) -> bytes:
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - for every file; a pipe would be waited for
        return b""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read(32)


def is_wide(image: Image.Image) -> bool:
    """Whether Pillow holds it with more than 8 bits: always grey."""
    return image.mode.startswith("I") or image.mode == "F"


def bits(image: Image.Image) -> int:
    """Bits per value in the file: 8 (or fewer), 16, 32 or 64; also where Pillow reads only 8 of them."""
    if image.format == "TIFF":
        found = image.tag_v2.get(_BITS, (1,))  # type: ignore[attr-defined]
        return max(8, *found) if all(isinstance(one, int) for one in found) else 8
    if image.mode.startswith("I;16"):
        return 16
    if image.format == "PNG":
        tiles = getattr(image, "tile", None)
        raw = str(tiles[0][3]) if tiles else ""
        return 16 if ";16" in raw or image.mode == "I" else 8
    return 32 if is_wide(image) else 8


def values(image: Image.Image) -> np.ndarray:
    """The numbers of a wide image: [height, width], of the dtype that holds them."""
    found = np.asarray(image)
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        # Pillow holds 32 bits as signed, and leaves values the wrong way round that count from white.
        if found.dtype == np.int32 and tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0] == _UNSIGNED:
            found = found.view(np.uint32)
        if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            found = np.iinfo(found.dtype).max - found if found.dtype.kind == "u" else -found
    return found


def extent(found: np.ndarray) -> tuple[float, float, float, float]:
    """Lowest, highest, and those between which all but two thousandths of the values lie.

    Unusable where one is NaN or infinite.
    """
    low, high = float(found.min()), float(found.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise Unusable("holds NaN or infinite values")
    some = found.reshape(-1)[:: max(1, found.size // LOOKED_AT)]
    bulk = np.quantile(some.astype(np.float64), BULK)
    return low, high, float(bulk[0]), float(bulk[1])


def narrowed(found: np.ndarray, window: Window | None) -> np.ndarray:
    """uint8 of the same shape. window: see the module; None for runs that have none: 16 bits by their upper
    half.

    Unusable where a value is NaN or infinite, or where floats have no window.
    """
    if window is None:
        if found.dtype.kind == "f":
            raise Unusable(NO_RANGE)
        eight: np.ndarray = ((np.clip(found, 0, 65535).astype(np.int32) + 128) // 257).astype(np.uint8)
        return eight
    low, high = window
    flat, made = found.reshape(-1), np.empty(found.size, np.uint8)
    for start in range(0, found.size, BLOCK):
        part = flat[start : start + BLOCK].astype(np.float64)
        if found.dtype.kind == "f" and not np.isfinite(part).all():
            raise Unusable("holds NaN or infinite values")
        np.clip(part, low, high, out=part)
        part -= low
        if high > low:
            part *= 255
            part /= high - low
        else:  # a single value, to which all above it were clipped
            part[:] = 255 * (flat[start : start + BLOCK] > low)
        made[start : start + BLOCK] = np.rint(part)
    return made.reshape(found.shape)
