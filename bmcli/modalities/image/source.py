"""Images of which some are in memory and the others are decoded on access."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import DataError, Place, Problem
from bmcli.modalities.image._processes import MANY
from bmcli.modalities.image.examples import Images
from bmcli.modalities.image.prefetch import decoded_ahead

if TYPE_CHECKING:
    from bmcli.modalities.image.encoder import ImagePreprocessing


@dataclass(frozen=True)
class ImageSource:
    """Images of which some are in memory; the others are decoded, or resized, on each access.

    pixels: uint8 [M, height, width, channels]; rows: int64 [N], where among them each is, else -1.
    """

    preprocessing: ImagePreprocessing
    images: Images
    pixels: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: np.ndarray, /) -> np.ndarray:
        rows = self.rows[indices]
        missing = np.flatnonzero(rows < 0)
        if not len(missing):
            kept: np.ndarray = self.pixels[rows]
            return kept
        wanted = np.empty((len(rows), *self.pixels.shape[1:]), np.uint8)
        there = np.flatnonzero(rows >= 0)
        wanted[there] = self.pixels[rows[there]]
        chosen = indices[missing]
        self._require(chosen, self.preprocessing.decode(self.images, chosen, wanted, missing))
        return wanted

    def in_batches(self, batches: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """`self[batch]` of each, in order; many files are decoded in processes, some batches ahead."""
        paths = self.images.paths
        if paths is None or np.count_nonzero(self.rows < 0) < MANY or not batches:
            yield from (self[batch] for batch in batches)
            return
        shape = self.preprocessing.image_shape
        missing = [batch[self.rows[batch] < 0] for batch in batches]
        wanted = [[paths[i] for i in some] for some in missing]
        decoded = decoded_ahead(wanted, shape, self.preprocessing.manner)
        for batch, some, (pixels, problems) in zip(batches, missing, decoded, strict=True):
            self._require(some, problems)
            if len(some) == len(batch):
                yield pixels
                continue
            rows = self.rows[batch]
            made = np.empty((len(batch), *shape), np.uint8)
            made[rows < 0], made[rows >= 0] = pixels, self.pixels[rows[rows >= 0]]
            yield made

    def _require(self, chosen: np.ndarray, problems: dict[int, str]) -> None:
        """DataError if there are problems: place in `chosen` -> what is wrong."""
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
