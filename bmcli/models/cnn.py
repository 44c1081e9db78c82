"""A plain convolutional network: convolutions and pooling, then dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from bmcli.models import MODELS, Model
from bmcli.models._frame import dropout, network, network_input

if TYPE_CHECKING:
    import keras

    from bmcli.core.spec import DataSpec


@MODELS.register("cnn")
class CNN(Model):
    """Convolutions with pooling between them, then dense layers: fast, and good on small images."""

    kinds = ("image",)
    source = "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition (1998)"

    filters: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        [32, 64, 64],
        description="Output channels of each convolution, in order.",
        min_length=1,
        max_length=100,
    )
    kernel_size: int = Field(3, ge=1, le=63, description="Height and width of every convolution.")
    padding: Literal["valid", "same"] = Field(
        "valid", description="valid: a convolution trims the border; same: it preserves the size."
    )
    activation: Literal["relu", "tanh", "gelu", "silu", "elu", "selu"] = Field(
        "relu", description="After every convolution and dense layer; relu is the fastest on CPUs."
    )
    batch_norm: bool = Field(
        False, description="Normalise every convolution's outputs over the batch (Ioffe, Szegedy 2015)."
    )
    pool: Literal["max", "average", "none"] = Field(
        "max", description="How the image is reduced after a convolution."
    )
    pool_size: int = Field(2, ge=2, le=63, description="Height and width of the pooling window.")
    pool_last: bool = Field(False, description="Pool also after the last convolution, not only between them.")
    global_pooling: Literal["none", "average", "max"] = Field(
        "none", description="Reduce each channel to one number instead of flattening the image."
    )
    dense: list[Annotated[int, Field(ge=1, le=65_536)]] = Field(
        [64], description="Width of each dense layer before the output; empty for none.", max_length=100
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Share dropped in training before each dense layer.")

    @property
    def examples_apart(self) -> bool:
        """See Model."""
        return not self.batch_norm

    def check_input(self, input_shape: tuple[int | None, ...]) -> list[tuple[tuple[str | int, ...], str]]:
        """The first convolution or pooling whose window is larger than its input."""
        sizes = [size for size in input_shape[:2] if size is not None]
        for index in range(len(self.filters)):
            if self.padding == "valid":
                if sizes and min(sizes) < self.kernel_size:
                    return [(self._culprit(index), self._too_small("convolution", index, sizes, input_shape))]
                sizes = [size - self.kernel_size + 1 for size in sizes]
            if self._pooled(index):
                if sizes and min(sizes) < self.pool_size:
                    return [(self._culprit(index), self._too_small("pooling", index, sizes, input_shape))]
                sizes = [size // self.pool_size for size in sizes]
        return []

    def build(self, spec: DataSpec) -> keras.Model:
        """Per entry of filters: convolution, (batch norm,) activation, pooling; then the dense layers."""
        import keras

        layers = keras.layers
        pooling = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}
        whole = {"max": layers.GlobalMaxPooling2D, "average": layers.GlobalAveragePooling2D}

        inputs = x = network_input(spec)
        for index, channels in enumerate(self.filters):
            number = index + 1
            x = layers.Conv2D(
                channels,
                self.kernel_size,
                padding=self.padding,
                use_bias=not self.batch_norm,
                activation=None if self.batch_norm else self.activation,
                name=f"conv{number}",
            )(x)
            if self.batch_norm:
                x = layers.BatchNormalization(name=f"norm{number}")(x)
                x = layers.Activation(self.activation, name=f"activation{number}")(x)
            if self._pooled(index):
                x = pooling[self.pool](self.pool_size, name=f"pool{number}")(x)
        if self.global_pooling == "none":
            x = layers.Flatten(name="flatten")(x)
        else:
            x = whole[self.global_pooling](name="global_pool")(x)
        for number, width in enumerate(self.dense, 1):
            x = dropout(x, self.dropout, name=f"dropout{number}")
            x = layers.Dense(width, activation=self.activation, name=f"dense{number}")(x)
        if not self.dense:
            x = dropout(x, self.dropout, name="dropout1")
        return network("cnn", inputs, x, spec)

    def _pooled(self, index: int) -> bool:
        return self.pool != "none" and (self.pool_last or index < len(self.filters) - 1)

    def _culprit(self, index: int) -> tuple[str | int, ...]:
        return ("kernel_size",) if index == 0 else ("filters", index)

    def _too_small(self, step: str, index: int, left: list[int], shape: tuple[int | None, ...]) -> str:
        window = self.kernel_size if step == "convolution" else self.pool_size
        return (
            f"{step} {index + 1} needs {window}×{window} pixels, but of {_times(shape[:2])} only "
            f"{_times(left)} are left: use fewer filters, a smaller kernel_size, or padding: same"
        )


def _times(sizes: tuple[int | None, ...] | list[int]) -> str:
    return "×".join("?" if size is None else str(size) for size in sizes)
