"""A small residual network: stages of growing width and halved size, with shortcuts around each block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from bmcli.models import MODELS, Model
from bmcli.models._frame import dropout, network, network_input

if TYPE_CHECKING:
    import keras

    from bmcli.core.spec import DataSpec


@MODELS.register("resnet")
class ResNet(Model):
    """Residual blocks with batch norm: more accurate on images than a plain CNN, but slower."""

    kinds = ("image",)
    source = (
        "He, Zhang, Ren, Sun: Deep residual learning for image recognition (arXiv:1512.03385); the layout, a "
        "downsampling convolution and then whole blocks, after Page: How to train your ResNet (2018)"
    )

    stem: int = Field(32, ge=1, le=4096, description="Channels of the first convolution, at full resolution.")
    widths: list[Annotated[int, Field(ge=1, le=8192)]] = Field(
        [64, 128, 256],
        description="Channels of each stage; a stage halves height and width.",
        min_length=1,
        max_length=10,
    )
    blocks: list[Annotated[int, Field(ge=0, le=100)]] = Field(
        [1, 0, 1], description="Residual blocks of two convolutions in each stage; as many entries as widths."
    )
    downsampling: Literal["stride", "max"] = Field(
        "max",
        description="How a stage halves the image: max pooling after its first convolution, or a strided "
        "convolution, which is slightly faster and less accurate.",
    )
    activation: Literal["relu", "gelu", "silu"] = Field(
        "relu", description="After every normalisation; relu is the fastest on CPUs."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Share dropped in training before the output.")

    @model_validator(mode="after")
    def _one_count_per_stage(self) -> ResNet:
        if len(self.blocks) != len(self.widths):
            raise ValueError(f"blocks has {len(self.blocks)} entries and widths {len(self.widths)}")
        return self

    def check_input(self, input_shape: tuple[int | None, ...]) -> list[tuple[tuple[str | int, ...], str]]:
        """An image that is halved to nothing before the last stage."""
        sizes = [size for size in input_shape[:2] if size is not None]
        if sizes and min(sizes) < 2 ** len(self.widths):
            return [
                (
                    ("widths",),
                    f"{len(self.widths)} stages halve an image of {'×'.join(map(str, sizes))} to nothing: "
                    f"at most {min(sizes).bit_length() - 1} fit",
                )
            ]
        return []

    def build(self, spec: DataSpec) -> keras.Model:
        """Stem; per stage a downsampling convolution and its blocks; global average; head."""
        import keras

        layers = keras.layers
        inputs = network_input(spec)
        x = self._convolution(inputs, self.stem, "stem")
        for number, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True), 1):
            stage = f"stage{number}"
            x = self._convolution(x, width, f"{stage}_down", downsampling=True)
            for block in range(1, blocks + 1):
                name = f"{stage}_block{block}"
                y = self._convolution(x, width, f"{name}_conv1")
                y = self._convolution(y, width, f"{name}_conv2")
                x = layers.Add(name=f"{name}_add")([x, y])
        x = layers.GlobalAveragePooling2D(name="pool", dtype="float32")(x)
        return network("resnet", inputs, dropout(x, self.dropout, "dropout"), spec)

    def _convolution(self, x: object, channels: int, name: str, *, downsampling: bool = False) -> object:
        """3×3 convolution, batch norm, activation; with downsampling at half the size."""
        from keras import layers

        x = layers.Conv2D(
            channels,
            3,
            strides=2 if downsampling and self.downsampling == "stride" else 1,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=name,
        )(x)
        if downsampling and self.downsampling == "max":
            x = layers.MaxPooling2D(2, name=f"{name}_pool")(x)
        # 0.99, Keras's default, is too slow for a few hundred training steps: the statistics used in
        # prediction would lag behind.
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        return layers.Activation(self.activation, name=f"{name}_{self.activation}")(x)
