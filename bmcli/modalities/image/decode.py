"""From image files to arrays: one way for training, evaluation and prediction.

Pillow decodes images. A plain JPEG that need not be reduced goes through simplejpeg instead, which gives the
same pixels (both use libjpeg-turbo) in a third of the time; what it rejects is left to Pillow.

What `decode` does, in this order:

    1. refuses files that are not one of `formats.FORMATS`, have more than MAX_PIXELS pixels or are larger
       than MAX_BYTES; of several frames or pages, the first is read;
    2. reduces a JPEG while decoding it, by 2, 4 or 8, to no less than one and a half times the wanted size;
    3. scales images of more than 8 bits to 8 (see `depth`), puts transparent ones on white, converts CMYK,
       palette and other colours to RGB;
    4. converts it to grey (ITU-R 601 luma) or RGB, as wanted;
    5. resizes it by bilinear (or bicubic) interpolation with antialiasing: distorted (squash), its largest
       centred part with the wanted proportions, or a share of that (crop), or whole with black borders (pad);
    6. applies its EXIF orientation.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import simplejpeg
from PIL import Image

from bmcli.core.errors import DataError, Place, Problem
from bmcli.modalities.image import depth
from bmcli.modalities.image.depth import Window
from bmcli.modalities.image.formats import FAILURES, LARGE_PIXELS, MAX_PIXELS, Unusable, by_pillow, reason

__all__ = ["FAILURES", "MAX_PIXELS", "Manner", "decode", "reason"]

MAX_BYTES = 256 * 2**20
_one_large = threading.Lock()

DRAFT = 1.5
"""A JPEG reduced on the way keeps this many times the wanted size: what the decoder leaves out is then beyond
what the resizing would keep. It differs by about one grey level in 255 from resizing the whole image."""
Fit: TypeAlias = Literal["squash", "crop", "pad"]
Interpolation: TypeAlias = Literal["bilinear", "bicubic"]
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Manner:
    """How images become arrays, apart from size and colour.

    fit: what becomes of other proportions than the wanted ones: squash distorts, crop takes the middle of
    the image, pad puts black beside it. window: values that become 0 and 255, for images of more than 8 bits;
    None: 0 and 65535. interpolation: in resizing; share: of the height and width of what crop takes, which
    pretrained weights may want smaller than the image allows.
    """

    fit: Fit = "squash"
    window: Window | None = None
    interpolation: Interpolation = "bilinear"
    share: float = 1.0


AS_IT_IS = Manner()


def decode(
    source: str | bytes,
    size: tuple[int, int] | None = None,
    channels: Literal[1, 3] | None = None,
    manner: Manner = AS_IT_IS,
) -> np.ndarray:
    """One image as uint8 [height, width, channels].

    source: a path, or a file's bytes; size: (height, width), None for the image's own; channels: 1 grey,
    3 RGB, None for 1 if the file is grey, else 3.

    Raises DataError if it is not a usable image; the message names the file.
    """
    name = source if isinstance(source, str) else "image"
    data = b""
    try:
        data = read(source) if isinstance(source, str) else source
        with opened(data, size, manner.fit) as image:
            return as_array(image, size, channels, manner)
    except FAILURES as error:
        problem = Problem(reason(error, data), Place(name))
        raise DataError(f"{name}: {problem.message}", problems=(problem,)) from error


_MODES = {1: "L", 3: "RGB"}
_ORIENTATION = 0x0112
_ON_ITS_SIDE = (5, 6, 7, 8)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How an image is set right, by its orientation."""


# Python's own open() takes twice as long; without O_NONBLOCK opening a pipe would wait for ever.
_HOW = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def read(path: str) -> bytes:
    """The bytes of a regular file of no more than MAX_BYTES; one of FAILURES where there is none."""
    try:
        file = os.open(path, _HOW)
    except FileNotFoundError:
        raise Unusable("there is no such file") from None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise Unusable("not a regular file")
        if status.st_size > MAX_BYTES:
            raise Unusable(f"larger than {MAX_BYTES // 2**20} MiB")
        return _whole(file, status.st_size)
    finally:
        os.close(file)


def _whole(file: int, size: int) -> bytes:
    """One call for a file of `size`; more only where it is being changed, or is larger than a call gives."""
    data = os.read(file, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    while (part := os.read(file, 2**20)) and sum(map(len, parts)) <= MAX_BYTES:
        parts.append(part)
    return b"".join(parts)


def _plain_jpeg(data: bytes, size: tuple[int, int] | None, fit: Fit = "squash") -> Image.Image | None:
    """The image of a JPEG that is sound, grey or YCbCr, says nothing of how it is to be turned, and is
    wanted whole (see DRAFT); else None.
    """
    if not data.startswith(b"\xff\xd8\xff") or b"Exif\0" in data or b"://ns.adobe.com/xap/" in data:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours not in ("Gray", "YCbCr") or width * height > LARGE_PIXELS:
            return None
        if size is not None:
            least = _drafted((height, width), size, fit)
            if min(width // least[0], height // least[1]) >= 2:
                return None
        array = simplejpeg.decode_jpeg(data, "GRAY" if colours == "Gray" else "RGB")
    except ValueError:
        return None
    # What `Image.fromarray` does, in two thirds of its time.
    return Image.frombytes("L" if colours == "Gray" else "RGB", (width, height), array)


def _drafted(own: tuple[int, int], size: tuple[int, int], fit: Fit) -> tuple[int, int]:
    """Width and height that a JPEG of its own (height, width) is not to be reduced below."""
    height, width = _inner(own, size) if fit == "pad" else size
    return int(DRAFT * width), int(DRAFT * height)


def _inner(own: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the largest image of its own proportions within `size`."""
    scale = min(size[0] / own[0], size[1] / own[1])
    return max(1, round(own[0] * scale)), max(1, round(own[1] * scale))


@contextmanager
def opened(data: bytes, size: tuple[int, int] | None, fit: Fit = "squash") -> Iterator[Image.Image]:
    """The image in a file's bytes, to be decoded in this size (None: its own) while it is open.

    One of FAILURES where there is no usable one, on the way in or while it is decoded.
    """
    with _plain_jpeg(data, size, fit) or by_pillow(data) as image, _room_for(image):
        yield image


def _room_for(image: Image.Image) -> AbstractContextManager[object]:
    large = image.format not in ("JPEG", "MPO") and image.width * image.height > LARGE_PIXELS
    return _one_large if large else nullcontext()


def as_array(
    image: Image.Image,
    size: tuple[int, int] | None,
    channels: Literal[1, 3] | None,
    manner: Manner = AS_IT_IS,
) -> np.ndarray:
    """uint8 [height, width, channels] of an opened image, as `decode` would give it."""
    mode = None if channels is None else _MODES[channels]
    if image.format is None:  # a plain JPEG: whole, of 8 bits and upright, so that nothing is left to ask
        return _array(_padded(_fitted(image, mode or image.mode, size, manner), size))
    mode = mode or _MODES[1 if is_grey(image) else 3]
    box = None
    wanted = size
    if size is not None:
        if on_its_side(image):
            wanted = size[::-1]
        drafted = image.draft(image.mode, _drafted((image.height, image.width), wanted or size, manner.fit))
        # Halving 375 lines gives 188, of which the last is a half: `box` leaves that half out.
        box = drafted[1] if drafted else None
    image.load()
    orientation = _orientation(image)
    if size is not None:
        wanted = size[::-1] if orientation in _ON_ITS_SIDE else size
    image = _fitted(eight_bits(image, manner.window), mode, wanted, manner, box)
    if orientation in _TURNS:  # when there is least to turn
        image = image.transpose(_TURNS[orientation])
    return _array(_padded(image, size))  # last, or black would be a pixel more on the other side


def _fitted(
    image: Image.Image,
    mode: str,
    size: tuple[int, int] | None,
    manner: Manner,
    box: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    """A grey or RGB image in that mode and size (height, width); box: the part of it that counts.

    Padding is not added yet.
    """
    if image.mode != mode:
        image = image.convert(mode)
    fit, whole = manner.fit, manner.share == 1
    if size is None or ((image.height, image.width) == size and whole):
        return image
    left, top, right, bottom = box or (0.0, 0.0, float(image.width), float(image.height))
    height, width = bottom - top, right - left
    if fit == "pad":
        size = _inner((height, width), size)  # type: ignore[arg-type]  # of floats too
    elif fit == "crop":
        scale = max(size[0] / height, size[1] / width) / manner.share
        # No less than nothing: rounding leaves a hair of either sign.
        off_y, off_x = max(0.0, height - size[0] / scale) / 2, max(0.0, width - size[1] / scale) / 2
        box = (left + off_x, top + off_y, right - off_x, bottom - off_y)
    return image.resize(size[::-1], RESAMPLING[manner.interpolation], box=box, reducing_gap=2.0)


def _padded(image: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    """Padded with black if it is smaller than `size`."""
    if size is None or (image.height, image.width) == size:
        return image
    height, width = size
    made = Image.new(image.mode, (width, height))
    made.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return made


def _array(image: Image.Image) -> np.ndarray:
    channels = 1 if image.mode == "L" else 3
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, channels)


def eight_bits(image: Image.Image, window: Window | None = None) -> Image.Image:
    """The opaque 8-bit image, grey ('L') or 'RGB'; window: as `Manner` has it."""
    if depth.is_wide(image):
        return Image.fromarray(depth.narrowed(depth.values(image), window))
    if image.mode == "La":  # which is made transparent grey, and nothing else
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        clear = image if image.mode == "RGBA" else image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode)  # which would copy a photo for nothing


def upright(image: Image.Image, window: Window | None = None) -> Image.Image:
    """`eight_bits`, turned according to the file."""
    image.load()
    orientation = _orientation(image)
    image = eight_bits(image, window)
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def resized(array: np.ndarray, size: tuple[int, int], channels: Literal[1, 3], manner: Manner) -> np.ndarray:
    """An array [h, w, 1 or 3] as `decode` would give the image: uint8 [*size, channels].

    formats.Unusable if its values are outside 0 to 255 and their scale is unknown.
    """
    if array.dtype != np.uint8:
        if manner.window is None:
            raise Unusable(depth.NO_RANGE)
        array = depth.narrowed(array, manner.window)
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    return _array(_padded(_fitted(image, _MODES[channels], size, manner), size))


def on_its_side(image: Image.Image) -> bool:
    """Whether the file's height and width are swapped when it is displayed."""
    return _orientation(image) in _ON_ITS_SIDE


def _orientation(image: Image.Image) -> int:
    """The orientation by EXIF or XMP, else 1 (upright). Most files have neither, and looking takes time."""
    if image.format in ("TIFF", "HEIF"):  # which Pillow and its plugin turn by themselves
        return 1
    if not any(key in image.info for key in ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")):
        return 1
    found = image.getexif().get(_ORIENTATION, 1)
    return found if isinstance(found, int) else 1


def is_grey(image: Image.Image) -> bool:
    """Whether the file holds no colour, by its mode and palette."""
    if image.mode == "P":
        palette = np.frombuffer(bytes(image.getpalette("RGB") or b""), np.uint8).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La") or depth.is_wide(image)
