"""Decodes many images at once, in threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from bmcli.core.cores import available_cores
from bmcli.core.errors import DataError
from bmcli.modalities.image.decode import AS_IT_IS, Manner, decode

SMALL_BYTES, SOME = 3 * 2**10, 8
"""Where some files are smaller on average, one thread decodes them faster than several, which would wait for
the interpreter's lock after each of the many short calls."""
TURN = 32
"""Files that a thread decodes in one turn, at most: fewer would cost more to hand round, and the last of
more would be waited for."""


def decode_into(
    images: np.ndarray,
    paths: Sequence[str | bytes],
    positions: np.ndarray,
    manner: Manner = AS_IT_IS,
) -> dict[int, str]:
    """Decode the i-th of `paths` (or of bytes) into `images[positions[i]]`, in threads where it pays.

    images: uint8 [N, height, width, 1 or 3]. Returns i -> what is wrong with it.
    """

    def work(some: range) -> dict[int, str]:
        return decode_each(images, paths, positions, some, manner)

    if sum(map(_bytes, paths[:SOME])) < SMALL_BYTES * len(paths[:SOME]):
        return work(range(len(paths)))
    # A batch is fewer files than the threads would take at once; two turns each even out the large ones.
    step = min(TURN, -(-len(paths) // (2 * threads())) or 1)
    chunks = [range(start, min(start + step, len(paths))) for start in range(0, len(paths), step)]
    return {i: what for problems in pool().map(work, chunks) for i, what in problems.items()}


def decode_each(
    images: np.ndarray,
    paths: Sequence[str | bytes],
    positions: Sequence[int] | np.ndarray,
    some: range,
    manner: Manner = AS_IT_IS,
) -> dict[int, str]:
    """`decode_into` for the paths at `some`, one after the other."""
    size, channels = images.shape[1:3], images.shape[3]
    assert channels in (1, 3)
    problems = {}
    for i in some:
        try:
            images[positions[i]] = decode(paths[i], size, channels, manner)
        except DataError as error:
            problems[i] = error.problems[0].message
    return problems


def without_colour(paths: Sequence[str], *, at_most: int) -> bool:
    """Whether `at_most` of the images, spread over all, are grey, though their files could hold colour."""
    chosen = [paths[i] for i in spread(len(paths), at_most)]
    small = np.zeros((len(chosen), 32, 32, 3), np.uint8)  # what cannot be decoded stays black
    decode_into(small, chosen, np.arange(len(chosen)))
    # JPEG's colour transform moves grey by a unit or two.
    return all(np.ptp(image.astype(np.int16), axis=2).max() <= 2 for image in small)


def spread(count: int, chosen: int) -> np.ndarray:
    """Up to `chosen` of the positions below `count`, evenly spread, ascending."""
    chosen = min(count, chosen)
    return np.arange(chosen) * count // max(chosen, 1)


@cache
def pool() -> ThreadPoolExecutor:
    """The threads that decode; Pillow releases the interpreter's lock while it does."""
    return ThreadPoolExecutor(threads(), thread_name_prefix="bm-decode")


def _bytes(path: str | bytes) -> int:
    if isinstance(path, bytes):
        return len(path)
    try:
        return os.stat(path).st_size  # noqa: PTH116 - called for every batch
    except OSError:
        return 0


def threads() -> int:
    """How many decode at once."""
    return min(32, available_cores())
