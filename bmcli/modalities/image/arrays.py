"""Images out of arrays: [N, height, width] or [N, height, width, channels] with 1 or 3 channels.

Bytes are used unchanged, and so are other numbers from 0 to 255; floats of which none exceeds 1 are scaled
from 0 to 1, and rounded. Where numbers go beyond, those of all splits stay as they are, to be scaled by what
training shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bmcli.core.errors import DataError, Place
from bmcli.core.examples import Examples
from bmcli.modalities.image.examples import Images

LITTLE = 16
"""Floats with fractions up to this are not numbers of 0 to 255."""


def takes(x: np.ndarray) -> bool:
    """Whether an array holds images."""
    return (x.ndim == 3 or (x.ndim == 4 and x.shape[3] in (1, 3))) and 0 not in x.shape[1:]


def images_of(
    arrays: Mapping[str, tuple[str, np.ndarray]],
    path: Path,
    *,
    unscaled: bool = False,
    like: Examples | None = None,
) -> dict[str, Examples]:
    """See `Modality.from_arrays`."""
    kept = like.arrays if isinstance(like, Images) else None
    bytes_alone = like is not None and (kept is None or kept.dtype == np.uint8)
    unscaled = unscaled or (kept is not None and kept.dtype != np.uint8)
    found: dict[str, np.ndarray] = {}
    for split, (name, x) in arrays.items():
        x = x[..., None] if x.ndim == 3 else x
        _require_finite(x, name, path)
        found[split] = np.ascontiguousarray(x)
    numbers = unscaled and any(x.dtype != np.uint8 for x in found.values())
    beyond = numbers or any(map(_goes_beyond, found.values()))
    made = {split: Images(arrays=_wide(x) if beyond else _bytes(x)) for split, x in found.items()}
    if bytes_alone:
        _require_bytes(made, path)
    return dict(made)


def _require_bytes(made: Mapping[str, Images], path: Path) -> None:
    """DataError if images go beyond bytes, and would go with others that do not."""
    for images in made.values():
        x = images.arrays
        if x is not None and x.dtype != np.uint8:
            raise DataError(
                f"{path}: its images run from {x.min()} to {x.max()}, the training images are bytes",
                place=Place(str(path)),
                hint="save both with the same scale, or set preprocessing.image.window",
            )


def _require_finite(x: np.ndarray, name: str, path: Path) -> None:
    if x.dtype.kind != "f" or not x.size or np.isfinite([x.min(), x.max()]).all():
        return
    odd = np.flatnonzero(~np.isfinite(x).all(axis=(1, 2, 3)))
    listed = ", ".join(map(str, odd[:20])) + (", ..." if len(odd) > 20 else "")
    raise DataError(f"{path}: {len(odd):,} images of {name} hold NaN or infinity: {listed}")


def _goes_beyond(x: np.ndarray) -> bool:
    """Whether its numbers are neither 0 to 255 nor 0 to 1."""
    if x.dtype.kind == "b" or x.dtype == np.uint8 or not x.size:
        return False
    low, high = x.min(), x.max()
    # Floats slightly above 1 are not bytes: rounded, they would be almost black.
    little = x.dtype.kind == "f" and 1 < high <= LITTLE and bool((x != np.rint(x)).any())
    return bool(low < 0 or high > 255 or little)


def _wide(x: np.ndarray) -> np.ndarray:
    """The numbers as they are, of a dtype that is not that of bytes."""
    if x.dtype.kind == "b" or x.dtype == np.uint8:
        return x.astype(np.uint16)
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _bytes(x: np.ndarray) -> np.ndarray:
    if x.dtype == np.uint8 or not x.size:
        return x.astype(np.uint8, copy=False)
    scaled = x * 255.0 if x.dtype.kind == "b" or (x.dtype.kind == "f" and x.max() <= 1) else x
    return np.rint(scaled).astype(np.uint8)
