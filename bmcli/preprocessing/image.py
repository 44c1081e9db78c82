"""Pictures to arrays: one size, one number of channels, then one scale and offset per channel."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from bmcli.data.bundle import Examples, Images, Kind
from bmcli.errors import DataError, Place, Problem

if TYPE_CHECKING:
    from bmcli.config.schema import ImageConfig
    from bmcli.preprocessing import Source

DEFAULT_SIZE = (64, 64)
DEFAULT_CACHE_BYTES = 4 * 2**30
MOST_PIXELS = 89_478_485
"""`readers.images` takes no larger picture, so that none is made of this size."""
LOOKED_AT = 256
"""How many pictures decide whether all are grey."""
CHUNK_BYTES = 16 * 2**20
"""Pictures are read in pieces of about this size where they need not be in memory all at once."""


@dataclass(frozen=True)
class ImagePreprocessing:
    """Pictures as float32 [n, height, width, channels]: pixel · scale + offset, per channel.

    scale, offset: one number per channel, float64; the arithmetic on pixels is float32 everywhere.
    cache_bytes: up to this size, `encode` decodes all pictures at once into memory.
    """

    kind: ClassVar[Kind] = "image"

    height: int
    width: int
    channels: Literal[1, 3]
    normalization: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    cache_bytes: int = field(default=DEFAULT_CACHE_BYTES, compare=False)
    fitted_on: tuple[Images, Source] | None = field(default=None, compare=False, repr=False)
    """The training pictures as decoded while fitting, so that they are not decoded again."""

    def __post_init__(self) -> None:
        sides = 0 < self.height <= 65536 and 0 < self.width <= 65536
        if not (sides and self.height * self.width <= MOST_PIXELS and self.channels in (1, 3)):
            raise ValueError("size or channels")
        if not len(self.scale) == len(self.offset) == self.channels:
            raise ValueError("one scale and one offset per channel are needed")
        if not all(math.isfinite(number) for number in (*self.scale, *self.offset)):
            raise ValueError("scale or offset is no finite number")

    @classmethod
    def fit(
        cls, splits: Sequence[Images], options: ImageConfig, *, cache_bytes: int = DEFAULT_CACHE_BYTES
    ) -> ImagePreprocessing:
        """Fitted on the first of `splits`; the others count for the memory alone.

        Raises DataError listing all training pictures that cannot be read.
        """
        train = splits[0]
        height, width = _size(train, options.size)
        channels = options.channels or _channels(train)
        needed = sum(len(split) for split in splits) * height * width * channels
        unscaled = cls(
            height,
            width,
            channels,
            "unit",
            (1 / 255,) * channels,
            (0.0,) * channels,
            # Where not all fits, each split gets its share, so that together they stay within the limit.
            cache_bytes if needed <= cache_bytes else cache_bytes // len(splits),
        )
        source = unscaled.encode(train)
        if options.normalization == "standard":
            mean, deviation = _statistics(source, channels, unscaled.picture_bytes)
            scale, offset = 1 / deviation, -mean / deviation
        elif options.normalization == "symmetric":
            scale, offset = np.full(channels, 2 / 255), np.full(channels, -1.0)
        else:
            scale, offset = np.full(channels, 1 / 255), np.zeros(channels)
        return cls(
            height,
            width,
            channels,
            options.normalization,
            tuple(scale.tolist()),
            tuple(offset.tolist()),
            unscaled.cache_bytes,
            (train, source),
        )

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @property
    def picture_bytes(self) -> int:
        """Size of one picture in memory, as uint8."""
        return self.height * self.width * self.channels

    def encode(self, examples: Examples) -> Source:
        """uint8 pictures [N, height, width, channels], in memory where they fit; else decoded when asked for.

        Raises DataError listing all that cannot be read; those decoded later raise it then.
        """
        images = _as_images(examples)
        if self.fitted_on is not None and images is self.fitted_on[0]:
            return self.fitted_on[1]
        if images.arrays is not None and images.arrays.shape[1:] == self.input_shape:
            return images.arrays
        source = _DecodedWhenAsked(self, images)
        if len(images) * self.picture_bytes > self.cache_bytes:
            return source
        return source[np.arange(len(images))]

    def encode_usable(self, examples: Examples) -> tuple[np.ndarray, dict[int, str]]:
        """See Preprocessing; decodes in threads."""
        images = _as_images(examples)
        if images.arrays is not None and images.arrays.shape[1:] == self.input_shape:
            return images.arrays, {}
        pictures = np.empty((len(images), self.height, self.width, self.channels), np.uint8)
        problems = {}
        usable = 0
        size = (self.height, self.width)
        if images.arrays is not None:
            found: Iterator[Any] = _pool().map(
                partial(_converted, size=size, channels=self.channels), images.arrays
            )
        else:
            found = _pool().map(partial(_decoded, size=size, channels=self.channels), images.paths or ())
        for position, picture in enumerate(found):
            if isinstance(picture, str):
                problems[position] = picture
            else:
                pictures[usable] = picture
                usable += 1
        return pictures[:usable], problems

    def finish(self, batch: np.ndarray) -> np.ndarray:
        """float32 [n, height, width, channels] of uint8 pictures of the same shape."""
        # Rows of whole lines: NumPy's inner loop would otherwise be as short as the channels are few.
        lines = batch.reshape(-1, self.width * self.channels)
        scale = np.tile(np.asarray(self.scale, np.float32), self.width)
        offset = np.tile(np.asarray(self.offset, np.float32), self.width)
        finished = np.multiply(lines, scale, dtype=np.float32)
        finished += offset
        return finished.reshape(batch.shape)

    def finish_tensor(self, batch: Any) -> Any:
        """See Preprocessing."""
        from keras import ops

        scale, offset = np.asarray(self.scale, np.float32), np.asarray(self.offset, np.float32)
        return ops.cast(batch, "float32") * scale + offset

    def to_json(self) -> dict[str, Any]:
        """Size, channels, scale and offset."""
        return {
            "size": [self.height, self.width],
            "channels": self.channels,
            "normalization": self.normalization,
            "scale": list(self.scale),
            "offset": list(self.offset),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ImagePreprocessing:
        """The inverse of `to_json`; KeyError, TypeError or ValueError where it is damaged."""
        height, width = document["size"]
        return cls(
            int(height),
            int(width),
            document["channels"],
            str(document["normalization"]),
            tuple(float(number) for number in document["scale"]),
            tuple(float(number) for number in document["offset"]),
        )


@dataclass(frozen=True)
class _DecodedWhenAsked:
    """Pictures that are decoded, or resized, each time they are asked for."""

    preprocessing: ImagePreprocessing
    images: Images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: np.ndarray, /) -> np.ndarray:
        wanted = self.images.take(indices)
        pictures, problems = self.preprocessing.encode_usable(wanted)
        if problems:
            paths = wanted.paths or ()
            listed = [Problem(message, Place(paths[position])) for position, message in problems.items()]
            raise DataError(
                f"{len(listed)} of {len(self.images):,} pictures cannot be read"
                if len(listed) > 1
                else f"{paths[next(iter(problems))]} cannot be read",
                hint="mend or remove them, or set data.skip_unusable=true",
                problems=listed,
            )
        return pictures


@cache
def _pool() -> ThreadPoolExecutor:
    """The threads that decode; Pillow releases the interpreter's lock while it does."""
    return ThreadPoolExecutor(min(32, os.cpu_count() or 1), thread_name_prefix="bm-decode")


def _as_images(examples: Examples) -> Images:
    if not isinstance(examples, Images):
        raise DataError("this run takes pictures")
    return examples


def _decoded(path: str, size: tuple[int, int], channels: Literal[1, 3]) -> np.ndarray | str:
    """One picture, or what is wrong with the file."""
    from bmcli.data.readers.images import decode

    try:
        return decode(path, size, channels)
    except DataError as error:
        return error.problems[0].message if error.problems else error.message


def _converted(array: np.ndarray, size: tuple[int, int], channels: Literal[1, 3]) -> np.ndarray:
    """uint8 [h, w, 1 or 3] in another size or colour, as `readers.images.decode` would do it."""
    from PIL import Image

    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    if image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(image, np.uint8).reshape(*size, channels)


def _size(images: Images, wanted: int | tuple[int, int] | None) -> tuple[int, int]:
    """Height and width: as wanted, or the pictures' own where all are alike."""
    if wanted is not None:
        return (wanted, wanted) if isinstance(wanted, int) else wanted
    if images.arrays is not None:
        return images.arrays.shape[1], images.arrays.shape[2]
    if images.sizes is not None:  # looked at while reading
        alike = len(images) > 0 and bool((images.sizes == images.sizes[0]).all())
        return (int(images.sizes[0, 0]), int(images.sizes[0, 1])) if alike else DEFAULT_SIZE
    sizes = (size for path in images.paths or () if (size := _own_size(path)) is not None)
    first = next(sizes, None)
    return first if first is not None and all(size == first for size in sizes) else DEFAULT_SIZE


def _own_size(path: str) -> tuple[int, int] | None:
    """Height and width as shown, from the file's header; None where it has none (`encode` will say so)."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return (width, height) if turned else (height, width)


def _channels(images: Images) -> Literal[1, 3]:
    """1 where all of a sample are grey, spread over the split; arrays keep what they have."""
    if images.arrays is not None:
        return 1 if images.arrays.shape[3] == 1 else 3
    if images.grey is not None and images.grey.all():
        return 1
    paths = images.paths or ()
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, min(LOOKED_AT, len(paths))).astype(int)]
    pictures = list(_pool().map(partial(_decoded, size=(32, 32), channels=3), chosen))
    # JPEG's colour transform moves grey by a unit or two.
    grey = all(np.ptp(p.astype(np.int16), axis=2).max() <= 2 for p in pictures if not isinstance(p, str))
    return 1 if grey else 3


def _statistics(source: Source, channels: int, picture_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation per channel over all pixels, float64 [channels]; a constant's is 1.

    Sums are exact (whole numbers) and made piece by piece, so the result depends on neither order nor memory.
    """
    total, squares, count = np.zeros(channels, np.uint64), np.zeros(channels, np.uint64), 0
    step = max(1, CHUNK_BYTES // picture_bytes)
    for start in range(0, len(source), step):
        pictures = source[np.arange(start, min(start + step, len(source)))]
        lines = pictures.reshape(-1, pictures.shape[2] * channels)
        total += lines.sum(axis=0, dtype=np.uint64).reshape(-1, channels).sum(axis=0)
        wide = lines.astype(np.uint16)
        squares += (wide * wide).sum(axis=0, dtype=np.uint64).reshape(-1, channels).sum(axis=0)
        count += pictures[..., 0].size
    mean = total / count
    # The difference in whole numbers: of two large, close floats it would lose its digits.
    scatter = [count * int(q) - int(s) ** 2 for q, s in zip(squares, total, strict=True)]
    deviation = np.array([math.sqrt(max(0, v)) / count if v > 0 else 1.0 for v in scatter])
    return mean, deviation
