"""Pretrained weights that many people know by name, and what is known of them without asking anybody."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """kind: of the data. family: of encoders ('bert'), or the architecture of backbones. parameters: without
    the heads, which bm does not use; size: of the file of weights in bytes; both to three digits. licence:
    None where the publisher names none. about: half a line."""

    kind: str
    family: str
    parameters: int
    size: int
    licence: str | None
    about: str


def _text(family: str, millions: float, megabytes: float, licence: str | None, about: str) -> Known:
    return Known("text", family, round(millions * 10**6), round(megabytes * 10**6), licence, about)


def _image(architecture: str, millions: float, megabytes: float, about: str) -> Known:
    size = round(megabytes * 10**6)
    return Known("image", architecture, round(millions * 10**6), size, "apache-2.0", about)


KNOWN: dict[str, Known] = {
    "sentence-transformers/all-MiniLM-L6-v2": _text(
        "bert", 22.6, 90.9, "apache-2.0", "English sentences; small and fast"
    ),
    "sentence-transformers/all-mpnet-base-v2": _text(
        "mpnet", 109, 438, "apache-2.0", "English sentences; larger and more accurate"
    ),
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2": _text(
        "bert", 118, 471, "apache-2.0", "sentences in 50 languages"
    ),
    "distilbert/distilbert-base-uncased": _text("distilbert", 66.4, 268, "apache-2.0", "English, lower case"),
    "google-bert/bert-base-uncased": _text("bert", 109, 440, "apache-2.0", "English, lower case"),
    "google-bert/bert-base-cased": _text("bert", 108, 436, "apache-2.0", "English"),
    "google-bert/bert-base-multilingual-cased": _text("bert", 177, 714, "apache-2.0", "104 languages"),
    "google/electra-base-discriminator": _text("electra", 109, 440, "apache-2.0", "English, lower case"),
    "microsoft/mpnet-base": _text("mpnet", 109, 532, None, "English, lower case"),
    "FacebookAI/roberta-base": _text("roberta", 124, 499, "mit", "English"),
    "FacebookAI/xlm-roberta-base": _text("xlm-roberta", 277, 1120, "mit", "94 languages"),
    "timm/tf_efficientnet_lite0.in1k": _image("efficientnet_lite0", 3.37, 18.8, "ImageNet; small and fast"),
    "timm/resnet18.a1_in1k": _image("resnet18", 11.2, 46.8, "ImageNet"),
    "timm/resnet34.a1_in1k": _image("resnet34", 21.3, 87.3, "ImageNet"),
    "timm/resnet50.a1_in1k": _image("resnet50", 23.5, 102, "ImageNet"),
    "timm/vit_small_patch16_224.augreg_in21k_ft_in1k": _image(
        "vit_small_patch16", 21.7, 88.2, "ImageNet-21k, then ImageNet"
    ),
    "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k": _image(
        "vit_base_patch16", 85.8, 346, "ImageNet-21k, then ImageNet"
    ),
    "timm/vit_small_patch14_dinov2.lvd142m": _image(
        "vit_small_patch14_dinov2", 22.1, 88.2, "DINOv2: without labels, on 142 million images"
    ),
    "timm/vit_base_patch14_dinov2.lvd142m": _image(
        "vit_base_patch14_dinov2", 86.6, 346, "DINOv2: without labels, on 142 million images"
    ),
}
"""By repository on the hub, 'ORG/NAME'."""
