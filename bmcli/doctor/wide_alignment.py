"""Whether an image is another one turned, cropped or moved by more than `image_alignment` looks for.

Every combination of flip, angle, scale and move on a coarse grid is tried on 16 × 16 pixels; the best few are
refined. That takes some milliseconds for two images: it is for pairs that something else holds to be alike.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from bmcli.doctor.image_alignment import Refined, in_circle, refined_fit

COARSE = 16
"""Pixels of a side at which the grid is tried."""
ANGLES = (-20.0, -12.0, -4.0, 4.0, 12.0, 20.0)
SCALES = (0.7, 0.84, 1.0, 1.19, 1.42)
MOVES = (-3.0, -1.5, 0.0, 1.5, 3.0)
"""Degrees; of the other image's size; pixels of COARSE."""
STARTS = 4
"""That are refined."""
LEAST_COARSE = 0.7
"""Correlation on the grid from which a place is refined."""
LEAST_SHARED = 0.4
"""Share of an image that both must show."""


@cache
def _grid() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """places [k, 4] (x, y, scale - 1, sine), where each pixel is then read from (int64 [k, 4, p], weights
    [k, 4, p]), and what of it counts (float [k, p])."""
    angles, scales, down, across = (
        one.ravel() for one in np.meshgrid(np.deg2rad(ANGLES), SCALES, MOVES, MOVES, indexing="ij")
    )
    places = np.stack([across, down, scales * np.cos(angles) - 1, scales * np.sin(angles)], axis=1)
    middle = (COARSE - 1) / 2
    centred = np.arange(COARSE) - middle
    yc, xc = (one.ravel() for one in np.meshgrid(centred, centred, indexing="ij"))
    x = xc + places[:, :1] + places[:, 2:3] * xc - places[:, 3:] * yc
    y = yc + places[:, 1:2] + places[:, 2:3] * yc + places[:, 3:] * xc
    counted = in_circle(xc, yc, COARSE) & in_circle(x, y, COARSE)
    kept = counted.mean(axis=1) >= LEAST_SHARED
    x, y = x[kept] + middle, y[kept] + middle
    left, top = (np.clip(np.floor(one), 0, COARSE - 2).astype(np.int64) for one in (x, y))
    right, below = np.clip(x - left, 0, 1), np.clip(y - top, 0, 1)
    at = top * COARSE + left
    read = np.stack([at, at + 1, at + COARSE, at + COARSE + 1], axis=1)
    weights = np.stack(
        [(1 - right) * (1 - below), right * (1 - below), (1 - right) * below, right * below], axis=1
    )
    return places[kept], read, weights.astype(np.float32), counted[kept].astype(np.float32)


def starts(one: np.ndarray, other: np.ndarray) -> list[tuple[bool, np.ndarray]]:
    """The best places on the grid, if any is near: (whether the other image is flipped, [4] in pixels of
    these images).

    one, other: float [side, side], the side a multiple of COARSE.
    """
    places, read, weights, counted = _grid()
    scale = one.shape[0] / COARSE
    wanted = _shrunk(one).ravel()
    total = counted.sum(axis=1)
    a = wanted - (counted @ wanted / total)[:, None]
    found = []
    for flipped in (False, True):
        small = _shrunk(other[:, ::-1] if flipped else other).ravel()
        shown = (small[read] * weights).sum(axis=1)
        b = shown - ((shown * counted).sum(axis=1) / total)[:, None]
        norm = np.sqrt((a * a * counted).sum(axis=1) * (b * b * counted).sum(axis=1))
        likeness = (a * b * counted).sum(axis=1) / np.maximum(norm, 1e-9)
        for i in np.argsort(-likeness, kind="stable")[:STARTS].tolist():
            found.append((float(likeness[i]), flipped, places[i] * [scale, scale, 1, 1]))
    found = sorted((entry for entry in found if entry[0] >= LEAST_COARSE), key=lambda entry: -entry[0])
    return [(flipped, place) for _, flipped, place in found[:STARTS]]


def wide_fit(one: np.ndarray, other: np.ndarray) -> tuple[bool, Refined] | None:
    """How the other image, float [side, side], or its mirror image (True) lies best over the one; None if it
    is nowhere near."""
    tried = starts(one, other)
    if not tried:
        return None
    ones = np.repeat(one[None], len(tried), axis=0)
    others = np.stack([other[:, ::-1] if flipped else other for flipped, _ in tried])
    begin = np.stack([place for _, place in tried])
    found = refined_fit(ones, others, begin, free=4, wide=True)
    best = int(np.argmax(np.where(found.overlap >= LEAST_SHARED, found.correlation, -1.0)))
    kept = Refined(*(getattr(found, name)[best : best + 1] for name in Refined.__annotations__))
    return tried[best][0], kept


def _shrunk(image: np.ndarray) -> np.ndarray:
    step = image.shape[0] // COARSE
    small: np.ndarray = image.reshape(COARSE, step, COARSE, step).mean(axis=(1, 3), dtype=np.float32)
    return small
