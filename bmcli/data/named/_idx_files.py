"""Finds the four IDX files of MNIST and similar datasets. No NumPy, because `bm datasets` uses it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def find(folders: Sequence[Path]) -> dict[str, Path] | None:
    """The four files in the first folder that has them all, zipped or not; None if no folder has."""
    for folder in folders:
        found = {}
        for name in NAMES:
            dotted = name.replace("-idx", ".idx")
            for spelling in (f"{name}.gz", name, f"{dotted}.gz", dotted):
                if (folder / spelling).is_file():
                    found[name] = folder / spelling
                    break
        if len(found) == len(NAMES):
            return found
    return None
