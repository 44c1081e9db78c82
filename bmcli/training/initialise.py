"""Starting from another run's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import ConfigError, did_you_mean
from bmcli.inference.weights import RANDOM_STATE

if TYPE_CHECKING:
    import keras

HEAD = "head/"


@dataclass(frozen=True)
class Initialised:
    """taken: variables that came from the other run; new: variables that did not (the head, where the classes
    differ); frozen: layers that are not trained."""

    taken: int
    new: tuple[str, ...]
    frozen: tuple[str, ...]


def initialise(
    model: keras.Model, weights: Mapping[str, np.ndarray], *, same_targets: bool, frozen: Sequence[str]
) -> Initialised:
    """Copy `weights` (by variable path) into `model` and freeze the layers that match a pattern of `frozen`.

    same_targets: whether the other run predicts the same classes; else the head starts from scratch.
    ConfigError if the networks differ in more than the head, or a pattern matches no layer.
    """
    taken, new, odd = 0, [], []
    for variable in model.variables:
        if variable.path.endswith(RANDOM_STATE):
            continue
        found = weights.get(variable.path)
        fits = found is not None and found.shape == tuple(variable.shape)
        if variable.path.startswith(HEAD) and not (fits and same_targets):
            new.append(variable.path)
        elif fits:
            variable.assign(found)
            taken += 1
        else:
            shape = "nothing" if found is None else f"shape {found.shape}"
            odd.append(f"{variable.path} is {tuple(variable.shape)}, but in the run it is {shape}")
    if odd:
        raise ConfigError(
            f"init_from: the run's network differs from this config's: {'; '.join(odd[:3])}",
            hint="give `model` the same options as that run's config.yaml",
        )
    return Initialised(taken, tuple(new), freeze(model, frozen))


def freeze(model: keras.Model, patterns: Sequence[str]) -> tuple[str, ...]:
    """Take the layers whose names match out of training; their names. ConfigError as in `initialise`."""
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    frozen: list[str] = []
    for pattern in patterns:
        matching = [name for name in layers if fnmatchcase(name, pattern)]
        if not matching:
            raise ConfigError(
                f"init_from.freeze: no layer matches '{pattern}'",
                hint=did_you_mean(pattern, layers) or f"layers with weights: {', '.join(layers)}",
            )
        frozen += matching
    for name in frozen:
        layers[name].trainable = False
    if layers and set(frozen) == set(layers):
        raise ConfigError(
            "init_from.freeze: every layer is frozen, so there is nothing to train",
            hint="do not freeze 'head', at least",
        )
    return tuple(dict.fromkeys(frozen))
