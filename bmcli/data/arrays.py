"""Arrays in .npz files, in one piece (x, y) or with splits (x_train, ...); what they hold, modalities say."""

from __future__ import annotations

import lzma
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bmcli.core.errors import DataError, Place, ResourceError
from bmcli.core.examples import Examples
from bmcli.core.spec import Kind
from bmcli.modalities.base import Modality, at_hand, modality_of

SPLIT_NAMES = {"train": "train", "validation": "val", "test": "test"}
BOMB_BYTES = 128 * 2**20
BOMB_RATIO = 500
"""An array that unpacks to more bytes than this, and BOMB_RATIO times its size, is a zip bomb."""


def open_npz(path: Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of a .npz, those of `names` or all; never a pickled object.

    Raises DataError if it is not an .npz, an array is missing, or one holds objects or claims more than is
    there; ResourceError if it is too large for the memory.
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
                    hint=f"it contains {', '.join(file.files) or 'nothing'}",
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
    """DataError if an array's header promises more than the archive holds, or it is a bomb; found out
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
            f"to {info.file_size / 2**30:,.1f} GiB, too large for data",
            place=Place(str(path)),
        )
    if math.prod(shape) * dtype.itemsize != held:
        raise DataError(
            f"{path} is damaged: the header of {name} does not fit its {held:,} bytes", place=Place(str(path))
        )


@dataclass(frozen=True)
class Arrays:
    """One split of a .npz: examples and their truth, as found."""

    examples: Examples
    targets: np.ndarray


def read(
    path: Path, kind: Kind | None = None, *, unscaled: bool = False, like: Examples | None = None
) -> dict[str, Arrays]:
    """The splits of a .npz: 'train', and 'validation' and 'test' where it has them; x and y are 'train'.

    kind: what the examples are; None: what the arrays look like. unscaled, like: as `Modality.from_arrays`
    takes them.
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
            hint=f"it contains {', '.join(arrays) or 'nothing'}",
        )
    targets = {split: _targets(arrays[x], arrays[y], x, y, path) for split, (x, y) in pairs.items()}
    found = {split: (x, arrays[x]) for split, (x, _) in pairs.items()}
    modalities = {split: _modality(x, name, path, kind) for split, (name, x) in found.items()}
    modality = modalities["train"]
    shapes = {modalities[split].array_shape(x) for split, (_, x) in found.items()}
    if len(shapes) > 1:
        raise DataError(f"{path}: the splits differ in shape: {', '.join(map(str, sorted(shapes)))}")
    examples = modality.from_arrays(found, path, unscaled=unscaled, like=like)
    return {split: Arrays(examples[split], targets[split]) for split in pairs}


def _modality(x: np.ndarray, name: str, path: Path, kind: Kind | None) -> Modality:
    """What an array holds; DataError if that is not of that kind, or of any."""
    if kind is not None and modality_of(kind).takes_array(x):
        return modality_of(kind)
    found = next((modality for modality in at_hand() if modality.takes_array(x)), None)
    if found is None:
        raise DataError(
            f"{path}: {name} {x.shape} are neither images [N, h, w] or [N, h, w, 1 or 3] "
            "nor rows [N, features]"
        )
    if kind is not None:
        raise DataError(f"{path} holds {found.array_words()}, not {kind} data")
    return found


def _targets(x: np.ndarray, y: np.ndarray, x_name: str, y_name: str, path: Path) -> np.ndarray:
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
    return y
