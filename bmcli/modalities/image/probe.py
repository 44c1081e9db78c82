"""A look at a whole folder of images, before anything is trained on them.

`probe` reads every file once. It reports unusable files, and each image's size, whether it has colour, its
bits per value and the digest of its bytes. Where the size and channels that training will use can be
predicted, the images are decoded to them in the same pass; as many as fit in memory are kept, with the sums
that scaling needs, so that training does not decode them again. `decode` decodes one image. How images of
more than 8 bits are scaled depends on the values of all training images: where there are such images and no
window is given, nothing is kept, and they are decoded again once all values are known.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from bmcli.modalities.image import decode, decode_pool, depth
from bmcli.modalities.image._processes import MANY, in_order
from bmcli.modalities.image._shared_memory import SharedArray, lent
from bmcli.modalities.image._window import windowed
from bmcli.modalities.image.examples import Decoded, Depths

CHUNK = 128
"""Largest number of files per task: many files are so small that passing them around would cost more."""
CHUNK_BYTES = 2**20
"""Bytes of images decoded in one go while looking."""
GUESSED_FROM = 16
"""Number of images from which size and colour of the others are predicted."""
LARGEST_AS_IT_IS = 128 * 128
"""Pixels up to which images of one size are kept as they are where no size is wanted: larger ones are
seldom trained on unreduced."""


_Shape: TypeAlias = tuple[int, int, Literal[1, 3]]
_Task: TypeAlias = tuple[Sequence[str], _Shape | None, decode.Manner, np.ndarray, "SharedArray | None"]
"""What `_look_at` takes."""


@dataclass(frozen=True)
class Probe:
    """What probing N files found.

    sizes: int32 [N, 2], height and width as shown (EXIF turned), 0 if unusable; grey: bool [N], whether
    the file holds no colour; digests: SHA-256 of the N files' bytes, 32 bytes each, b"" if unreadable;
    depths: see there; several: bool [N], whether a file holds more than its first page or frame; reduced:
    bool [N], whether it has colour of more than 8 bits, of which only the upper 8 are read; problems:
    position -> what is wrong; decoded: the images, where they were decoded as wanted.
    """

    sizes: np.ndarray
    grey: np.ndarray
    depths: Depths
    several: np.ndarray
    reduced: np.ndarray
    digests: tuple[bytes, ...]
    problems: dict[int, str]
    decoded: Decoded | None = None


@dataclass(frozen=True)
class Wish:
    """How images will be decoded later.

    size: (height, width); channels: 1 or 3; None for what all images have in common.
    cache_bytes: bytes of decoded images that may be kept.
    manner: fit and window; no window if it is to be derived from the training images.
    """

    size: tuple[int, int] | None = None
    channels: Literal[1, 3] | None = None
    cache_bytes: int = 0
    manner: decode.Manner = decode.AS_IT_IS


def probe(
    paths: Sequence[str], *, wish: Wish | None = None, progress: Callable[[int, int], None] | None = None
) -> Probe:
    """Read and decode every file once, in threads or processes, and report which cannot be used.

    If the wish can be predicted, images are decoded accordingly, so that those kept need not be decoded
    again. Else JPEGs are decoded at an eighth of their size: that reads the whole file and so finds a
    truncated one, but takes a fraction of the time. progress: called with (files done, files) now and then.
    """
    shape = _foreseen(paths, wish) if wish is not None else None
    many = len(paths) >= MANY
    decoded, room = None, None
    if wish is not None and shape is not None:
        decoded, room = _with_room(len(paths), shape, wish, shared=many)
    alike = wish is not None and wish.size is None
    manner = decode.AS_IT_IS if wish is None else wish.manner
    sizes = np.zeros((len(paths), 2), np.int32)
    grey, several, reduced = np.zeros((3, len(paths)), bool)
    depths = Depths(np.full(len(paths), 8), np.full((len(paths), 4), np.nan))
    digests: list[bytes] = []
    problems: dict[int, str] = {}
    step = max(1, min(CHUNK, CHUNK_BYTES // math.prod(shape))) if shape is not None else CHUNK

    def tasks() -> Iterator[_Task]:
        for start in range(0, len(paths), step):
            some = slice(start, start + step)
            rows = decoded.rows[some] if decoded is not None else np.zeros(0, np.int64)
            yield paths[some], shape if decoded is not None else None, manner, rows, room

    for found in in_order(_look_at, tasks()) if many else _in_threads(tasks()):
        start, end = len(digests), len(digests) + len(found.digests)
        sizes[start:end], grey[start:end] = found.sizes, found.grey
        depths.bits[start:end], depths.extents[start:end] = found.depths.bits, found.depths.extents
        several[start:end], reduced[start:end] = found.several, found.reduced
        problems |= {start + i: what for i, what in found.problems.items()}
        digests += found.digests
        if decoded is not None:
            usable = [i for i in range(start, end) if i not in problems]
            unscaled = manner.window is None and found.depths.wide.any()
            if unscaled or (alike and (sizes[usable] != decoded.size).any()):
                decoded = None
            elif found.sums is not None:
                decoded.sums[usable] = found.sums
                if found.pixels is not None:
                    rows = decoded.rows[usable]
                    decoded.pixels[rows[rows >= 0]] = found.pixels
        if progress is not None:
            progress(end, len(paths))
    return Probe(sizes, grey, depths, several, reduced, tuple(digests), problems, decoded)


def _in_threads(tasks: Iterable[_Task]) -> Iterator[_Looks]:
    """The looks of each task, in their order; a few ahead, for their images take memory."""
    return windowed(
        lambda task: decode_pool.pool().submit(_look_at, *task).result, tasks, 3 * decode_pool.threads()
    )


def _foreseen(paths: Sequence[str], wish: Wish) -> _Shape | None:
    """Height, width and channels that the images will probably be wanted in, or None."""
    some = [paths[i] for i in decode_pool.spread(len(paths), GUESSED_FROM)]
    size = wish.size
    if size is None:
        sizes = {look.size for look in map(_look, some) if look.problem is None}
        if len(sizes) != 1:
            return None
        size = sizes.pop()
        if size[0] * size[1] > LARGEST_AS_IT_IS:
            return None
    return *size, wish.channels or (1 if decode_pool.without_colour(some, at_most=GUESSED_FROM) else 3)


def kept_rows(count: int, kept: int) -> np.ndarray:
    """int64 [count]: the row of each image where `kept` of them, evenly spread, are kept; else -1."""
    rows = np.full(count, -1)
    rows[decode_pool.spread(count, kept)] = np.arange(min(count, kept))
    return rows


def sums(pixels: np.ndarray) -> np.ndarray:
    """Sums of each image's pixels and of their squares: uint64 [n, 2, channels].

    pixels: uint8 [n, height, width, channels].
    """
    count, height, width, channels = pixels.shape
    lines = pixels.reshape(count, height, width * channels)
    totals = np.zeros((count, 2, width * channels))
    few = max(1, 2**17 // max(lines[:1].size, 1))  # in float32 they still fit into the cache
    for first, top in itertools.product(range(0, count, few), range(0, height, 256)):
        # 256 squares of 255 are still exact in float32, and sums of all that fits into memory are in float64.
        wide = lines[first : first + few, top : top + 256].astype(np.float32)
        totals[first : first + few, 0] += wide.sum(axis=1)
        totals[first : first + few, 1] += np.einsum("nij,nij->nj", wide, wide)
    sums: np.ndarray = totals.astype(np.uint64).reshape(count, 2, width, channels).sum(axis=2)
    return sums


def _with_room(count: int, shape: _Shape, wish: Wish, *, shared: bool) -> tuple[Decoded, SharedArray | None]:
    """For `count` images, of which as many are kept as fit; and the same memory for other processes, where
    it is to be shared and can be. Memory that is not written to is not taken."""
    kept = min(count, wish.cache_bytes // math.prod(shape))
    room = lent((kept, *shape)) if shared else None
    pixels = np.empty((kept, *shape), np.uint8) if room is None else room.array
    totals = np.zeros((count, 2, shape[2]), np.uint64)
    return Decoded(pixels, kept_rows(count, kept), totals, wish.manner.fit, wish.manner.window), room


@dataclass(frozen=True)
class _Looks:
    """What n files hold: sizes to problems as in Probe.

    Of the usable ones, where images were wanted: sums uint64 [m, 2, channels] and, where they could not be
    written to their place, those images to be kept, uint8 [k, height, width, channels].
    """

    sizes: np.ndarray
    grey: np.ndarray
    depths: Depths
    several: np.ndarray
    reduced: np.ndarray
    digests: list[bytes]
    problems: dict[int, str]
    sums: np.ndarray | None = None
    pixels: np.ndarray | None = None


_NO_EXTENT = (math.nan,) * 4


@dataclass
class _Look:
    size: tuple[int, int] = (0, 0)
    grey: bool = False
    bits: int = 8
    extent: tuple[float, float, float, float] = _NO_EXTENT
    several: bool = False
    reduced: bool = False
    digest: bytes = b""
    problem: str | None = None
    pixels: np.ndarray | None = None


def _look_at(
    paths: Sequence[str],
    wanted: _Shape | None,
    manner: decode.Manner,
    rows: np.ndarray,
    room: SharedArray | None,
) -> _Looks:
    """wanted: (height, width, channels) to decode as, if at all, and manner: how; rows: int64 [n], where each
    is kept, -1 for nowhere; room: where to, if it can be written there from here."""
    looks = [_look(path, wanted, manner) for path in paths]
    there = [look.pixels for look in looks if look.pixels is not None]
    found = _Looks(
        np.array([look.size for look in looks], np.int32),
        np.array([look.grey for look in looks]),
        Depths(np.array([look.bits for look in looks]), np.array([look.extent for look in looks])),
        np.array([look.several for look in looks]),
        np.array([look.reduced for look in looks]),
        [look.digest for look in looks],
        {i: look.problem for i, look in enumerate(looks) if look.problem is not None},
    )
    if not there:
        return found
    pixels = np.stack(there)
    rows = rows[[look.pixels is not None for look in looks]]
    found, kept = replace(found, sums=sums(pixels)), pixels[rows >= 0]
    places = None if room is None else room.reached()
    if places is None:
        return replace(found, pixels=kept)
    places[rows[rows >= 0]] = kept
    return found


def depths_of(paths: Sequence[str | bytes]) -> Depths:
    """Depths of files that were not probed; unreadable ones count as 8 bits."""
    found = list(decode_pool.pool().map(depth.glance, paths))
    extents = np.full((len(paths), 4), np.nan)
    wide = [i for i, (_, wide) in enumerate(found) if wide]
    for i, look in zip(wide, decode_pool.pool().map(_look, [paths[i] for i in wide]), strict=True):
        extents[i] = look.extent
    return Depths(np.array([bits for bits, _ in found], np.int64), extents)


def _look(path: str | bytes, wanted: _Shape | None = None, manner: decode.Manner = decode.AS_IT_IS) -> _Look:
    """What the file contains; decoded if `wanted` gives the shape."""
    try:
        data = decode.read(path) if isinstance(path, str) else path
    except decode.FAILURES as error:
        return _Look(problem=decode.reason(error))
    digest = hashlib.sha256(data).digest()
    found = _Look(digest=digest)
    try:
        with decode.opened(data, wanted[:2] if wanted else (1, 1), manner.fit) as image:
            width, height = image.size
            found.grey = decode.is_grey(image)
            found.several = image.format != "MPO" and bool(getattr(image, "is_animated", False))
            found.bits = depth.bits(image)
            wide = depth.is_wide(image)
            found.reduced = (found.bits > 8 and not wide) or depth.is_deeper(data)
            if wide:
                image.load()
                found.extent = depth.extent(depth.values(image))
            if wanted is not None and not (wide and manner.window is None):
                found.pixels = decode.as_array(image, wanted[:2], wanted[2], manner)
            elif not wide:
                image.draft(image.mode, (1, 1))
                image.load()
            if decode.on_its_side(image):
                width, height = height, width
    except decode.FAILURES as error:
        return _Look(digest=digest, problem=decode.reason(error, data))
    found.size = (height, width)
    return found
