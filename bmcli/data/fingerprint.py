"""One number for 'the same data': SHA-256 over the ids, targets and contents of every split.

The order is train, validation, test; of each: its name, the number of examples, the ids, the targets
(little-endian, C order), then the contents: arrays as their shape and bytes, files as the SHA-256 of each,
texts as UTF-8 with their lengths, columns by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bmcli.core.cores import available_cores
from bmcli.data.bundle import Images, Split, Table


def fingerprint(
    splits: Mapping[str, Split | None],
    classes: Sequence[str],
    digests: Mapping[str, bytes] | None = None,
) -> str:
    """The fingerprint, hex.

    digests: path -> SHA-256 of the file, where it is known already; other files are read, in threads.
    """
    total = hashlib.sha256(b"bm data 1\n")
    _add_texts(total.update, classes)
    for name, split in splits.items():
        if split is None:
            continue
        total.update(f"{name} {len(split)}\n".encode())
        _add_texts(total.update, split.ids)
        _add_array(total.update, split.targets)
        _add_examples(total.update, split, digests or {})
    return total.hexdigest()


def _add_examples(add: Callable[[Any], None], split: Split, digests: Mapping[str, bytes]) -> None:
    examples = split.examples
    if isinstance(examples, Images):
        if examples.arrays is not None:
            _add_array(add, examples.arrays)
        else:
            paths = examples.paths or ()
            unknown = [path for path in paths if not digests.get(path)]
            with ThreadPoolExecutor(min(32, available_cores())) as pool:
                read = pool.map(_digest, unknown)
                for path in paths:
                    add(digests.get(path) or next(read))
    elif isinstance(examples, Table):
        for column, values in examples.columns.items():
            _add_texts(add, [column, values.dtype.kind])
            if values.dtype == object:
                _add_texts(add, ["" if v is None else f"={v}" for v in values])
            else:
                _add_array(add, values)
    else:
        _add_texts(add, examples.texts)


def _add_array(add: Callable[[Any], None], array: np.ndarray) -> None:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    add(f"{little.dtype.str} {little.shape}\n".encode())
    add(np.ascontiguousarray(little).view(np.uint8).data if little.size else b"")


def _add_texts(add: Callable[[Any], None], texts: Sequence[str]) -> None:
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    add(np.array([len(data) for data in encoded], "<u8").tobytes())
    add(b"".join(encoded))


def _digest(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
