"""Pictures that are the same: flipped, moved by a few pixels, re-encoded, or resized.

Each picture's nearest neighbour is looked for by a descriptor that neither moving nor flipping changes (the
magnitudes of its low frequencies, mirrored ones added up); then the two are laid over each other, as found by
phase correlation (Kuglin and Hines, 1975), and what differs where they overlap decides.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bmcli.doctor.findings import Pair

SIDE = 32
"""Pictures are compared at this size."""
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
"""Correlation from which a place beside the one found is tried."""
NOISE = 10.0
"""Root mean square difference in grey levels that re-encoding may leave."""
BLOCK = 1024


def same_pictures(pictures: np.ndarray, progress: Callable[[int, int], None] | None = None) -> list[Pair]:
    """Pairs of equal pictures, each with one it equals: of n copies at least n - 1 pairs.

    pictures: uint8 [N, SIDE, SIDE, 1 or 3].
    """
    count = len(pictures)
    if count < 2:
        return []
    grey = _grey(pictures)
    pairs = {(a, b): Pair(a, b, True, "same") for a, b in _equal(pictures)}
    nearest = _nearest(_descriptors(grey), progress)
    candidates = {(min(a, b), max(a, b)) for a, b in enumerate(nearest.tolist())}
    ordered = np.array(sorted(candidates - pairs.keys()), np.int64).reshape(-1, 2)
    for pair in _laid_over(grey, ordered[:, 0], ordered[:, 1]):
        pairs[pair.first, pair.second] = pair
    return [pairs[key] for key in sorted(pairs)]


def _grey(pictures: np.ndarray) -> np.ndarray:
    """float32 [N, SIDE, SIDE], ITU-R 601 luma."""
    if pictures.shape[3] == 1:
        return pictures[..., 0].astype(np.float32)
    return np.asarray(pictures @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def _equal(pictures: np.ndarray) -> list[tuple[int, int]]:
    """Every picture that equals an earlier one, with the first of them."""
    rows = np.ascontiguousarray(pictures.reshape(len(pictures), -1))
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
    """int64 [N]: which other one is nearest to each."""
    count = len(descriptors)
    found = np.empty(count, np.int64)
    for start in range(0, count, BLOCK):
        likeness = descriptors[start : start + BLOCK] @ descriptors.T
        rows = np.arange(len(likeness))
        likeness[rows, start + rows] = -2.0
        found[start : start + BLOCK] = likeness.argmax(axis=1)
        if progress is not None:
            progress(min(start + BLOCK, count), count)
    return found


def _laid_over(grey: np.ndarray, first: np.ndarray, second: np.ndarray) -> list[Pair]:
    """The pairs that are equal where they overlap."""
    fits = [
        _fitted(grey[first[start : start + 8192]], grey[second[start : start + 8192]])
        for start in range(0, len(first), 8192)
    ]
    if not fits:
        return []
    correlation, difference, flipped, y, x = (np.concatenate(part) for part in zip(*fits, strict=True))
    # Where strangers are much alike (digits: ones), only what is more alike still is the same.
    strangers = correlation[correlation < LEAST_OVERLAP]
    usual = float(np.quantile(strangers, 0.75)) if len(strangers) else 0.0
    least = max(LEAST_OVERLAP, 1 - (1 - usual) / STRANGERS)
    found = []
    for i in np.flatnonzero((correlation >= least) & (difference <= NOISE)).tolist():
        how = [*(["flipped"] if flipped[i] else []), *(["moved"] if y[i] or x[i] else [])] or ["re-encoded"]
        found.append(Pair(int(first[i]), int(second[i]), False, " and ".join(how)))
    return found


def _fitted(ones: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, ...]:
    """How the others lie best over the ones: correlation, difference, flipped, y, x; [n] each."""
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
    # The peak may lie a pixel beside the best place, where content leaves and enters at the edge.
    for _ in range(2):
        for flip in (False, True):
            near = np.flatnonzero((best > NEAR) & (best < LEAST_OVERLAP) & (flipped == flip))
            for step in [(-1, 0), (1, 0), (0, -1), (0, 1)] if len(near) else []:
                attempt(near, flip, np.clip(moved[near] + step, -FARTHEST, FARTHEST))
    return best, difference, flipped, moved[:, 0], moved[:, 1]


def _moves(ones: np.ndarray, others: np.ndarray, *, whitened: bool) -> np.ndarray:
    """By how many pixels (y, x) the others must be moved, int64 [n, 2]: the peak of their correlation.

    whitened: all frequencies count alike, which tells details apart; not for smooth pictures.
    """
    from scipy import fft

    spectrum = fft.rfft2(ones - ones.mean(axis=(1, 2), keepdims=True), workers=-1)
    spectrum *= np.conj(fft.rfft2(others - others.mean(axis=(1, 2), keepdims=True), workers=-1))
    if whitened:
        # By half: fully, noise in frequencies that hold nothing would count as much as the picture.
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
