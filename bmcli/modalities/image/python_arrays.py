"""Arrays from Python as images: which axis is which, and whether the values are pixels.

Arrays are [height, width], [height, width, channels] for one image, [N, height, width(, channels)] for
several; with the channels first where that cannot mean anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import UsageError
from bmcli.core.number_format import decimals
from bmcli.modalities.image.decode import eight_bits

if TYPE_CHECKING:
    from collections.abc import Sequence


_CHANNELS = (1, 3, 4)
"""Grey, RGB, RGB with transparency."""
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


def several(array: np.ndarray, wanted: Wanted, note: Callable[[str], object]) -> np.ndarray:
    """[N, height, width, channels] of an array of one image or more; UsageError if it may be either."""
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


def pixels(images: np.ndarray, wanted: Wanted, what: str, note: Callable[[str], object]) -> np.ndarray:
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
    low_shown, high_shown = (decimals(v) if isinstance(v, float) else f"{v:,}" for v in (low, high))
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

    made = [np.asarray(eight_bits(images_of_pillow.fromarray(np.ascontiguousarray(one)))) for one in images]
    return np.stack(made) if made else images[..., :3]


def single_image(array: np.ndarray, number: int, wanted: Wanted, note: Callable[[str], object]) -> np.ndarray:
    """[1, height, width, channels] of an array that is one image."""
    shape = array.shape
    if array.ndim == 2:
        if shape[-1] in _flat(wanted) and shape != wanted.size:
            return several(array, wanted, note)  # which refuses it
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
        return several(array, wanted, note)
    raise _no_image(shape)
