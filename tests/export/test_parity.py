"""Every registered model, trained in bfloat16, says the same in Keras, ONNX Runtime and plain Keras."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from bmcli.core import quiet
from bmcli.core.spec import INPUT, DataSpec, Task
from bmcli.export.onnx import to_onnx
from bmcli.export.samples import with_edge_cases
from bmcli.export.verify import compare
from bmcli.inference.session import KerasSession, OnnxSession
from bmcli.inference.weights import load_weights, weights_of
from bmcli.models import MODELS
from bmcli.models._head import finished
from bmcli.training.precision import policy
from tests.pretrained.architectures import TINY_ENCODER, shallow_backbone

quiet.prepare()  # before any test of the session imports TensorFlow
CLASSES = ("ant", "bee", "cat")
SHAPES: dict[str, dict[str, object]] = {
    "image": {"input_shape": (24, 20, 3)},
    "text": {"input_shape": (None,), "vocabulary_size": 30, "max_length": 14},
    "table": {"input_shape": (6,)},
}
SMALLER: dict[str, list[dict[str, object]]] = {
    "backbone": [{"architecture": "efficientnet_lite0", "weights": "random"}],
    "cnn": [
        {"filters": [4, 8, 8]},
        {"filters": [4, 8], "pool": "average", "batch_norm": True, "global_pooling": "max", "dense": []},
    ],
    "encoder": [
        {"architecture": TINY_ENCODER},
        {"architecture": TINY_ENCODER, "pooling": "mean"},
    ],
    "gru": [
        {"units": [6], "embedding": 5},
        {"units": [4, 3], "bidirectional": False, "pooling": "max"},
        {"units": [4], "embedding": 5, "merge": 4, "window": 3, "pairs": 17, "token_dropout": 0.2},
        {"units": [4], "embedding": 5, "bag": 3, "pairs": 17},
    ],
    "resnet": [{"stem": 4, "widths": [4, 8], "blocks": [1, 1]}],
    "speednet": [
        {"widths": [4, 8], "norm_momentum": 0.9},
        {"widths": [4, 8], "convolutions": 3, "residual": True, "activation": "silu"},
    ],
    "transformer": [
        {"width": 8, "blocks": 2, "feed_forward": 12, "dropout": 0.2},
        {"width": 8, "feed_forward": 12, "merge": 3, "window": 2, "pairs": 17, "token_dropout": 0.2},
        {"width": 8, "feed_forward": 12, "merge": 3, "bag": 3, "pairs": 17, "token_dropout": 0.2},
    ],
}
"""Options that make a model quick to test; a model that is not named here is tested as it comes."""

CASES = [
    (name, kind, options)
    for name in MODELS
    for kind in MODELS.get(name).kinds
    for options in SMALLER.get(name, [{}])
]


def spec_for(kind: str, task: Task = "multiclass") -> DataSpec:
    return DataSpec.single(
        kind,  # type: ignore[arg-type]
        task,
        classes=() if task == "regression" else CLASSES[: 2 if task == "binary" else 3],
        target_offset=150.0 if task == "regression" else 0.0,
        target_scale=70.0 if task == "regression" else 1.0,
        **SHAPES[kind],  # type: ignore[arg-type]
    )


def inputs_for(spec: DataSpec, count: int = 24) -> np.ndarray:
    rng = np.random.default_rng(7)
    if spec.kind != "text":
        return rng.normal(size=(count, *spec.input_shape)).astype(np.float32)  # type: ignore[arg-type]
    tokens = rng.integers(2, spec.vocabulary_size, (count, spec.max_length)).astype(np.int32)
    lengths = rng.integers(1, spec.max_length + 1, count)
    tokens[np.arange(spec.max_length) >= lengths[:, None]] = 0
    return with_edge_cases(spec, {INPUT: tokens})[INPUT]


@dataclass(frozen=True)
class Case:
    key: str
    spec: DataSpec
    model: Any
    inputs: np.ndarray
    expected: np.ndarray

    @cached_property
    def onnx(self) -> bytes:
        return to_onnx(self.model, self.spec)


def take_two_steps(network: Any, inputs: np.ndarray) -> None:
    import keras
    import tensorflow as tf

    optimizer = keras.optimizers.SGD(0.1)
    targets = np.arange(len(inputs)) % 3
    for half in (slice(None, None, 2), slice(1, None, 2)):
        with tf.GradientTape() as tape:
            raw = network(inputs[half], training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets[half], raw)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [v.value for v in network.trainable_variables])
        optimizer.apply(gradients, network.trainable_variables)


def trained(name: str, kind: str, options: dict[str, object], key: str) -> Case:
    """Two steps in bfloat16, then the same weights in a float32 model."""
    import keras

    spec = spec_for(kind)
    inputs = inputs_for(spec)
    component = MODELS.get(name)(**options)
    keras.utils.set_random_seed(1)
    with policy("bfloat16"):
        network = component.build(spec)
    take_two_steps(network, inputs)
    with policy("float32"):
        model = finished(component.build(spec), spec)
    load_weights(model, weights_of(network))
    return Case(key, spec, model, inputs, np.asarray(model(inputs)))


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    with shallow_backbone():
        return {f"{n}-{k}-{i}": trained(n, k, o, f"{n}-{k}-{i}") for i, (n, k, o) in enumerate(CASES)}


@pytest.fixture(params=[f"{n}-{k}-{i}" for i, (n, k, _) in enumerate(CASES)])
def case(request: pytest.FixtureRequest, cases: dict[str, Case]) -> Case:
    return cases[request.param]


def test_onnx_runtime_agrees_with_keras(case, capfd):
    session = OnnxSession(case.onnx)
    said = capfd.readouterr()
    assert said.out == said.err == ""
    for batch_size in (len(case.inputs), 7, 1):
        agreement = compare(session.predict({INPUT: case.inputs}, batch_size), case.expected)
        assert agreement.agrees, (batch_size, agreement)
    assert session.predict({INPUT: case.inputs[:0]}).shape == (0, 3)


@pytest.mark.parametrize("views", ["flip", "move", "shift"])
def test_views_are_part_of_the_model(views):
    """The mean over changed images, and the same in ONNX Runtime."""
    import keras

    spec = spec_for("image")
    inputs = inputs_for(spec)
    keras.utils.set_random_seed(2)
    network = MODELS.get("cnn")(filters=[4], dense=[]).build(spec)

    def answered(shown):
        plain = np.asarray(network(shown))
        return plain if views == "move" else (plain + np.asarray(network(shown[:, :, ::-1]))) / 2

    mean = answered(inputs)
    if views != "flip":
        edged = np.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        mean = (mean + (answered(edged[:, :-2, :-2]) + answered(edged[:, 2:, 2:])) / 2) / 2
    exponents = np.exp(mean - mean.max(axis=1, keepdims=True))
    model = finished(network, spec, views)
    expected = np.asarray(model(inputs))
    np.testing.assert_allclose(expected, exponents / exponents.sum(axis=1, keepdims=True), atol=1e-5)
    assert not np.allclose(expected, np.asarray(finished(network, spec)(inputs)), atol=1e-4)
    assert compare(OnnxSession(to_onnx(model, spec)).predict({INPUT: inputs}), expected).agrees
    assert {v.path for v in model.variables} == {v.path for v in network.variables}


def test_predictions_differ_between_inputs(case):
    """Or the comparisons above would prove nothing."""
    assert np.ptp(case.expected, axis=0).max() > 1e-3
    np.testing.assert_allclose(case.expected.sum(axis=1), 1, atol=1e-5)


def test_padding_does_not_matter(case):
    if case.spec.kind != "text":
        pytest.skip("texts only")
    import onnxruntime

    session = onnxruntime.InferenceSession(case.onnx, providers=["CPUExecutionProvider"])
    for row, expected in zip(case.inputs[-6:], case.expected[-6:], strict=True):
        used = np.flatnonzero(row)
        shortest = row[: used[-1] + 1] if len(used) else row[:1]
        for tokens in (shortest, row):
            # Straight to both engines: KerasSession and OnnxSession would cut the padding off.
            in_keras = np.asarray(case.model(tokens[None]))
            in_onnx = session.run(None, {"input": tokens[None]})[0]
            assert compare(in_keras, expected[None]).agrees
            assert compare(in_onnx, expected[None]).agrees


LOAD = """
import json, sys
sys.modules["bmcli"] = None
import keras, numpy as np
differences = {}
for key in json.loads(sys.argv[2]):
    model = keras.models.load_model(f"{sys.argv[1]}/{key}.keras")
    stored = np.load(f"{sys.argv[1]}/{key}.npz")
    outputs = model.predict_on_batch(stored["inputs"])
    differences[key] = float(np.abs(outputs - stored["expected"]).max())
print(json.dumps(differences))
"""


def test_plain_keras_loads_every_model(cases, tmp_path):
    for key, case in cases.items():
        case.model.save(tmp_path / f"{key}.keras")
        np.savez(tmp_path / f"{key}.npz", inputs=case.inputs, expected=case.expected)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path), json.dumps(list(cases))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    differences = json.loads(done.stdout.splitlines()[-1])
    assert differences.keys() == cases.keys()
    assert max(differences.values()) < 1e-5


@pytest.mark.parametrize("task", ["binary", "multilabel", "regression"])
def test_every_task_survives_the_export(task):
    spec = spec_for("table", task)
    inputs = inputs_for(spec)
    model = finished(MODELS.get("mlp")(hidden=[4]).build(spec), spec)
    samples = KerasSession(model).predict({INPUT: inputs})
    assert samples.shape == (len(inputs), {"binary": 2, "multilabel": 3, "regression": 1}[task])
    assert compare(OnnxSession(to_onnx(model, spec)).predict({INPUT: inputs}), samples).agrees
