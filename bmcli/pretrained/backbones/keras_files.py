"""Files of weights that Keras writes: .weights.h5, the .weights.h5 in a .keras archive, and the older .h5.

No model is deserialised: the arrays alone are read, into a network that bm has built.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.core.errors import ConfigError, IntegrityError, Problem

if TYPE_CHECKING:
    import h5py
    import keras

SUFFIXES = (".weights.h5", ".keras", ".h5")
IN_ARCHIVE = "model.weights.h5"
SPARE = 2**24
"""Bytes that a file may have beyond its arrays: names, and tables of HDF5."""


def require(file: Path) -> str:
    """Which of SUFFIXES a file has. ConfigError if it has none, or is missing."""
    if not file.is_file():
        raise ConfigError(f"there is no file {file}")
    found = next((suffix for suffix in SUFFIXES if file.name.endswith(suffix)), None)
    if found is None:
        raise ConfigError(f"{file} is not one of {', '.join(SUFFIXES)}")
    return found


def load(network: keras.Model, file: Path, builder: str) -> None:
    """Load a file's weights into a fresh network. ConfigError or IntegrityError if they are not those of that
    network; `network` is then not to be used.

    builder: the function of keras.applications that makes such a network, for messages.
    """
    suffix = require(file)
    with tempfile.TemporaryDirectory() as folder:
        if suffix == ".h5":
            _require_plain(file)
            _keras_loads(network, file)
        else:
            expected = Path(folder) / "expected.weights.h5"
            network.save_weights(expected)
            source = file if suffix != ".keras" else _extracted(file, Path(folder), expected.stat().st_size)
            _require_same(file, _arrays(source), _arrays(expected), builder)
            _keras_loads(network, source, file)
    _require_finite(network, file)


def _keras_loads(network: keras.Model, file: Path, named: Path | None = None) -> None:
    try:
        network.load_weights(file)
    except (ValueError, KeyError, OSError, TypeError) as error:
        reason = str(error).strip().split("\n")[0][:300]
        raise IntegrityError(f"{named or file} does not fit the network: {reason}") from error


def _require_same(
    file: Path, found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]], builder: str
) -> None:
    """IntegrityError listing every array that is missing, has another shape, or has no place."""
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [
        f"{name} is {list(found[name])}, not {list(shape)}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    problems += [f"{name} has no place in it" for name in found if name not in expected]
    if problems:
        raise IntegrityError(
            f"the weights in {file} are not those of this architecture",
            hint=f"save those of keras.applications.{builder} with include_top=False, and without its "
            "preprocessing",
            problems=[Problem(one) for one in problems],
        )


def _arrays(file: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every array. IntegrityError for a damaged file, and for one that points to others."""
    found: dict[str, tuple[int, ...]] = {}
    _walk(file, found)
    return found


def _require_plain(file: Path) -> None:
    _walk(file, {})


def _walk(file: Path, found: dict[str, tuple[int, ...]]) -> None:
    import h5py

    def look(group: h5py.Group, prefix: str) -> None:
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise IntegrityError(f"{file}: {prefix}{name} lies in another place")
            one = group[name]
            if isinstance(one, h5py.Group):
                look(one, f"{prefix}{name}/")
            elif one.external or one.is_virtual:
                raise IntegrityError(f"{file}: {prefix}{name} lies in another file")
            else:
                found[f"{prefix}{name}"] = tuple(one.shape)

    try:
        with h5py.File(file, "r") as opened:
            look(opened, "")
    except (OSError, ValueError, KeyError, RuntimeError, RecursionError) as error:
        raise IntegrityError(f"{file} is damaged: {error}") from error


def _extracted(file: Path, folder: Path, size: int) -> Path:
    """The weights in an archive, whose size is that of the network's own within SPARE bytes."""
    target = folder / "found.weights.h5"
    try:
        with zipfile.ZipFile(file) as archive:
            info = archive.getinfo(IN_ARCHIVE)
            if info.file_size > 2 * size + SPARE:
                raise IntegrityError(f"{file}: {IN_ARCHIVE} has {info.file_size:,} bytes, not about {size:,}")
            with archive.open(info) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
    except KeyError as error:
        raise IntegrityError(f"{file} has no {IN_ARCHIVE}") from error
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise IntegrityError(f"{file} is damaged: {error}") from error
    return target


def _require_finite(network: keras.Model, file: Path) -> None:
    import numpy as np

    for variable in network.weights:
        if not np.isfinite(np.asarray(variable)).all():
            raise IntegrityError(f"{file}: {variable.path} has values that are not finite")
