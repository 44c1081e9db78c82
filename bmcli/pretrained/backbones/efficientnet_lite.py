"""EfficientNet-Lite (Tan, Le 2019, arXiv:1905.11946; the variant without attention, with ReLU6), as
TensorFlow trained it: its SAME padding, an epsilon of 1e-3. Tensors by timm's names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmcli.pretrained.backbones import sources
from bmcli.pretrained.backbones.sources import Sources

if TYPE_CHECKING:
    from bmcli.core.tensor import Tensor

EPSILON = 1e-3


@dataclass(frozen=True)
class Stage:
    """repeats: blocks, of which the first has the stride. expansion: of the width within a block."""

    repeats: int
    size: int
    stride: int
    expansion: int
    width: int


@dataclass(frozen=True)
class _Block:
    """layer, tensor: how names begin. inputs: number of channels before it; inner: within it."""

    layer: str
    tensor: str
    inputs: int
    inner: int
    width: int
    size: int
    stride: int

    @property
    def expands(self) -> bool:
        return self.inner != self.inputs


@dataclass(frozen=True)
class EfficientNetLite:
    """stem, top: channels of the first and the last convolution."""

    stem: int
    stages: tuple[Stage, ...]
    top: int
    unused = ("classifier.*",)
    smallest = 1
    examples_apart = False

    def sources(self, size: tuple[int, int]) -> Sources:
        """See `timm.Architecture`."""
        found = sources.convolution("stem_conv", "conv_stem", 3, self.stem, 3)
        found |= sources.batch_norm("stem_norm", "bn1", self.stem)
        width = self.stem
        for block in self._blocks():
            found |= _block_sources(block)
            width = block.width
        found |= sources.convolution("top_conv", "conv_head", width, self.top, 1)
        return found | sources.batch_norm("top_norm", "bn2", self.top)

    def features(self, images: Tensor) -> Tensor:
        """See `timm.Architecture`."""
        from bmcli.pretrained.backbones.layers import average, convolution

        x = convolution(images, "stem_conv", self.stem, 3, stride=2, padding="tensorflow")
        x = _activated(x, "stem")
        for block in self._blocks():
            x = _block(x, block)
        x = convolution(x, "top_conv", self.top, 1)
        return average(_activated(x, "top"))

    def _blocks(self) -> Iterator[_Block]:
        width = self.stem
        for number, stage in enumerate(self.stages):
            for place in range(stage.repeats):
                yield _Block(
                    f"block{number + 1}{chr(ord('a') + place)}",
                    f"blocks.{number}.{place}",
                    width,
                    width * stage.expansion,
                    stage.width,
                    stage.size,
                    stage.stride if place == 0 else 1,
                )
                width = stage.width


LITE0 = EfficientNetLite(
    32,
    (
        Stage(1, 3, 1, 1, 16),
        Stage(2, 3, 2, 6, 24),
        Stage(2, 5, 2, 6, 40),
        Stage(3, 3, 2, 6, 80),
        Stage(3, 5, 1, 6, 112),
        Stage(4, 5, 2, 6, 192),
        Stage(1, 3, 1, 6, 320),
    ),
    1280,
)


def _block_sources(block: _Block) -> Sources:
    layer, tensor = block.layer, block.tensor
    found: Sources = {}
    norms = iter(("bn1", "bn2", "bn3"))
    if block.expands:
        found |= sources.convolution(
            f"{layer}_expand_conv", f"{tensor}.conv_pw", block.inputs, block.inner, 1
        )
        found |= sources.batch_norm(f"{layer}_expand_norm", f"{tensor}.{next(norms)}", block.inner)
    found |= sources.depthwise(f"{layer}_depthwise_conv", f"{tensor}.conv_dw", block.inner, block.size)
    found |= sources.batch_norm(f"{layer}_depthwise_norm", f"{tensor}.{next(norms)}", block.inner)
    projection = "conv_pwl" if block.expands else "conv_pw"
    found |= sources.convolution(
        f"{layer}_project_conv", f"{tensor}.{projection}", block.inner, block.width, 1
    )
    return found | sources.batch_norm(f"{layer}_project_norm", f"{tensor}.{next(norms)}", block.width)


def _block(x: Tensor, block: _Block) -> Tensor:
    """An inverted residual: wider, each channel by itself, narrower."""
    from keras import layers

    from bmcli.pretrained.backbones.layers import batch_norm, convolution, depthwise

    name, y = block.layer, x
    if block.expands:
        y = _activated(convolution(y, f"{name}_expand_conv", block.inner, 1), f"{name}_expand")
    y = depthwise(y, f"{name}_depthwise_conv", block.size, stride=block.stride, padding="tensorflow")
    y = _activated(y, f"{name}_depthwise")
    y = convolution(y, f"{name}_project_conv", block.width, 1)
    y = batch_norm(y, f"{name}_project_norm", EPSILON)
    if block.stride == 1 and block.inputs == block.width:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def _activated(x: Tensor, name: str) -> Tensor:
    from keras import layers

    from bmcli.pretrained.backbones.layers import batch_norm

    made: Tensor = layers.ReLU(max_value=6, name=f"{name}_relu")(batch_norm(x, f"{name}_norm", EPSILON))
    return made
