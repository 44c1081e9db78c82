"""Encoders are written to ONNX operation by operation, in the forms that ONNX Runtime knows."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from bmcli.core.spec import DataSpec
from bmcli.export import direct
from bmcli.export import onnx as export
from bmcli.models import MODELS
from bmcli.models._head import finished
from tests.pretrained.make_folders import FOLDERS

CLASSES = ("no", "yes")


def encoder(name: str, task: str = "binary", **changed: object) -> tuple[Any, DataSpec]:
    """The finished model of a small folder, with weights that are not the folder's."""
    import keras

    keras.utils.set_random_seed(0)
    folder = FOLDERS / name
    model, findings = MODELS.get("encoder")(weights=str(folder)).resolved(files=False)
    assert not findings
    architecture = {**model.architecture, **changed}
    model = model.model_copy(update={"architecture": architecture})
    spec = DataSpec.single(
        "text",
        task,
        (None,),
        CLASSES if task != "regression" else (),
        vocabulary_size=architecture["vocabulary"],
        max_length=12,
    )
    tokens = replace(spec.input, padding=architecture["padding"])
    spec = replace(spec, inputs=(tokens,))
    return finished(model.build(spec), spec), spec


def agree(model: Any, spec: DataSpec, exported: bytes) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, spec.vocabulary_size, (5, 9)).astype(np.int32)
    tokens[1, 4:] = tokens[2] = spec.input.padding
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    found = session.run(["output"], {"input": tokens})[0]
    np.testing.assert_allclose(found, model.predict(tokens, verbose=0), atol=2e-6)


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDERS.iterdir() if path.is_dir()))
def test_every_family_is_written_and_answers_the_same(name: str) -> None:
    model, spec = encoder(name)
    assert direct.converted(model) is not None, "it went through tf2onnx"
    agree(model, spec, export.to_onnx(model, spec))


@pytest.mark.parametrize("activation", ["gelu_tanh", "relu", "silu"])
def test_every_activation(activation: str) -> None:
    model, spec = encoder("bert", activation=activation)
    assert direct.converted(model) is not None
    agree(model, spec, export.to_onnx(model, spec))


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
def test_every_task(task: str) -> None:
    model, spec = encoder("bert", task)
    assert direct.converted(model) is not None
    agree(model, spec, export.to_onnx(model, spec))


def test_onnx_runtime_fuses_what_it_can(tmp_path: Path) -> None:
    model, spec = encoder("bert")
    exported = export.to_onnx(model, spec)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    count = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    blocks = json.loads((FOLDERS / "bert" / "config.json").read_text())["num_hidden_layers"]
    norms = count["LayerNormalization"] + count["SkipLayerNormalization"]
    assert norms == 2 * blocks + 1
    assert count["BiasGelu"] + count["Gelu"] == blocks and not count["Erf"]


def test_a_model_with_another_operation_is_left_to_tf2onnx() -> None:
    import keras

    inputs = keras.Input((6,), name="input")
    x = keras.layers.LayerNormalization()(inputs)
    assert direct.converted(keras.Model(inputs, keras.ops.sort(x))) is None
    assert direct.converted(keras.Model(inputs, keras.layers.Dense(2)(inputs))) is None
