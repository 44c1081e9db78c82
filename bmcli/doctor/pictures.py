"""Pictures that are copies, of one colour, or of odd proportions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bmcli.data.bundle import Images
from bmcli.data.readers.images import Fit
from bmcli.doctor.findings import MOST_EXAMPLES, Finding, Gathered, of_pairs
from bmcli.doctor.overlay import SIDE, same_pictures


def of_pictures(
    every: Gathered,
    shown: np.ndarray,
    fit: Fit = "squash",
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """shown: their `thumbnails`; fit: what becomes of other proportions, as the config has it."""
    empty = blank(shown)
    where = np.flatnonzero(~empty)
    pairs = [
        replace(pair, first=int(where[pair.first]), second=int(where[pair.second]))
        for pair in same_pictures(shown[where], progress)
    ]
    found = of_pairs(every, pairs, "pictures")
    if empty.any():
        positions = np.flatnonzero(empty).tolist()
        examples = tuple(every.example((i,), "of one colour") for i in positions[:MOST_EXAMPLES])
        count = len(positions)
        found.append(Finding("blank", "warning", f"{count:,} pictures are of one colour", count, examples))
    return found + _proportions(every, fit)


def thumbnails(every: Gathered, window: tuple[float, float] | None = None) -> np.ndarray:
    """uint8 [N, SIDE, SIDE, 1 or 3]: all pictures, grey where all of them are.

    window: the config's, for images of more than 8 bits; None: the range of the first split, training.
    """
    from PIL import Image

    from bmcli.data.readers.depth import narrowed
    from bmcli.data.readers.images import Manner, decode_into, eight_bits, pool
    from bmcli.preprocessing.image import window_of

    if window is None and isinstance(train := every.examples[0], Images):
        window = window_of(train)

    parts = []
    for examples in every.examples:
        assert isinstance(examples, Images)
        if examples.arrays is None:
            made = np.zeros((len(examples), SIDE, SIDE, 3), np.uint8)
            decode_into(made, examples.sources, np.arange(len(examples)), Manner(window=window))
            parts.append(made)
            continue
        if examples.arrays.shape[1:3] == (SIDE, SIDE) and examples.arrays.dtype == np.uint8:
            parts.append(examples.arrays)
            continue

        def small(array: np.ndarray) -> np.ndarray:
            if array.dtype != np.uint8:
                array = narrowed(array, window)
            image = eight_bits(Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array))
            made = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
            return made if made.ndim == 3 else made[:, :, None]

        parts.append(np.stack(list(pool().map(small, examples.arrays))))
    widest = max(part.shape[3] for part in parts)
    return np.concatenate([np.repeat(p, widest // p.shape[3], axis=3) for p in parts])


def blank(pictures: np.ndarray) -> np.ndarray:
    """bool [N]: pictures of one colour."""
    return np.asarray(
        np.ptp(pictures.reshape(len(pictures), -1, pictures.shape[-1]), axis=1).max(axis=1) <= 4
    )


_FITTED = {
    "squash": "they will be distorted (preprocessing.image.fit: crop or pad would not)",
    "crop": "much of them will be cut off",
    "pad": "much of what the model sees of them will be black",
}


def _proportions(every: Gathered, fit: Fit) -> list[Finding]:
    """Pictures whose proportions are far from the others'."""
    sizes = [e.sizes for e in every.examples if isinstance(e, Images) and e.sizes is not None]
    if len(sizes) != len(every.examples):
        return []
    ratio = np.concatenate(sizes).astype(float)
    proportion = np.log(ratio[:, 1] / np.maximum(ratio[:, 0], 1))
    far = np.flatnonzero(np.abs(proportion - np.median(proportion)) > np.log(4))
    if not len(far):
        return []
    examples = tuple(
        every.example((int(i),), f"{int(ratio[i, 1])} × {int(ratio[i, 0])}") for i in far[:MOST_EXAMPLES]
    )
    message = f"{len(far):,} pictures have proportions four times those of the others: {_FITTED[fit]}"
    return [Finding("proportions", "warning", message, len(far), examples)]
