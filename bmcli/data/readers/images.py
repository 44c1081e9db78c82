"""From picture files to arrays: one way for training, evaluation and prediction. NumPy and Pillow only.

What `decode` does, in this order:

    1. refuses what is no JPEG, PNG, GIF (its first frame), BMP or WebP, by content and not by file name, and
       what has more than MAX_PIXELS pixels or is larger than MAX_BYTES;
    2. reduces a JPEG while decoding it, by 2, 4 or 8, to no less than twice the wanted size;
    3. turns the picture as its EXIF orientation says;
    4. scales 16-bit grey to 8 bits, lays transparent pictures on white, makes CMYK, palette and other colours
       RGB;
    5. makes it grey (ITU-R 601 luma) or RGB, as wanted;
    6. resizes it, by bilinear interpolation with antialiasing, without keeping the aspect ratio.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from bmcli.errors import DataError, Place, Problem

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
"""What may be opened. A phone's JPEG with previews in it (MPO) counts as JPEG: its first picture is taken."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".gif", ".bmp", ".webp"})
MAX_PIXELS = 89_478_485
"""Pillow's own limit (a quarter of a GiB at 3 bytes): beyond, a small file may fill the memory."""
MAX_BYTES = 256 * 2**20
LARGE_PIXELS = 16 * 2**20
"""Pictures of more than this are decoded one after the other: each takes a dozen bytes a pixel meanwhile, and
a small file may have MAX_PIXELS. JPEGs need not wait: they are large by rights, and reduced on the way."""
_one_large = threading.Lock()

CHUNK = 32
"""Files one thread looks at in one go: many are so small that handing them round would cost more."""

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
        data = _read(source) if isinstance(source, str) else source
        with _opened(data) as image, _room_for(image):
            return _as_array(image, size, channels)
    except _FAILURES as error:
        problem = Problem(_reason(error), Place(name))
        raise DataError(f"{name}: {problem.message}", problems=(problem,)) from error


@dataclass(frozen=True)
class Probe:
    """What a look at N files found.

    sizes: int32 [N, 2], height and width as shown (EXIF turned), 0 where unusable; grey: bool [N], whether
    the file holds no colour; digests: SHA-256 of the N files' bytes, 32 bytes each, b"" where unreadable;
    problems: position -> what is wrong.
    """

    sizes: np.ndarray
    grey: np.ndarray
    digests: tuple[bytes, ...]
    problems: dict[int, str]


def probe(paths: Sequence[str], *, progress: Callable[[int, int], None] | None = None) -> Probe:
    """Read and decode every file once, in threads, and say which cannot be used.

    JPEGs are decoded at an eighth of their size: that reads the whole file and so finds a truncated one, but
    takes a fraction of the time. progress: called with (files done, files) now and then.
    """
    sizes = np.zeros((len(paths), 2), np.int32)
    grey = np.zeros(len(paths), bool)
    digests: list[bytes] = []
    problems: dict[int, str] = {}
    with ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool:
        chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
        for looks in pool.map(lambda chunk: [_look(path) for path in chunk], chunks):
            for i, look in enumerate(looks, start=len(digests)):
                sizes[i], grey[i] = look.size, look.grey
                if look.problem is not None:
                    problems[i] = look.problem
            digests += [look.digest for look in looks]
            if progress is not None:
                progress(len(digests), len(paths))
    return Probe(sizes, grey, tuple(digests), problems)


@dataclass(frozen=True)
class _Look:
    size: tuple[int, int] = (0, 0)
    grey: bool = False
    digest: bytes = b""
    problem: str | None = None


def _look(path: str) -> _Look:
    try:
        data = _read(path)
    except _FAILURES as error:
        return _Look(problem=_reason(error))
    digest = hashlib.sha256(data).digest()
    try:
        with _opened(data) as image, _room_for(image):
            width, height = image.size
            grey = _is_grey(image)
            image.draft(image.mode, (1, 1))
            image.load()
            if _lies_on_its_side(image):
                width, height = height, width
    except _FAILURES as error:
        return _Look(digest=digest, problem=_reason(error))
    return _Look((height, width), grey, digest)


# What Pillow's decoders raise for files that are damaged in one way or another.
_FAILURES = (
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
_ORIENTATION = 0x0112


class _Unusable(ValueError):
    """A refusal of our own; its text is the reason."""


def _read(path: str) -> bytes:
    try:
        status = os.stat(path)  # noqa: PTH116 - called for every picture of a folder
    except FileNotFoundError:
        raise _Unusable("there is no such file") from None
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise _Unusable("not a regular file")
    if status.st_size > MAX_BYTES:
        raise _Unusable(f"larger than {MAX_BYTES // 2**20} MiB")
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def _opened(data: bytes) -> Image.Image:
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


def _as_array(image: Image.Image, size: tuple[int, int] | None, channels: Literal[1, 3] | None) -> np.ndarray:
    grey = _is_grey(image)
    if size is not None:
        height, width = size
        if _lies_on_its_side(image):
            height, width = width, height
        # Twice the wanted size: what the decoder leaves out is then far below what the resizing would keep.
        image.draft(image.mode, (2 * width, 2 * height))
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    image = eight_bits(image)
    mode = "L" if (channels or (1 if grey else 3)) == 1 else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR, reducing_gap=2.0)
    array = np.asarray(image, np.uint8)
    return array[:, :, None] if array.ndim == 2 else array


def eight_bits(image: Image.Image) -> Image.Image:
    """The opaque 8-bit picture, grey ('L') or 'RGB'."""
    if image.mode.startswith("I"):
        wide = np.clip(np.asarray(image).astype(np.int32), 0, 65535)
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        clear = image if image.mode == "RGBA" else image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _lies_on_its_side(image: Image.Image) -> bool:
    """Whether EXIF or XMP asks for a quarter turn. Most files have neither, and looking takes time."""
    if not any(key in image.info for key in ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")):
        return False
    return image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P":
        palette = np.frombuffer(bytes(image.getpalette("RGB") or b""), np.uint8).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")


def _reason(error: BaseException) -> str:
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
