"""The content of examples as bytes: what fingerprints are made of, and what examples are compared by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bmcli.core.examples import Examples
    from bmcli.modalities.base import Add
    from bmcli.modalities.preprocessing import Preprocessing

PIECE = 16_384
"""Examples that are encoded at once."""


def add_array(add: Add, array: np.ndarray) -> None:
    """Hand over shape and numbers, little-endian and in C order."""
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    add(f"{little.dtype.str} {little.shape}\n".encode())
    add(np.ascontiguousarray(little).view(np.uint8).data if little.size else b"")


def add_texts(add: Add, texts: Sequence[str]) -> None:
    """Hand over lengths and texts, in UTF-8."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    add(np.array([len(data) for data in encoded], "<u8").tobytes())
    add(b"".join(encoded))


def file_digest(source: str | bytes) -> bytes:
    """SHA-256 of a file, or of its bytes."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    with Path(source).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def encoded(
    examples: Examples, targets: np.ndarray, ids: Sequence[str], encoder: Preprocessing
) -> Iterator[bytes]:
    """What the model takes of each, and its target. One that cannot be used is like no other."""
    for start in range(0, len(examples), PIECE):
        places = np.arange(start, min(start + PIECE, len(examples)))
        batch, unusable = encoder.usable(examples.take(places))
        some = np.ascontiguousarray(targets[places].astype("<f8"))
        # -0 is 0.
        arrays = [np.ascontiguousarray(rows.astype("<f4") + np.float32(0)) for rows in batch.values()]
        found = zip(*arrays, strict=True)
        for i in range(len(places)):
            if i in unusable:
                yield f"unusable {ids[start + i]}".encode("utf-8", "surrogatepass")
            else:
                yield b"".join(row.tobytes() for row in next(found)) + some[i].tobytes()
