"""Images of many files, decoded in other processes, some batches ahead of their use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from bmcli.modalities.image import decode_pool
from bmcli.modalities.image._processes import in_order, under_way
from bmcli.modalities.image._shared_memory import SharedArray, lent
from bmcli.modalities.image.decode import AS_IT_IS, Manner

AHEAD_BYTES = 256 * 2**20
"""Images decoded ahead, at most; two batches always are."""


def decoded_ahead(
    batches: Sequence[Sequence[str]], shape: tuple[int, int, int], manner: Manner = AS_IT_IS
) -> Iterator[tuple[np.ndarray, dict[int, str]]]:
    """Of each batch of paths, in order: uint8 [n, height, width, channels], and i -> what is wrong with it,
    whose image is then anything. shape: height, width, channels; manner: as `images.decode` takes it."""
    largest = max(map(len, batches), default=0)
    count = min(under_way(), max(2, AHEAD_BYTES // max(1, math.prod(shape) * largest)))
    # As many places as tasks under way: one is used again only when its images were taken away.
    room = lent((count, largest, *shape))
    tasks = ((paths, shape, manner, room, number % count) for number, paths in enumerate(batches))
    for number, (images, problems) in enumerate(in_order(_decode, tasks, count)):
        if images is None:
            assert room is not None
            images = room.array[number % count, : len(batches[number])].copy()
        yield images, problems


def _decode(
    paths: Sequence[str],
    shape: tuple[int, int, int],
    manner: Manner,
    room: SharedArray | None,
    place: int,
) -> tuple[np.ndarray | None, dict[int, str]]:
    """What is wrong with each file, and the images, unless they could be written to their place."""
    everything = range(len(paths))
    if room is not None and (places := room.reached()) is not None:
        return None, decode_pool.decode_each(places[place], paths, everything, everything, manner)
    images = np.empty((len(paths), *shape), np.uint8)
    return images, decode_pool.decode_each(images, paths, everything, everything, manner)
