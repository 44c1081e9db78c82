"""What an image is compared by: the bytes of its file, or its pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bmcli.core.cores import available_cores
from bmcli.modalities.base import Add
from bmcli.modalities.contents import add_array, file_digest
from bmcli.modalities.image.examples import Images


def add_to_fingerprint(images: Images, add: Add, digests: Mapping[str, bytes]) -> None:
    """See `Modality.add_to_fingerprint`."""
    if images.arrays is not None:
        add_array(add, images.arrays)
        return
    paths = images.paths or ()
    unknown = [path for path in paths if not digests.get(path)]
    with ThreadPoolExecutor(min(32, available_cores())) as pool:
        read = pool.map(file_digest, unknown)
        for path in paths:
            add(digests.get(path) or next(read))


def contents(images: Images, form: str) -> Iterator[bytes] | None:
    """See `Modality.contents`."""
    if images.arrays is not None:
        return map(_pixels, images.arrays) if form == "pixels" else None
    if form == "pixels":
        return _decoded(images)
    if form != "files":
        return None
    return iter(images.digests) if images.digests is not None else map(file_digest, images.sources)


def _pixels(array: np.ndarray) -> bytes:
    little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    return f"{little.dtype.str} {little.shape}\n".encode() + little.tobytes()


def _decoded(images: Images) -> Iterator[bytes]:
    """Of files as the pixels they hold: what an array of the same image has."""
    from PIL import Image

    for path in images.paths or ():
        with Image.open(path) as image:
            kept = image.mode in ("L", "RGB", "I", "I;16", "F")
            array = np.asarray(image if kept else image.convert("L" if image.mode == "1" else "RGB"))
        yield _pixels(array[:, :, None] if array.ndim == 2 else array)
