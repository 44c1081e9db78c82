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
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bmcli.doctor.findings import Pair

SIDE = 32
"""Images are compared at this size first."""
KEPT = 12
"""Frequencies of the descriptor, up to this one."""
FARTHEST = 5
"""Pixels, of SIDE, that one may be moved."""
LEAST_OVERLAP = 0.95
"""Correlation where they overlap."""
STRANGERS = 15
"""So many times nearer to 1 than that of most other nearest neighbours it must be."""
FLOOR = 200.0
"""Magnitudes below this are mostly what re-encoding leaves."""
NEAR = 0.6
"""Correlation from which positions next to the best one are tried."""
CLOSE = 0.99
"""Correlation from which nothing is gained by turning and scaling."""
ALLOWED = 0.003
"""Correlation that a fit between pixels may cost, as it smooths."""
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
SLIGHT = 6.0
"""Difference from which brightness is compared."""
WORST, WORST_MOVED = 0.25, 0.05
"""Of drawings in the same place, and of moved ones: the largest difference, of means over WINDOW pixels, as a
share of the contrast."""
WINDOW = 5
MOST_TURNED, MOST_SCALED = 0.1, 0.12
"""Sine of the angle, and share of the size, by which an image may be turned or scaled to fit."""
STEPS = 12


class Details(Protocol):
    """The images themselves, where more than their thumbnails is needed."""

    def equal(self, first: int, second: int) -> bool:
        """Whether every pixel of two images is the same."""
        ...

    def large(self, position: int) -> np.ndarray:
        """uint8 [DETAIL, DETAIL, 1 or 3]."""
        ...


@dataclass(frozen=True)
class _Fit:
    """How n pairs lie best over each other.

    unturned: the correlation before they are turned, scaled and brightened.
    moved: [n, 2], pixels y, x of SIDE. turned: [n, 2], scale - 1 and sine of the angle.
    gain: what brightness was multiplied with.
    """

    correlation: np.ndarray
    unturned: np.ndarray
    difference: np.ndarray
    flipped: np.ndarray
    moved: np.ndarray
    turned: np.ndarray
    gain: np.ndarray


def same_images(
    images: np.ndarray,
    progress: Callable[[int, int], None] | None = None,
    details: Details | None = None,
) -> list[Pair]:
    """Pairs of equal images, each with one it equals: of n copies at least n - 1 pairs.

    images: uint8 [N, SIDE, SIDE, 1 or 3]; details: of the same images, where they are larger.
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
    for pair in _laid_over(grey, ordered[:, 0], ordered[:, 1], details):
        pairs[pair.first, pair.second] = pair
    return [pairs[key] for key in sorted(pairs)]


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
    grey: np.ndarray, first: np.ndarray, second: np.ndarray, details: Details | None
) -> list[Pair]:
    """The pairs that are equal where they overlap."""
    if not len(first):
        return []
    plain = drawn(grey)
    either = plain[first] | plain[second]
    parts = [
        _fitted(grey[first[at : at + BLOCK]], grey[second[at : at + BLOCK]], ~either[at : at + BLOCK])
        for at in range(0, len(first), BLOCK)
    ]
    fit = _Fit(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Fit.__annotations__))
    # Where strangers are much alike (digits: ones), only what is more alike still is the same.
    strangers = fit.unturned[fit.unturned < LEAST_OVERLAP]
    usual = float(np.quantile(strangers, 0.75)) if len(strangers) else 0.0
    least = max(LEAST_OVERLAP, 1 - (1 - usual) / STRANGERS)
    found = []
    leasts = np.where(either, max(least, LEAST_OF_DRAWINGS), least)
    for i in np.flatnonzero((fit.correlation >= leasts) & (fit.difference <= NOISE)).tolist():
        one, other = int(first[i]), int(second[i])
        if either[i] and _stroke(grey[one]) and (fit.flipped[i] or fit.moved[i].any()):
            continue
        if details is not None and not _alike_in_detail(details, one, other, fit, i, drawing=bool(either[i])):
            continue
        found.append(Pair(one, other, False, _how(fit, i)))
    return found


def _how(fit: _Fit, i: int) -> str:
    """What was done to one of them."""
    told = [
        ("flipped", bool(fit.flipped[i])),
        ("moved", bool(fit.moved[i].any())),
        ("turned", abs(fit.turned[i, 1]) > 0.02),
        ("cropped or scaled", abs(fit.turned[i, 0]) > 0.03),
        ("brightened or darkened", abs(np.log(fit.gain[i])) > 0.05),
    ]
    return " and ".join(name for name, is_so in told if is_so) or "re-encoded"


def _stroke(grey: np.ndarray) -> bool:
    """Whether almost all gradients have the same direction."""
    y, x = np.gradient(grey.astype(np.float64))
    tensor = np.array([[(x * x).sum(), (x * y).sum()], [(x * y).sum(), (y * y).sum()]])
    low, high = np.linalg.eigvalsh(tensor)
    return bool(low < STROKE * max(high, 1e-9))


def _alike_in_detail(details: Details, first: int, second: int, fit: _Fit, i: int, *, drawing: bool) -> bool:
    """Whether two images that are alike as thumbnails are so in detail too."""
    ones, others = (grey_of(details.large(position)[None]) for position in (first, second))
    if fit.flipped[i]:
        others = others[:, :, ::-1]
    scale = DETAIL / SIDE
    start = np.array([[*(-fit.moved[i][::-1] * scale), *fit.turned[i]]])
    refined = _refined(ones, others, start, free=2 if drawing else 4)
    if not drawing:
        return bool(refined.correlation[0] >= LEAST_IN_DETAIL)
    contrast = float(np.quantile(ones, 0.99) - np.quantile(ones, 0.01))
    worst = WORST_MOVED if fit.moved[i].any() else WORST
    return bool(refined.worst[0] <= worst * max(contrast, 1.0))


@dataclass(frozen=True)
class _Refined:
    """correlation, difference (root mean square), worst (the largest, of means over WINDOW pixels): [n];
    place: [n, 4], x, y, scale - 1, sine; gain: [n]."""

    correlation: np.ndarray
    difference: np.ndarray
    worst: np.ndarray
    place: np.ndarray
    gain: np.ndarray


def _refined(ones: np.ndarray, others: np.ndarray, start: np.ndarray, *, free: int) -> _Refined:
    """Move the others by fractions of pixels, and with `free` 4 turn and scale them, to fit the ones; their
    gain and bias are fitted too. By Gauss and Newton's steps; with `free` 0 they stay where they are.

    ones, others: float [n, side, side]; start: [n, 4].
    """
    from scipy import ndimage

    count, side = ones.shape[0], ones.shape[1]
    centred = np.arange(side) - (side - 1) / 2
    yc, xc = (one.ravel() for one in np.meshgrid(centred, centred, indexing="ij"))
    wanted = ones.reshape(count, -1).astype(np.float64)
    slopes = [np.gradient(others.astype(np.float64), axis=axis) for axis in (2, 1)]
    place = start.astype(np.float64).copy()
    begin = place.copy()
    gain = np.ones(count)
    steps = STEPS if free else 0
    for step in range(steps + 1):
        x = xc + place[:, :1] + place[:, 2:3] * xc - place[:, 3:] * yc + (side - 1) / 2
        y = yc + place[:, 1:2] + place[:, 2:3] * yc + place[:, 3:] * xc + (side - 1) / 2
        inside = (x >= 0) & (x <= side - 1) & (y >= 0) & (y <= side - 1)
        weight = inside.astype(np.float64)
        total = np.maximum(weight.sum(axis=1, keepdims=True), 1.0)
        shown = _at(others, x, y)
        a = wanted - (wanted * weight).sum(axis=1, keepdims=True) / total
        b = shown - (shown * weight).sum(axis=1, keepdims=True) / total
        power = np.maximum((b * b * weight).sum(axis=1), 1e-9)
        gain = np.clip((a * b * weight).sum(axis=1) / power, 0.5, 2.0)
        off = (a - gain[:, None] * b) * weight
        if step == steps:
            break
        sx, sy = (_at(slope, x, y) * weight * gain[:, None] for slope in slopes)
        columns = [sx, sy, sx * xc + sy * yc, sy * xc - sx * yc][:free]
        jacobian = np.stack(columns, axis=2)
        square = np.einsum("npi,npj->nij", jacobian, jacobian)
        square += np.eye(free) * (1e-3 * np.trace(square, axis1=1, axis2=2)[:, None, None] / free + 1e-9)
        change = np.linalg.solve(square, np.einsum("npi,np->ni", jacobian, off)[..., None])[..., 0]
        place[:, :free] += change
        near = 1.5 * side / SIDE
        place[:, :2] = np.clip(place[:, :2], begin[:, :2] - near, begin[:, :2] + near)
        place[:, 2] = np.clip(place[:, 2], -MOST_SCALED, MOST_SCALED)
        place[:, 3] = np.clip(place[:, 3], -MOST_TURNED, MOST_TURNED)
    norm = np.sqrt((a * a * weight).sum(axis=1) * power)
    correlation = np.divide((a * b * weight).sum(axis=1), norm, out=np.zeros(count), where=norm > 0)
    worst = np.abs(ndimage.uniform_filter(off.reshape(ones.shape), (0, WINDOW, WINDOW))).max(axis=(1, 2))
    return _Refined(correlation, np.sqrt((off * off).sum(axis=1) / total[:, 0]), worst, place, gain)


def _at(images: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values between pixels, bilinear, float64 [n, p]. images: [n, side, side]; x, y: [n, p]."""
    side = images.shape[1]
    flat = images.reshape(len(images), -1)
    left, top = (np.clip(np.floor(one), 0, side - 2).astype(np.int64) for one in (x, y))
    right, down = np.clip(x - left, 0, 1), np.clip(y - top, 0, 1)
    at = top * side + left
    parts = [np.take_along_axis(flat, at + step, axis=1) for step in (0, 1, side, side + 1)]
    upper = parts[0] * (1 - right) + parts[1] * right
    lower = parts[2] * (1 - right) + parts[3] * right
    return np.asarray(upper * (1 - down) + lower * down, np.float64)


def _fitted(ones: np.ndarray, others: np.ndarray, rich: np.ndarray) -> _Fit:
    """How the others lie best over the ones. rich: bool [n], which may be turned and scaled."""
    count = len(ones)
    best, difference = np.full(count, -1.0), np.full(count, np.inf)
    flipped, moved = np.zeros(count, bool), np.zeros((count, 2), np.int64)

    def attempt(chosen: np.ndarray, flip: bool, moves: np.ndarray) -> None:
        turned = others[chosen, :, ::-1] if flip else others[chosen]
        fit, off = _compared(ones[chosen], turned, moves)
        better = fit > best[chosen]
        at = chosen[better]
        best[at], difference[at], flipped[at], moved[at] = fit[better], off[better], flip, moves[better]

    for flip in (False, True):
        turned = others[:, :, ::-1] if flip else others
        for whitened in (True, False):
            attempt(np.arange(count), flip, _moves(ones, turned, whitened=whitened))
    # The peak may be one pixel off the best position, where content leaves and enters at the edge.
    for _ in range(2):
        for flip in (False, True):
            near = np.flatnonzero((best > NEAR) & (best < LEAST_OVERLAP) & (flipped == flip))
            for step in [(-1, 0), (1, 0), (0, -1), (0, 1)] if len(near) else []:
                attempt(near, flip, np.clip(moved[near] + step, -FARTHEST, FARTHEST))
    unturned = best.copy()
    turned, gain = np.zeros((count, 2)), np.ones(count)
    near = np.flatnonzero((best > NEAR) & ((best < CLOSE) | (difference > SLIGHT)))
    if len(near):
        shown = np.where(flipped[near, None, None], others[near][:, :, ::-1], others[near])
        start = np.concatenate([-moved[near][:, ::-1], np.zeros((len(near), 2))], axis=1)
        for chosen, free in ((rich[near], 4), (~rich[near], 0)):
            if not chosen.any():
                continue
            at = near[chosen]
            refined = _refined(ones[at], shown[chosen], start[chosen], free=free)
            better = refined.correlation >= best[at] - ALLOWED
            best[at[better]] = np.maximum(best[at[better]], refined.correlation[better])
            difference[at[better]] = refined.difference[better]
            turned[at[better]], gain[at[better]] = refined.place[better, 2:], refined.gain[better]
    return _Fit(best, unturned, difference, flipped, moved, turned, gain)


def _moves(ones: np.ndarray, others: np.ndarray, *, whitened: bool) -> np.ndarray:
    """By how many pixels (y, x) the others must be moved, int64 [n, 2]: the peak of their correlation.

    whitened: all frequencies count alike, which tells details apart; not for smooth images.
    """
    from scipy import fft

    spectrum = fft.rfft2(ones - ones.mean(axis=(1, 2), keepdims=True), workers=-1)
    spectrum *= np.conj(fft.rfft2(others - others.mean(axis=(1, 2), keepdims=True), workers=-1))
    if whitened:
        # By half: fully, noise in frequencies that hold nothing would count as much as the image.
        spectrum /= np.sqrt(np.abs(spectrum)) + 1e-3
    surface = fft.irfft2(spectrum, s=ones.shape[1:], workers=-1)
    near = np.arange(-FARTHEST, FARTHEST + 1)
    reachable = surface[:, near][:, :, near].reshape(len(ones), -1)
    y, x = np.divmod(reachable.argmax(axis=1), len(near))
    return np.stack([near[y], near[x]], axis=1)


def _compared(ones: np.ndarray, others: np.ndarray, moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation and root mean square difference where they overlap, float64 [n] each. moves: [n, 2]."""
    correlation, difference = np.zeros(len(ones)), np.full(len(ones), np.inf)
    for y, x in {(int(y), int(x)) for y, x in moves}:
        chosen = np.flatnonzero((moves[:, 0] == y) & (moves[:, 1] == x))
        a = ones[chosen, max(y, 0) : SIDE + min(y, 0), max(x, 0) : SIDE + min(x, 0)]
        b = others[chosen, max(-y, 0) : SIDE + min(-y, 0), max(-x, 0) : SIDE + min(-x, 0)]
        a, b = a.reshape(len(chosen), -1).astype(np.float64), b.reshape(len(chosen), -1).astype(np.float64)
        difference[chosen] = np.sqrt(((a - b) ** 2).mean(axis=1))
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
        correlation[chosen] = np.divide((a * b).sum(axis=1), norm, out=np.zeros(len(chosen)), where=norm > 0)
    return correlation, difference
