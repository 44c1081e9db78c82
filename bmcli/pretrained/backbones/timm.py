"""A folder of an image backbone as timm publishes it: config.json and model.safetensors.

Everything that can be wrong is found from config.json and the header of the weights, before any of them is
read, and nothing is put into a model before all of them have been read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bmcli.core.errors import ConfigError, IntegrityError, Problem
from bmcli.core.plain import Document
from bmcli.pretrained import tensors
from bmcli.pretrained.backbones.image_input import ImageInput, Interpolation
from bmcli.pretrained.backbones.sources import Source, Sources
from bmcli.pretrained.documents import read_map

if TYPE_CHECKING:
    import keras

    from bmcli.core.tensor import Tensor
    from bmcli.pretrained.tensors import Stored

CONFIG = "config.json"
COUNTERS = "*.num_batches_tracked"
"""PyTorch's counters of steps, which no network computes with."""
MOST_PIXELS = 4096
"""Largest side of an image that config.json may ask for."""
INTERPOLATIONS: dict[str, Interpolation] = {
    "bilinear": "bilinear",
    "random": "bilinear",
    "bicubic": "bicubic",
}
ARGUMENTS = frozenset({"img_size", "num_classes", "dynamic_img_size", "strict_img_size"})
"""Of `model_args`, those that do not change what is computed for an image of given size."""


class Architecture(Protocol):
    """A network whose weights timm has.

    unused: patterns of tensors that its features do not need. smallest: the least side of an image.
    examples_apart: see `bmcli.models.Model`.
    """

    @property
    def unused(self) -> tuple[str, ...]: ...
    @property
    def smallest(self) -> int: ...
    @property
    def examples_apart(self) -> bool: ...

    def sources(self, size: tuple[int, int]) -> Sources:
        """What each variable is made from, for images of this (height, width)."""
        ...

    def features(self, images: Tensor) -> Tensor:
        """[batch, height, width, channels] to [batch, n]."""
        ...


class Named(Protocol):
    """An architecture with the pattern of its names."""

    @property
    def names(self) -> str: ...


@dataclass(frozen=True)
class Described:
    """What config.json says. images: how they are prepared; licence: None if it names none."""

    images: ImageInput
    licence: str | None
    tag: str | None


@dataclass(frozen=True)
class Weights:
    """Tensors, checked against an architecture. by_variable: our variable -> what it is made from, and those
    tensors; unused: names of others."""

    by_variable: dict[str, tuple[Source, tuple[Stored, ...]]]
    unused: tuple[str, ...]

    def load(self, model: keras.Model) -> None:
        """Put them into a model with these variables. IntegrityError, and nothing changed, if one cannot be
        read or is not finite."""
        made = {
            path: source.combine(*(one.read() for one in stored))
            for path, (source, stored) in self.by_variable.items()
        }
        variables = {variable.path: variable for variable in model.variables}
        for path, values in made.items():
            variables[path].assign(values)


def described(folder: Path, names: str) -> Described:
    """What config.json says of an architecture that timm calls by a name that matches the pattern `names`.

    ConfigError for a folder or file that is missing and for what is not supported, IntegrityError for a
    damaged file.
    """
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}")
    file = folder / CONFIG
    document = read_map(file)
    named = document.get("architecture")
    if not isinstance(named, str) or re.fullmatch(names, named) is None:
        shown = "names no architecture" if named is None else f"is of the architecture {str(named)[:80]!r}"
        wanted = re.sub(r"\(.*?\)\?", "", names)
        raise ConfigError(f"{file} {shown}, where {wanted} is needed")
    given = document.get("model_args") or {}
    if not isinstance(given, Mapping) or (other := sorted(set(given) - ARGUMENTS)):
        what = f"model_args: {', '.join(map(str, other))}" if isinstance(given, Mapping) else "model_args"
        raise ConfigError(f"{file}: {what} would change the architecture, which is not supported")
    about = document.get("pretrained_cfg")
    if not isinstance(about, dict):
        raise ConfigError(f"{file} has no pretrained_cfg, which says how images are prepared")
    try:
        images = _images(about)
    except ValueError as error:
        raise ConfigError(f"{file}: pretrained_cfg.{error}") from error
    return Described(images, _text(about.get("license")), _text(about.get("tag")))


def architecture_named(name: str, folder: Path, known: Mapping[str, Named]) -> str:
    """The key of the architecture that timm calls so. Raises as `described`, and ConfigError for another."""
    meant = next((key for key, entry in known.items() if re.fullmatch(entry.names, name)), None)
    if meant is None:
        raise ConfigError(
            f"{folder / CONFIG} is of the architecture {name[:80]!r}, which is not supported",
            hint=f"known: {', '.join(known)}",
        )
    described(folder, known[meant].names)
    return meant


def weights_of(folder: Path, architecture: Architecture, size: tuple[int, int]) -> Weights:
    """Which tensors each variable is made from. Raises as `tensors.listed`, and IntegrityError listing every
    tensor that is missing, has another shape, or has no place.

    size: height and width of the images.
    """
    stored = tensors.listed(folder)
    found: dict[str, tuple[Source, tuple[Stored, ...]]] = {}
    taken: set[str] = set()
    problems: list[str] = []
    for path, source in architecture.sources(size).items():
        for name, shape in source.tensors:
            if name not in taken:
                problems += _wrong(name, shape, stored.get(name))
            taken.add(name)
        found[path] = source, tuple(stored[name] for name, _ in source.tensors if name in stored)
    others = [name for name in stored if name not in taken]
    ignored = {name for name in others if _matches(name, (COUNTERS,))}
    unused = [name for name in others if name not in ignored and _matches(name, architecture.unused)]
    problems += [f"{name} has no place in it" for name in others if name not in ignored | set(unused)]
    if problems:
        raise IntegrityError(
            f"the weights in {folder} are not those of this architecture",
            problems=[Problem(one) for one in problems],
        )
    return Weights(found, tuple(unused))


def _wrong(name: str, shape: tuple[int | None, ...], stored: Stored | None) -> list[str]:
    if stored is None:
        return [f"{name} is missing"]
    fits = len(shape) == len(stored.shape) and all(
        wanted in (None, given) for wanted, given in zip(shape, stored.shape, strict=True)
    )
    if not fits:
        return [f"{name} is {_shown(stored.shape)}, not {_shown(shape)}"]
    if stored.dtype not in tensors.READABLE:
        return [f"{name} is {stored.dtype}, not {' or '.join(tensors.READABLE)}"]
    return []


def _shown(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _images(about: Document) -> ImageInput:
    """ValueError naming the key for what is not supported or out of range."""
    size = about.get("input_size")
    if not (isinstance(size, list) and len(size) == 3 and all(type(one) is int for one in size)):
        raise ValueError("input_size is not [channels, height, width]")
    channels, height, width = size
    if channels != 3 or not all(1 <= one <= MOST_PIXELS for one in (height, width)):
        raise ValueError(f"input_size is {size}, not 3 channels of at most {MOST_PIXELS} × {MOST_PIXELS}")
    chosen = about.get("interpolation", "bicubic")
    interpolation = INTERPOLATIONS.get(chosen) if isinstance(chosen, str) else None
    if interpolation is None:
        raise ValueError(f"interpolation is {str(chosen)[:80]!r}, not bilinear or bicubic")
    mode = about.get("crop_mode") or "center"
    if mode not in ("center", "squash"):
        raise ValueError(f"crop_mode is {str(mode)[:80]!r}, not center or squash")
    crop = _numbers("crop_pct", [about.get("crop_pct") or 1.0], 0.05, 1)[0]
    return ImageInput(
        (height, width),
        _numbers("mean", about.get("mean"), -100, 100, 3),
        _numbers("std", about.get("std"), 1e-4, 100, 3),
        interpolation,
        crop if mode == "center" else None,
    )


def _numbers(key: str, values: object, least: float, most: float, count: int = 1) -> tuple[float, ...]:
    sound = isinstance(values, list) and len(values) == count
    numbers = [one for one in values if type(one) in (int, float)] if isinstance(values, list) else []
    if not sound or len(numbers) != count or not all(least <= one <= most for one in numbers):
        what = "a number" if count == 1 else f"{count} numbers"
        raise ValueError(f"{key} is not {what} from {least:g} to {most:g}")
    assert all(map(math.isfinite, numbers))
    return tuple(map(float, numbers))


def _text(value: object) -> str | None:
    return value[:80] if isinstance(value, str) and value else None
