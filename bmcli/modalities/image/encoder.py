"""Pictures to arrays: one size, one number of channels, then one scale and offset per channel.

Images of more than 8 bits are brought to 8 by one window for all, which is fitted like the rest: see
`data.readers.depth`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from bmcli.core.errors import DataError, Place, Problem
from bmcli.core.examples import Examples
from bmcli.core.spec import Kind
from bmcli.modalities.image._processes import MANY
from bmcli.modalities.image.decode import AS_IT_IS, Manner, decode_into, pool, resized, spread, without_colour
from bmcli.modalities.image.depth import Window, extent, glance
from bmcli.modalities.image.examples import Depths, Images
from bmcli.modalities.image.formats import FORMATS, Unusable
from bmcli.modalities.image.prefetch import decoded_ahead
from bmcli.modalities.image.probe import depths_of, kept_rows, sums
from bmcli.modalities.remark import Remark, Unfamiliar
from bmcli.modalities.source import SingleInput

if TYPE_CHECKING:
    from bmcli.config.schema import ImageConfig, PreprocessingConfig
    from bmcli.core.examples import Data
    from bmcli.modalities.source import Source

DEFAULT_SIZE = (64, 64)
DEFAULT_CACHE_BYTES = 4 * 2**30
MOST_PIXELS = 89_478_485
"""`readers.images` takes no larger picture, so that none is made of this size."""
_LATER = frozenset({"fit", "window", "window_from", "bits"})
"""Keys of preprocessing.json that came together, later than the others."""
FITS = ("squash", "crop", "pad")
SMALL_PART = 0.25
LOOKED_AT = 256
"""How many pictures decide whether all are grey."""
CHUNK_BYTES = 16 * 2**20
"""Pictures are read in pieces of about this size where they need not be in memory all at once."""


@dataclass(frozen=True)
class ImagePreprocessing(SingleInput):
    """Pictures as float32 [n, height, width, channels]: pixel · scale + offset, per channel.

    scale, offset: one number per channel, float64; the arithmetic on pixels is float32 everywhere.
    manner: how images are brought to size and to 8 bits; window_from: where its window comes from. bits: of a
        value in the training images, each number of bits that occurs; None for runs that did not record it.
    bulk: values between which nearly all training images lie, where the window is far wider; while fitting.
    kept: the share of the pictures that `encode` keeps in memory, of those that were not decoded when they
        were looked at. 0 until `with_cache` says more: evaluating a run needs each picture only once.
    """

    kind: ClassVar[Kind] = "image"

    height: int
    width: int
    channels: Literal[1, 3]
    normalization: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    manner: Manner = AS_IT_IS
    bits: tuple[int, ...] | None = None
    window_from: Literal["training", "config"] | None = None
    bulk: Window | None = field(default=None, compare=False)
    kept: float = field(default=0.0, compare=False)
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
        window = self.manner.window
        if self.manner.fit not in FITS:
            raise ValueError(f"fit {self.manner.fit!r}")
        if window is not None and not (all(map(math.isfinite, window)) and window[0] <= window[1]):
            raise ValueError("window is no range of finite numbers")

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
        unscaled = cls(
            height,
            width,
            channels,
            "unit",
            (1 / 255,) * channels,
            (0.0,) * channels,
            *_scaling(train, options),
        )
        unscaled = unscaled.with_cache(splits, cache_bytes)
        source = unscaled.encode(train)
        if options.normalization == "standard":
            mean, deviation = unscaled._statistics(train, source)
            scale, offset = 1 / deviation, -mean / deviation
        elif options.normalization == "symmetric":
            scale, offset = np.full(channels, 2 / 255), np.full(channels, -1.0)
        else:
            scale, offset = np.full(channels, 1 / 255), np.zeros(channels)
        return replace(
            unscaled,
            normalization=options.normalization,
            scale=tuple(scale.tolist()),
            offset=tuple(offset.tolist()),
            fitted_on=(train, source),
        )

    def with_cache(self, splits: Sequence[Images], cache_bytes: int) -> ImagePreprocessing:
        """The same, keeping so many of these pictures in memory; those decoded already are counted."""
        ready = {id(d.pictures): d.pictures.nbytes for s in splits if (d := s.decoded) is not None}
        needed = self.picture_bytes * sum(len(split) for split in splits if not self._is_ready(split))
        spare = max(0, cache_bytes - sum(ready.values()))
        return replace(self, kept=min(1.0, spare / needed) if needed else 1.0, fitted_on=None)

    def _is_ready(self, images: Images) -> bool:
        """Whether nothing is left to decode, or what was kept of it is of the right shape."""
        if images.arrays is not None:
            return images.arrays.dtype == np.uint8 and images.arrays.shape[1:] == self.input_shape
        done = images.decoded
        if done is None or done.pictures.shape[1:] != self.input_shape or done.fit != self.manner.fit:
            return False
        wide = images.depths is not None and images.depths.wide.any()
        return not wide or done.window == self.manner.window

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @property
    def picture_bytes(self) -> int:
        """Size of one picture in memory, as uint8."""
        return self.height * self.width * self.channels

    def encode(self, examples: Examples) -> Source:
        """uint8 pictures [N, height, width, channels]: as many in memory as `kept` says, the others decoded
        when they are asked for, with the same result.

        Raises DataError listing all that cannot be read; those decoded later raise it then.
        """
        images = _as_images(examples)
        if self.fitted_on is not None and images is self.fitted_on[0]:
            return self.fitted_on[1]
        if images.arrays is not None and self._is_ready(images):
            return images.arrays
        if images.decoded is not None and self._is_ready(images):
            return _Pictures(self, images, images.decoded.pictures, images.decoded.rows)
        count = int(len(images) * self.kept)
        none = _Pictures(self, images, np.empty((0, *self._shape), np.uint8), kept_rows(len(images), 0))
        pictures = none[spread(len(images), count)]
        if count == len(images):
            return pictures
        return replace(none, pictures=pictures, rows=kept_rows(len(images), count))

    def encode_usable(self, examples: Examples) -> tuple[np.ndarray, dict[int, str]]:
        """See Preprocessing; decodes in threads."""
        images = _as_images(examples)
        if images.arrays is not None and self._is_ready(images):
            return images.arrays, {}
        everything = np.arange(len(images))
        pictures = np.empty((len(images), *self._shape), np.uint8)
        problems = self._decode(images, everything, pictures, everything)
        return (np.delete(pictures, list(problems), axis=0) if problems else pictures), problems

    def _decode(
        self, images: Images, chosen: np.ndarray, pictures: np.ndarray, positions: np.ndarray
    ) -> dict[int, str]:
        """The `chosen` of the images into `pictures[positions]`; what is wrong, by place in `chosen`."""
        if images.arrays is None:
            sources = images.sources
            return decode_into(pictures, [sources[i] for i in chosen], positions, self.manner)

        def resize(array: np.ndarray) -> np.ndarray | str:
            try:
                return resized(array, (self.height, self.width), self.channels, self.manner)
            except Unusable as error:
                return str(error)

        problems = {}
        made = pool().map(resize, (images.arrays[i] for i in chosen))
        for i, (position, picture) in enumerate(zip(positions, made, strict=True)):
            if isinstance(picture, str):
                problems[i] = picture
            else:
                pictures[position] = picture
        return problems

    @property
    def notes(self) -> tuple[str, ...]:
        """How images of more than 8 bits are scaled, in a line; nothing where there are none."""
        window = self.manner.window
        if window is None or not any(bits > 8 for bits in self.bits or ()):
            return ()
        wide = [f"{bits}" for bits in self.bits or () if bits > 8]
        what = f"{'- and '.join(wide)}-bit images" if wide else "images of more than 8 bits"
        where = {"training": "seen in training", "config": "preprocessing.image.window"}
        source = f" ({where[self.window_from]})" if self.window_from else ""
        said = [f"{what}: values {_number(window[0])} to {_number(window[1])} scaled to 0 to 255{source}"]
        if self.bulk is not None:
            plain = ",".join(f"{value:.6g}" for value in self.bulk)
            said.append(
                f"nearly all of them lie between {_number(self.bulk[0])} and {_number(self.bulk[1])}, "
                f"and share few grey levels: preprocessing.image.window=[{plain}] gives them all"
            )
        return tuple(said)

    def unfamiliar(self, examples: Examples) -> Unfamiliar:
        """See Preprocessing: of images whose values have another number of bits than any in training."""
        images = _as_images(examples)
        if self.bits is None:
            return Unfamiliar()
        if images.arrays is not None:  # of numbers, it does not matter which type holds them
            bits = 8 * images.arrays.dtype.itemsize
            odd = (bits > 8) != (max(self.bits) > 8)
            looks = [(bits, bits > 8) if odd else (self.bits[0], False)] * len(images)
        else:
            looks = list(pool().map(glance, images.sources))
        found = {}
        known = " or ".join(map(str, self.bits))
        for i, (bits, wide) in enumerate(looks):
            if bits in self.bits:
                continue
            how = ""
            if bits == 8:
                how = ": its values are not scaled as theirs"
            elif self.manner.window is None and wide:
                how = ", and it is scaled from 0 to 65,535"
            found[i] = (f"has {bits} bits per value, where the training images have {known}{how}",)
        return Unfamiliar(found)

    def _statistics(self, images: Images, source: Source) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation per channel over all pixels, float64 [channels]; a constant's is 1.

        Sums are exact (whole numbers), so the result depends on neither order nor memory.
        """
        if images.decoded is not None and self._is_ready(images):
            found = images.decoded.sums.sum(axis=0)
        else:
            step = max(1, CHUNK_BYTES // self.picture_bytes)
            starts = range(0, len(source), step)
            chunks = (source[np.arange(start, min(start + step, len(source)))] for start in starts)
            found = np.sum([sums(pictures).sum(axis=0) for pictures in chunks], axis=0)
        count = len(source) * self.height * self.width
        total, squares = ([int(number) for number in row] for row in found)
        # The difference in whole numbers: of two large, close floats it would lose its digits.
        scatter = [count * q - s**2 for q, s in zip(squares, total, strict=True)]
        mean = np.array([s / count for s in total])
        deviation = np.array([math.sqrt(v) / count if v > 0 else 1.0 for v in scatter])
        return mean, deviation

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    def finish(self, batch: np.ndarray) -> np.ndarray:
        """float32 [n, height, width, channels] of uint8 pictures of the same shape."""
        # Rows of whole lines: NumPy's inner loop would otherwise be as short as the channels are few.
        lines = batch.reshape(-1, self.width * self.channels)
        scale = np.tile(np.asarray(self.scale, np.float32), self.width)
        offset = np.tile(np.asarray(self.offset, np.float32), self.width)
        finished = np.multiply(lines, scale, dtype=np.float32)
        finished += offset
        return finished.reshape(batch.shape)

    def finish_tensor(self, batch: object) -> object:
        """See Preprocessing."""
        from keras import ops

        scale, offset = np.asarray(self.scale, np.float32), np.asarray(self.offset, np.float32)
        return ops.cast(batch, "float32") * scale + offset

    def remarks(self, bundle: Data, options: PreprocessingConfig) -> tuple[Remark, ...]:
        """See Preprocessing."""
        return tuple(Remark(note) for note in self.notes)

    def to_json(self) -> dict[str, object]:
        """Size, channels, scale and offset."""
        return {
            "size": [self.height, self.width],
            "channels": self.channels,
            "normalization": self.normalization,
            "scale": list(self.scale),
            "offset": list(self.offset),
            "fit": self.manner.fit,
            "window": None if self.manner.window is None else list(self.manner.window),
            "window_from": self.window_from,
            "bits": None if self.bits is None else list(self.bits),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ImagePreprocessing:
        """The inverse of `to_json`; KeyError, TypeError or ValueError where it is damaged.

        Files of an older bm say nothing of fit, window and bits: it squashed, and took 0 to 65,535.
        """
        height, width = document["size"]
        if _LATER & document.keys() and (absent := sorted(_LATER - document.keys())):
            raise KeyError(absent[0])
        window = document.get("window")
        if window is not None:
            low, high = window
            window = float(low), float(high)
        bits = document.get("bits")
        source = document.get("window_from")
        if source not in (None, "training", "config"):
            raise ValueError(f"window_from {source!r}")
        return cls(
            int(height),
            int(width),
            document["channels"],
            str(document["normalization"]),
            tuple(float(number) for number in document["scale"]),
            tuple(float(number) for number in document["offset"]),
            Manner(document.get("fit", "squash"), window),
            None if bits is None else tuple(int(number) for number in bits),
            source,
        )


@dataclass(frozen=True)
class _Pictures:
    """Pictures of which some are in memory; the others are decoded, or resized, each time they are asked for.

    pictures: uint8 [M, height, width, channels]; rows: int64 [N], where among them each is, else -1.
    """

    preprocessing: ImagePreprocessing
    images: Images
    pictures: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: np.ndarray, /) -> np.ndarray:
        rows = self.rows[indices]
        missing = np.flatnonzero(rows < 0)
        if not len(missing):
            return self.pictures[rows]
        wanted = np.empty((len(rows), *self.pictures.shape[1:]), np.uint8)
        there = np.flatnonzero(rows >= 0)
        wanted[there] = self.pictures[rows[there]]
        chosen = indices[missing]
        self._require(chosen, self.preprocessing._decode(self.images, chosen, wanted, missing))
        return wanted

    def in_batches(self, batches: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """`self[batch]` of each, in order; many files are decoded in processes, some batches ahead."""
        paths = self.images.paths
        if paths is None or np.count_nonzero(self.rows < 0) < MANY or not batches:
            yield from (self[batch] for batch in batches)
            return
        shape = self.preprocessing._shape
        missing = [batch[self.rows[batch] < 0] for batch in batches]
        wanted = [[paths[i] for i in some] for some in missing]
        decoded = decoded_ahead(wanted, shape, self.preprocessing.manner)
        for batch, some, (pictures, problems) in zip(batches, missing, decoded, strict=True):
            self._require(some, problems)
            if len(some) == len(batch):
                yield pictures
                continue
            rows = self.rows[batch]
            made = np.empty((len(batch), *shape), np.uint8)
            made[rows < 0], made[rows >= 0] = pictures, self.pictures[rows[rows >= 0]]
            yield made

    def _require(self, chosen: np.ndarray, problems: dict[int, str]) -> None:
        """DataError where there are problems: place in `chosen` -> what is wrong."""
        if not problems:
            return
        paths = self.images.paths or [f"image {i}" for i in range(len(self.images))]
        listed = [Problem(message, Place(paths[chosen[i]])) for i, message in problems.items()]
        raise DataError(
            f"{len(listed)} of {len(self.images):,} images cannot be read"
            if len(listed) > 1
            else f"{paths[chosen[next(iter(problems))]]} cannot be read",
            hint="fix or remove them, or set data.skip_unusable=true",
            problems=listed,
        )


def _as_images(examples: Examples) -> Images:
    if not isinstance(examples, Images):
        raise DataError("this run takes images")
    return examples


def window_of(images: Images, depths: Depths | None = None) -> Window | None:
    """The lowest and highest value of those of more than 8 bits; None where there are none."""
    depths = _depths(images) if depths is None else depths
    if not depths.wide.any():
        return None
    extents = depths.extents[depths.wide]
    return float(extents[:, 0].min()), float(extents[:, 1].max())


def _scaling(
    train: Images, options: ImageConfig
) -> tuple[Manner, tuple[int, ...], Literal["training", "config"] | None, Window | None]:
    """manner, bits, window_from and bulk, as `ImagePreprocessing` has them."""
    depths = _depths(train)
    seen = window_of(train, depths)
    window = options.window or seen
    source: Literal["training", "config"] = "config" if options.window else "training"
    bits = tuple(sorted(set(depths.bits.tolist())))
    return (
        Manner(options.fit, window),
        bits,
        None if window is None else source,
        None if options.window else _bulk(depths, seen),
    )


def scaling_notes(train: Images, options: ImageConfig) -> tuple[str, ...]:
    """`ImagePreprocessing.notes` of one fitted on these, without fitting one."""
    return ImagePreprocessing(1, 1, 1, "unit", (1.0,), (0.0,), *_scaling(train, options)).notes


def _bulk(depths: Depths, window: Window | None) -> Window | None:
    """Where nearly all values of nearly all images lie, if that is a small part of the window."""
    if window is None:
        return None
    low, high = depths.extents[depths.wide, 2], depths.extents[depths.wide, 3]
    bulk = float(np.quantile(low, 0.02)), float(np.quantile(high, 0.98))
    return bulk if 0 < bulk[1] - bulk[0] < SMALL_PART * (window[1] - window[0]) else None


def _depths(images: Images) -> Depths:
    if images.depths is not None:
        return images.depths
    if images.arrays is None:
        return depths_of(images.sources)
    bits, extents = np.full(len(images), 8), np.full((len(images), 4), np.nan)
    if images.arrays.dtype != np.uint8:
        bits[:] = 8 * images.arrays.dtype.itemsize
        for i, array in enumerate(images.arrays):
            extents[i] = extent(array)
    return Depths(bits, extents)


def _number(value: float) -> str:
    """1,130 or 0.25."""
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:,.6g}"


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
        with Image.open(path, formats=FORMATS) as image:
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
    return 1 if without_colour(images.paths or (), at_most=LOOKED_AT) else 3
