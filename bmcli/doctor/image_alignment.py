"""Lays images over each other: by how much one was flipped, moved, turned, scaled or brightened.

Moves are found by phase correlation (Kuglin and Hines, 1975); turning, scaling and brightness by fitting a
similarity with gain and bias (Lucas and Kanade, 1981).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIDE = 32
"""Images are compared at this size first."""
FARTHEST = 5
"""Pixels, of SIDE, that one may be moved."""
LEAST_OVERLAP = 0.95
"""Correlation where they overlap."""
NEAR = 0.6
"""Correlation from which positions next to the best one are tried."""
CLOSE = 0.99
"""Correlation from which nothing is gained by turning and scaling."""
ALLOWED = 0.003
"""Correlation that a fit between pixels may cost, as it smooths."""
SLIGHT = 6.0
"""Difference from which brightness is compared."""
WINDOW = 5
MOST_TURNED, MOST_SCALED = 0.1, 0.12
"""Sine of the angle, and share of the size, by which an image may be turned or scaled to fit."""
STEPS = 12


@dataclass(frozen=True)
class Fit:
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


@dataclass(frozen=True)
class Refined:
    """correlation, difference (root mean square), worst (the largest, of means over WINDOW pixels): [n];
    place: [n, 4], x, y, scale - 1, sine; gain: [n]; overlap: [n], the share of an image that was compared."""

    correlation: np.ndarray
    difference: np.ndarray
    worst: np.ndarray
    place: np.ndarray
    gain: np.ndarray
    overlap: np.ndarray


def in_circle(x: np.ndarray, y: np.ndarray, side: int) -> np.ndarray:
    """bool: what lies in the largest circle in an image, counted in pixels from its middle."""
    return np.asarray(x * x + y * y <= (side / 2) ** 2)


def refined_fit(
    ones: np.ndarray, others: np.ndarray, start: np.ndarray, *, free: int, wide: bool = False
) -> Refined:
    """Move the others by fractions of pixels, and with `free` 4 turn and scale them, to fit the ones; their
    gain and bias are fitted too. By Gauss and Newton's steps; with `free` 0 they stay where they are.

    ones, others: float [n, side, side]; start: [n, 4]. wide: turning and scaling is bounded around `start`
    rather than around none, and what lies outside the circle in either image is left out: the corners of a
    turned image are filled with anything.
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
        if wide:
            inside &= in_circle(xc, yc, side) & in_circle(x - (side - 1) / 2, y - (side - 1) / 2, side)
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
        for column, most in ((2, MOST_SCALED), (3, MOST_TURNED)):
            middle = begin[:, column] if wide else 0.0
            place[:, column] = np.clip(place[:, column], middle - most, middle + most)
    norm = np.sqrt((a * a * weight).sum(axis=1) * power)
    correlation = np.divide((a * b * weight).sum(axis=1), norm, out=np.zeros(count), where=norm > 0)
    worst = np.abs(ndimage.uniform_filter(off.reshape(ones.shape), (0, WINDOW, WINDOW))).max(axis=(1, 2))
    difference = np.sqrt((off * off).sum(axis=1) / total[:, 0])
    return Refined(correlation, difference, worst, place, gain, total[:, 0] / (side * side))


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


def best_fit(ones: np.ndarray, others: np.ndarray, rich: np.ndarray) -> Fit:
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
            refined = refined_fit(ones[at], shown[chosen], start[chosen], free=free)
            better = refined.correlation >= best[at] - ALLOWED
            best[at[better]] = np.maximum(best[at[better]], refined.correlation[better])
            difference[at[better]] = refined.difference[better]
            turned[at[better]], gain[at[better]] = refined.place[better, 2:], refined.gain[better]
    return Fit(best, unturned, difference, flipped, moved, turned, gain)


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
