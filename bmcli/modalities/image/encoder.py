"""Images to arrays: one size, one number of channels, then one scale and offset per channel.

Images of more than 8 bits are brought to 8 by one window for all, which is fitted like the rest: see
`bmcli.modalities.image.scaling`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from bmcli.core.errors import DataError
from bmcli.core.examples import Examples
from bmcli.core.spec import Kind
from bmcli.modalities.image.decode import AS_IT_IS, RESAMPLING, Manner, resized
from bmcli.modalities.image.decode_pool import decode_into, pool, spread
from bmcli.modalities.image.depth import Window, glance
from bmcli.modalities.image.dimensions import channels_of, size_of
from bmcli.modalities.image.examples import Images
from bmcli.modalities.image.formats import Unusable
from bmcli.modalities.image.probe import kept_rows, sums
from bmcli.modalities.image.scaling import scaling_lines, scaling_of
from bmcli.modalities.image.source import ImageSource
from bmcli.modalities.remark import Remark, Unfamiliar
from bmcli.modalities.source import SingleInput

if TYPE_CHECKING:
    from bmcli.config.schema import ImageConfig, PreprocessingConfig
    from bmcli.core.examples import Data
    from bmcli.core.plain import Document
    from bmcli.modalities.source import Source

DEFAULT_CACHE_BYTES = 4 * 2**30
MOST_PIXELS = 89_478_485
"""The largest height × width of an encoder: decoding refuses larger images, so none this large is made."""
_LATER = frozenset({"fit", "window", "window_from", "bits"})
"""Keys of preprocessing.json that came together, later than the others."""
FITS = ("squash", "crop", "pad")
LEAST_SHARE = 0.05
CHUNK_BYTES = 16 * 2**20
"""Images that need not all be in memory are read in chunks of about this size."""


@dataclass(frozen=True)
class ImagePreprocessing(SingleInput):
    """Images as float32 [n, height, width, channels]: pixel · scale + offset, per channel.

    scale, offset: one number per channel, float64; the arithmetic on pixels is float32 everywhere.
    manner: how images are brought to size and to 8 bits; window_from: where its window comes from. bits: of a
        value in the training images, each number of bits that occurs; None for runs that did not record it.
    bulk: values between which nearly all training images lie, where the window is far wider; while fitting.
    kept: the share of the images that `encode` keeps in memory, of those that were not decoded when they
        were probed. 0 until `with_cache` sets it: evaluating a run needs each image only once.
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
    """The training images as decoded while fitting, so that they are not decoded again."""

    def __post_init__(self) -> None:
        sides = 0 < self.height <= 65536 and 0 < self.width <= 65536
        if not (sides and self.height * self.width <= MOST_PIXELS and self.channels in (1, 3)):
            raise ValueError("size or channels")
        if not len(self.scale) == len(self.offset) == self.channels:
            raise ValueError("one scale and one offset per channel are needed")
        if not all(math.isfinite(number) for number in (*self.scale, *self.offset)):
            raise ValueError("scale or offset is not a finite number")
        window = self.manner.window
        if self.manner.fit not in FITS:
            raise ValueError(f"fit {self.manner.fit!r}")
        if self.manner.interpolation not in RESAMPLING or not LEAST_SHARE <= self.manner.share <= 1:
            raise ValueError("interpolation or share")
        if window is not None and not (all(map(math.isfinite, window)) and window[0] <= window[1]):
            raise ValueError("window is not a range of finite numbers")

    @classmethod
    def fit(
        cls, splits: Sequence[Images], options: ImageConfig, *, cache_bytes: int = DEFAULT_CACHE_BYTES
    ) -> ImagePreprocessing:
        """Fitted on the first of `splits`; the others count for the memory alone.

        Raises DataError listing all training images that cannot be read.
        """
        train = splits[0]
        height, width = size_of(train, options.size)
        channels = options.channels or channels_of(train)
        unscaled = cls(
            height,
            width,
            channels,
            "unit",
            (1 / 255,) * channels,
            (0.0,) * channels,
            *scaling_of(train, options),
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

    @classmethod
    def given(
        cls,
        train: Images,
        options: ImageConfig,
        size: tuple[int, int],
        *,
        scale: tuple[float, ...],
        offset: tuple[float, ...],
        manner: Manner,
    ) -> ImagePreprocessing:
        """Colour images as pretrained weights want them: nothing is fitted but the window of images of more
        than 8 bits, on `train`.

        size: height and width; scale, offset: for each channel; manner: its window is not used.
        """
        scaled, bits, window_from, bulk = scaling_of(train, options)
        manner = replace(manner, window=scaled.window)
        return cls(*size, 3, "weights", scale, offset, manner, bits, window_from, bulk)

    def with_cache(self, splits: Sequence[Images], cache_bytes: int) -> ImagePreprocessing:
        """The same, keeping up to `cache_bytes` of these images in memory, including those decoded."""
        ready = {id(d.pixels): d.pixels.nbytes for s in splits if (d := s.decoded) is not None}
        needed = self.image_bytes * sum(len(split) for split in splits if not self._is_ready(split))
        spare = max(0, cache_bytes - sum(ready.values()))
        return replace(self, kept=min(1.0, spare / needed) if needed else 1.0, fitted_on=None)

    def _is_ready(self, images: Images) -> bool:
        """Whether nothing is left to decode, or what was kept has the right shape."""
        if images.arrays is not None:
            as_wanted = images.arrays.dtype == np.uint8 and images.arrays.shape[1:] == self.input_shape
            return as_wanted and (images.encoded or self.manner.share == 1)
        done = images.decoded
        if self.manner.interpolation != "bilinear" or self.manner.share != 1:
            return False  # which is how they are decoded while they are probed
        if done is None or done.pixels.shape[1:] != self.input_shape or done.fit != self.manner.fit:
            return False
        wide = images.depths is not None and images.depths.wide.any()
        return not wide or done.window == self.manner.window

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @property
    def image_bytes(self) -> int:
        """Size of one image in memory, as uint8."""
        return self.height * self.width * self.channels

    def encode(self, examples: Examples) -> Source:
        """uint8 images [N, height, width, channels]: as many in memory as `kept` says, the others decoded
        on access, with the same result.

        Raises DataError listing all that cannot be read; those decoded later raise it then.
        """
        images = _as_images(examples)
        if self.fitted_on is not None and images is self.fitted_on[0]:
            return self.fitted_on[1]
        if images.arrays is not None and self._is_ready(images):
            return images.arrays
        if images.decoded is not None and self._is_ready(images):
            return ImageSource(self, images, images.decoded.pixels, images.decoded.rows)
        count = int(len(images) * self.kept)
        none = ImageSource(
            self, images, np.empty((0, *self.image_shape), np.uint8), kept_rows(len(images), 0)
        )
        pixels = none[spread(len(images), count)]
        if count == len(images):
            return pixels
        return replace(none, pixels=pixels, rows=kept_rows(len(images), count))

    def encode_usable(self, examples: Examples) -> tuple[np.ndarray, dict[int, str]]:
        """See Preprocessing; decodes in threads."""
        images = _as_images(examples)
        if images.arrays is not None and self._is_ready(images):
            return images.arrays, {}
        everything = np.arange(len(images))
        pixels = np.empty((len(images), *self.image_shape), np.uint8)
        problems = self.decode(images, everything, pixels, everything)
        return (np.delete(pixels, list(problems), axis=0) if problems else pixels), problems

    def decode(
        self, images: Images, chosen: np.ndarray, pixels: np.ndarray, positions: np.ndarray
    ) -> dict[int, str]:
        """The `chosen` of the images into `pixels[positions]`; what is wrong, by place in `chosen`."""
        if images.arrays is None:
            sources = images.sources
            return decode_into(pixels, [sources[i] for i in chosen], positions, self.manner)

        def resize(array: np.ndarray) -> np.ndarray | str:
            try:
                return resized(array, (self.height, self.width), self.channels, self.manner)
            except Unusable as error:
                return str(error)

        problems = {}
        made = pool().map(resize, (images.arrays[i] for i in chosen))
        for i, (position, result) in enumerate(zip(positions, made, strict=True)):
            if isinstance(result, str):
                problems[i] = result
            else:
                pixels[position] = result
        return problems

    @property
    def notes(self) -> tuple[str, ...]:
        """How images of more than 8 bits are scaled, in a line; nothing if there are none."""
        return scaling_lines(self.manner, self.bits, self.window_from, self.bulk)

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
            step = max(1, CHUNK_BYTES // self.image_bytes)
            starts = range(0, len(source), step)
            chunks = (source[np.arange(start, min(start + step, len(source)))] for start in starts)
            found = np.sum([sums(pixels).sum(axis=0) for pixels in chunks], axis=0)
        count = len(source) * self.height * self.width
        total, squares = ([int(number) for number in row] for row in found)
        # The difference in whole numbers: of two large, close floats it would lose its digits.
        scatter = [count * q - s**2 for q, s in zip(squares, total, strict=True)]
        mean = np.array([s / count for s in total])
        deviation = np.array([math.sqrt(v) / count if v > 0 else 1.0 for v in scatter])
        return mean, deviation

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels), none of them unknown."""
        return self.height, self.width, self.channels

    def finish(self, batch: np.ndarray) -> np.ndarray:
        """float32 [n, height, width, channels] of uint8 images of the same shape."""
        # Rows of whole lines: NumPy's inner loop would otherwise be as short as the channels are few.
        lines = batch.reshape(-1, self.width * self.channels)
        scale = np.tile(np.asarray(self.scale, np.float32), self.width)
        offset = np.tile(np.asarray(self.offset, np.float32), self.width)
        finished: np.ndarray = np.multiply(lines, scale, dtype=np.float32)
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
            **self._pretrained(),
        }

    def _pretrained(self) -> dict[str, object]:
        """What only the weights of a backbone ask for."""
        manner, usual = self.manner, AS_IT_IS
        if (manner.interpolation, manner.share) == (usual.interpolation, usual.share):
            return {}
        return {"interpolation": manner.interpolation, "share": manner.share}

    @classmethod
    def from_json(cls, document: Document) -> ImagePreprocessing:
        """The inverse of `to_json`; KeyError, TypeError or ValueError if it is damaged.

        Files of older versions lack fit, window and bits: those squashed images, and scaled 0 to 65,535.
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
            Manner(
                document.get("fit", "squash"),
                window,
                document.get("interpolation", "bilinear"),
                float(document.get("share", 1.0)),
            ),
            None if bits is None else tuple(int(number) for number in bits),
            source,
        )


def _as_images(examples: Examples) -> Images:
    if not isinstance(examples, Images):
        raise DataError("this run takes images")
    return examples
