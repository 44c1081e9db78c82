"""Images as Python has them: arrays and tensors, images of Pillow, files and their bytes.

Arrays are [height, width], [height, width, channels] for one image, [N, height, width(, channels)] for
several; with the channels first where that cannot mean anything else. Images of Pillow go through the same
code as files.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli.core.errors import Place, Problem, UsageError
from bmcli.core.number_format import figure
from bmcli.files.inputs import bytes_of, files_of
from bmcli.files.suffixes import IMAGE_SUFFIXES
from bmcli.modalities.image.examples import Images
from bmcli.modalities.image.inputs import PIECE, PIECE_BYTES
from bmcli.modalities.inputs import Inputs
from bmcli.modalities.python_types import (
    array_of,
    is_array,
    is_frame,
    is_image,
    is_missing,
    is_path,
    listed,
    named,
    path_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

_CHANNELS = (1, 3, 4)
"""Grey, RGB, RGB with transparency."""
_ORIENTATION = 0x0112
_EXPECTED = "an image, a list of images, an array or a path"
_IN_BYTES = "(x * 255).round().astype('uint8')"


@dataclass(frozen=True)
class Wanted:
    """What a run of images was trained on: the size they were brought to, 1 or 3 channels, and whether their
    values go beyond bytes."""

    height: int
    width: int
    channels: int
    wide: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


def read(
    inputs: object, wanted: Wanted, note: Callable[[str], object], expect: Callable[[int], object]
) -> Iterator[Inputs]:
    """See `bmcli.modalities.python_inputs.read`."""
    said: set[str] = set()

    def once(text: str) -> None:
        if text not in said:
            said.add(text)
            note(text)

    if is_frame(inputs) or isinstance(inputs, dict):
        raise UsageError(
            f"expected {_EXPECTED}, got {named(inputs)}",
            hint="of a frame with a column of paths: frame['file'].tolist()",
        )
    if is_array(inputs):
        array = array_of(inputs)
        if array.dtype.kind not in "OSUT":
            return _batch(array, wanted, once, expect)
        inputs = [array.item()] if array.ndim == 0 else array.tolist()
    single = isinstance(inputs, str | bytes | bytearray | memoryview) or _is_file(inputs)
    if single or is_path(inputs) or is_image(inputs) or is_missing(inputs):
        inputs = [inputs]
    return _each(listed(inputs, _EXPECTED), wanted, once, expect)


# === arrays of several images ===


def _batch(
    array: np.ndarray, wanted: Wanted, note: Callable[[str], object], expect: Callable[[int], object]
) -> Iterator[Inputs]:
    images = _pixels(_several(array, wanted, note), wanted, "the array", note)
    expect(len(images))
    return _pieces(images)


def _pieces(images: np.ndarray) -> Iterator[Inputs]:
    for start in range(0, len(images), PIECE):
        some = images[start : start + PIECE]
        yield Inputs(Images(arrays=some), tuple(map(str, range(start, start + len(some)))))


def _several(array: np.ndarray, wanted: Wanted, note: Callable[[str], object]) -> np.ndarray:
    """[N, height, width, channels] of an array of one image or more; UsageError where it may be either."""
    shape = array.shape
    if array.ndim in (1, 2) and shape[-1] in _flat(wanted) and shape[-2:] != wanted.size:
        size = f"{wanted.height} × {wanted.width}"
        hint = f"write x.reshape(-1, {wanted.height}, {wanted.width}, {wanted.channels})"
        if array.ndim == 2:
            hint += f", or x[None, ..., None] where it is one image of {_shown(shape)}"
        raise UsageError(
            f"an array of shape {_shown(shape)} looks like flattened images of {size}", hint=hint
        )
    if array.ndim == 4:
        return _last(array, wanted, note)
    if array.ndim == 3:
        last, first = shape[2] in _CHANNELS, shape[0] in _CHANNELS
        grey = shape[1:] == wanted.size
        if grey and wanted.channels == 1 and not last:
            return array[..., np.newaxis]
        if last and not grey and (not first or shape[:2] == wanted.size):
            return array[np.newaxis]
        if not last and (not first or shape[0] == 1) and shape[2] > _CHANNELS[-1]:
            return array[..., np.newaxis]
        raise UsageError(
            f"an array of shape {_shown(shape)} could be {shape[0]} grey images, or one of several channels",
            hint="write x[None] for one image of height × width × channels, x.transpose(1, 2, 0)[None] for "
            "one with the channels first, x[..., None] for grey images",
        )
    if array.ndim == 2:
        return array[np.newaxis, ..., np.newaxis]
    raise _no_image(shape)


def _flat(wanted: Wanted) -> set[int]:
    """Lengths of rows that are probably whole images."""
    return {wanted.height * wanted.width, wanted.height * wanted.width * wanted.channels}


def _last(array: np.ndarray, wanted: Wanted, note: Callable[[str], object]) -> np.ndarray:
    """[N, height, width, channels] of four axes, of which the channels may be the second."""
    shape = array.shape
    last, second = shape[3] in _CHANNELS, shape[1] in _CHANNELS
    if last and second and shape[1:3] != wanted.size and shape[2:] == wanted.size:
        last = False
    if last and (not second or shape[1:3] == wanted.size):
        return array
    if second and not last:
        note(f"read with the channels first: {_shown(shape)} is N × channels × height × width")
        return array.transpose(0, 2, 3, 1)
    if last:
        raise UsageError(
            f"an array of shape {_shown(shape)}: the channels may be its second axis or its last",
            hint="write x.transpose(0, 2, 3, 1) where they are the second, "
            "[Image.fromarray(one) for one in x] where they are the last",
        )
    raise _no_image(shape)


def _no_image(shape: Sequence[int]) -> UsageError:
    return UsageError(
        f"an array of shape {_shown(shape)} is not an image",
        hint="images are height × width, height × width × channels (1, 3 or 4), or N of these",
    )


def _shown(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape)) or "()"


# === values ===


def _pixels(images: np.ndarray, wanted: Wanted, what: str, note: Callable[[str], object]) -> np.ndarray:
    """The same as the run's own images are held: uint8, or numbers beyond; channels 1 or 3.

    what: to call it in an error.
    """
    if images.size == 0 and len(images):
        raise UsageError(f"{what} has no pixels: its shape is {_shown(images.shape[1:])}")
    kind = images.dtype.kind
    if kind not in "biuf":
        raise UsageError(f"{what} holds {images.dtype}, not pixels")
    if kind == "b":
        note("True is read as white, False as black")
        images = images.astype(np.uint8) * np.uint8(255)
    elif kind == "f" and not np.isfinite(images).all():
        raise UsageError(f"{what} holds NaN or infinite values")
    elif not wanted.wide:
        images = _bytes(images, what, note)
    if images.shape[3] == 4:
        if images.dtype != np.uint8:
            raise UsageError(
                f"{what} has four channels of {images.dtype}: transparency is read from uint8 alone"
            )
        images = _opaque(images)
    return images


def _bytes(images: np.ndarray, what: str, note: Callable[[str], object]) -> np.ndarray:
    """uint8 of numbers that are bytes beyond doubt."""
    if images.dtype == np.uint8 or not images.size:
        return images.astype(np.uint8, copy=False)
    low, high = images.min().item(), images.max().item()
    low_shown, high_shown = (figure(v) if isinstance(v, float) else f"{v:,}" for v in (low, high))
    shown = f"{what} holds {images.dtype} from {low_shown} to {high_shown}"
    if images.dtype == np.uint16:
        raise UsageError(
            f"{shown}, and the run was trained on images of 8 bits",
            hint="write x.astype('uint8') where its values are 0 to 255, (x // 257).astype('uint8') where "
            "they are 0 to 65535",
        )
    if low < 0:
        raise UsageError(
            f"{shown}: pixels are not negative",
            hint="give the image itself, 0 to 255: the run scales and standardises it as in training",
        )
    if high > 255:
        raise UsageError(
            f"{shown}: the run was trained on pixels of 0 to 255",
            hint="scale it, and write x.astype('uint8')",
        )
    if images.dtype.kind == "f":
        if 0 < high <= 1:  # nothing but 0 is black either way
            raise UsageError(
                f"{shown}: that may be a share of white, or nearly black pixels of 0 to 255",
                hint=f"write {_IN_BYTES} for the first, x.round().astype('uint8') for the second",
            )
        rounded = np.rint(images)
        if not np.array_equal(rounded, images):
            note(f"{images.dtype} pixels are rounded to whole numbers from 0 to 255")
        images = rounded
    return images.astype(np.uint8)


def _opaque(images: np.ndarray) -> np.ndarray:
    """uint8 RGB of RGB with transparency, laid on white as files are."""
    from PIL import Image as images_of_pillow

    from bmcli.modalities.image.decode import eight_bits

    made = [np.asarray(eight_bits(images_of_pillow.fromarray(np.ascontiguousarray(one)))) for one in images]
    return np.stack(made) if made else images[..., :3]


# === lists ===


def _each(
    items: list[object], wanted: Wanted, note: Callable[[str], object], expect: Callable[[int], object]
) -> Iterator[Inputs]:
    """Images one by one, those alike in a piece; the order stays."""
    if items and all(isinstance(item, int | float | np.number) for item in items):
        raise UsageError("a list of numbers is not an image", hint="write np.asarray(x, 'uint8')")
    if items and all(isinstance(item, list | tuple) for item in items):
        raise UsageError("nested lists are not images", hint="write np.asarray(x, 'uint8')")
    expect(len(items))
    return _in_pieces(items, wanted, note, expect)


def _in_pieces(
    items: list[object], wanted: Wanted, note: Callable[[str], object], expect: Callable[[int], object]
) -> Iterator[Inputs]:
    held: list[Any] = []
    names: list[str] = []
    problems: list[Problem] = []
    kind: object = None
    size = 0

    def piece() -> Inputs:
        nonlocal size
        size = 0
        examples = (
            Images(paths=tuple(held))
            if kind in (None, "paths")
            else Images(contents=tuple(held))
            if kind == "contents"
            else Images(arrays=np.stack(held))
        )
        made = Inputs(examples, tuple(names), tuple(problems))
        for filled in (held, names, problems):
            filled.clear()
        return made

    for number, item in enumerate(items):
        for one, content, name in _one(item, number, wanted, problems, note, expect):
            own = _bytes_of(content)
            if held and (one != kind or len(held) == PIECE or size + own > PIECE_BYTES):
                yield piece()
            kind = one
            size += own
            held.append(content)
            names.append(name)
    yield piece()


def _bytes_of(content: Any) -> int:
    if isinstance(content, str):
        return bytes_of(content)
    return len(content) if isinstance(content, bytes) else int(content.nbytes)


def _one(
    item: Any,
    number: int,
    wanted: Wanted,
    problems: list[Problem],
    note: Callable[[str], object],
    expect: Callable[[int], object],
) -> Iterator[tuple[object, object, str]]:
    """(kind of piece, what it holds, name) of an item of a list: of a folder, of each of its files."""
    name = str(number)
    if isinstance(item, str) or is_path(item):
        paths = list(files_of(path_of(item), IMAGE_SUFFIXES, problems))
        expect(len(paths) - 1)  # the item itself was counted
        yield from (("paths", path, path) for path in paths)
    elif is_missing(item):
        problems.append(Problem("the image is missing", Place(f"input {number}")))
    elif isinstance(item, bytes | bytearray | memoryview):
        yield "contents", bytes(item), name
    elif is_image(item):
        name = os.fsdecode(getattr(item, "filename", "") or "") or name
        yield "contents", _encoded(item, number), name
    elif _is_file(item):
        yield "contents", _read(item, number), _called(item) or name
    elif is_array(item):
        array = array_of(item)
        if array.ndim == 0 and array.dtype.kind in "OSU":
            yield from _one(array.item(), number, wanted, problems, note, expect)
            return
        image = _pixels(_single(array, number, wanted, note), wanted, f"input {number}", note)[0]
        yield (image.shape, image.dtype), image, name
    else:
        raise UsageError(f"input {number}: expected {_EXPECTED}, got {named(item)}")


def _single(array: np.ndarray, number: int, wanted: Wanted, note: Callable[[str], object]) -> np.ndarray:
    """[1, height, width, channels] of an array that is one image."""
    shape = array.shape
    if array.ndim == 2:
        if shape[-1] in _flat(wanted) and shape != wanted.size:
            return _several(array, wanted, note)  # which refuses it
        return array[np.newaxis, ..., np.newaxis]
    if array.ndim == 3:
        last, first = shape[2] in _CHANNELS, shape[0] in _CHANNELS
        if last and first and shape[:2] != wanted.size and shape[1:] == wanted.size:
            last = False
        if last and (not first or shape[:2] == wanted.size):
            return array[np.newaxis]
        if first and not last:
            note(f"read with the channels first: {_shown(shape)} is channels × height × width")
            return array.transpose(1, 2, 0)[np.newaxis]
        if last and first:
            raise UsageError(
                f"input {number} is an array of shape {_shown(shape)}: its channels may be the first axis or "
                "the last",
                hint="write x.transpose(1, 2, 0) where they are the first, Image.fromarray(x) where the last",
            )
    if array.ndim > 3 or (array.ndim == 3 and shape[2] not in _CHANNELS):
        raise UsageError(
            f"input {number} is an array of shape {_shown(shape)}: an item of a list is one image",
            hint="write np.concatenate(list) where each holds several images of one size",
        )
    if array.ndim == 1 and shape[0] in _flat(wanted):
        return _several(array, wanted, note)
    raise _no_image(shape)


# === Pillow and files ===


def _encoded(image: Image, number: int) -> bytes:
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
    """EXIF data that says how it is to be turned, and nothing else; b'' where it is upright."""
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
    """The file that a lazily opened image has not been decoded from yet; None where there is none."""
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


def _is_file(value: object) -> bool:
    return callable(getattr(value, "read", None)) and not is_image(value) and not is_array(value)


def _read(file: Any, number: int) -> bytes:
    from bmcli.modalities.image.decode import MAX_BYTES

    data = file.read(MAX_BYTES + 1)
    if not isinstance(data, bytes):
        raise UsageError(f"input {number} is a file opened for text", hint="open it with 'rb'")
    if len(data) > MAX_BYTES:
        raise UsageError(f"input {number} is larger than {MAX_BYTES // 2**20} MiB")
    return data


def _called(file: object) -> str | None:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else None
