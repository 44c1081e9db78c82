"""From picture files to arrays: one way for training, evaluation and prediction.

Pillow says what a picture is. A plain JPEG that need not be reduced goes through simplejpeg instead, which
gives the same pixels (both are libjpeg-turbo) in a third of the time; whatever it objects to is Pillow's.

What `decode` does, in this order:

    1. refuses what is no JPEG, PNG, GIF (its first frame), BMP or WebP, by content and not by file name, and
       what has more than MAX_PIXELS pixels or is larger than MAX_BYTES;
    2. reduces a JPEG while decoding it, by 2, 4 or 8, to no less than one and a half times the wanted size;
    3. scales 16-bit grey to 8 bits, lays transparent pictures on white, makes CMYK, palette and other colours
       RGB;
    4. makes it grey (ITU-R 601 luma) or RGB, as wanted;
    5. resizes it, by bilinear interpolation with antialiasing, without keeping the aspect ratio;
    6. turns it as its EXIF orientation says.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Literal

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from bmcli.cores import available_cores
from bmcli.errors import DataError, Place, Problem

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
"""What may be opened. A phone's JPEG with previews in it (MPO) counts as JPEG: its first picture is taken."""
MAX_PIXELS = 89_478_485
"""Pillow's own limit (a quarter of a GiB at 3 bytes): beyond, a small file may fill the memory."""
MAX_BYTES = 256 * 2**20
LARGE_PIXELS = 16 * 2**20
"""Pictures of more than this are decoded one after the other: each takes a dozen bytes a pixel meanwhile, and
a small file may have MAX_PIXELS. JPEGs need not wait: they are large by rights, and reduced on the way."""
_one_large = threading.Lock()

DRAFT = 1.5
"""A JPEG reduced on the way keeps this many times the wanted size: what the decoder leaves out is then beyond
what the resizing would keep. It differs by about one grey level in 255 from resizing the whole picture."""
SMALL_BYTES, SOME = 3 * 2**10, 8
"""Where some files are smaller on average, one thread decodes them faster than several, which would wait for
the interpreter's lock after each of the many short calls."""
TURN = 32
"""Files that a thread decodes in one turn, at most: fewer would cost more to hand round, and the last of
more would be waited for."""

# Pillow warns of a large picture on the way to our own, stricter refusal.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode(
    source: str | bytes, size: tuple[int, int] | None = None, channels: Literal[1, 3] | None = None
) -> np.ndarray:
    """One picture as uint8 [height, width, channels].

    source: a path, or a file's bytes; size: (height, width), None for the picture's own; channels: 1 grey,
    3 RGB, None for 1 where the file is grey and 3 where it is not.

    Raises DataError where it is no usable picture; the message names the file.
    """
    name = source if isinstance(source, str) else "image"
    try:
        data = read(source) if isinstance(source, str) else source
        with opened(data, size) as image:
            return as_array(image, size, channels)
    except FAILURES as error:
        problem = Problem(reason(error), Place(name))
        raise DataError(f"{name}: {problem.message}", problems=(problem,)) from error


def decode_into(pictures: np.ndarray, paths: Sequence[str], positions: np.ndarray) -> dict[int, str]:
    """Decode the i-th of `paths` into `pictures[positions[i]]`, in threads where it pays.

    pictures: uint8 [N, height, width, 1 or 3]. Returns i -> what is wrong with it.
    """

    def work(some: range) -> dict[int, str]:
        return decode_each(pictures, paths, positions, some)

    if sum(map(_bytes, paths[:SOME])) < SMALL_BYTES * len(paths[:SOME]):
        return work(range(len(paths)))
    # A batch is fewer files than the threads would take at once; two turns each even out the large ones.
    step = min(TURN, -(-len(paths) // (2 * threads())) or 1)
    chunks = [range(start, min(start + step, len(paths))) for start in range(0, len(paths), step)]
    return {i: what for problems in pool().map(work, chunks) for i, what in problems.items()}


def decode_each(
    pictures: np.ndarray, paths: Sequence[str], positions: Sequence[int] | np.ndarray, some: range
) -> dict[int, str]:
    """`decode_into` for the paths at `some`, one after the other."""
    size, channels = pictures.shape[1:3], pictures.shape[3]
    assert channels in (1, 3)
    problems = {}
    for i in some:
        try:
            pictures[positions[i]] = decode(paths[i], size, channels)
        except DataError as error:
            problems[i] = error.problems[0].message
    return problems


def without_colour(paths: Sequence[str], *, at_most: int) -> bool:
    """Whether `at_most` of the pictures, spread over all, are grey, though their files could hold colour."""
    chosen = [paths[i] for i in spread(len(paths), at_most)]
    small = np.zeros((len(chosen), 32, 32, 3), np.uint8)  # what cannot be decoded stays black
    decode_into(small, chosen, np.arange(len(chosen)))
    # JPEG's colour transform moves grey by a unit or two.
    return all(np.ptp(picture.astype(np.int16), axis=2).max() <= 2 for picture in small)


def spread(count: int, chosen: int) -> np.ndarray:
    """Up to `chosen` of the positions below `count`, evenly spread, ascending."""
    chosen = min(count, chosen)
    return np.arange(chosen) * count // max(chosen, 1)


@cache
def pool() -> ThreadPoolExecutor:
    """The threads that decode; Pillow releases the interpreter's lock while it does."""
    return ThreadPoolExecutor(threads(), thread_name_prefix="bm-decode")


def _bytes(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - called for every batch
    except OSError:
        return 0


def threads() -> int:
    """How many decode at once."""
    return min(32, available_cores())


FAILURES = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    ZeroDivisionError,
    MemoryError,
    NotImplementedError,
    Image.DecompressionBombError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise for files that are damaged in one way or another."""
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
"""How a picture is set right, by its orientation."""


# Python's own open() takes twice as long; without O_NONBLOCK opening a pipe would wait for ever.
_HOW = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class _Unusable(ValueError):
    """A refusal of our own; its text is the reason."""


def read(path: str) -> bytes:
    """The bytes of a regular file of no more than MAX_BYTES; one of FAILURES where there is none."""
    try:
        file = os.open(path, _HOW)
    except FileNotFoundError:
        raise _Unusable("there is no such file") from None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise _Unusable("not a regular file")
        if status.st_size > MAX_BYTES:
            raise _Unusable(f"larger than {MAX_BYTES // 2**20} MiB")
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


def _plain_jpeg(data: bytes, size: tuple[int, int] | None) -> Image.Image | None:
    """The picture of a JPEG that is sound, grey or YCbCr, says nothing of how it is to be turned, and is
    wanted whole (see DRAFT); else None.
    """
    if not data.startswith(b"\xff\xd8\xff") or b"Exif\0" in data or b"://ns.adobe.com/xap/" in data:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours not in ("Gray", "YCbCr") or width * height > LARGE_PIXELS:
            return None
        if size is not None and min(width // int(DRAFT * size[1]), height // int(DRAFT * size[0])) >= 2:
            return None
        array = simplejpeg.decode_jpeg(data, "GRAY" if colours == "Gray" else "RGB")
    except ValueError:
        return None
    # What `Image.fromarray` does, in two thirds of its time.
    return Image.frombytes("L" if colours == "Gray" else "RGB", (width, height), array)


@contextmanager
def opened(data: bytes, size: tuple[int, int] | None) -> Iterator[Image.Image]:
    """The picture in a file's bytes, to be decoded in this size (None: its own) while it is open.

    One of FAILURES where there is no usable one, on the way in or while it is decoded.
    """
    with _plain_jpeg(data, size) or _by_pillow(data) as image, _room_for(image):
        yield image


def _by_pillow(data: bytes) -> Image.Image:
    if not data:
        raise _Unusable("the file is empty")
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _Unusable(f"{width} × {height} pixels are too many (at most {MAX_PIXELS:,})")
    return image


def _room_for(image: Image.Image) -> AbstractContextManager[object]:
    large = image.format not in ("JPEG", "MPO") and image.width * image.height > LARGE_PIXELS
    return _one_large if large else nullcontext()


def as_array(image: Image.Image, size: tuple[int, int] | None, channels: Literal[1, 3] | None) -> np.ndarray:
    """uint8 [height, width, channels] of an opened picture, as `decode` would give it."""
    mode = None if channels is None else _MODES[channels]
    if image.format is None:  # a plain JPEG: whole, of 8 bits and upright, so that nothing is left to ask
        return _array(_fitted(image, mode or image.mode, size))
    mode = mode or _MODES[1 if is_grey(image) else 3]
    box = None
    if size is not None:
        height, width = size[::-1] if on_its_side(image) else size
        drafted = image.draft(image.mode, (int(DRAFT * width), int(DRAFT * height)))
        # Halving 375 lines gives 188, of which the last is a half: `box` leaves that half out.
        box = drafted[1] if drafted else None
    image.load()
    orientation = _orientation(image)
    if size is not None and orientation in _ON_ITS_SIDE:
        size = size[::-1]
    image = _fitted(eight_bits(image), mode, size, box)
    if orientation in _TURNS:  # last, when there is least to turn
        image = image.transpose(_TURNS[orientation])
    return _array(image)


def _fitted(
    image: Image.Image,
    mode: str,
    size: tuple[int, int] | None,
    box: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    """A grey or RGB picture in that mode and size (height, width); box: the part of it that counts."""
    if image.mode != mode:
        image = image.convert(mode)
    if size is not None and (image.height, image.width) != size:
        image = image.resize(size[::-1], Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    return image


def _array(image: Image.Image) -> np.ndarray:
    channels = 1 if image.mode == "L" else 3
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, channels)


def eight_bits(image: Image.Image) -> Image.Image:
    """The opaque 8-bit picture, grey ('L') or 'RGB'."""
    if image.mode.startswith("I"):
        wide = np.clip(np.asarray(image).astype(np.int32), 0, 65535)
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        clear = image if image.mode == "RGBA" else image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode)  # which would copy a photo for nothing


def on_its_side(image: Image.Image) -> bool:
    """Whether its file has height and width the other way round than it is shown."""
    return _orientation(image) in _ON_ITS_SIDE


def _orientation(image: Image.Image) -> int:
    """What EXIF or XMP says, else 1 (upright). Most files have neither, and looking takes time."""
    if not any(key in image.info for key in ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")):
        return 1
    found = image.getexif().get(_ORIENTATION, 1)
    return found if isinstance(found, int) else 1


def is_grey(image: Image.Image) -> bool:
    """Whether the file holds no colour, by its mode and palette."""
    if image.mode == "P":
        palette = np.frombuffer(bytes(image.getpalette("RGB") or b""), np.uint8).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")


def reason(error: BaseException) -> str:
    """One of FAILURES in words."""
    if isinstance(error, _Unusable):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in a known format (JPEG, PNG, GIF, BMP, WebP)"
    if isinstance(error, Image.DecompressionBombError):
        return f"too many pixels (at most {MAX_PIXELS:,})"
    if isinstance(error, PermissionError):
        return "may not be read (permission denied)"
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    return f"cannot be decoded: {error}" if str(error) else "cannot be decoded"
