"""The network of the CIFAR-10 speed records: whitened patches, then three groups of plain convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from bmcli.models import MODELS, Model
from bmcli.models._frame import network, network_input

if TYPE_CHECKING:
    import keras
    import numpy as np

    from bmcli.core.spec import DataSpec

PATCHES = 2
"""Height and width of the whitened patches."""
WHITENING_EPSILON = 5e-4
"""Prevents directions in which images hardly vary from being amplified; in units of normalised pixels."""


@MODELS.register("speednet")
class SpeedNet(Model):
    """A shallow convolutional network that learns small images in few epochs."""

    kinds = ("image",)
    source = (
        "Jordan: 94% on CIFAR-10 in 3.29 seconds on a single GPU (arXiv:2404.00498), after Page: How to "
        "train your ResNet (2018)"
    )

    widths: list[Annotated[int, Field(ge=1, le=8192)]] = Field(
        [64, 256, 256],
        description="Channels of each group; a group halves height and width.",
        min_length=1,
        max_length=8,
    )
    convolutions: int = Field(2, ge=1, le=20, description="Convolutions in each group.")
    residual: bool = Field(
        False, description="Add a shortcut from the first convolution of a group around the others."
    )
    activation: Literal["relu", "gelu", "silu"] = Field("gelu", description="After every normalisation.")
    norm_momentum: float = Field(
        0.6,
        ge=0,
        lt=1,
        description="Momentum of the running statistics of normalisation; short training needs a low one.",
    )

    def check_input(self, input_shape: tuple[int | None, ...]) -> list[tuple[tuple[str | int, ...], str]]:
        """An image that is halved to nothing before the last group."""
        sizes = [size for size in input_shape[:2] if size is not None]
        if sizes and (min(sizes) - PATCHES + 1) < 2 ** len(self.widths):
            return [
                (
                    ("widths",),
                    f"{len(self.widths)} groups halve an image of {'×'.join(map(str, sizes))} to nothing: "
                    f"at most {max(min(sizes) - PATCHES + 1, 1).bit_length() - 1} fit",
                )
            ]
        return []

    def build(self, spec: DataSpec) -> keras.Model:
        """Whitening; per group: convolution, max pooling, norm, activation, then the other convolutions with
        theirs; the maximum over all positions; head."""
        from keras import layers

        inputs = network_input(spec)
        channels = int(spec.input_shape[2] or 1)
        whitening = layers.Conv2D(2 * channels * PATCHES**2, PATCHES, name="whitening")
        x = first = layers.Activation(self.activation, name=f"whitening_{self.activation}")(whitening(inputs))
        # Set from the training data (`initialise`), then frozen; the bias is trained.
        whitening.kernel.trainable = False
        for number, width in enumerate(self.widths, 1):
            for index in range(1, self.convolutions + 1):
                name = f"group{number}_conv{index}"
                x = self._convolution(x, width, name)
                if index == 1:
                    x = layers.MaxPooling2D(2, name=f"group{number}_pool")(x)
                x = layers.BatchNormalization(
                    momentum=self.norm_momentum, epsilon=1e-12, scale=False, name=f"{name}_norm"
                )(x)
                if self.residual and 1 < index == self.convolutions:
                    x = layers.Add(name=f"group{number}_add")([x, first])
                x = layers.Activation(self.activation, name=f"{name}_{self.activation}")(x)
                first = x if index == 1 else first
        x = layers.GlobalMaxPooling2D(name="pool", dtype="float32")(x)
        model = network("speednet", inputs, x, spec)
        head = model.get_layer("head").kernel
        # Logits start small: the features are not normalised, and there are many.
        head.assign(head / (head.numpy().std() * head.shape[0]))
        return model

    def initialise(self, model: keras.Model, sample: np.ndarray) -> None:
        """The whitening layer from the sample's patches: their principal directions, each scaled to variance
        1, and their negatives (Jordan 2024, section 3.2)."""
        import numpy as np

        windows = np.lib.stride_tricks.sliding_window_view(sample, (PATCHES, PATCHES), axis=(1, 2))
        patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, PATCHES**2 * sample.shape[3])
        covariance = patches.T.astype(np.float64) @ patches / len(patches)
        variances, directions = np.linalg.eigh(covariance)
        scaled = directions / np.sqrt(variances + WHITENING_EPSILON)
        kernel = np.concatenate([scaled, -scaled], axis=1)
        layer = model.get_layer("whitening")
        layer.kernel.assign(kernel.reshape(layer.kernel.shape))

    def _convolution(self, x: object, width: int, name: str) -> object:
        """3×3, initialised as the identity for the input channels, at random for the others."""
        import numpy as np
        from keras import initializers, layers

        layer = layers.Conv2D(
            width,
            3,
            padding="same",
            use_bias=False,
            # Uniform in ± 1/√fan_in.
            kernel_initializer=initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
            name=name,
        )
        outputs = layer(x)
        kernel = layer.kernel.numpy().copy()
        identical = min(kernel.shape[2], width)
        kernel[..., :identical] = 0
        kernel[1, 1, np.arange(identical), np.arange(identical)] = 1
        layer.kernel.assign(kernel)
        return outputs
