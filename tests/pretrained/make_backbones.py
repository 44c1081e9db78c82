"""Makes `backbones/`: tiny random image backbones, with what timm computes with them.

Run with the packages torch and timm, which bm does not use (made with timm 1.0.31, torch 2.14.1):

    python tests/pretrained/make_backbones.py

Each folder has config.json and model.safetensors as timm publishes them, in half precision; `reference.npz`
holds

    images    float32 [2, height, width, 3], as the network takes them
    features  float32 [2, n], pooled, of these images
    larger, larger_features   the same at another size than the weights', where that changes the weights
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

BACKBONES = Path(__file__).parent / "backbones"


def lite() -> Any:
    """As `_gen_efficientnet_lite` makes it, with TensorFlow's padding and epsilon."""
    from timm.models._efficientnet_builder import (
        decode_arch_def,
        resolve_act_layer,
        resolve_bn_args,
        round_channels,
    )
    from timm.models.efficientnet import EfficientNet
    from torch import nn

    blocks = [["ds_r1_k3_s1_e1_c8"], ["ir_r2_k3_s2_e2_c16"], ["ir_r2_k5_s2_e3_c24"]]
    options = {"bn_eps": 1e-3}
    return EfficientNet(
        block_args=decode_arch_def(blocks, 1.0, fix_first_last=True),
        num_features=32,
        stem_size=8,
        fix_stem=True,
        round_chs_fn=partial(round_channels, multiplier=1.0),
        act_layer=resolve_act_layer({}, "relu6"),
        norm_layer=partial(nn.BatchNorm2d, **resolve_bn_args(options)),
        pad_type="same",
        num_classes=5,
    )


def residual(bottleneck: bool) -> Any:
    """A ResNet of four stages, the first of two blocks."""
    from timm.models.resnet import BasicBlock, Bottleneck, ResNet

    width = 2 if bottleneck else 4
    channels = tuple(width * 2**stage for stage in range(4))
    block = Bottleneck if bottleneck else BasicBlock
    return ResNet(block, (2, 1, 1, 1), channels=channels, num_classes=5)


def transformer(layer_scale: bool) -> Any:
    """A vision transformer for images of 16 by 16."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=16,
        patch_size=4,
        num_classes=0 if layer_scale else 5,
        embed_dim=16,
        depth=2,
        num_heads=2,
        init_values=0.5 if layer_scale else None,
    )


MODELS = {
    "lite": (lite, "tf_efficientnet_lite0", (34, 32)),
    "resnet": (partial(residual, False), "resnet18", (34, 32)),
    "bottleneck": (partial(residual, True), "resnet50", (34, 32)),
    "vit": (partial(transformer, False), "vit_small_patch16_224", (16, 16)),
    "dinov2": (partial(transformer, True), "vit_small_patch14_dinov2", (16, 16)),
}


def features(model: Any, images: np.ndarray) -> np.ndarray:
    """[n, height, width, 3] to [n, features]."""
    import torch

    with torch.no_grad():
        given = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        return model.forward_head(model.forward_features(given), pre_logits=True).numpy()


def main() -> None:
    """Write every folder."""
    import torch
    from safetensors.torch import save_file

    for seed, (name, (make, architecture, size)) in enumerate(MODELS.items()):
        torch.manual_seed(seed)
        random = np.random.default_rng(seed)
        model = make().eval()
        state = {
            key: value.half() if "running_var" in key else (value + 0.2 * torch.randn(value.shape)).half()
            for key, value in model.state_dict().items()
            if "num_batches_tracked" not in key
        }
        for key in state:
            if "running_var" in key:
                state[key] = (0.5 + torch.rand(state[key].shape)).half()
        model.load_state_dict({key: value.float() for key, value in state.items()}, strict=False)
        folder = BACKBONES / name
        folder.mkdir(parents=True, exist_ok=True)
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        document = {
            "architecture": architecture,
            "num_classes": 5,
            "pretrained_cfg": {
                "tag": "tiny",
                "input_size": [3, *size],
                "interpolation": "bicubic",
                "crop_pct": 0.9,
                "mean": [0.485, 0.456, 0.406],
                "std": [0.229, 0.224, 0.225],
                "license": "apache-2.0",
            },
        }
        (folder / "config.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        images = random.normal(size=(2, *size, 3)).astype(np.float32)
        kept = {"images": images, "features": features(model, images)}
        if hasattr(model, "set_input_size"):
            model.set_input_size(img_size=(24, 20))
            kept["larger"] = random.normal(size=(2, 24, 20, 3)).astype(np.float32)
            kept["larger_features"] = features(model, kept["larger"])
        np.savez_compressed(folder / "reference.npz", **kept)


if __name__ == "__main__":
    main()
