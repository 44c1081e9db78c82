"""Tensors in safetensors files: listed without reading them, then read one at a time.

The header is checked as far as it can be without the data, so that a truncated or hostile file is found
before anything is allocated. Format: https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from bmcli.core.errors import ConfigError, IntegrityError
from bmcli.pretrained.documents import read_map

if TYPE_CHECKING:
    import numpy as np

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.bin")
"""Files that can only be read by executing what is in them."""
FOREIGN = ("tf_model.h5", "flax_model.msgpack", "model.onnx", "rust_model.ot")

MOST_HEADER = 32 * 2**20
"""Bytes of the largest header that is read: more than a hundred thousand tensors."""
MOST_INDEX = 32 * 2**20
MOST_AXES = 8

ITEM_SIZES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
    "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip
READABLE = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: what its header says. start: position of its first byte in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int

    def read(self) -> np.ndarray:
        """Its values, float32 of its shape. IntegrityError if they cannot be read, or one is not finite."""
        import numpy as np

        if self.dtype not in READABLE:
            raise IntegrityError(
                f"{self.file}: {self.name} is {self.dtype}; weights are read from {', '.join(READABLE)}"
            )
        stored = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}[self.dtype]
        count = math.prod(self.shape)
        try:
            with self.file.open("rb") as file:
                file.seek(self.start)
                values = np.fromfile(file, stored, count)
        except OSError as error:
            raise IntegrityError(f"cannot read {self.file}: {error.strerror}") from error
        if len(values) != count:
            raise IntegrityError(f"{self.file} is truncated: {self.name} ends too early")
        if self.dtype == "BF16":  # the upper half of a float32
            values = (values.astype("<u4") << 16).view("<f4")
        found: np.ndarray = values.astype(np.float32, copy=False).reshape(self.shape)
        if not np.isfinite(found).all():
            raise IntegrityError(f"{self.file}: {self.name} has values that are not finite")
        return found


def files_of(folder: Path) -> list[Path]:
    """The files with the weights of a folder, in order. ConfigError if it has none that can be read,
    IntegrityError if its index is damaged or names a file that is missing."""
    whole, index = folder / WEIGHTS, folder / INDEX
    if whole.is_file():
        return [whole]
    if index.is_file():
        return [folder / name for name in dict.fromkeys(sorted(_shards(index).values()))]
    for name in PICKLED:
        if (folder / name).is_file():
            raise ConfigError(
                f"{folder / name} is pickled, so reading it would execute what is in it; {WEIGHTS} is needed",
                hint=f"if you trust it, convert it where torch is installed: {_conversion(folder, name)}",
            )
    others = [name for name in FOREIGN if (folder / name).is_file()]
    have = f"; {', '.join(others)} cannot be read" if others else ""
    raise ConfigError(f"{folder} has no {WEIGHTS}{have}")


def listed(folder: Path) -> dict[str, Stored]:
    """Every tensor of a folder, by name. Raises as `files_of`, and IntegrityError for damaged files."""
    files = files_of(folder)
    found: dict[str, Stored] = {}
    for file in files:
        for name, stored in header(file).items():
            if name in found:
                raise IntegrityError(f"{file}: {name} is in {found[name].file.name} too")
            found[name] = stored
    if not (folder / WEIGHTS).is_file():
        for name, shard in _shards(folder / INDEX).items():
            if name not in found or found[name].file.name != shard:
                raise IntegrityError(f"{folder / INDEX}: {name} is not in {shard}")
    return found


def sha256(folder: Path) -> str:
    """Hex SHA-256 of the file with the weights; of several, of their hex digests, a line each."""
    digests = [sha256_of(file) for file in files_of(folder)]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(f"{one}\n" for one in digests).encode()).hexdigest()


def sha256_of(file: Path) -> str:
    """Hex SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def header(file: Path) -> dict[str, Stored]:
    """What a safetensors file says it holds, checked against its size. IntegrityError if it is damaged."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            head = opened.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
            if length > min(MOST_HEADER, size - 8):
                raise IntegrityError(f"{file} is truncated, or not a safetensors file")
            text = opened.read(length)
    except OSError as error:
        raise IntegrityError(f"cannot read {file}: {error.strerror}") from error
    try:
        document = json.loads(text, object_pairs_hook=_no_name_twice)
        if not isinstance(document, dict):
            raise ValueError("its header is not a map")
        document.pop("__metadata__", None)
        entries = [_entry(name, one) for name, one in document.items()]
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{file} is damaged: {error}") from error
    data, end = size - 8 - length, 0
    for name, _, _, (start, stop) in sorted(entries, key=lambda entry: entry[3]):
        if start != end:
            raise IntegrityError(f"{file} is damaged: {name} does not begin where the one before it ends")
        end = stop
    if end != data:
        what = "truncated" if data < end else "damaged"
        raise IntegrityError(f"{file} is {what}: {data:,} bytes of data, where its header names {end:,}")
    return {
        name: Stored(name, dtype, shape, file, 8 + length + start)
        for name, dtype, shape, (start, _) in entries
    }


def _entry(name: str, one: object) -> tuple[str, str, tuple[int, ...], tuple[int, int]]:
    """Name, dtype, shape, and first and last byte; ValueError if it is not what the format allows."""
    if not isinstance(one, Mapping) or one.get("dtype") not in ITEM_SIZES:
        raise ValueError(f"{name} has no dtype that is known")
    shape, offsets = one.get("shape"), one.get("data_offsets")
    if not _whole_numbers(shape) or len(shape) > MOST_AXES:
        raise ValueError(f"the shape of {name} is not a list of whole numbers")
    if not _whole_numbers(offsets) or len(offsets) != 2:
        raise ValueError(f"the place of {name} is not two whole numbers")
    start, stop = offsets
    if stop - start != math.prod(shape) * ITEM_SIZES[one["dtype"]]:
        raise ValueError(f"{name} has {stop - start:,} bytes, which is not what its shape takes")
    return name, one["dtype"], tuple(shape), (start, stop)


def _whole_numbers(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(one) is int and 0 <= one < 2**63 for one in value)


def _no_name_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("its header has a name twice")
    return found


def shard_names(index: Path) -> dict[str, str]:
    """Tensor -> the name of its file. IntegrityError for an index that is damaged, or names other files."""
    names = read_map(index, MOST_INDEX).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(one, str) for one in names.values()):
        raise IntegrityError(f"{index} has no weight_map from tensors to files")
    for name in sorted(set(names.values())):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise IntegrityError(f"{index} names {name!r}, which is not a safetensors file beside it")
    return names


def _shards(index: Path) -> dict[str, str]:
    """The same, of files all of which are there."""
    names = shard_names(index)
    for name in sorted(set(names.values())):
        if not (index.parent / name).is_file():
            raise IntegrityError(f"{index.parent / name} is missing, which {index.name} names")
    return names


def conversion(source: str, folder: str) -> str:
    """The command that makes a folder with safetensors of a folder or repository with other weights."""
    return (
        'python -c "from transformers import AutoModel, AutoTokenizer; '
        f"AutoModel.from_pretrained('{source}').save_pretrained('{folder}'); "
        f"AutoTokenizer.from_pretrained('{source}').save_pretrained('{folder}')\""
    )


def _conversion(folder: Path, name: str) -> str:
    if name != PICKLED[0]:
        return (
            'python -c "from transformers import AutoModel; '
            f"AutoModel.from_pretrained('{folder}').save_pretrained('{folder}')\""
        )
    return (
        'python -c "import torch, safetensors.torch as s; '
        f"w = torch.load('{folder / name}', weights_only=True); "
        f"s.save_file({{k: v.clone() for k, v in w.items()}}, '{folder / WEIGHTS}')\""
    )
