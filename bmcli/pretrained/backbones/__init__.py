"""Image backbones by name: timm's, with weights in timm's folders, and those of keras.applications.

A file for each family: the network, written with layers that come with Keras, and where its weights are from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmcli.pretrained.backbones import (
    convnext,
    efficientnet_lite,
    keras_applications,
    keras_files,
    resnet,
    timm,
)
from bmcli.pretrained.backbones import vision_transformer as vit
from bmcli.pretrained.backbones.image_input import HALF, ImageInput
from bmcli.pretrained.backbones.keras_applications import Application
from bmcli.pretrained.backbones.timm import Architecture

if TYPE_CHECKING:
    import keras

__all__ = ["KERAS", "TIMM", "FromTimm", "keras_files", "stages", "timm"]


@dataclass(frozen=True)
class FromTimm:
    """names: a pattern of what timm calls the architecture. images: where there is no folder to say."""

    names: str
    architecture: Architecture
    images: ImageInput


_LITE = (127 / 255,) * 3, (128 / 255,) * 3
TIMM: dict[str, FromTimm] = {
    "efficientnet_lite0": FromTimm(
        "tf_efficientnet_lite0", efficientnet_lite.LITE0, ImageInput((224, 224), *_LITE, "bicubic", 0.875)
    ),
    **{
        name: FromTimm(name, made, ImageInput((224, 224), interpolation="bilinear", crop=0.875))
        for name, made in (
            ("resnet18", resnet.RESNET18), ("resnet34", resnet.RESNET34), ("resnet50", resnet.RESNET50),
        )
    },
    **{
        name: FromTimm(rf"{name}(_\d+)?", made, ImageInput((224, 224), HALF, HALF, "bicubic", 0.9))
        for name, made in (("vit_small_patch16", vit.SMALL16), ("vit_base_patch16", vit.BASE16))
    },
    **{
        name: FromTimm(name, made, ImageInput((518, 518), interpolation="bicubic", crop=1.0))
        for name, made in (
            ("vit_small_patch14_dinov2", vit.SMALL14_DINOV2), ("vit_base_patch14_dinov2", vit.BASE14_DINOV2),
        )
    },
}  # fmt: skip
KERAS: dict[str, Application] = {
    "mobilenet_v3_small": keras_applications.MOBILENET_V3_SMALL,
    "mobilenet_v3_large": keras_applications.MOBILENET_V3_LARGE,
    "efficientnet_v2_b0": keras_applications.EFFICIENTNET_V2_B0,
    "efficientnet_v2_b1": keras_applications.EFFICIENTNET_V2_B1,
    "efficientnet_v2_b2": keras_applications.EFFICIENTNET_V2_B2,
    "efficientnet_v2_b3": keras_applications.EFFICIENTNET_V2_B3,
    "efficientnet_v2_s": keras_applications.EFFICIENTNET_V2_S,
    "resnet50_v2": keras_applications.RESNET50_V2,
    "convnext_tiny": convnext.CONVNEXT_TINY,
}

_BLOCK = re.compile(r"block\d+[a-z]?|stage\d+_(?:block\d+|halving)|expanded_conv(?:_\d+)?|conv\d+_block\d+")
"""How the names of a block's layers begin."""


def stages(model: keras.Model) -> list[list[str]]:
    """The names of its layers with weights by depth: what comes before the blocks, each block, what follows
    them up to the head."""
    found: dict[str, list[str]] = {}
    for layer in model.layers[:-1]:
        if layer.weights:
            matched = _BLOCK.match(layer.name)
            beside = "after" if any(key not in ("before", "after") for key in found) else "before"
            found.setdefault(matched[0] if matched else beside, []).append(layer.name)
    return list(found.values())
