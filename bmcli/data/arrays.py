"""Arrays in .npz files: pictures or tables of numbers, in one piece (x, y) or with splits (x_train, ...).

Pictures are [N, height, width] or [N, height, width, channels] with 1 or 3 channels. Bytes are taken as they
are, and so are other numbers from 0 to 255; floats of which none exceeds 1 are scaled from 0 to 1, and
rounded. Where numbers go beyond, those of all splits stay as they are, to be scaled by what training shows.
Two axes, [N, features], are a table with columns '0', '1', ...
"""

from __future__ import annotations

import lzma
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bmcli.core.errors import DataError, Place, ResourceError
from bmcli.data.bundle import Images, Table

SPLIT_NAMES = {"train": "train", "validation": "val", "test": "test"}
BOMB_BYTES = 128 * 2**20
BOMB_RATIO = 500
"""What unpacks to more than this, and to so many times its size, is a bomb: zeros shrink a thousandfold."""

LITTLE = 16
"""Floats with fractions up to this are not numbers of 0 to 255."""


def open_npz(path: Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of a .npz, those of `names` or all; never a pickled object.

    Raises DataError where it is no .npz, an array is missing, or one holds objects or claims more than is
    there; ResourceError where it is too large for the memory.
    """
    try:
        opened = np.load(path, mmap_mode="r", allow_pickle=False)  # maps what is a single array, of any size
        if not isinstance(opened, np.lib.npyio.NpzFile):
            raise DataError(f"{path} is a single array, not a .npz", place=Place(str(path)))
        with opened as file:
            assert file.zip is not None
            missing = [name for name in names or () if name not in file.files]
            if missing:
                raise DataError(
                    f"{path} has no array {', '.join(missing)}",
                    place=Place(str(path)),
                    hint=f"it holds {', '.join(file.files) or 'nothing'}",
                )
            names = names or file.files
            for name in names:
                _require_plausible(file.zip, name, path)
            return {name: file[name] for name in names}
    except MemoryError as error:
        raise ResourceError(f"{path} does not fit into memory") from error
    except _FAILURES as error:
        what = (
            "holds Python objects, which are not read"
            if "pickle" in str(error)
            else f"cannot be read: {error}"
        )
        raise DataError(f"{path} {what}", place=Place(str(path))) from error


# What a damaged or encrypted zip raises, or one packed in a way that is not known.
_FAILURES = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


def _require_plausible(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """DataError where an array's header promises more than the archive holds, or it is a bomb; found out
    without unpacking it."""
    info = archive.getinfo(name if name in archive.namelist() else f"{name}.npy")
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(member)
        held = info.file_size - member.tell()
    if dtype.hasobject:
        return  # refused when it is read
    if info.file_size > max(BOMB_BYTES, BOMB_RATIO * info.compress_size):
        raise DataError(
            f"{path}: {name} would unpack from {info.compress_size / 2**20:,.1f} MiB "
            f"to {info.file_size / 2**30:,.1f} GiB: that is no data",
            place=Place(str(path)),
        )
    if math.prod(shape) * dtype.itemsize != held:
        raise DataError(
            f"{path} is damaged: the header of {name} does not fit its {held:,} bytes", place=Place(str(path))
        )


@dataclass(frozen=True)
class Arrays:
    """One split of a .npz: examples and their truth, as found."""

    examples: Images | Table
    targets: np.ndarray


def read(path: Path, *, unscaled: bool = False) -> dict[str, Arrays]:
    """The splits of a .npz: 'train', and 'validation' and 'test' where it has them; x and y are 'train'.

    unscaled: pictures that are not bytes stay numbers, be they within the range of bytes, for data
    that goes with such as go beyond.
    """
    arrays = open_npz(path)
    pairs = {}
    for split, short in SPLIT_NAMES.items():
        for suffix in {short, split}:
            if f"x_{suffix}" in arrays and f"y_{suffix}" in arrays:
                pairs[split] = (f"x_{suffix}", f"y_{suffix}")
    if "train" not in pairs and "x" in arrays and "y" in arrays:
        pairs["train"] = ("x", "y")
    if "train" not in pairs:
        raise DataError(
            f"{path} has neither x and y nor x_train and y_train",
            place=Place(str(path)),
            hint=f"it holds {', '.join(arrays) or 'nothing'}",
        )
    splits = {split: _pair(arrays[x], arrays[y], x, y, path) for split, (x, y) in pairs.items()}
    found = {split: x for split, arrays in splits.items() if (x := _pictures(arrays)) is not None}
    numbers = unscaled and any(x.dtype != np.uint8 for x in found.values())
    beyond = numbers or any(map(_goes_beyond, found.values()))
    for split, x in found.items():
        splits[split] = replace(splits[split], examples=Images(arrays=_wide(x) if beyond else _bytes(x)))
    shapes = {_shape(arrays.examples) for arrays in splits.values()}
    if len(shapes) > 1:
        raise DataError(f"{path}: the splits differ in shape: {', '.join(map(str, sorted(shapes)))}")
    return splits


def require_bytes(splits: dict[str, Arrays], path: Path) -> None:
    """DataError where pictures go beyond bytes, and would go with others that do not."""
    for arrays in splits.values():
        x = _pictures(arrays)
        if x is not None and x.dtype != np.uint8:
            raise DataError(
                f"{path}: its images run from {x.min()} to {x.max()}, the training images are bytes",
                place=Place(str(path)),
                hint="save both with the same scale, or set preprocessing.image.window",
            )


def _pictures(arrays: Arrays) -> np.ndarray | None:
    return arrays.examples.arrays if isinstance(arrays.examples, Images) else None


def _shape(examples: Images | Table) -> tuple[int, ...]:
    if isinstance(examples, Table):
        return (len(examples.columns),)
    assert examples.arrays is not None
    return examples.arrays.shape[1:]


def _pair(x: np.ndarray, y: np.ndarray, x_name: str, y_name: str, path: Path) -> Arrays:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2) or x.ndim < 1 or len(x) != len(y):
        raise DataError(f"{path}: {x_name} {x.shape} and {y_name} {y.shape} do not belong together")
    if x.dtype.kind not in "buif":
        raise DataError(f"{path}: {x_name} holds {x.dtype}, not numbers")
    if y.dtype.kind not in "buifUS":
        raise DataError(f"{path}: {y_name} holds {y.dtype}, neither numbers nor texts")
    if y.dtype.kind == "S":
        try:
            y = np.char.decode(y, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: {y_name} is not UTF-8") from error
    if x.ndim == 2:
        return Arrays(Table({str(i): x[:, i].astype(np.float64) for i in range(x.shape[1])}), y)
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or x.shape[3] not in (1, 3) or 0 in x.shape[1:]:
        raise DataError(
            f"{path}: {x_name} {x.shape} are neither images [N, h, w] or [N, h, w, 1 or 3] "
            "nor rows [N, features]"
        )
    _require_finite(x, x_name, path)
    return Arrays(Images(arrays=np.ascontiguousarray(x)), y)


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
    # Floats a little beyond 1 are none of bytes: rounded, they would be nearly black.
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
