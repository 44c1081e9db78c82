"""ResNet (He et al. 2015, arXiv:1512.03385) as torchvision and timm have it: the stride in a bottleneck's
3 × 3 convolution, PyTorch's padding, an epsilon of 1e-5."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmcli.pretrained.backbones import sources
from bmcli.pretrained.backbones.sources import Sources

if TYPE_CHECKING:
    from bmcli.core.tensor import Tensor

EPSILON = 1e-5
EXPANSION = 4
"""A bottleneck's output has this many times the channels within it."""


@dataclass(frozen=True)
class _Block:
    """layer, tensor: how names begin. inputs, inner, width: number of channels before, in and after it."""

    layer: str
    tensor: str
    inputs: int
    inner: int
    width: int
    stride: int

    @property
    def convolutions(self) -> tuple[tuple[int, int, int], ...]:
        """(channels, size, stride) of each."""
        if self.inner == self.width:
            return (self.inner, 3, self.stride), (self.width, 3, 1)
        return (self.inner, 1, 1), (self.inner, 3, self.stride), (self.width, 1, 1)

    @property
    def projects(self) -> bool:
        """Whether its shortcut is a convolution."""
        return self.stride != 1 or self.inputs != self.width


@dataclass(frozen=True)
class ResNet:
    """blocks: number in each stage. stem: channels of the first convolution; width: within the first stage's
    blocks, and twice as many in each further stage's."""

    blocks: tuple[int, ...]
    bottleneck: bool
    stem: int = 64
    width: int = 64
    unused = ("fc.*",)
    smallest = 1
    examples_apart = False

    def sources(self, size: tuple[int, int]) -> Sources:
        """See `timm.Architecture`."""
        found = sources.convolution("stem_conv", "conv1", 3, self.stem, 7)
        found |= sources.batch_norm("stem_norm", "bn1", self.stem)
        for block in self._blocks():
            found |= _block_sources(block)
        return found

    def features(self, images: Tensor) -> Tensor:
        """See `timm.Architecture`."""
        from keras import layers

        from bmcli.pretrained.backbones.layers import average, batch_norm, convolution

        x = batch_norm(convolution(images, "stem_conv", self.stem, 7, stride=2), "stem_norm", EPSILON)
        x = layers.ReLU(name="stem_relu")(x)
        # After the ReLU nothing is below zero, so zeros beside the image never are the maximum.
        x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
        x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)
        for block in self._blocks():
            x = _block(x, block)
        return average(x)

    def _blocks(self) -> Iterator[_Block]:
        width = self.stem
        for stage, count in enumerate(self.blocks):
            inner = self.width * 2**stage
            outputs = inner * EXPANSION if self.bottleneck else inner
            for place in range(count):
                stride = 2 if stage > 0 and place == 0 else 1
                layer = f"stage{stage + 1}_block{place + 1}"
                yield _Block(layer, f"layer{stage + 1}.{place}", width, inner, outputs, stride)
                width = outputs


RESNET18, RESNET34 = ResNet((2, 2, 2, 2), False), ResNet((3, 4, 6, 3), False)
RESNET50 = ResNet((3, 4, 6, 3), True)


def _block_sources(block: _Block) -> Sources:
    found: Sources = {}
    before = block.inputs
    for number, (width, size, _) in enumerate(block.convolutions, 1):
        layer, tensor = block.layer, block.tensor
        found |= sources.convolution(f"{layer}_conv{number}", f"{tensor}.conv{number}", before, width, size)
        found |= sources.batch_norm(f"{layer}_norm{number}", f"{tensor}.bn{number}", width)
        before = width
    if block.projects:
        layer, tensor = f"{block.layer}_shortcut", f"{block.tensor}.downsample"
        found |= sources.convolution(f"{layer}_conv", f"{tensor}.0", block.inputs, block.width, 1)
        found |= sources.batch_norm(f"{layer}_norm", f"{tensor}.1", block.width)
    return found


def _block(x: Tensor, block: _Block) -> Tensor:
    from keras import layers

    from bmcli.pretrained.backbones.layers import batch_norm, convolution

    name, y = block.layer, x
    for number, (width, size, stride) in enumerate(block.convolutions, 1):
        if number > 1:
            y = layers.ReLU(name=f"{name}_relu{number - 1}")(y)
        y = convolution(y, f"{name}_conv{number}", width, size, stride=stride)
        y = batch_norm(y, f"{name}_norm{number}", EPSILON)
    if block.projects:
        x = convolution(x, f"{name}_shortcut_conv", block.width, 1, stride=block.stride)
        x = batch_norm(x, f"{name}_shortcut_norm", EPSILON)
    made: Tensor = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
    return made
