"""What holds for every model, discovered from the registry."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from pydantic import ValidationError

from bmcli.core.spec import DataSpec, Task
from bmcli.inference.weights import weights_of, weights_sha256
from bmcli.models import MODELS
from tests.pretrained.architectures import TINY_ENCODER, shallow_backbone

TASKS: tuple[Task, ...] = ("binary", "multiclass", "multilabel", "regression")
SHAPES = {
    "image": {"input_shape": (22, 22, 1)},
    "text": {"input_shape": (None,), "vocabulary_size": 9, "max_length": 6},
    "table": {"input_shape": (4,)},
}
SMALLER = {
    "encoder": {"architecture": TINY_ENCODER},
    "gru": {"units": [3], "embedding": 4},
    "transformer": {"width": 4, "feed_forward": 5},
    "resnet": {"stem": 2, "widths": [2, 3], "blocks": [1, 0]},
    "speednet": {"widths": [2, 3]},
}


@pytest.fixture(autouse=True, scope="module")
def _shallow() -> Iterator[None]:
    with shallow_backbone():
        yield


def spec_for(kind: str, task: Task) -> DataSpec:
    classes = {"binary": ("no", "yes"), "regression": ()}.get(task, ("a", "b", "c"))
    return DataSpec.single(kind, task, classes=classes, **SHAPES[kind])


def inputs_for(spec: DataSpec, count: int = 3) -> np.ndarray:
    shape = [count, *(size or spec.max_length for size in spec.input_shape)]
    if spec.kind == "text":
        return np.random.default_rng(0).integers(0, spec.vocabulary_size, shape).astype(np.int32)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("name", "kind"), [(n, k) for n in MODELS for k in MODELS.get(n).kinds])
def test_builds_for_every_task(name, kind, task):
    component = MODELS.get(name)(**SMALLER.get(name, {}))
    assert component.tasks is None or task in component.tasks
    spec = spec_for(kind, task)
    model = component.build(spec)
    inputs = inputs_for(spec)
    outputs = np.asarray(model(inputs))
    assert outputs.shape == (3, spec.units)
    assert outputs.dtype == np.float32
    assert np.isfinite(outputs).all()
    assert model.input.name == "input"
    assert model.layers[-1].name == "head"


@pytest.mark.parametrize("name", list(MODELS))
def test_one_seed_gives_one_model_whatever_was_built_before(name):
    import keras

    component = MODELS.get(name)(**SMALLER.get(name, {}))
    spec = spec_for(component.kinds[0], "multiclass")

    def built(seed: int) -> tuple[list[str], str]:
        keras.utils.set_random_seed(seed)
        model = component.build(spec)
        return sorted(weights_of(model)), weights_sha256(model)

    first = built(3)
    MODELS.get("mlp")(dropout=0.5).build(spec_for("table", "binary"))
    assert built(3) == first
    assert built(4)[0] == first[0]
    assert built(4)[1] != first[1]
    assert not [path for path in first[0] if re.search(r"_\d+/", path)], "numbered by Keras, not named"


@pytest.mark.parametrize(
    ("name", "options"), [*((name, {}) for name in MODELS), ("cnn", {"batch_norm": True})]
)
def test_whether_examples_see_each_other_in_training_is_told(name, options):
    component = MODELS.get(name)(**{**SMALLER.get(name, {}), **options})
    still = {option: 0.0 for option in type(component).model_fields if "dropout" in option}
    component = component.model_copy(update=still)
    spec = spec_for(component.kinds[0], "multiclass")
    model = component.build(spec)
    inputs = inputs_for(spec, 8)
    whole = np.asarray(model(inputs, training=True))
    halves = np.concatenate([model(part, training=True) for part in np.split(inputs, 2)])
    assert np.allclose(whole, halves, rtol=1e-4, atol=1e-5) == component.examples_apart


@pytest.mark.parametrize("name", list(MODELS))
def test_the_registry_tells_all_about_it(name):
    component = MODELS.get(name)
    assert component.summary().endswith((".", ")."))
    assert component.source
    assert component.kinds
    for option, field in component.model_fields.items():
        assert field.description, option
        assert not field.is_required(), option


def names_and_shapes(model) -> list[tuple[str, tuple]]:
    return [(layer.name, layer.output.shape[1:]) for layer in model.layers]


def test_the_default_cnn_is_the_introductory_one():
    spec = DataSpec.single("image", "multiclass", (32, 32, 3), tuple("0123456789"))
    model = MODELS.get("cnn")().build(spec)
    assert names_and_shapes(model) == [
        ("input", (32, 32, 3)), ("conv1", (30, 30, 32)), ("pool1", (15, 15, 32)),
        ("conv2", (13, 13, 64)), ("pool2", (6, 6, 64)), ("conv3", (4, 4, 64)),
        ("flatten", (1024,)), ("dense1", (64,)), ("head", (10,)),
    ]  # fmt: skip
    assert model.count_params() == 122_570
    assert {layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")} == {
        "relu",
        "linear",
    }


def test_the_other_introductory_cnn():
    spec = DataSpec.single("image", "multiclass", (28, 28, 1), tuple("0123456789"))
    model = MODELS.get("cnn")(filters=[32, 64], pool_last=True, dense=[128]).build(spec)
    assert [layer.name for layer in model.layers[1:-1]] == [
        "conv1", "pool1", "conv2", "pool2", "flatten", "dense1"
    ]  # fmt: skip
    assert model.count_params() == 225_034


def test_the_default_mlp_is_784_128_10():
    model = MODELS.get("mlp")().build(
        DataSpec.single("image", "multiclass", (28, 28, 1), tuple("0123456789"))
    )
    assert model.count_params() == 784 * 128 + 128 + 128 * 10 + 10


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8, 10, 11, 17, 18, 22, 23])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cnn", {}),
        ("cnn", {"padding": "same"}),
        ("cnn", {"pool_last": True, "pool_size": 3}),
        ("resnet", {"widths": [2, 2, 2]}),
    ],
)
def test_what_is_too_large_for_the_image_is_told_before_keras(name, size, options):
    component = MODELS.get(name)(**options)
    problems = component.check_input((size, 40, 3))
    try:
        model = component.build(DataSpec.single("image", "binary", (size, 40, 3), ("a", "b")))
        fits = all(0 not in layer.output.shape for layer in model.layers)
    except ValueError:
        fits = False
    if name == "cnn" or not fits:
        assert fits is (not problems)
    for path, message in problems:
        assert path[0] in type(component).model_fields
        assert str(size) in message


def test_an_unknown_size_is_no_problem():
    assert MODELS.get("cnn")().check_input((None, None, 3)) == []
    assert MODELS.get("resnet")().check_input((None, None, 3)) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cnn", {"filters": []}),
        ("cnn", {"filters": [0]}),
        ("cnn", {"kernels": 3}),
        ("mlp", {"dropout": 1.0}),
        ("transformer", {"width": 10, "heads": 4}),
        ("resnet", {"widths": [8, 16], "blocks": [1]}),
    ],
)
def test_options_outside_their_range_are_refused(name, options):
    with pytest.raises(ValidationError):
        MODELS.get(name)(**options)


@pytest.mark.parametrize("name", ["gru", "transformer"])
def test_a_bag_goes_past_the_network(name: str) -> None:
    """The network's own head silenced, the answer is that of the sums of tokens and pairs."""
    component = MODELS.get(name)(**SMALLER[name], bag=2, pairs=50)
    model = component.build(spec_for("text", "regression"))
    tokens = np.array([[3, 4, 5, 0, 0], [6, 0, 0, 0, 0], [0, 0, 0, 0, 0]], np.int32)
    pairs = model.get_layer("pair_embedding")
    assert not np.asarray(pairs.embeddings).any(), "untrained pairs say nothing"
    rng = np.random.default_rng(0)
    pairs.embeddings.assign(rng.normal(size=(50, 2)))
    kernel, bias = model.get_layer("head").get_weights()
    kernel[:-2], bias[:] = 0, 0
    model.get_layer("head").set_weights([kernel, bias])
    single, double = (
        np.asarray(model.get_layer(layer).embeddings) for layer in ("bag_embedding", "pair_embedding")
    )
    rows = [(3 * 2003 + 4) % 50, (4 * 2003 + 5) % 50, 5 * 2003 % 50]
    expected = [
        (single[[3, 4, 5]] + double[rows]).sum(axis=0) / 3**0.5 @ kernel[-2:],
        (single[6] + double[6 * 2003 % 50]) @ kernel[-2:],
        [0.0],
    ]
    np.testing.assert_allclose(np.asarray(model(tokens)), expected, atol=1e-5)
    np.testing.assert_allclose(np.asarray(model(tokens[:, :3])), expected, atol=1e-5)
