"""IDX files, the format in which MNIST and similar datasets are published
(http://yann.lecun.com/exdb/mnist/).

Four bytes of magic (0, 0, type 8 = unsigned byte, number of axes), then each axis as a big-endian 32-bit
number, then the bytes in C order.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bmcli.core.errors import DataError
from bmcli.data.bundle import Parts, Split
from bmcli.data.named._idx_files import NAMES
from bmcli.modalities.image.examples import Images

MAX_BYTES = 512 * 2**20
"""Largest size of a file, and of an unpacked .gz."""


def load(files: Mapping[str, Path], md5: Mapping[str, str], classes: tuple[str, ...]) -> Parts:
    """Train and test images, uint8 [N, 28, 28, 1].

    md5: the published checksums of the unzipped files; if one differs, a note says so.
    """
    raw = {name: _unpacked(path) for name, path in files.items()}
    odd = [
        files[n].name
        for n, data in raw.items()
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != md5[n]
    ]
    splits = []
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images_name, labels_name = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
        images = parse(raw[images_name], files[images_name])
        labels = parse(raw[labels_name], files[labels_name])
        splits.append(image_split(images, labels, split, len(classes), files[images_name].parent))
    notes = (f"not the official release: {', '.join(odd)} in {files[NAMES[0]].parent}",) if odd else ()
    return Parts("image", "multiclass", classes, splits[0], test=splits[1], notes=notes)


def image_split(images: np.ndarray, labels: np.ndarray, split: str, classes: int, where: Path) -> Split:
    """A split of grey [N, h, w] or colour [N, h, w, c] images, after checking that images and labels
    match."""
    if images.ndim not in (3, 4) or labels.shape != images.shape[:1] or images.dtype != np.uint8:
        raise DataError(
            f"{where}: {split} images {images.shape} {images.dtype} and labels {labels.shape} do not match"
        )
    targets = labels.astype(np.int64)
    if len(targets) and (targets.min() < 0 or targets.max() >= classes):
        raise DataError(
            f"{where}: {split} labels run from {targets.min()} to {targets.max()}, not 0 to {classes - 1}"
        )
    arrays = images[..., None] if images.ndim == 3 else images
    return Split(Images(arrays=arrays), targets, tuple(f"{split}/{i}" for i in range(len(targets))))


def parse(data: bytes, path: Path) -> np.ndarray:
    """The array in an IDX file's bytes, uint8; DataError if the file is invalid."""
    if len(data) < 4 or data[:3] != b"\0\0\x08" or not 1 <= data[3] <= 4:
        raise DataError(f"{path} is not an IDX file of bytes")
    axes = data[3]
    if len(data) < 4 + 4 * axes:
        raise DataError(f"{path} is damaged: it ends inside its header")
    shape = tuple(int(n) for n in np.frombuffer(data[4 : 4 + 4 * axes], ">u4"))
    size = 1
    for n in shape:
        size *= n
    if len(data) != 4 + 4 * axes + size:
        raise DataError(f"{path} is damaged: {len(data):,} bytes do not fit its header {shape}")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _unpacked(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} is too large: {path.stat().st_size:,} bytes")
    data = path.read_bytes()
    if path.suffix != ".gz":
        return data
    unzip = zlib.decompressobj(wbits=31)
    try:
        unpacked = unzip.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise DataError(f"{path} is damaged: {error}", hint="remove it and download it again") from error
    if not unzip.eof:
        raise DataError(f"{path} is truncated or too large", hint="remove it and download it again")
    return unpacked
