"""Which image formats are opened, how, and what is refused before anything is decoded.

The format is determined by content, never by the file's name; only the formats listed here are opened, as
some of Pillow's decoders are hardly maintained. HEIC needs a plugin (extra 'heic'), registered at the first
such file.
"""

from __future__ import annotations

import io
import logging
import struct
import threading
import warnings
import zlib
from contextlib import suppress
from functools import cache

from PIL import Image, UnidentifiedImageError
from PIL.TiffTags import TAGS_V2

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")
"""What may be opened. A phone's JPEG with previews in it (MPO) counts as JPEG: its first image is taken, as
is the first page of a TIFF."""
KNOWN = "JPEG, PNG, GIF, BMP, WebP, TIFF, HEIC, AVIF"
MAX_PIXELS = 89_478_485
"""Pillow's own limit (a quarter of a GiB at 3 bytes): beyond, a small file may fill the memory."""
LARGE_PIXELS = 16 * 2**20
"""Images of more than this are decoded one after the other: each takes a dozen bytes a pixel meanwhile, and
a small file may have MAX_PIXELS. JPEGs need not wait: they are large by rights, and reduced on the way."""
NEEDS_HEIC = "HEIC is read with the extra 'heic': pip install 'bmcli[heic]'"
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TILE_WIDTH, _TILE_LENGTH, _SAMPLE_FORMAT, _BITS = 322, 323, 339, 258
_SIGNED = 2
assert {_TILE_WIDTH, _TILE_LENGTH, _SAMPLE_FORMAT, _BITS} <= TAGS_V2.keys()
_registering = threading.Lock()

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
    RuntimeError,
    Image.DecompressionBombError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise for files that are damaged in one way or another."""


class Unusable(ValueError):
    """A refusal of our own; its text is the reason."""


def quiet() -> None:
    """Keep Pillow's remarks on odd files (metadata, palettes, sizes) off the terminal, in this process.

    bm reports what matters in them: an unreadable file is a problem with its name.
    """
    warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
    warnings.filterwarnings("ignore", module=r"pillow_heif(\.|$)")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)


quiet()


def by_pillow(data: bytes) -> Image.Image:
    """The image in a file's bytes, not decoded yet; one of FAILURES where there is none that may be."""
    if not data:
        raise Unusable("the file is empty")
    if data.startswith(TIFF_STARTS):
        hush_libtiff()
    formats: tuple[str, ...] = FORMATS
    if is_heic(data):
        _register_heic()
        formats = ("HEIF", *FORMATS)  # 'mif1', which AVIF shares, may be either
    image = Image.open(io.BytesIO(data), formats=formats)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Unusable(f"{width} × {height} pixels are too many (at most {MAX_PIXELS:,})")
    if image.format == "TIFF":
        _require_plausible(image)
    return image


def is_heic(data: bytes) -> bool:
    """Whether these are the bytes of a HEIC file: by its brand, or its compatible brands."""
    if data[4:8] != b"ftyp":
        return False
    length = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[i : i + 4] for i in range(16, length, 4))}
    return bool(brands & _HEIC_BRANDS)


def _register_heic() -> None:
    if "HEIF" in Image.OPEN:
        return
    with _registering:
        try:
            from pillow_heif import register_heif_opener
        except ImportError:
            raise Unusable(NEEDS_HEIC) from None
        register_heif_opener()


@cache
def hush_libtiff() -> None:
    """libtiff, Pillow's decoder, writes its own messages to stderr."""
    import ctypes

    from PIL import _imaging

    with suppress(OSError, AttributeError):  # found through Pillow's own library, whichever it brings
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            setter = getattr(library, name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)


def _require_plausible(image: Image.Image) -> None:
    """Unusable where a TIFF's tiles are far larger than the image, and would fill the memory, or where its
    numbers are not what Pillow takes them for."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    tile = [tags.get(key, 1) for key in (_TILE_WIDTH, _TILE_LENGTH)]
    if not all(isinstance(side, int) and side > 0 for side in tile):
        raise Unusable("cannot be decoded: a tile without size")
    if tile[0] * tile[1] > max(LARGE_PIXELS, 2 * image.width * image.height):
        raise Unusable(f"a tile of {tile[0]} × {tile[1]} pixels is too large")
    if set(tags.get(_SAMPLE_FORMAT, ())) == {_SIGNED} and set(tags.get(_BITS, ())) == {8}:
        raise Unusable("a TIFF of signed 8-bit numbers, which is not read")


def reason(error: BaseException, data: bytes = b"") -> str:
    """One of FAILURES in words; data: the file's bytes, where there are any."""
    if isinstance(error, Unusable):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        if data.startswith(TIFF_STARTS):
            return "a TIFF of a kind that is not read, or a damaged one"
        return f"not an image in a known format ({KNOWN})"
    if isinstance(error, Image.DecompressionBombError):
        return f"too many pixels (at most {MAX_PIXELS:,})"
    if isinstance(error, PermissionError):
        return "may not be read (permission denied)"
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    return f"cannot be decoded: {error}" if str(error) else "cannot be decoded"
