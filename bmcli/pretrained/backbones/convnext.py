"""ConvNeXt (Liu et al. 2022, arXiv:2201.03545) with the weights of keras.application's: its layer scale, a
layer that does not come with Keras's public ones, is a part of the layer before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmcli.pretrained.backbones.image_input import ImageInput
from bmcli.pretrained.backbones.keras_applications import Application

if TYPE_CHECKING:
    import keras
    import numpy as np

    from bmcli.core.tensor import Tensor

EPSILON = 1e-6


@dataclass(frozen=True)
class ConvNeXt(Application):
    """blocks, widths: number and channels of each stage's."""

    blocks: tuple[int, ...] = ()
    widths: tuple[int, ...] = ()
    examples_apart = True

    def features(self, images: Tensor) -> Tensor:
        """See Application."""
        from keras import layers

        from bmcli.pretrained.backbones.layers import average

        x = layers.Conv2D(self.widths[0], 4, 4, name="stem_conv")(images)
        x = layers.LayerNormalization(epsilon=EPSILON, name="stem_norm")(x)
        for stage, (count, width) in enumerate(zip(self.blocks, self.widths, strict=True), 1):
            if stage > 1:
                x = layers.LayerNormalization(epsilon=EPSILON, name=f"stage{stage}_halving_norm")(x)
                x = layers.Conv2D(width, 2, 2, name=f"stage{stage}_halving_conv")(x)
            for block in range(1, count + 1):
                x = _block(x, f"stage{stage}_block{block}", width)
        made: Tensor = layers.LayerNormalization(epsilon=EPSILON, dtype="float32", name="top_norm")(
            average(x)
        )
        return made

    def values(self, fresh: keras.Model) -> dict[str, np.ndarray]:
        """See Application."""
        name = fresh.name
        found = _of(fresh.get_layer(f"{name}_stem").layers[0], "stem_conv", "kernel", "bias")
        found |= _of(fresh.get_layer(f"{name}_stem").layers[1], "stem_norm", "gamma", "beta")
        for stage, count in enumerate(self.blocks):
            ours = f"stage{stage + 1}"
            if stage:
                norm, convolution = fresh.get_layer(f"{name}_downsampling_block_{stage - 1}").layers
                found |= _of(norm, f"{ours}_halving_norm", "gamma", "beta")
                found |= _of(convolution, f"{ours}_halving_conv", "kernel", "bias")
            for block in range(count):
                theirs = f"{name}_stage_{stage}_block_{block}"
                found |= _block_values(fresh, theirs, f"{ours}_block{block + 1}")
        return found | _of(fresh.layers[-1], "top_norm", "gamma", "beta")


CONVNEXT_TINY = ConvNeXt(
    "ConvNeXtTiny",
    "convnext",
    "convnext_tiny",
    "convnext/convnext_tiny_notop.h5",
    ImageInput((224, 224)),
    27_820_128,
    blocks=(3, 3, 9, 3),
    widths=(96, 192, 384, 768),
)


def _block(x: Tensor, name: str, width: int) -> Tensor:
    from keras import layers

    y = layers.DepthwiseConv2D(7, padding="same", name=f"{name}_depthwise_conv")(x)
    y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm")(y)
    y = layers.Dense(4 * width, name=f"{name}_feed_forward1")(y)
    y = layers.Activation("gelu", name=f"{name}_gelu")(y)
    y = layers.Dense(width, name=f"{name}_feed_forward2")(y)
    made: Tensor = layers.Add(name=f"{name}_add")([x, y])
    return made


def _block_values(fresh: keras.Model, theirs: str, ours: str) -> dict[str, np.ndarray]:
    found = _of(fresh.get_layer(f"{theirs}_depthwise_conv"), f"{ours}_depthwise_conv", "kernel", "bias")
    # A grouped convolution's [h, w, 1, width] is a depthwise one's [h, w, width, 1].
    found[f"{ours}_depthwise_conv/kernel"] = found[f"{ours}_depthwise_conv/kernel"].transpose(0, 1, 3, 2)
    found |= _of(fresh.get_layer(f"{theirs}_layernorm"), f"{ours}_norm", "gamma", "beta")
    found |= _of(fresh.get_layer(f"{theirs}_pointwise_conv_1"), f"{ours}_feed_forward1", "kernel", "bias")
    last = _of(fresh.get_layer(f"{theirs}_pointwise_conv_2"), f"{ours}_feed_forward2", "kernel", "bias")
    (scale,) = fresh.get_layer(f"{theirs}_layer_scale").get_weights()
    return found | {path: values * scale for path, values in last.items()}


def _of(layer: keras.Layer, ours: str, *names: str) -> dict[str, np.ndarray]:
    return {f"{ours}/{name}": values for name, values in zip(names, layer.get_weights(), strict=True)}
