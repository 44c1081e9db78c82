"""Images that are copies, of one colour, or of odd proportions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from bmcli.doctor import findings
from bmcli.doctor.duplicate_images import DETAIL, drawn, grey_of, same_images
from bmcli.doctor.findings import MOST_EXAMPLES, Finding, Gathered, by_features, of_pairs
from bmcli.doctor.image_alignment import SIDE
from bmcli.modalities.image.decode import Fit, Manner, eight_bits
from bmcli.modalities.image.decode_pool import decode_into, pool
from bmcli.modalities.image.depth import narrowed
from bmcli.modalities.image.examples import Images
from bmcli.modalities.image.scaling import scaling_notes, window_of

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig


class Examiner(findings.Examiner):
    """Images: copies, one colour, odd proportions; and how more than 8 bits are scaled."""

    def shown(self, every: Gathered, config: ExperimentConfig) -> np.ndarray:
        """See findings.Examiner."""
        return thumbnails(every, config.preprocessing.image.window)

    def findings(
        self,
        every: Gathered,
        config: ExperimentConfig,
        shown: np.ndarray | tuple[str, ...] | None,
        progress: Callable[[int, int], None] | None,
    ) -> list[Finding]:
        """See findings.Examiner."""
        assert isinstance(shown, np.ndarray)
        options = config.preprocessing.image
        found = [Finding("reading", "note", note, 0) for note in scaling_notes(_images_of(every)[0], options)]
        return found + of_images(every, shown, options.fit, progress, options.window)

    def checks(self, every: Gathered) -> list[tuple[str, str, int]]:
        """See findings.Examiner."""
        count = len(every.ids)
        sized = all(examples.sizes is not None for examples in _images_of(every))
        return [("blank", "", count), *([("proportions", "", count)] if sized else [])]


def _images_of(every: Gathered) -> list[Images]:
    return cast("list[Images]", every.examples)


def of_images(
    every: Gathered,
    shown: np.ndarray,
    fit: Fit = "squash",
    progress: Callable[[int, int], None] | None = None,
    window: tuple[float, float] | None = None,
) -> list[Finding]:
    """shown: their `thumbnails`, window as there; fit: what becomes of other proportions, as the config has
    it."""
    empty = blank(shown)
    where = np.flatnonzero(~empty)
    details = Large(every, where, window)
    near = None if every.neighbours is None else every.neighbours.at(where)
    pairs = [
        replace(pair, first=int(where[pair.first]), second=int(where[pair.second]))
        for pair in same_images(shown[where], progress, details, near)
    ]
    # Of a drawing, the mirror image may be another sign: b and d.
    mirrored = [pair for pair in pairs if "flipped" in pair.how and not every.labelled_alike(pair)]
    drawings = drawn(grey_of(shown[[pair.first for pair in mirrored]])) if mirrored else np.zeros(0, bool)
    signs = {(pair.first, pair.second) for pair, is_one in zip(mirrored, drawings, strict=True) if is_one}
    pairs = [pair for pair in pairs if (pair.first, pair.second) not in signs]
    found = [*of_pairs(every, pairs, "images"), *by_features(every, pairs)]
    if empty.any():
        positions = np.flatnonzero(empty).tolist()
        examples = tuple(every.example((i,), "of one colour") for i in positions[:MOST_EXAMPLES])
        count = len(positions)
        found.append(Finding("blank", "warning", f"{_images(count)} of one colour", count, examples))
    return found + _proportions(every, fit)


def thumbnails(every: Gathered, window: tuple[float, float] | None = None) -> np.ndarray:
    """uint8 [N, SIDE, SIDE, 1 or 3]: all images, grey where all of them are.

    window: the config's, for images of more than 8 bits; None: the range of the first split, training.
    """
    window = window or _window(every)
    parts = []
    for examples in _images_of(every):
        if examples.arrays is None:
            made = np.zeros((len(examples), SIDE, SIDE, 3), np.uint8)
            decode_into(made, examples.sources, np.arange(len(examples)), Manner(window=window))
            parts.append(made)
            continue
        if examples.arrays.shape[1:3] == (SIDE, SIDE) and examples.arrays.dtype == np.uint8:
            parts.append(examples.arrays)
            continue

        def small(array: np.ndarray) -> np.ndarray:
            return _resized(array, SIDE, window)

        parts.append(np.stack(list(pool().map(small, examples.arrays))))
    widest = max(part.shape[3] for part in parts)
    return np.concatenate([np.repeat(p, widest // p.shape[3], axis=3) for p in parts])


def _window(every: Gathered) -> tuple[float, float] | None:
    return window_of(_images_of(every)[0])


def _resized(array: np.ndarray, side: int, window: tuple[float, float] | None) -> np.ndarray:
    """uint8 [side, side, 1 or 3], of an array of any depth."""
    from PIL import Image

    if array.dtype != np.uint8:
        array = narrowed(array, window)
    image = eight_bits(Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array))
    made = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))
    return made if made.ndim == 3 else made[:, :, None]


class Large:
    """`overlay.Details` of all examples. where: position in what is compared -> in `every`."""

    def __init__(self, every: Gathered, where: np.ndarray, window: tuple[float, float] | None) -> None:
        self._examples = _images_of(every)
        self._where = where
        self._window = window or _window(every)
        self._starts = np.cumsum([0, *map(len, every.examples)])
        self._kept = functools.lru_cache(maxsize=2_000)(self._decoded)

    def equal(self, first: int, second: int) -> bool:
        """See Details: equal bytes of files, or equal pixels and size."""
        (a, i), (b, j) = self._at(first), self._at(second)
        if a.arrays is not None and b.arrays is not None:
            return np.array_equal(a.arrays[i], b.arrays[j])
        if a.digests is not None and b.digests is not None and a.digests[i] == b.digests[j]:
            return True
        if a.sizes is not None and b.sizes is not None and not np.array_equal(a.sizes[i], b.sizes[j]):
            return False
        return np.array_equal(self.large(first), self.large(second))

    def large(self, position: int) -> np.ndarray:
        """See Details."""
        return self._kept(position)

    def _at(self, position: int) -> tuple[Images, int]:
        whole = int(self._where[position])
        part = int(np.searchsorted(self._starts, whole, side="right")) - 1
        examples = self._examples[part]
        return examples, whole - int(self._starts[part])

    def _decoded(self, position: int) -> np.ndarray:
        examples, i = self._at(position)
        if examples.arrays is not None:
            return _resized(examples.arrays[i], DETAIL, self._window)
        made = np.zeros((1, DETAIL, DETAIL, 3), np.uint8)
        decode_into(made, [examples.sources[i]], np.arange(1), Manner(window=self._window))
        decoded: np.ndarray = made[0]
        return decoded


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def blank(images: np.ndarray) -> np.ndarray:
    """bool [N]: images of one colour."""
    return np.asarray(np.ptp(images.reshape(len(images), -1, images.shape[-1]), axis=1).max(axis=1) <= 4)


_FITTED = {
    "squash": "they will be distorted (use preprocessing.image.fit: crop or pad to avoid it)",
    "crop": "much of them will be cut off",
    "pad": "large parts of the model's input will be black",
}


def _proportions(every: Gathered, fit: Fit) -> list[Finding]:
    """Images whose proportions are far from the others'."""
    sizes = [e.sizes for e in _images_of(every) if e.sizes is not None]
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
    has = "has" if len(far) == 1 else "have"
    message = f"{_images(len(far))} {has} proportions four times those of the others: {_FITTED[fit]}"
    return [Finding("proportions", "warning", message, len(far), examples)]
