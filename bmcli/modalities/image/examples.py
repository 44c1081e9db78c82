"""Images as they are read: arrays in memory, or files decoded on access."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np


@dataclass(frozen=True)
class Decoded:
    """N image files as decoded when they were probed: some of the images, and sums over all.

    pixels: uint8 [M, height, width, channels], those that were kept; rows: int64 [N], where among them a
    file's image is, -1 if it was not kept; sums: uint64 [N, 2, channels], of pixels and their squares.
    fit, window: how, as in `decode.Manner`.
    """

    pixels: np.ndarray
    rows: np.ndarray
    sums: np.ndarray
    fit: str = "squash"
    window: tuple[float, float] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[1], self.pixels.shape[2]

    @property
    def channels(self) -> Literal[1, 3]:
        """1 grey, 3 RGB."""
        return 1 if self.pixels.shape[3] == 1 else 3

    def take(self, indices: Sequence[int] | np.ndarray) -> Decoded:
        """The same for the files at `indices`, in that order; the images are shared."""
        return replace(self, rows=self.rows[indices], sums=self.sums[indices])


@dataclass(frozen=True)
class Depths:
    """Of N images: bits, int64 [N], how many a value has in the file; extents: float64 [N, 4], of those of
    more than 8 bits the lowest and highest value, and those between which nearly all lie; else NaN."""

    bits: np.ndarray
    extents: np.ndarray

    @property
    def wide(self) -> np.ndarray:
        """bool [N], whether an image is held with more than 8 bits, and so needs a window to be scaled by."""
        wide: np.ndarray = np.isfinite(self.extents[:, 0])
        return wide

    def take(self, indices: Sequence[int] | np.ndarray) -> Depths:
        """The same of the images at `indices`."""
        return Depths(self.bits[indices], self.extents[indices])


@dataclass(frozen=True)
class Images:
    """N images. Exactly one of `arrays`, `paths` and `contents` is set.

    arrays: [N, height, width, channels], channels 1 or 3, as a named dataset or .npz brings them: uint8, or
        numbers that go beyond it. paths: files that Pillow can decode, read when needed; contents: the bytes
        of such files.
    sizes, grey: with paths, if they were probed: int32 [N, 2] heights and widths as shown, and
        bool [N], whether a file holds no colour.
    depths: with paths, if they were probed.
    decoded: with paths, where they were decoded on that occasion.
    digests: with paths, if they were probed: SHA-256 of each file's bytes.
    encoded: with arrays, whether an encoder has made them, so that it must not crop them once more.
    """

    kind: ClassVar[str] = "image"

    arrays: np.ndarray | None = None
    paths: tuple[str, ...] | None = None
    sizes: np.ndarray | None = None
    grey: np.ndarray | None = None
    decoded: Decoded | None = None
    depths: Depths | None = None
    contents: tuple[bytes, ...] | None = None
    digests: tuple[bytes, ...] | None = None
    encoded: bool = False

    @property
    def sources(self) -> Sequence[str | bytes]:
        """Paths, or files' bytes."""
        return self.paths if self.paths is not None else self.contents or ()

    def __len__(self) -> int:
        return len(self.arrays) if self.arrays is not None else len(self.sources)

    def take(self, indices: Sequence[int] | np.ndarray) -> Images:
        """The images at `indices`, in that order."""
        if self.arrays is not None:
            return Images(arrays=self.arrays[indices], encoded=self.encoded)
        if self.contents is not None:
            return Images(contents=tuple(self.contents[int(i)] for i in indices))
        assert self.paths is not None
        return Images(
            paths=tuple(self.paths[int(i)] for i in indices),
            sizes=None if self.sizes is None else self.sizes[indices],
            grey=None if self.grey is None else self.grey[indices],
            decoded=None if self.decoded is None else self.decoded.take(indices),
            depths=None if self.depths is None else self.depths.take(indices),
            digests=None if self.digests is None else tuple(self.digests[int(i)] for i in indices),
        )
