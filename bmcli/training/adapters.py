"""Low-rank adapters beside the kernels of dense layers and 1x1 convolutions, which stay as they are (LoRA; Hu
et al. 2021, arXiv:2106.09685).

A layer's product x · W becomes x · W + scale · (x · down) · up, which trains without the gradient of W. `up`
begins as zeros, so that the network begins as it was. The layers keep their names and their own weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import ConfigError, did_you_mean
from bmcli.inference import adapters as stored
from bmcli.training.swapped import Swapped

if TYPE_CHECKING:
    import keras

    from bmcli.config.schema import Adapters as AdaptersConfig
    from bmcli.core.plain import Document
    from bmcli.core.tensor import Tensor

Product = Callable[["Tensor", object], "Tensor"]
"""From a layer's inputs and a kernel to their product, without bias and activation."""


@dataclass(frozen=True)
class Adapter:
    """The variables of one: name is its layer's, as in the paths of its weights."""

    name: str
    kernel: keras.Variable
    down: keras.Variable
    up: keras.Variable


@dataclass(frozen=True)
class _Place:
    """A layer that can have an adapter. whole: the product with its kernel; first, second: those with down
    and up; ins, outs: how many of the kernel's axes, the first ones, come from the inputs, and the others."""

    name: str
    layer: keras.Layer
    whole: Product
    first: Product
    second: Product
    ins: int


class Adapters:
    """The adapters of a network.

    rank: of each, less where the kernel is smaller; scale: of their product; all: one for each layer that has
    one.
    """

    def __init__(self, rank: int, scale: float, all: Sequence[Adapter]) -> None:
        self.rank, self.scale, self.all = rank, scale, all

    @property
    def names(self) -> list[str]:
        """Of the layers that have one."""
        return [one.name for one in self.all]

    @property
    def paths(self) -> set[str]:
        """Of their variables."""
        return {variable.path for one in self.all for variable in (one.down, one.up)}

    def document(self) -> Document:
        """For the run's record, as strict JSON data."""
        return {"rank": self.rank, "alpha": self.scale * self.rank, "layers": self.names}

    def merged(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The network's weights by path, without adapters: added to the kernels."""
        return stored.merged(weights, self.scale)

    def applied(self) -> AbstractContextManager[None]:
        """While entered, the kernels hold the merged values, and the adapters add nothing."""
        kernels = [
            stored.added(one.kernel.numpy(), one.down.numpy(), one.up.numpy(), self.scale) for one in self.all
        ]
        nothing = [np.zeros(one.up.shape, np.float32) for one in self.all]
        variables = [*(one.kernel for one in self.all), *(one.up for one in self.all)]
        return Swapped(variables, [*kernels, *nothing])


def adapt(
    network: keras.Model, names: Sequence[str], chosen: Sequence[str], config: AdaptersConfig, seed: int
) -> Adapters | None:
    """Put adapters into those of the chosen layers that can have one, and are trainable; None if there is no
    such layer. Nothing else of the layers `names` is trainable then.

    names, chosen: of top-level layers; what is nested in them counts too. seed: of the first values.
    ConfigError for a pattern of `config.layers` that matches none of them.
    """
    places = [place for name in chosen for place in _places(network.get_layer(name))]
    places = _matching(places, config.layers)
    if not places:
        return None
    scale = (2 * config.rank if config.alpha is None else config.alpha) / config.rank
    kernels = [place.layer.kernel for place in places]
    for name in names:
        for variable in network.get_layer(name).variables:
            variable.trainable = False
    made = []
    for number, (place, kernel) in enumerate(zip(places, kernels, strict=True)):
        ins, outs = kernel.shape[: place.ins], kernel.shape[place.ins :]
        rank = min(config.rank, int(np.prod(ins)), int(np.prod(outs)))
        # As in the paper's own code: uniform within 1 / sqrt(inputs).
        bound = 1 / np.sqrt(np.prod(ins))
        first = np.random.default_rng([seed, number]).uniform(-bound, bound, (*ins, rank))
        down = _add(place, stored.DOWN, first.astype(np.float32))
        up = _add(place, stored.UP, np.zeros((rank, *outs), np.float32))
        made.append(Adapter(place.name, kernel, down, up))
        place.layer.call = _Adapted(place, down, up, scale)
    return Adapters(config.rank, scale, made)


class _Adapted:
    """Stands in for the `call` of a layer."""

    def __init__(self, place: _Place, down: keras.Variable, up: keras.Variable, scale: float) -> None:
        self.place, self.down, self.up, self.scale = place, down, up, scale

    def __call__(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        from keras import ops

        place, layer = self.place, self.place.layer
        low = place.second(place.first(inputs, self.down), self.up)
        outputs = place.whole(inputs, layer.kernel) + low * self.scale
        if layer.bias is not None:
            outputs = ops.add(outputs, layer.bias)
        # Read now: the step loop may have put a faster one in its place.
        return outputs if layer.activation is None else layer.activation(outputs)


def _matching(places: Sequence[_Place], patterns: Sequence[str] | None) -> list[_Place]:
    if patterns is None or not places:
        return list(places)
    names = [place.name for place in places]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ConfigError(
                f"training.finetune.adapters.layers: no layer that can have an adapter matches '{pattern}'",
                hint=did_you_mean(pattern, names) or f"those that can: {', '.join(names)}",
            )
    return [place for place in places if any(fnmatchcase(place.name, one) for one in patterns)]


def _places(layer: keras.Layer) -> Iterator[_Place]:
    """Of a layer and those nested in it."""
    import keras
    from keras import ops

    for one in layer._flatten_layers():
        kernel = getattr(one, "_kernel", None)
        if not one.trainable or not isinstance(kernel, keras.Variable) or _constrained(one):
            continue
        path = kernel.path.split("/")
        if path[-2:] != [one.name, "kernel"] or one.kernel is not kernel:  # quantised, or named by itself
            continue
        name = "/".join(path[:-1])
        if type(one) is keras.layers.Dense:
            yield _Place(name, one, ops.matmul, ops.matmul, ops.matmul, 1)
        elif type(one) is keras.layers.Conv2D and _is_dense(one):
            yield _Place(name, one, one.convolution_op, one.convolution_op, ops.matmul, 3)
        elif type(one) is keras.layers.EinsumDense and (found := _einsum(name, one)) is not None:
            yield found


def _constrained(layer: keras.Layer) -> bool:
    """Whether its kernel has to obey a rule, which the sum of kernel and adapter might not."""
    return getattr(layer, "kernel_constraint", None) is not None


def _is_dense(layer: keras.layers.Conv2D) -> bool:
    """Whether it is a dense layer applied to every pixel."""
    return bool(layer.kernel_size == (1, 1) and layer.groups == 1 and layer.data_format == "channels_last")


def _einsum(name: str, layer: keras.layers.EinsumDense) -> _Place | None:
    """Of a product whose kernel has the axes of the inputs first, then those of the outputs, and no other."""
    from keras import ops

    inputs, _, rest = layer.equation.replace(" ", "").partition(",")
    kernel, _, outputs = rest.partition("->")
    ins = [axis for axis in kernel if axis in inputs]
    outs = [axis for axis in kernel if axis in outputs]
    letter = next(one for one in "zyxwvutsrq" if one not in layer.equation)
    summed = "".join(ins)
    if not ins or not outs or kernel != summed + "".join(outs) or "." in layer.equation:
        return None
    between = "".join(axis for axis in inputs if axis not in ins) + letter
    first, second = f"{inputs},{summed}{letter}->{between}", f"{between},{letter}{''.join(outs)}->{outputs}"

    def product(equation: str) -> Product:
        return lambda x, factor: ops.einsum(equation, x, factor)

    return _Place(name, layer, product(layer.equation), product(first), product(second), len(ins))


def _add(place: _Place, name: str, values: np.ndarray) -> keras.Variable:
    """A trained variable of a layer that is built, beside its kernel."""
    import keras

    layer = place.layer
    with ExitStack() as scopes:
        for outer in place.name.split("/")[:-1]:
            scopes.enter_context(keras.name_scope(outer))
        layer._tracker.unlock()
        variable: keras.Variable = layer.add_weight(name=name, shape=values.shape, initializer="zeros")
        layer._tracker.lock()
    variable.assign(values)
    return variable
