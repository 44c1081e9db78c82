"""For tests: an encoder's architecture, a folder of one, and a backbone of few layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bmcli.pretrained.backbones import TIMM
from bmcli.pretrained.backbones.efficientnet_lite import EfficientNetLite, Stage

BERT = Path(__file__).parent / "folders" / "bert"

TINY_ENCODER = {
    "family": "mpnet",
    "vocabulary": 30,
    "width": 8,
    "embedding_width": 6,
    "blocks": 2,
    "heads": 2,
    "feed_forward": 12,
    "positions": 24,
    "segments": 2,
    "first_position": 1,
    "padding": 0,
    "activation": "gelu",
    "epsilon": 1e-12,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "buckets": 32,
    "pooling": None,
}
"""An architecture with every part that a family may have."""

LITE = "efficientnet_lite0"


@contextmanager
def shallow_backbone() -> Iterator[None]:
    """Within, efficientnet_lite0 has 3 blocks (with and without expansion, stride and shortcut), not 16:
    building and compiling all of them is most of a tiny training run."""
    stages = Stage(1, 3, 1, 1, 8), Stage(2, 5, 2, 6, 12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TIMM, LITE, replace(TIMM[LITE], architecture=EfficientNetLite(8, stages, 32)))
        yield
