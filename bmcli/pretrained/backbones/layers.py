"""Layers as PyTorch and as TensorFlow pad them, with the names that weights are loaded by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bmcli.core.tensor import Tensor

Padding = Literal["tensorflow", "pytorch"]
"""At stride 2, TensorFlow's SAME pads an image of even size on the right and at the bottom alone, PyTorch's
padding all sides alike: a network trained with one computes something else with the other."""


def convolution(
    x: Tensor,
    name: str,
    width: int,
    size: int,
    *,
    stride: int = 1,
    padding: Padding = "pytorch",
) -> Tensor:
    """A convolution without bias: [batch, h, w, c] to [batch, h / stride, w / stride, width]."""
    from keras import layers

    x, mode = _padded(x, name, size, stride, padding)
    made: Tensor = layers.Conv2D(width, size, stride, padding=mode, use_bias=False, name=name)(x)
    return made


def depthwise(x: Tensor, name: str, size: int, *, stride: int = 1, padding: Padding = "pytorch") -> Tensor:
    """The same for each channel by itself: [batch, h, w, c] to [batch, h / stride, w / stride, c]."""
    from keras import layers

    x, mode = _padded(x, name, size, stride, padding)
    made: Tensor = layers.DepthwiseConv2D(size, stride, padding=mode, use_bias=False, name=name)(x)
    return made


def batch_norm(x: Tensor, name: str, epsilon: float) -> Tensor:
    """Normalised over the batch; in inference by the statistics of training."""
    from keras import layers

    made: Tensor = layers.BatchNormalization(epsilon=epsilon, name=name)(x)
    return made


def average(x: Tensor) -> Tensor:
    """The mean of each channel: [batch, h, w, c] to [batch, c], float32."""
    from keras import layers

    made: Tensor = layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    return made


def _padded(x: Tensor, name: str, size: int, stride: int, padding: Padding) -> tuple[Tensor, str]:
    """The image with the zeros that its convolution needs, and the rest of the padding by Keras's name."""
    from keras import layers

    if size == 1:
        return x, "valid"
    if stride == 1 or padding == "tensorflow":
        return x, "same"  # at stride 1 both pad alike, for odd sizes
    return layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x), "valid"
