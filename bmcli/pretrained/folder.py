"""A folder of weights as Hugging Face lays it out: what it says of itself, and its weights, checked and read.

Everything that can be wrong is found from the small files and the header of the weights, before anything is
allocated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.core.errors import ConfigError, IntegrityError, Problem
from bmcli.pretrained import tensors
from bmcli.pretrained.architecture import Architecture, Layer
from bmcli.pretrained.documents import read_map, read_map_if_there, read_text
from bmcli.pretrained.families import Family, family_of
from bmcli.pretrained.options import Options
from bmcli.pretrained.tensors import Stored

if TYPE_CHECKING:
    import keras
    import numpy as np

CONFIG = "config.json"
POOLING = "1_Pooling/config.json"
README = "README.md"

NO_NAMES = ("model", "models", "weights", "encoder", "checkpoint")
"""Names of folders that say nothing without the folder above."""

UNUSED = (
    "*position_ids", "*token_type_ids", "pooler.*", "cls.*", "lm_head.*", "qa_outputs.*", "classifier.*",
    "pre_classifier.*", "discriminator_predictions.*", "generator_predictions.*", "generator_lm_head.*",
    "vocab_transform.*", "vocab_layer_norm.*", "vocab_projector.*", "sequence_summary.*",
)  # fmt: skip
"""Heads and buffers, without the family's prefix, that an encoder has no use for."""

NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "dense": {"kernel": ("weight",), "bias": ("bias",)},
    "norm": {"gamma": ("weight", "gamma"), "beta": ("bias", "beta")},
    "embedding": {"embeddings": ("weight",)},
}
"""Of each kind of layer, our variable and what its tensor may be called."""

MOST_LISTED = 20


@dataclass(frozen=True)
class Weights:
    """The tensors of an encoder, checked against its architecture.

    by_variable: our variable ('block1_feed_forward1/kernel') -> tensor. unused: names of other tensors.
    """

    by_variable: dict[str, Stored]
    unused: tuple[str, ...]

    def load(self, model: keras.Model) -> None:
        """Put them into a model with these layers, one at a time. IntegrityError if a tensor cannot be read
        (or holds what is not a number); the model is then not to be used."""
        variables = {variable.path: variable for variable in model.variables}
        for path, stored in self.by_variable.items():
            variables[path].assign(self._values(path, stored))

    def _values(self, path: str, stored: Stored) -> np.ndarray:
        values = stored.read()
        # PyTorch keeps a dense layer's matrix as [outputs, inputs].
        return values.T if path.endswith("/kernel") else values


def architecture_of(folder: Path) -> Architecture:
    """What config.json says, and how 1_Pooling pools. ConfigError for a folder or file that is missing, and
    for what is not supported; IntegrityError for a file that is damaged."""
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}")
    file = folder / CONFIG
    document = read_map(file)
    options = Options(document, file)
    options.refuse("auto_map", "quantization_config", "pruned_heads")
    try:
        family = family_of(document.get("model_type"))
    except ConfigError as error:
        raise ConfigError(f"{file}: {error.message}", hint=error.hint) from error
    try:
        found = family.read(options)
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from error
    return replace(found, pooling=_pooling(folder))


def weights_of(folder: Path, architecture: Architecture) -> Weights:
    """Which tensor belongs to which variable. Raises as `tensors.listed`, and IntegrityError listing every
    tensor that is missing, has another shape, or has no place."""
    stored = tensors.listed(folder)
    family = family_of(architecture.family)
    first = family.tensor("token_embedding")
    prefix = "" if f"{first}.weight" in stored else family.prefix
    found: dict[str, Stored] = {}
    taken, problems = set(), []
    for variable, shape, names in wanted(architecture, family, prefix):
        tensor = next((stored[name] for name in names if name in stored), None)
        if tensor is None:
            problems.append(f"{names[0]} is missing")
            continue
        taken.add(tensor.name)
        if tensor.shape != shape:
            has, wants = (", ".join(map(str, one)) for one in (tensor.shape, shape))
            problems.append(f"{tensor.name} is [{has}], but by {CONFIG} it should be [{wants}]")
        elif tensor.dtype not in tensors.READABLE:
            problems.append(f"{tensor.name} is {tensor.dtype}, not {' or '.join(tensors.READABLE)}")
        else:
            found[variable] = tensor
    others = [name for name in stored if name not in taken]
    unused = tuple(name for name in others if _is_head(name, family.prefix))
    problems += [f"{name} has no place in it" for name in others if name not in set(unused)]
    if problems:
        raise IntegrityError(
            f"the weights in {folder} do not fit its {CONFIG} ({architecture.family}, "
            f"{architecture.blocks} blocks)",
            problems=[Problem(one) for one in problems],
        )
    return Weights(found, unused)


def name_of(folder: Path) -> str:
    """What the weights are called: ORG/NAME@REVISION in a hub's cache, else the folder's name."""
    cached = re.fullmatch(r"models--(.+)", folder.parent.parent.name)
    if folder.parent.name == "snapshots" and cached is not None:
        return cached[1].replace("--", "/") + f"@{folder.name}"
    name = folder.resolve().name
    return f"{folder.resolve().parent.name}/{name}" if name in NO_NAMES else name


def licence_of(folder: Path) -> str | None:
    """The licence in the front matter of README.md, if it has one."""
    if not (folder / README).is_file():
        return None
    try:
        text = read_text(folder / README)
    except IntegrityError:  # a text of that kind has no front matter to speak of
        return None
    front = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    found = re.search(r"^license:[ \t]*['\"]?([\w.+-]{1,60})", front[1], re.MULTILINE) if front else None
    return found[1] if found else None


def wanted(
    architecture: Architecture, family: Family, prefix: str
) -> Iterator[tuple[str, tuple[int, ...], list[str]]]:
    """(our variable, the shape of its tensor, the names it may have) of every weight."""
    for name, layer in architecture.layers().items():
        stem = prefix + family.tensor(name)
        for variable, suffixes in NAMES[layer.kind].items():
            yield f"{name}/{variable}", _shape(layer, variable), [f"{stem}.{suffix}" for suffix in suffixes]


def _shape(layer: Layer, variable: str) -> tuple[int, ...]:
    if layer.kind == "dense":
        return layer.shape[::-1] if variable == "kernel" else layer.shape[1:]
    return layer.shape


def _is_head(name: str, prefix: str) -> bool:
    return any(fnmatchcase(name.removeprefix(prefix), pattern) for pattern in UNUSED)


def _pooling(folder: Path) -> str | None:
    """What sentence-transformers' pooling says: 'cls', 'mean', 'other', or None if there is none."""
    said = read_map_if_there(folder / POOLING)
    modes = [key for key, value in said.items() if key.startswith("pooling_mode_") and value is True]
    names = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    if not modes:
        return None
    return names.get(modes[0], "other") if len(modes) == 1 else "other"
