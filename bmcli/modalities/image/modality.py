"""Images: photographs and drawings in files, arrays of pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from bmcli.files.suffixes import IMAGE_SUFFIXES
from bmcli.modalities.base import MODALITIES, Add, Expect, Modality, Note
from bmcli.modalities.values import Attribute, FilesRead, Inspected, Readme, Words

if TYPE_CHECKING:
    import numpy as np

    from bmcli.config.drafting.inspect import Look
    from bmcli.config.schema import PreprocessingConfig
    from bmcli.core.examples import Data, Examples
    from bmcli.core.plain import Document
    from bmcli.modalities.image.encoder import ImagePreprocessing
    from bmcli.modalities.image.examples import Images
    from bmcli.modalities.inputs import Inputs, Reading
    from bmcli.modalities.measured import Measured, Usual
    from bmcli.modalities.preprocessing import Preprocessing

FEW = 1_000
"""Fewer images than this are few to train on from the start."""
THAN = "than the training images"
ENCODED = 1024
"""Number of images encoded at a time when all are processed."""


@MODALITIES.register("image")
class Image(Modality):
    """Images: files in class folders, or arrays of pixels."""

    words = Words("image", "images", rate="img/s", argument="IMAGE", model="cnn")
    place = 0
    suffixes = IMAGE_SUFFIXES
    file_suffixes = IMAGE_SUFFIXES
    piece = 256
    has_augmentations = True
    has_views = True

    def shape_ahead(
        self, preprocessing: PreprocessingConfig, shape: tuple[int, int, int] | None
    ) -> tuple[int | None, ...]:
        """See Modality: what the config says, else the dataset."""
        image = preprocessing.image
        height, width, channels = shape or (None, None, None)
        if image.size is not None:
            height, width = image.size if isinstance(image.size, tuple) else (image.size, image.size)
        return (height, width, image.channels or channels)

    def glance(self, paths: Sequence[str]) -> tuple[tuple[tuple[int, int], ...], list[str]]:
        """See Modality."""
        from bmcli.modalities.image.draft import glance

        return glance(paths)

    def draft_remarks(self, count: int) -> list[str]:
        """See Modality."""
        return ["few images: expect little; no pretrained models are available"] if count < FEW else []

    def draft_data(self, look: Look) -> list[tuple[str, object, str]]:
        """See Modality: mirror images, where they are of the same class."""
        from bmcli.modalities.image.draft import data_entries

        return data_entries(look)

    def draft_model(self, look: Look, *, pretrained: bool = False) -> list[str]:
        """See Modality: pretrained weights bring the size of images."""
        from bmcli.modalities.image.draft import model_lines

        return [] if pretrained else model_lines(look)

    def read_files(self, paths: Sequence[str], names: Sequence[str]) -> FilesRead:
        """See Modality: they are decoded on access."""
        from bmcli.modalities.image.examples import Images

        return FilesRead(Images(paths=tuple(paths)))

    def takes_array(self, x: np.ndarray) -> bool:
        """See Modality."""
        from bmcli.modalities.image.arrays import takes

        return takes(x)

    def array_shape(self, x: np.ndarray) -> tuple[int, ...]:
        """See Modality: with its channel."""
        return (*x.shape[1:], 1) if x.ndim == 3 else tuple(x.shape[1:])

    def from_arrays(
        self,
        arrays: Mapping[str, tuple[str, np.ndarray]],
        path: Path,
        *,
        unscaled: bool = False,
        like: Examples | None = None,
    ) -> dict[str, Examples]:
        """See Modality."""
        from bmcli.modalities.image.arrays import images_of

        return images_of(arrays, path, unscaled=unscaled, like=like)

    def inspect(
        self,
        examples: Examples,
        preprocessing: PreprocessingConfig | None,
        cache_bytes: int,
        progress: Callable[[int, int], None] | None,
    ) -> Inspected | None:
        """See Modality: every file is decoded once, and up to `cache_bytes` of decoded images are kept."""
        from bmcli.modalities.image.inspect import inspect

        own = None if preprocessing is None else preprocessing.image
        return inspect(_images(examples), own, cache_bytes, progress)

    def inspection_notes(self, counts: Mapping[str, int]) -> tuple[str, ...]:
        """See Modality."""
        from bmcli.modalities.image.inspect import notes

        return notes(counts)

    def data_notes(self, splits: Mapping[str, Examples]) -> tuple[str, ...]:
        """See Modality: images of 8 bits and of more side by side."""
        from bmcli.modalities.image.inspect import depth_notes

        return depth_notes({name: _images(examples) for name, examples in splits.items()})

    def synthesise(
        self,
        level: np.ndarray,
        random: np.random.Generator,
        shape: tuple[int, ...] | None,
        columns: Sequence[str] | None,
    ) -> Examples:
        """See Modality: noise, the brighter the higher its level."""
        import numpy as np

        from bmcli.modalities.image.examples import Images

        noise = random.integers(0, 128, (len(level), *(shape or (32, 32, 3))), np.uint8)
        return Images(arrays=noise + (level * 127).astype(np.uint8)[:, None, None, None])

    def read_inputs(
        self,
        inputs: Sequence[str],
        reading: Reading,
        stdin: IO[bytes],
        note: Note | None,
        expect: Expect | None,
    ) -> Iterator[Inputs]:
        """See Modality."""
        from bmcli.modalities.image.inputs import read

        return read(inputs, stdin, expect)

    def wanted(self, encoder: Preprocessing) -> object:
        """See Modality: size, channels and depth, which tell how to read arrays."""
        from bmcli.modalities.image.python_arrays import Wanted

        made = _encoder(encoder)
        return Wanted(made.height, made.width, made.channels, made.manner.window is not None)

    def read_objects(
        self, inputs: object, reading: Reading, wanted: object, note: Note, expect: Expect
    ) -> Iterator[Inputs]:
        """See Modality."""
        from bmcli.modalities.image.python_arrays import Wanted
        from bmcli.modalities.image.python_inputs import read

        assert isinstance(wanted, Wanted)
        return read(inputs, wanted, note, expect)

    def fit(self, data: Data, options: object, *, cache_bytes: int) -> Preprocessing:
        """See Modality."""
        from bmcli.config.schema import ImageConfig
        from bmcli.modalities.image.encoder import ImagePreprocessing

        assert isinstance(options, ImageConfig)
        return ImagePreprocessing.fit(_every(data), options, cache_bytes=cache_bytes)

    def load(self, part: Document, files: Mapping[str, str]) -> Preprocessing:
        """See Modality."""
        from bmcli.modalities.image.encoder import ImagePreprocessing

        return ImagePreprocessing.from_json(part)

    def with_cache(self, encoder: Preprocessing, data: Data, cache_bytes: int) -> Preprocessing:
        """See Modality."""
        return _encoder(encoder).with_cache(_every(data), cache_bytes)

    def add_to_fingerprint(self, examples: Examples, add: Add, digests: Mapping[str, bytes]) -> None:
        """See Modality: arrays as they are; of files the SHA-256 of each, read in threads where not known."""
        from bmcli.modalities.image.contents import add_to_fingerprint

        add_to_fingerprint(_images(examples), add, digests)

    def form(self, examples: Examples) -> str:
        """See Modality."""
        return "files" if _images(examples).arrays is None else "pixels"

    def contents(
        self,
        examples: Examples,
        targets: np.ndarray,
        ids: Sequence[str],
        encoder: Preprocessing,
        form: str,
    ) -> Iterator[bytes] | None:
        """See Modality: files can be decoded to be compared with arrays."""
        from bmcli.modalities.image.contents import contents

        return contents(_images(examples), form)

    def fit_familiarity(self, encoder: Preprocessing, examples: Examples) -> Measured:
        """See Modality."""
        from bmcli.modalities.image.familiarity import fit

        return fit(encoder, examples)

    def load_familiarity(self, document: Document, encoder: Preprocessing) -> Usual:
        """See Modality."""
        from bmcli.modalities.image.familiarity import ImageTraits

        return ImageTraits()

    def statistics(self, compact: np.ndarray, columns: tuple[str | None, ...]) -> dict[str, np.ndarray]:
        """See Modality."""
        from bmcli.modalities.image.familiarity import statistics

        return statistics(compact)

    range_words: ClassVar[Mapping[str, tuple[str, str]]] = {
        "brightness": (f"darker {THAN}", f"brighter {THAN} (inverted?)"),
        "contrast": (f"lower contrast {THAN} (blank?)", f"higher contrast {THAN}"),
        "border": ("darker border", "brighter border"),
        "colour": (f"less colourful {THAN} (grey?)", f"more colourful {THAN}"),
        "detail": (f"less detail {THAN} (blank?)", f"more detail {THAN} (noise?)"),
    }

    def corruptions(self) -> tuple[str, ...]:
        """See Modality."""
        from bmcli.modalities.image.corruptions import CORRUPTIONS

        return tuple(CORRUPTIONS)

    def corrupted(
        self,
        name: str,
        strength: int,
        rng: np.random.Generator,
        examples: Examples,
        encoder: Preprocessing,
    ) -> Iterator[Examples]:
        """See Modality: of the images as the model sees them, before they are scaled."""
        import numpy as np

        from bmcli.modalities.image.corruptions import CORRUPTIONS
        from bmcli.modalities.image.examples import Images

        source = _encoder(encoder).encode(examples)
        for start in range(0, len(examples), ENCODED):
            some = np.asarray(source[np.arange(start, min(start + ENCODED, len(examples)))])
            yield Images(arrays=CORRUPTIONS[name](some, strength, rng), encoded=True)

    def sliceable(self, examples: Examples, beside: list[str]) -> list[str]:
        """See Modality: by size, where that is known."""
        return ["size"] if _images(examples).sizes is not None else []

    def attribute(self, examples: Examples, name: str) -> Attribute:
        """See Modality: the side of a square of as many pixels."""
        import numpy as np

        sizes = _images(examples).sizes
        assert sizes is not None
        return Attribute(np.rint(np.sqrt(sizes.prod(axis=1))), "pixels")

    def excerpt(self, examples: Examples, position: int) -> None:
        """See Modality: images are shown."""

    def thumbnail(self, examples: Examples, position: int, window: tuple[float, float] | None) -> np.ndarray:
        """See Modality: upright."""
        from bmcli.modalities.image.thumbnail import thumbnail

        return thumbnail(_images(examples), position, window)

    def readme(self) -> Readme:
        """See Modality."""
        return Readme(
            "images, prepared as preprocessing.json says: decoded, brought to 8 bits, resized, scaled",
            """1. Decode; scale more than 8 bits to 8; put transparent parts on white.
2. Make it RGB, or grey by ITU-R 601 luma, according to the number of channels.
3. Resize to height × width, bilinear and antialiased (Pillow's `Resampling.BILINEAR`; where `interpolation`
   is bicubic, `Resampling.BICUBIC`), as `fit` says: `squash` the whole image, `crop` its middle, of which
   `share` is the part of height and width that is kept (without it, all), `pad` with black.
4. Apply its EXIF orientation.
5. Per channel, in float32: `pixel * scale + offset`, of pixels from 0 to 255.""",
            "Images",
            'Images(paths=("photo.jpg",))',
        )


def _images(examples: Examples) -> Images:
    from bmcli.modalities.image.examples import Images

    assert isinstance(examples, Images)
    return examples


def _encoder(encoder: Preprocessing) -> ImagePreprocessing:
    from bmcli.modalities.image.encoder import ImagePreprocessing

    assert isinstance(encoder, ImagePreprocessing)
    return encoder


def _every(data: Data) -> list[Images]:
    return [_images(one.examples) for one in (data.train, data.validation, data.test) if one is not None]
