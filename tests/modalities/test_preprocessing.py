"""fit, dump and load together."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bmcli.config.schema import PreprocessingConfig, TextConfig
from bmcli.core.errors import IntegrityError
from bmcli.data.bundle import DataBundle, Images, Split, Table, Texts
from bmcli.modalities import preprocessing

IDS = tuple("abcd")


def bundle(kind, task="binary", targets=None):
    examples = {
        "image": Images(arrays=np.arange(4 * 12, dtype=np.uint8).reshape(4, 4, 3, 1)),
        "text": Texts(("a b", "b c", "c d [red]", "\x1b[31m")),
        "table": Table(
            {"n": np.array([0.1, 0.2, np.nan, 1e-300]), "=c()": np.array(["x", None, "y", "x"], object)}
        ),
    }[kind]
    if targets is None:
        targets = np.array([0, 1, 0, 1])
    classes = () if task == "regression" else ("[red]", "=cmd()")
    return DataBundle(kind, task, classes, Split(examples, targets, IDS), None, None, "")


def fitted(kind, tokenizer="word"):
    options = PreprocessingConfig(text=TextConfig(tokenizer=tokenizer, max_length=4))
    data = bundle(kind)
    return data, *preprocessing.fit(data, options)


CASES = [("image", "word"), ("table", "word"), ("text", "word"), ("text", "bpe"), ("text", "wordpiece")]


@pytest.mark.parametrize(("kind", "tokenizer"), CASES)
def test_load_is_the_inverse_of_dump(kind, tokenizer):
    data, prepared, spec = fitted(kind, tokenizer)
    files = preprocessing.dump(prepared, spec)
    again, same_spec = preprocessing.load(files)
    assert (again, same_spec) == (prepared, spec)
    assert preprocessing.dump(again, same_spec) == files
    both = [p.finish(np.asarray(p.encode(data.train.examples))) for p in (prepared, again)]
    np.testing.assert_array_equal(*both)
    assert both[0].dtype == spec.input_dtype
    json.loads(files["preprocessing.json"], parse_constant=pytest.fail)


@pytest.mark.parametrize(("kind", "tokenizer"), CASES)
def test_every_missing_key_is_noticed(kind, tokenizer):
    _, prepared, spec = fitted(kind, tokenizer)
    files = preprocessing.dump(prepared, spec)
    document = json.loads(files["preprocessing.json"])
    for key in document:
        damaged = {k: v for k, v in document.items() if k != key}
        with pytest.raises(IntegrityError, match=key):
            preprocessing.load({**files, "preprocessing.json": json.dumps(damaged)})
    for key in document[kind].keys() - {"means"}:  # which runs of older versions do not have
        part = {k: v for k, v in document[kind].items() if k != key}
        with pytest.raises(IntegrityError, match=key):
            preprocessing.load({**files, "preprocessing.json": json.dumps({**document, kind: part})})


@pytest.mark.parametrize("kind", ["image", "text", "table"])
def test_damage_is_an_integrity_error(kind):
    _, prepared, spec = fitted(kind)
    files = preprocessing.dump(prepared, spec)
    text = files["preprocessing.json"]
    document = json.loads(text)
    damaged = ["", "[]", "null", text[:-10], "[" * 100_000]
    changes = {
        "format": 2,
        "kind": "sound",
        "task": None,
        "classes": [1, 2],
        "input_shape": [7, 7, 7],
        "target_scale": 0,
        "target_offset": "x",
        kind: None,
    }
    damaged += [json.dumps({**document, key: value}) for key, value in changes.items()]
    damaged += [text.replace('"target_scale": 1.0', '"target_scale": NaN')]
    for bad in damaged:
        with pytest.raises(IntegrityError):
            preprocessing.load({**files, "preprocessing.json": bad})
    with pytest.raises(IntegrityError):
        preprocessing.load({})


@pytest.mark.parametrize(("kind", "key", "bad"), [
    ("image", "scale", [1.0, 2.0]), ("image", "channels", 2), ("image", "size", [0, 4]),
    ("text", "max_length", 0), ("text", "truncate", "middle"), ("text", "tokenizer", "char"),
    ("table", "columns", []), ("table", "columns", [{"name": "n", "kind": "date"}]),
])  # fmt: skip
def test_impossible_values_are_damage(kind, key, bad):
    _, prepared, spec = fitted(kind)
    files = preprocessing.dump(prepared, spec)
    document = json.loads(files["preprocessing.json"])
    document[kind][key] = bad
    with pytest.raises(IntegrityError):
        preprocessing.load({**files, "preprocessing.json": json.dumps(document)})


def test_regression_targets_are_standardised():
    _, spec = preprocessing.fit(
        bundle("table", "regression", np.array([1.0, 3.0, 5.0, 7.0])), PreprocessingConfig()
    )
    assert (spec.target_offset, spec.target_scale) == (4.0, pytest.approx(5**0.5))
    _, spec = preprocessing.fit(bundle("table", "regression", np.full(4, 0.1)), PreprocessingConfig())
    assert (spec.target_offset, spec.target_scale) == (0.1, 1.0)


def test_the_spec_says_what_comes_out():
    for kind in ("image", "text", "table"):
        data, prepared, spec = fitted(kind)
        inputs = prepared.finish(np.asarray(prepared.encode(data.train.examples)))
        assert all(a in (None, b) for a, b in zip(spec.input_shape, inputs.shape[1:], strict=True))
        if kind == "text":
            assert spec.vocabulary_size == prepared.vocabulary_size
            assert inputs.shape[1] == spec.max_length == 4
