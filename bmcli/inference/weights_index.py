"""Where the weights of a complete run are inside its model.keras, so that it need not keep them twice.

A .keras file is a zip archive that stores its weights file uncompressed, in which each variable's numbers
stand in one piece (HDF5's contiguous layout). The index has the position of each, found by content when the
file was written. Reading them takes neither Keras nor HDF5, and executes and deserialises nothing.
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from bmcli.core.errors import IntegrityError
from bmcli.runs.documents import strict
from bmcli.runs.layout import MODEL_KERAS

if TYPE_CHECKING:
    import h5py
    from _typeshed import WriteableBuffer

FORMAT = 1

WEIGHTS = "model.weights.h5"
"""What Keras calls the weights file in the archive."""
LOCAL_HEADER = struct.Struct("<4s5H3L2H")
"""Of a zip member, before its name and what follows that; the last two numbers are the lengths of these."""

DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "float16", "uint32", "int32", "float32", "uint64",
          "int64", "float64")  # fmt: skip

MOST_AXES = 32


@dataclass(frozen=True)
class Place:
    """A variable in the file. dtype: its name, little-endian; start: position of its first byte."""

    dtype: str
    shape: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class Index:
    """sha256: of all weights, as `weights.sha256_of` has it; places: variable path -> where it is."""

    sha256: str
    places: Mapping[str, Place]

    def to_text(self) -> str:
        """As JSON."""
        weights = {
            path: {"dtype": one.dtype, "shape": list(one.shape), "start": one.start}
            for path, one in self.places.items()
        }
        document = {"format": FORMAT, "file": MODEL_KERAS, "weights_sha256": self.sha256, "weights": weights}
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_text(cls, text: str, *, origin: str) -> Index:
        """The inverse; IntegrityError if the text is not one."""
        try:
            document = strict(text)
            if document["format"] != FORMAT:
                raise IntegrityError(
                    f"{origin} has format {document['format']}, but this version of bm reads format {FORMAT}"
                )
            places = {str(path): _place(path, one) for path, one in document["weights"].items()}
            return cls(str(document["weights_sha256"]), places)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityError(f"{origin} is damaged: {error}") from error

    def read(self, data: bytes, *, origin: str) -> dict[str, np.ndarray]:
        """The weights, variable path -> array. data: of the whole file. IntegrityError if it does not hold
        what the index says."""
        found, left = {}, len(data)
        for path, place in self.places.items():
            dtype = np.dtype(place.dtype).newbyteorder("<")
            size = math.prod(place.shape) * dtype.itemsize
            left -= size  # no two of them overlap, so that together they take no more than the file
            if left < 0 or place.start + size > len(data):
                raise IntegrityError(f"{origin} is damaged: it ends before {path}")
            values = np.frombuffer(data, dtype, size // dtype.itemsize, place.start)
            found[path] = values.astype(place.dtype).reshape(place.shape)
        return found


def index_of(file: Path, weights: Mapping[str, np.ndarray], sha256: str) -> Index | None:
    """Where these weights are in a .keras file that has just been written; None if one is not there in one
    piece, as layers of a user's own may save what they like.

    sha256: of the weights.
    """
    import h5py

    with zipfile.ZipFile(file) as archive:
        member = archive.getinfo(WEIGHTS)
        if member.compress_type != zipfile.ZIP_STORED:
            return None
    first = _first_byte(file, member)
    # Not `archive.open`, which reads from the beginning again for every step back.
    with file.open("rb") as whole, h5py.File(_Part(whole, first, member.file_size), "r") as opened:
        pieces = _pieces(opened)
    places = {}
    data = np.memmap(file, np.uint8, "r")
    for path, array in weights.items():
        kind = array.dtype.name, array.shape
        content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        for start in pieces.get(kind, []):
            if data[first + start : first + start + len(content)].tobytes() == content:
                pieces[kind].remove(start)
                places[path] = Place(*kind, first + start)
                break
        else:
            return None
    return Index(sha256, places)


class _Part(io.RawIOBase):
    """A part of an opened file, as a file."""

    def __init__(self, whole: BinaryIO, first: int, size: int) -> None:
        self._whole, self._first, self._size = whole, first, size
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See io.IOBase."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """See io.IOBase."""
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """See io.RawIOBase."""
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self._size - self._position))
        self._whole.seek(self._first + self._position)
        read = self._whole.readinto(view[:wanted])  # type: ignore[attr-defined]
        self._position += int(read)
        return int(read)


def _first_byte(file: Path, member: zipfile.ZipInfo) -> int:
    """Position of a stored member's first byte."""
    with file.open("rb") as opened:
        opened.seek(member.header_offset)
        *_, name, extra = LOCAL_HEADER.unpack(opened.read(LOCAL_HEADER.size))
    return member.header_offset + LOCAL_HEADER.size + int(name) + int(extra)


def _pieces(opened: h5py.File) -> dict[tuple[str, tuple[int, ...]], list[int]]:
    """(dtype, shape) -> the positions in the HDF5 file of the datasets that stand in one piece."""
    import h5py

    found: dict[tuple[str, tuple[int, ...]], list[int]] = {}

    def look(_: str, one: h5py.Group | h5py.Dataset) -> None:
        if isinstance(one, h5py.Dataset) and one.dtype.name in DTYPES and one.dtype.byteorder != ">":
            start = one.id.get_offset()  # None where it is not in one piece
            if start is not None:
                found.setdefault((one.dtype.name, one.shape), []).append(start)

    opened.visititems(look)
    return found


def _place(path: str, document: Mapping[str, object]) -> Place:
    """ValueError for what cannot be in a file."""
    dtype, shape, start = document["dtype"], document["shape"], document["start"]
    if dtype not in DTYPES:
        raise ValueError(f"{path} has dtype {dtype!r}")
    whole = isinstance(shape, list) and all(type(size) is int and 1 <= size < 2**40 for size in shape)
    if not (isinstance(shape, list) and whole and len(shape) <= MOST_AXES):
        raise ValueError(f"the shape of {path} is {shape!r}")
    if type(start) is not int or start < 0:
        raise ValueError(f"{path} starts at {start!r}")
    return Place(str(dtype), tuple(shape), start)
