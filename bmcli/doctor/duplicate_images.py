"""Images that are the same: re-encoded, resized, brightened, flipped, moved, turned a little or cropped.

Each image's nearest neighbours are looked for by a descriptor that neither moving nor flipping changes (the
magnitudes of its low frequencies, mirrored ones added up); then the two are laid over each other, as found by
phase correlation (Kuglin and Hines, 1975). Images full of content are turned, scaled and brightened to fit
(Lucas and Kanade, 1981; a similarity with gain and bias). What differs where they overlap decides, first at
SIDE pixels, then, of those alike, in detail: a stroke holds little that could tell two images apart, so of
drawings the place where they differ most counts, and of a single stroke a copy must lie in the same place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bmcli.doctor.findings import Pair
from bmcli.doctor.image_alignment import LEAST_OVERLAP, SIDE, Fit, best_fit, refined_fit
from bmcli.doctor.wide_alignment import LEAST_SHARED, wide_fit

if TYPE_CHECKING:
    from bmcli.doctor.features import Neighbours

KEPT = 12
"""Frequencies of the descriptor, up to this one."""
STRANGERS = 15
"""So many times nearer to 1 than that of most other nearest neighbours it must be."""
FLOOR = 200.0
"""Magnitudes below this are mostly what re-encoding leaves."""
NOISE = 14.0
"""Root mean square difference in grey levels that re-encoding and resizing may leave."""
BLOCK = 1024
NEIGHBOURS = 2
"""Nearest ones that each image is compared with."""
DRAWN = 0.5
"""An image of which this share has one and the same colour is a drawing: letters, digits, logos."""
STROKE = 0.15
"""Ratio of the gradients' energy across and along, below which a drawing is a single stroke."""
DETAIL = 96
"""Pixels of a side at which images alike are compared again."""
LEAST_IN_DETAIL = 0.93
"""Correlation there, of images full of content."""
LEAST_OF_DRAWINGS = 0.995
"""Correlation of drawings: the same letter in two sizes of a font has 0.99."""
WORST, WORST_MOVED = 0.25, 0.05
"""Of drawings in the same place, and of moved ones: the largest difference, of means over WINDOW pixels, as a
share of the contrast."""

LEAST_LIKENESS = 0.6
"""Cosine of features from which two images are turned and cropped further to fit."""
MOST_WIDE = 2_000
"""Pairs for which this is done, those most alike first: a minute or two."""


class Details(Protocol):
    """The images themselves, where more than their thumbnails is needed."""

    def equal(self, first: int, second: int) -> bool:
        """Whether every pixel of two images is the same."""
        ...

    def large(self, position: int) -> np.ndarray:
        """uint8 [DETAIL, DETAIL, 1 or 3]."""
        ...


def same_images(
    images: np.ndarray,
    progress: Callable[[int, int], None] | None = None,
    details: Details | None = None,
    neighbours: Neighbours | None = None,
) -> list[Pair]:
    """Pairs of equal images, each with one it equals: of n copies at least n - 1 pairs.

    images: uint8 [N, SIDE, SIDE, 1 or 3]; details: of the same images, where they are larger; neighbours: by
    a run's features, which are compared too, and turned and cropped further if they are much alike.
    """
    count = len(images)
    if count < 2:
        return []
    grey = grey_of(images)
    alike = _equal(images)
    pairs = {(a, b): Pair(a, b, True, "same") for a, b in alike if details is None or details.equal(a, b)}
    nearest = _nearest(_descriptors(grey), progress)
    candidates = {(min(a, b), max(a, b)) for a, others in enumerate(nearest.tolist()) for b in others}
    candidates |= set(alike)
    ordered = np.array(sorted(candidates - pairs.keys()), np.int64).reshape(-1, 2)
    made, least = _laid_over(grey, ordered[:, 0], ordered[:, 1], details)
    pairs |= {(pair.first, pair.second): pair for pair in made}
    if neighbours is not None:
        near = neighbours.unconnected(list(pairs.values()))
        for pair in _by_features(grey, near, candidates, least, details, progress):
            pairs[pair.first, pair.second] = pair
    return [pairs[key] for key in sorted(pairs)]


def _by_features(
    grey: np.ndarray,
    near: Neighbours,
    compared: set[tuple[int, int]],
    least: float,
    details: Details | None,
    progress: Callable[[int, int], None] | None,
) -> list[Pair]:
    """Of neighbours by features, those that are copies. compared: the pairs that were laid over each other
    before; least: the correlation that they needed."""
    new = np.array([tuple(pair) not in compared for pair in near.pairs.tolist()], bool)
    ordered = near.pairs[new]
    found, _ = _laid_over(grey, ordered[:, 0], ordered[:, 1], details, least)
    rest = near.unconnected(found)
    plain = drawn(grey)
    rich = ~plain[rest.pairs].any(axis=1) & (rest.likeness >= LEAST_LIKENESS)
    far = rest.pairs[rich][:MOST_WIDE].tolist()
    for done, (one, other) in enumerate(far, 1):
        pair = _far_apart(grey, one, other, max(least, LEAST_OVERLAP), details)
        found += [] if pair is None else [pair]
        if progress is not None:
            progress(done, len(far))
    return [replace(pair, by_features=True) for pair in found]


def _far_apart(grey: np.ndarray, one: int, other: int, least: float, details: Details | None) -> Pair | None:
    """The pair, if one image is the other turned, cropped or moved by more than others are."""
    found = wide_fit(grey[one], grey[other])
    if found is None:
        return None
    flipped, fit = found
    if fit.correlation[0] < least or fit.difference[0] > NOISE or fit.overlap[0] < LEAST_SHARED:
        return None
    if details is not None:
        ones, others = (grey_of(details.large(position)[None]) for position in (one, other))
        start = fit.place * [DETAIL / SIDE, DETAIL / SIDE, 1, 1]
        shown = others[:, :, ::-1] if flipped else others
        if refined_fit(ones, shown, start, free=4, wide=True).correlation[0] < LEAST_IN_DETAIL:
            return None
    x, y, scale, sine = fit.place[0].tolist()
    size, angle = np.hypot(1 + scale, sine), np.arctan2(sine, 1 + scale)
    told = _named(flipped, max(abs(x), abs(y)) > 0.5, float(angle), float(size) - 1, float(fit.gain[0]))
    return Pair(one, other, False, told)


def drawn(grey: np.ndarray) -> np.ndarray:
    """bool [N]: images that are mostly of one colour. grey: float [N, SIDE, SIDE]."""
    found = np.zeros(len(grey), bool)
    for i, one in enumerate(grey):
        counts = np.bincount(np.clip(one, 0, 255).astype(np.int64).ravel() // 8, minlength=33)
        found[i] = (counts[:-1] + counts[1:]).max() >= DRAWN * one.size
    return found


def grey_of(images: np.ndarray) -> np.ndarray:
    """float32 [N, SIDE, SIDE], ITU-R 601 luma."""
    if images.shape[3] == 1:
        return images[..., 0].astype(np.float32)
    return np.asarray(images @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def _equal(images: np.ndarray) -> list[tuple[int, int]]:
    """Every image that equals an earlier one, with the first of them."""
    rows = np.ascontiguousarray(images.reshape(len(images), -1))
    keys = rows.view(np.dtype((np.void, rows.shape[1])))[:, 0]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    earliest = first[inverse.reshape(-1)]
    return [(int(a), b) for b, a in enumerate(earliest) if a != b]


def _descriptors(grey: np.ndarray) -> np.ndarray:
    """float32 [N, d] of length 1."""
    from scipy import fft

    window = np.hanning(SIDE + 2)[1:-1].astype(np.float32)
    parts = []
    for start in range(0, len(grey), 4096):
        some = grey[start : start + 4096]
        some = (some - some.mean(axis=(1, 2), keepdims=True)) * np.outer(window, window)
        size = np.abs(fft.rfft2(some, workers=-1))[:, :, :KEPT]
        rows = np.concatenate([size[:, :KEPT], size[:, -KEPT + 1 :][:, ::-1]], axis=1)
        upper, lower = rows[:, 1:KEPT], rows[:, KEPT:]
        parts.append(np.concatenate([rows[:, :1], upper + lower], axis=1).reshape(len(some), -1))
    found = np.log1p(np.concatenate(parts) / FLOOR)
    found -= found.mean(axis=0)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6), np.float32)


def _nearest(descriptors: np.ndarray, progress: Callable[[int, int], None] | None) -> np.ndarray:
    """int64 [N, NEIGHBOURS or fewer]: which others are nearest to each."""
    count = len(descriptors)
    wanted = min(NEIGHBOURS, count - 1)
    found = np.empty((count, wanted), np.int64)
    for start in range(0, count, BLOCK):
        likeness = descriptors[start : start + BLOCK] @ descriptors.T
        rows = np.arange(len(likeness))
        likeness[rows, start + rows] = -2.0
        found[start : start + BLOCK] = np.argpartition(-likeness, wanted - 1, axis=1)[:, :wanted]
        if progress is not None:
            progress(min(start + BLOCK, count), count)
    return found


def _laid_over(
    grey: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    details: Details | None,
    least: float = LEAST_OVERLAP,
) -> tuple[list[Pair], float]:
    """The pairs that are equal where they overlap, and the correlation that this took, `least` or more."""
    if not len(first):
        return [], least
    plain = drawn(grey)
    either = plain[first] | plain[second]
    parts = [
        best_fit(grey[first[at : at + BLOCK]], grey[second[at : at + BLOCK]], ~either[at : at + BLOCK])
        for at in range(0, len(first), BLOCK)
    ]
    fit = Fit(*(np.concatenate([getattr(part, name) for part in parts]) for name in Fit.__annotations__))
    # Where strangers are much alike (digits: ones), only what is more alike still is the same.
    strangers = fit.unturned[fit.unturned < LEAST_OVERLAP]
    usual = float(np.quantile(strangers, 0.75)) if len(strangers) else 0.0
    least = max(least, 1 - (1 - usual) / STRANGERS)
    found = []
    leasts = np.where(either, max(least, LEAST_OF_DRAWINGS), least)
    for i in np.flatnonzero((fit.correlation >= leasts) & (fit.difference <= NOISE)).tolist():
        one, other = int(first[i]), int(second[i])
        if either[i] and _stroke(grey[one]) and (fit.flipped[i] or fit.moved[i].any()):
            continue
        if details is not None and not _alike_in_detail(details, one, other, fit, i, drawing=bool(either[i])):
            continue
        found.append(Pair(one, other, False, _how(fit, i)))
    return found, least


def _how(fit: Fit, i: int) -> str:
    """What was done to one of them."""
    scale, sine = fit.turned[i].tolist()
    return _named(bool(fit.flipped[i]), bool(fit.moved[i].any()), sine, scale, float(fit.gain[i]))


def _named(flipped: bool, moved: bool, angle: float, scale: float, gain: float) -> str:
    told = [
        ("flipped", flipped),
        ("moved", moved),
        ("turned", abs(angle) > 0.02),
        ("cropped or scaled", abs(scale) > 0.03),
        ("brightened or darkened", abs(np.log(gain)) > 0.05),
    ]
    return " and ".join(name for name, is_so in told if is_so) or "re-encoded"


def _stroke(grey: np.ndarray) -> bool:
    """Whether almost all gradients have the same direction."""
    y, x = np.gradient(grey.astype(np.float64))
    tensor = np.array([[(x * x).sum(), (x * y).sum()], [(x * y).sum(), (y * y).sum()]])
    low, high = np.linalg.eigvalsh(tensor)
    return bool(low < STROKE * max(high, 1e-9))


def _alike_in_detail(details: Details, first: int, second: int, fit: Fit, i: int, *, drawing: bool) -> bool:
    """Whether two images that are alike as thumbnails are so in detail too."""
    ones, others = (grey_of(details.large(position)[None]) for position in (first, second))
    if fit.flipped[i]:
        others = others[:, :, ::-1]
    scale = DETAIL / SIDE
    start = np.array([[*(-fit.moved[i][::-1] * scale), *fit.turned[i]]])
    refined = refined_fit(ones, others, start, free=2 if drawing else 4)
    if not drawing:
        return bool(refined.correlation[0] >= LEAST_IN_DETAIL)
    contrast = float(np.quantile(ones, 0.99) - np.quantile(ones, 0.01))
    worst = WORST_MOVED if fit.moved[i].any() else WORST
    return bool(refined.worst[0] <= worst * max(contrast, 1.0))
