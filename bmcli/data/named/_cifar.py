"""CIFAR-10 and CIFAR-100 in their 'python version': pickles, read by a restricted unpickler."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bmcli.core.errors import DataError
from bmcli.data.bundle import Split
from bmcli.modalities.image.examples import Images

MAX_BYTES = 512 * 2**20
"""Largest size of a pickle; the official ones have up to 150 MiB."""


def read(
    place: Path, folder: str, md5: Mapping[str, str]
) -> tuple[dict[str, dict[bytes, object]], tuple[str, ...]]:
    """The batches by name, and a note if their bytes differ from the official ones.

    place: the folder, or the .tar.gz that holds `folder`; md5: batch name -> published checksum.
    """
    raw = _from_archive(place, folder, md5) if place.is_file() else _from_folder(place, md5)
    missing = [name for name in md5 if name not in raw]
    if missing:
        raise DataError(
            f"{place} is incomplete: {', '.join(missing)} missing", hint="remove it and download it again"
        )
    with ThreadPoolExecutor() as pool:
        sums = pool.map(lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(), raw.values())
        odd = [name for name, found in zip(raw, sums, strict=True) if found != md5[name]]
    notes = (f"not the official release: {', '.join(odd)} in {place}",) if odd else ()
    return {name: _unpickled(data, place / name) for name, data in raw.items()}, notes


def split(
    batches: Sequence[Mapping[bytes, object]], labels: bytes, name: str, classes: int, place: Path
) -> Split:
    """The batches' rows [n, 3072] (red, green, blue planes) as images uint8 [N, 32, 32, 3]."""
    rows, targets = [], []
    for batch in batches:
        data, label = batch.get(b"data"), batch.get(labels)
        if not (
            isinstance(data, np.ndarray)
            and data.dtype == np.uint8
            and data.ndim == 2
            and data.shape[1] == 3072
            and isinstance(label, list)
            and len(label) == len(data)
            and all(type(n) is int and 0 <= n < classes for n in label)
        ):
            raise DataError(f"{place}: a batch of the {name} split is not in CIFAR's format")
        rows.append(data)
        targets += label
    pixels = np.empty((len(targets), 1024, 3), np.uint8)
    start = 0
    for data in rows:  # plane by plane, which is several times faster than transposing
        for channel in range(3):
            pixels[start : start + len(data), :, channel] = data[:, 1024 * channel : 1024 * (channel + 1)]
        start += len(data)
    ids = tuple(f"{name}/{i}" for i in range(len(targets)))
    return Split(Images(arrays=pixels.reshape(-1, 32, 32, 3)), np.array(targets, np.int64), ids)


def _from_folder(folder: Path, names: Mapping[str, str]) -> dict[str, bytes]:
    found = {}
    for name in names:
        path = folder / name
        if not path.is_file():
            continue
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is larger than {MAX_BYTES // 2**20} MiB: it is not the expected file")
        found[name] = path.read_bytes()
    return found


def _from_archive(path: Path, folder: str, names: Mapping[str, str]) -> dict[str, bytes]:
    """Read the .tar.gz directly into memory; nothing is unpacked on disk."""
    wanted = {f"{folder}/{name}": name for name in names}
    found = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                if member.isfile() and member.name in wanted and member.size <= MAX_BYTES:
                    file = archive.extractfile(member)
                    assert file is not None
                    found[wanted[member.name]] = file.read()
                if len(found) == len(wanted):
                    break
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{path} is damaged: {error}", hint="remove it and download it again") from error
    return found


class _Unpickler(pickle.Unpickler):
    """Accepts arrays of numbers, lists, dicts, bytes, strings and integers; anything else is refused."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in (
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
        ):
            return _empty_array
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return {"ndarray": np.ndarray, "dtype": _plain_dtype}[name]
        if (module, name) == ("_codecs", "encode"):
            return _latin1_bytes
        raise pickle.UnpicklingError(f"it wants to run {module}.{name}")


def _empty_array(kind: object, shape: object, dtype: object) -> np.ndarray:
    if kind is not np.ndarray or shape != (0,):
        raise pickle.UnpicklingError("it builds something other than an array")
    return np.ndarray((0,), np.uint8)


def _plain_dtype(code: str | bytes, align: object = False, copy: object = False) -> np.dtype:
    dtype = np.dtype(code.decode("ascii") if isinstance(code, bytes) else code)
    if dtype.kind not in "uif":
        raise pickle.UnpicklingError(f"it holds an array of {dtype}")
    return dtype


def _latin1_bytes(text: object, encoding: object) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError("it encodes something other than bytes")
    return text.encode("latin1")


def _unpickled(data: bytes, place: Path) -> dict[bytes, object]:
    try:
        batch = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(f"{place} cannot be read: {error}", hint="remove it and download it again") from error
    if not isinstance(batch, dict):
        raise DataError(f"{place} is not in CIFAR's format")
    return batch
