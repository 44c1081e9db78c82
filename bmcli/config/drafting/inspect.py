"""Inspects a user's data, to draft a config: a folder, a table file or arrays.

Guesses only: the draft shows what they are based on, for its reader to correct.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bmcli.core.errors import DataError
from bmcli.files.suffixes import TABLE_SUFFIXES


@dataclass(frozen=True)
class Look:
    """What was seen.

    seen: sentences for the draft's head. said: further keys of `data` for it, each with its value and why.
    features: a table's, where they are worth listing; left_out: its columns that are not used.
    """

    path: Path
    kind: str
    seen: tuple[str, ...]
    task: str = "multiclass"
    examples: int = 0
    features: tuple[str | int, ...] = ()
    text: str | int | list[str | int] | None = None
    target: str | int | None = None
    group: str | int | None = None
    left_out: tuple[str | int, ...] = ()
    label_delimiter: str | None = None
    delimiter: str | None = None
    header: bool = True
    sizes: tuple[tuple[int, int], ...] = ()
    brings: tuple[str, ...] = ()
    said: tuple[tuple[str, object, str], ...] = ()


def look(path: Path) -> Look:
    """Look at a folder or file. DataError if bm cannot train on it."""
    if path.is_dir():
        from bmcli.config.drafting.inspect_folder import look_at_folder

        return look_at_folder(path)
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        from bmcli.config.drafting.inspect_table import look_at_table

        return look_at_table(path)
    if suffix == ".npz":
        return _npz(path)
    from bmcli.files import mismatched_suffix

    kinds = ", ".join(sorted(TABLE_SUFFIXES))
    hint = f"a folder of images or texts, {kinds} or .npz"
    known = mismatched_suffix.by_suffix(path)
    if known is not None:
        raise DataError(f"{path} is {known[0]}", hint=known[1])
    raise DataError(f"cannot tell what {path} is", hint=hint)


def classes_seen(counts: Counter[str]) -> str:
    """'3 classes: daisy 61 · rose 488 · ...'."""
    shown = " · ".join(f"{name} {count:,}" for name, count in counts.most_common(6))
    more = " · ..." if len(counts) > 6 else ""
    return f"{len(counts)} classes: {shown}{more}"


def _npz(path: Path) -> Look:
    import numpy as np

    shapes: dict[str, tuple[int, ...]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    version = np.lib.format.read_magic(member)
                    read = np.lib.format.read_array_header_1_0
                    header = read if version == (1, 0) else np.lib.format.read_array_header_2_0
                    shapes[name.removesuffix(".npy")] = header(member)[0]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not an .npz file: {error}") from error
    inputs = next((shape for name, shape in shapes.items() if name in ("x_train", "x", "X", "images")), None)
    if inputs is None:
        listed = ", ".join(shapes)
        raise DataError(f"{path} holds {listed or 'nothing'}; expected x_train and y_train, or x and y")
    are_images = len(inputs) >= 3
    seen = [f"{name}: {' × '.join(map(str, shape))}" for name, shape in shapes.items()][:6]
    sizes = ((inputs[1], inputs[2]),) if are_images else ()
    brings = tuple(split for split, name in (("test", "x_test"), ("validation", "x_val")) if name in shapes)
    return Look(
        path, "image" if are_images else "table", tuple(seen), examples=inputs[0], sizes=sizes, brings=brings
    )
