"""Integrated gradients and Grad-CAM of a Keras network, on TensorFlow or JAX.

Integrated gradients (Sundararajan, Taly and Yan, 2017) follow the score's gradient from a baseline to the
input; their sum is the difference of the scores (completeness), and how far it is off is reported. Grad-CAM
(Selvaraju et al., 2017) weighs the last feature maps, or states of patches, by their mean gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

    from bmcli.core.tensor import Tensor

TOLERANCE = 0.01
"""Of completeness: steps are doubled until the sum is this near, or there are MOST_STEPS."""
FIRST_STEPS, MOST_STEPS = 32, 2048
BATCH = 64
MOST_OTHERS = 8
"""Tokens of a vision transformer that are not patches: the class token, registers."""
SHARE, TRIALS = 0.2, 10
"""`deletion` replaces this part of the units, and as many at random, so often."""

Gradient = Callable[..., tuple[np.ndarray, list[np.ndarray]]]
"""From arrays [b, ...], and others that stay as they are, to scores [b] and their gradients by the former."""


@dataclass(frozen=True)
class Integrated:
    """attributions: one per input array, without the batch axis; base: the baseline's score; difference: of
    the scores of input and baseline; error: how far the attributions' sum is from it, as a share of it;
    steps: that were taken."""

    attributions: list[np.ndarray]
    base: float
    difference: float
    error: float
    steps: int


def gradient_of(score: Callable[..., Tensor]) -> Gradient:
    """score: from a list of tensors [b, ...], and further tensors, to a tensor [b]."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        def both(arrays: list[object], *fixed: object) -> tuple[object, object]:
            def total(given: list[object]) -> tuple[object, object]:
                scores = score(given, *fixed)
                return jax.numpy.sum(scores), scores

            gradients, scores = jax.grad(total, has_aux=True)(arrays)
            return scores, gradients

        compiled = jax.jit(both)
    else:
        import tensorflow as tf

        def taped(arrays: list[object], *fixed: object) -> tuple[object, object]:
            with tf.GradientTape() as tape:
                tape.watch(arrays)
                scores = score(arrays, *fixed)
            return scores, tape.gradient(scores, arrays, unconnected_gradients="zero")

        compiled = tf.function(taped, reduce_retracing=True)

    def gradient(arrays: Sequence[np.ndarray], *fixed: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        tensors = [keras.ops.convert_to_tensor(array, "float32") for array in arrays]
        scores, gradients = compiled(tensors, *map(keras.ops.convert_to_tensor, fixed))
        return np.asarray(scores, np.float64), [np.asarray(one, np.float64) for one in gradients]

    return gradient


def integrated_gradients(
    gradient: Gradient,
    inputs: Sequence[np.ndarray],
    baselines: Sequence[np.ndarray],
    fixed: Sequence[np.ndarray] = (),
    tolerance: float = TOLERANCE,
) -> Integrated:
    """Of one input: arrays without the batch axis, as many baselines of their shapes, and what is the same
    all along the path. tolerance: see TOLERANCE. FloatingPointError if a score or a gradient is not
    finite."""
    ends = [np.stack([start, end]) for start, end in zip(baselines, inputs, strict=True)]
    scores, _ = gradient(ends, *(np.stack([one, one]) for one in fixed))
    difference = float(scores[1] - scores[0])
    paths = [end.astype(np.float64) - start for start, end in zip(baselines, inputs, strict=True)]
    steps = FIRST_STEPS
    while True:
        sums = [np.zeros(path.shape) for path in paths]
        # Midpoints: of a network of straight pieces each step is exact but where it bends.
        shares = (np.arange(steps) + 0.5) / steps
        for first in range(0, steps, BATCH):
            some = shares[first : first + BATCH]
            points = [
                start + some.reshape(-1, *[1] * path.ndim) * path
                for start, path in zip(baselines, paths, strict=True)
            ]
            same = [np.repeat(one[None], len(some), axis=0) for one in fixed]
            for total, found in zip(sums, gradient(points, *same)[1], strict=True):
                total += found.sum(axis=0)
        attributions = [path * total / steps for path, total in zip(paths, sums, strict=True)]
        error = abs(sum(float(one.sum()) for one in attributions) - difference)
        error /= max(abs(difference), 1e-3)
        if not np.isfinite(error):
            raise FloatingPointError("the attributions are not finite numbers")
        if error <= tolerance / 2 or steps >= MOST_STEPS:
            return Integrated(attributions, float(scores[0]), difference, error, steps)
        steps *= 2


@dataclass(frozen=True)
class Cut:
    """A network in two. body: images to feature maps, [b, h, w, n], or to the states of a transformer's
    patches, [b, others + h · w, n]; head: from these to raw outputs; grid: (h, w) of patches, None for maps.
    """

    body: keras.Model
    head: keras.Model
    grid: tuple[int, int] | None = None

    def maps(self, states: np.ndarray) -> np.ndarray:
        """[h, w, n] of one image's states, or of their gradients."""
        if self.grid is None:
            return states
        places = self.grid[0] * self.grid[1]
        return states[-places:].reshape(*self.grid, states.shape[-1])


class GradCam:
    """Where a network's last feature maps speak for a score; `there` is False for a network without any.

    Of a vision transformer, the states of its patches take their place: the last that the score depends on,
    as only the class token is read at the end.
    """

    def __init__(self, network: keras.Model) -> None:
        self._cuts = _cuts(network)
        self._cut = next(self._cuts, None)
        self.there = self._cut is not None
        if self._cut is not None:
            self._gradient = self._gradient_of(self._cut)

    def heat(self, image: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """float64 [h, w] from 0 to 1, of the feature maps' own size.

        image: [height, width, channels] as the network takes it; chosen: see `scored`.
        """
        while True:
            assert self._cut is not None
            states = np.asarray(self._cut.body(image[None], training=False), np.float64)
            _, (found,) = self._gradient([states], chosen[None])
            maps, gradients = self._cut.maps(states[0]), self._cut.maps(found[0])
            before = None if gradients.any() else next(self._cuts, None)
            if before is None:
                break
            self._cut, self._gradient = before, self._gradient_of(before)
        weights = gradients.mean(axis=(0, 1))
        heat = np.maximum((maps * weights).sum(axis=-1), 0.0)
        return np.asarray(heat / heat.max()) if heat.max() > 0 else heat

    @staticmethod
    def _gradient_of(cut: Cut) -> Gradient:
        return gradient_of(lambda given, chosen: scored(cut.head(given[0], training=False), chosen))


def scored(raw: Tensor, chosen: object) -> Tensor:
    """The score [b] of raw outputs [b, C]: weighted by `chosen`, float32 [b, C], one for a class's logit."""
    from keras import ops

    score: Tensor = ops.sum(raw * chosen, axis=-1)
    return score


def _cuts(network: keras.Model) -> Iterator[Cut]:
    """Where the network can be cut, from its output on: at the states of a transformer's patches if it has
    any, else at its last feature maps, preferably of at least 4 × 4."""
    maps = [layer for layer in network.layers[1:] if len(_shape(layer)) == 4]
    for layer, grid in _patches(network, maps):
        if (cut := _cut_at(network, layer, grid)) is not None:
            yield cut
            maps = []
    large = [layer for layer in maps if min(n or 0 for n in _shape(layer)[1:3]) >= 4]
    for layer in [*reversed(large), *reversed(maps)]:
        if (cut := _cut_at(network, layer, None)) is not None:
            yield cut
            return


def _patches(network: keras.Model, maps: list[keras.Layer]) -> Iterator[tuple[keras.Layer, tuple[int, int]]]:
    """The layers, the last first, whose outputs are a sequence of all places of a convolution's maps behind
    a few other tokens; with the size of the maps."""
    import keras

    grids = [_shape(one)[1:3] for one in maps if isinstance(one, keras.layers.Conv2D)]
    for layer in reversed(network.layers):
        shape = _shape(layer)
        if len(shape) != 3 or shape[1] is None:
            continue
        for height, width in grids:
            if height and width and height * width > 1 and 0 <= shape[1] - height * width <= MOST_OTHERS:
                yield layer, (height, width)
                break


def _shape(layer: keras.Layer) -> tuple[int | None, ...]:
    return tuple(getattr(layer.output, "shape", ()))


def _cut_at(network: keras.Model, layer: keras.Layer, grid: tuple[int, int] | None) -> Cut | None:
    """None if other paths bypass this layer, so that the network cannot be cut there."""
    import keras

    try:
        body = keras.Model(network.input, layer.output)
        return Cut(body, keras.Model(layer.output, network.output), grid)
    except ValueError:
        return None


def embeddings(network: keras.Model, name: str) -> tuple[keras.Model, keras.Model]:
    """A text network up to its embeddings of tokens, [b, length, n] each, and from tokens and those on. name:
    of the input with the tokens, where there are several."""
    import keras

    def of_these(output: object) -> bool:
        if len(network.inputs) == 1:
            return True
        try:
            keras.Model(next(one for one in network.inputs if one.name == name), output)
        except ValueError:  # it is made from another input
            return False
        return True

    found = [
        layer.output
        for layer in network.layers
        if isinstance(layer, keras.layers.Embedding)
        and layer.output.shape[0] is None
        and of_these(layer.output)
    ]
    return keras.Model(network.input, found), keras.Model([network.input, *found], network.output)


def deletion(
    predict: Callable[[np.ndarray], np.ndarray],
    given: np.ndarray,
    weights: np.ndarray,
    replacement: np.ndarray,
) -> tuple[float, float]:
    """How much a probability drops when the units that speak most for it are replaced, and when as many
    others are.

    predict: from [b, *units, ...] to [b]; weights: [*units]; replacement: like `given`. The second number
    is the mean of TRIALS random choices: an explanation worth its name has the first well above it.
    """
    count = max(1, round(SHARE * weights.size))
    order = np.argsort(-weights, axis=None, kind="stable")
    rng = np.random.default_rng(0)
    chosen = [order[:count], *(rng.permutation(weights.size)[:count] for _ in range(TRIALS))]
    batch = np.repeat(given[None], len(chosen) + 1, axis=0)
    for row, places in enumerate(chosen, 1):
        at = np.unravel_index(places, weights.shape)
        batch[row][at] = replacement[at]
    whole, most, *others = predict(batch).tolist()
    return whole - most, whole - float(np.mean(others))
