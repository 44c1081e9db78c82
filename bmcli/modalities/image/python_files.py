"""Open files and images of Pillow as the bytes of an image file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Protocol, TypeGuard

from bmcli.core.errors import UsageError
from bmcli.modalities.image.decode import MAX_BYTES
from bmcli.modalities.python_types import is_array, is_image

if TYPE_CHECKING:
    from PIL.Image import Image


class Readable(Protocol):
    """What can be read like a file; whether it gives bytes, only reading it shows."""

    def read(self, size: int, /) -> object: ...


_ORIENTATION = 0x0112


def encoded(image: Image, number: int) -> bytes:
    """The bytes of a file that holds the same image: its own file, as long as nothing of it was decoded, else
    one without loss."""
    own = _own_file(image)
    if own is not None:
        return own
    if not (image.width and image.height):
        raise UsageError(f"input {number}: an image without pixels")
    stream = io.BytesIO()
    try:
        if image.mode in ("I", "F", "CMYK"):  # PNG would cut the numbers of the first two to 16 bits
            image.save(stream, "TIFF", exif=b"")
        else:
            as_png = image.mode in ("1", "L", "LA", "P", "RGB", "RGBA") or image.mode.startswith("I;")
            mode = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}.get(image.mode, "RGB")
            kept = image if as_png else image.convert(mode)
            kept.save(stream, "PNG", compress_level=0, exif=_turn(image))
    except (OSError, ValueError, SyntaxError) as error:  # a broken file, a mode that nothing can be made of
        raise UsageError(f"input {number}: the image of mode {image.mode} cannot be read: {error}") from error
    return stream.getvalue()


def _turn(image: Image) -> bytes:
    """EXIF data with its orientation and nothing else; b'' if it is upright."""
    if image.format in ("TIFF", "HEIF"):  # which Pillow and its plugin have turned already
        return b""
    exif = image.getexif()
    found = exif.get(_ORIENTATION, 1)
    if found == 1:
        return b""
    alone = type(exif)()
    alone[_ORIENTATION] = found
    return alone.tobytes()


def _own_file(image: Image) -> bytes | None:
    """The file that a lazily opened image has not been decoded from yet; None if there is none."""
    file = getattr(image, "fp", None)
    if file is None or not getattr(image, "tile", None) or getattr(image, "decoderconfig", None):
        return None
    try:
        if image.tell() != 0:  # another of several frames is meant
            return None
        here = file.tell()
        file.seek(0)
        data = file.read()
        file.seek(here)
    except (OSError, ValueError, EOFError):
        return None
    return bytes(data)


def is_file(value: object) -> TypeGuard[Readable]:
    """Whether it can be read like a file, and is neither an image nor an array."""
    return callable(getattr(value, "read", None)) and not is_image(value) and not is_array(value)


def file_bytes(file: Readable, number: int) -> bytes:
    """All of a file opened for bytes; UsageError if it is opened for text or too large."""
    data = file.read(MAX_BYTES + 1)
    if not isinstance(data, bytes):
        raise UsageError(f"input {number} is a file opened for text", hint="open it with 'rb'")
    if len(data) > MAX_BYTES:
        raise UsageError(f"input {number} is larger than {MAX_BYTES // 2**20} MiB")
    return data


def file_name(file: object) -> str | None:
    """The name of an open file, if it has one."""
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else None
