"""Arrays of a .npz file into splits as found."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bmcli.core.errors import DataError, Place, Problem
from bmcli.core.examples import Examples
from bmcli.core.spec import Kind
from bmcli.data import arrays
from bmcli.data.raw import Found, Raw, others
from bmcli.modalities.base import modality_of
from bmcli.tasks._truth import Truth


def read_arrays(path: Path, kind: Kind | None, unscaled: bool, main: Examples | None) -> Found:
    """The splits in a .npz. main: the data that this is a part of; the rest as `arrays.read` takes it."""
    found = arrays.read(path, kind, unscaled=unscaled, like=main)
    splits = {}
    problems: list[Problem] = []
    for name, pair in found.items():
        modality = modality_of(pair.examples.kind)
        whole = len(found) == 1
        prefix = "all" if whole else name
        bad = _odd_numbers(modality.odd_in_array(pair.examples), pair.targets)
        problems += [Problem(what, Place(f"{prefix}/{i}")) for i, what in bad.items()]
        good = others(len(pair.targets), bad)
        targets = pair.targets[good]
        splits[name] = Raw(
            modality.name,
            pair.examples.take(good),
            _truth_of_array(targets, numbers=modality.quantities or targets.dtype.kind == "f", path=path),
            tuple(f"{prefix}/{i}" for i in good),
            "" if whole else f"arrays x_{name}, y_{name}",
        )
    return Found(splits, problems, "row")


def _odd_numbers(bad: dict[int, str], targets: np.ndarray) -> dict[int, str]:
    """Position -> what is wrong, of examples that are `bad` or without truth."""
    if targets.dtype.kind == "f":
        finite = np.isfinite(targets).reshape(len(targets), -1).all(axis=1)
        bad |= {int(i): f"the target is {targets[i]}" for i in np.flatnonzero(~finite)}
    return dict(sorted(bad.items()))


def _truth_of_array(targets: np.ndarray, *, numbers: bool, path: Path) -> Truth:
    if targets.ndim == 1:
        if targets.dtype.kind == "f" and (targets == np.rint(targets)).all():
            targets = targets.astype(np.int64)
        return Truth(tuple(str(value) for value in targets.tolist()), numbers=numbers)
    if targets.dtype.kind in "US" or not np.isin(targets, (0, 1)).all():
        raise DataError(f"{path}: y of two axes must hold 0 and 1, a column per label")
    rows = [tuple(str(i) for i in np.flatnonzero(row)) for row in targets]
    return Truth(tuple(rows), names=tuple(str(i) for i in range(targets.shape[1])))
