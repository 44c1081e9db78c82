"""Folders that are written back: each family is read again as it was, with the same tokenizer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bmcli.pretrained import folder as folders
from bmcli.pretrained import tensors, tokenizer, writing
from bmcli.pretrained.architecture import ACTIVATIONS, PUBLISHED
from tests.pretrained.make_folders import FOLDERS

NAMES = sorted(path.name for path in FOLDERS.iterdir())


def written(name: str, folder: Path, pooling: str) -> str:
    """Read a folder and write it back with a head; the text of its tokenizer."""
    architecture = folders.architecture_of(FOLDERS / name)
    found = folders.weights_of(FOLDERS / name, architecture)
    weights = {path: found._values(path, stored) for path, stored in found.by_variable.items()}
    weights["head/kernel"] = np.arange(2 * architecture.width, dtype=np.float32).reshape(-1, 2)
    weights["head/bias"] = np.float32([1, 2])
    text = tokenizer.tokenizer_json(FOLDERS / name, architecture)
    writing.write(folder, architecture, weights, text, pooling=pooling, max_length=9, truncate="start")
    return text


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_read_as_it_was(name: str, tmp_path: Path) -> None:
    text = written(name, tmp_path, "mean")
    architecture = folders.architecture_of(FOLDERS / name)
    assert folders.architecture_of(tmp_path) == replace(architecture, pooling="mean")
    old, new = tensors.listed(FOLDERS / name), tensors.listed(tmp_path)
    assert new.keys() <= {one.removeprefix(folders.family_of(architecture.family).prefix) for one in old}
    again, first = (folders.weights_of(one, architecture) for one in (tmp_path, FOLDERS / name))
    assert again.by_variable.keys() == first.by_variable.keys() and again.unused == ()
    for path, stored in first.by_variable.items():
        assert np.array_equal(again.by_variable[path].read(), stored.read()), path
    read, used = json.loads(tokenizer.tokenizer_json(tmp_path, architecture)), json.loads(text)
    if architecture.segments < 2:
        tokenizer.without_segments(used["post_processor"])
    assert read == used
    said = json.loads((tmp_path / tokenizer.OPTIONS).read_text())
    vocabulary = tokenizer._loaded(text).get_vocab(with_added_tokens=True)
    roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    assert {said[role] for role in roles} <= vocabulary.keys()
    assert said["truncation_side"] == "left"
    head = tensors.header(tmp_path / writing.HEAD)
    assert head["weight"].shape == (2, architecture.width) and head["bias"].read().tolist() == [1, 2]


def test_pooling_is_said_as_sentence_transformers_does(tmp_path: Path) -> None:
    for pooling in ("cls", "mean"):
        (tmp_path / pooling).mkdir()
        written("bert", tmp_path / pooling, pooling)
        assert folders.architecture_of(tmp_path / pooling).pooling == pooling
    modules = json.loads((tmp_path / "cls" / writing.MODULES).read_text())
    assert [one["path"] for one in modules] == ["", "1_Pooling"]


def test_every_activation_has_a_name_that_is_read_as_it() -> None:
    assert {ACTIVATIONS[name]: ours for ours, name in PUBLISHED.items()} == {one: one for one in PUBLISHED}
    assert set(PUBLISHED) == set(ACTIVATIONS.values())
