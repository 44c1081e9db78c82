"""Token ids and hidden states are those of transformers; see make_folders.py for how they were made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bmcli.modalities.text.encoder import TextPreprocessing
from bmcli.pretrained import folder as folders
from bmcli.pretrained import tokenizer
from bmcli.pretrained.blocks import encoded
from tests.pretrained.make_folders import FOLDERS, LENGTH, TEXTS

NAMES = sorted(path.name for path in FOLDERS.iterdir())


def reference(name: str) -> Any:
    return np.load(FOLDERS / name / "reference.npz")


@pytest.mark.parametrize("name", NAMES)
def test_token_ids(name: str) -> None:
    architecture = folders.architecture_of(FOLDERS / name)
    text = tokenizer.tokenizer_json(FOLDERS / name, architecture)
    encoder = TextPreprocessing.of(text, max_length=LENGTH)
    kept = reference(name)
    assert encoder.padding == architecture.padding
    found = list(encoder.token_ids(TEXTS))
    for said, ids, used, whole in zip(TEXTS, found, kept["used"], kept["ids"], strict=True):
        assert ids == whole[used].tolist(), said
    assert len(found[TEXTS.index("word " * 600)]) == LENGTH


@pytest.mark.parametrize("name", NAMES)
def test_hidden_states(name: str) -> None:
    import keras

    architecture = folders.architecture_of(FOLDERS / name)
    tokens = keras.Input((None,), dtype="int32", name="input")
    mask = keras.ops.not_equal(tokens, architecture.padding)
    states = encoded(architecture, tokens, mask, dropout=0.1, attention_dropout=0.1)
    model = keras.Model(tokens, states)
    weights = folders.weights_of(FOLDERS / name, architecture)
    assert set(weights.by_variable) == {variable.path for variable in model.weights}
    weights.load(model)
    kept = reference(name)
    found = np.asarray(model(kept["ids"]))
    assert np.abs(found - kept["states"])[kept["used"]].max() < 1e-5
    # No padding at all: the same.
    short = int(kept["used"][1].sum())
    alone = np.asarray(model(kept["ids"][1:2, :short]))
    assert np.abs(alone[0] - kept["states"][1, :short]).max() < 1e-5
