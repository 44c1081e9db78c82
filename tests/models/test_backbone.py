"""The model `backbone`: from a folder or file of weights to a run, its record, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import bmcli
from bmcli.core.errors import ConfigError
from bmcli.core.spec import DataSpec
from bmcli.models import MODELS
from bmcli.models.backbone import Backbone
from bmcli.pretrained.backbones import KERAS, TIMM
from bmcli.runs import layout
from tests.experiments.test_resume import stop_when_saved, train_in
from tests.pretrained.architectures import LITE, shallow_backbone

SIZE = (32, 32)
TRAINING = {"epochs": 1, "batch_size": 16, "precision": "float32"}
DEEP = TIMM[LITE]


@pytest.fixture(autouse=True, scope="module")
def _shallow() -> Iterator[None]:
    with shallow_backbone():
        yield


def folder_of(folder: Path, seed: int = 0) -> Path:
    """A timm folder of random weights, for images of SIZE."""
    from safetensors.numpy import save_file

    random = np.random.default_rng(seed)
    arrays = {}
    for source in TIMM["efficientnet_lite0"].architecture.sources(SIZE).values():
        for name, shape in source.tensors:
            sizes = [size or 5 for size in shape]
            scaled = len(sizes) == 1 and name.endswith(("weight", "running_var"))
            spread = 0.1 if len(sizes) == 1 else (2 / np.prod(sizes[1:])) ** 0.5
            arrays[name] = random.normal(1 if scaled else 0, spread, sizes).astype(np.float16)
    arrays["classifier.weight"] = np.zeros((2, 1280), np.float16)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(arrays, folder / "model.safetensors")
    about = {"tag": "tiny", "input_size": [3, *SIZE], "interpolation": "bicubic", "crop_pct": 0.875}
    about |= {"mean": [0.5, 0.4, 0.3], "std": [0.5, 0.25, 0.2], "license": "apache-2.0"}
    document = {"architecture": "tf_efficientnet_lite0", "pretrained_cfg": about}
    (folder / "config.json").write_text(json.dumps(document))
    return folder


def train(folder: Path, model: dict[str, Any], **config: Any) -> bmcli.Run:
    made = {"name": "own", "data": {"name": "digits", "limit": 96}, "training": TRAINING, "model": model}
    return bmcli.train({**made, **config}, runs_dir=folder / "runs", display=None)


def test_the_names_are_those_of_the_table() -> None:
    assert list(get_args(Backbone.model_fields["architecture"].annotation)) == [*TIMM, *KERAS]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> bmcli.Run:
    folder = tmp_path_factory.mktemp("backbone")
    weights = folder_of(folder / "weights")
    return train(folder, {"name": "backbone", "weights": str(weights)})


def test_a_run_says_what_it_began_with(run: bmcli.Run) -> None:
    found = run.record["pretrained"]
    assert found["name"] == "efficientnet_lite0.tiny"
    assert (found["source"], found["licence"]) == ("timm", "apache-2.0")
    assert found["unused"] == ["classifier.weight"]
    assert len(found["sha256"]) == 64


def test_images_are_prepared_as_the_weights_say(run: bmcli.Run) -> None:
    kept = json.loads((run.path / layout.PREPROCESSING).read_text())["image"]
    assert (kept["size"], kept["channels"], kept["fit"]) == ([32, 32], 3, "squash")
    assert kept["interpolation"] == "bicubic"
    assert kept["scale"] == pytest.approx([1 / 255 / one for one in (0.5, 0.25, 0.2)])
    assert kept["offset"] == pytest.approx([-1, -1.6, -1.5])


def test_onnx_has_one_input_and_answers_as_keras(run: bmcli.Run) -> None:
    import onnxruntime

    assert run.record["onnx"]["published"], run.record["onnx"]
    session = onnxruntime.InferenceSession(run.path / layout.MODEL_ONNX)
    assert [one.name for one in session.get_inputs()] == ["input"]
    assert session.get_inputs()[0].shape[1:] == [32, 32, 3]


def test_prediction_needs_neither_keras_nor_the_weights(run: bmcli.Run, tmp_path: Path) -> None:
    code = (
        "import bmcli, numpy, sys\n"
        f"found = bmcli.load({str(run.path)!r}).predict(numpy.zeros((8, 8), 'uint8'), display=None)[0]\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)\n"
        "print(found.probability)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    expected = run.keras_model()(np.tile(np.array([-1, -1.6, -1.5], np.float32), (1, 32, 32, 1)))
    assert float(done.stdout) == pytest.approx(float(np.asarray(expected).max()), abs=1e-5)


def test_plain_keras_opens_the_model(run: bmcli.Run) -> None:
    import keras

    model = keras.saving.load_model(run.path / layout.MODEL_KERAS)
    random = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    assert np.allclose(model(random), run.keras_model()(random), atol=1e-5)


def test_the_weights_are_gone_and_the_run_goes_on(run: bmcli.Run, tmp_path: Path) -> None:
    """Evaluation, explanation and a rebuilt model need the run alone."""
    import shutil

    kept = tmp_path / "runs" / run.path.name
    shutil.copytree(run.path, kept)
    config = kept / layout.CONFIG
    weights = Path(str(run.config["model"]["weights"]))
    assert str(weights) in config.read_text()
    moved = weights.with_name("elsewhere")
    weights.rename(moved)
    try:
        again = bmcli.load(str(kept))
        assert again.keras_model().count_params() == run.record["parameters"]
        assert bmcli.evaluate(again, split="test")
    finally:
        moved.rename(weights)


def test_an_explicit_size_goes_before_that_of_the_weights(tmp_path: Path) -> None:
    weights = folder_of(tmp_path / "weights")
    preprocessing = {"image": {"size": [40, 36], "fit": "crop"}}
    model = {"name": "backbone", "weights": str(weights)}
    run = train(tmp_path, model, preprocessing=preprocessing, evaluation={"splits": []})
    kept = json.loads((run.path / layout.PREPROCESSING).read_text())["image"]
    assert kept["size"] == [40, 36]
    assert (kept["fit"], kept["share"]) == ("crop", 0.875)


def built(architecture: str, weights: str, seed: int = 0) -> tuple[Any, Any]:
    """The model and its network, initialised."""
    import keras

    keras.utils.set_random_seed(seed)
    component = MODELS.get("backbone")(architecture=architecture, weights=weights)
    network = component.build(DataSpec.single("image", "multiclass", (32, 32, 3), tuple("abc")))
    component.initialise(network, None)
    return component, network


@pytest.mark.parametrize(
    ("architecture", "count", "first", "last"),
    [
        ("efficientnet_lite0", 18, ["stem_conv", "stem_norm"], ["top_conv", "top_norm"]),
        ("mobilenet_v3_small", 13, ["conv", "conv_bn"], ["conv_1", "conv_1_bn"]),
        ("vit_small_patch16", 14, ["patches", "positions"], ["top_norm"]),
    ],
)
def test_stages_follow_the_depth(
    architecture: str, count: int, first: list[str], last: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TIMM, LITE, DEEP)
    component, network = built(architecture, "random")
    stages = component.stages(network)
    assert (stages[0], stages[-1], len(stages)) == (first, last, count)
    with_weights = [layer.name for layer in network.layers[:-1] if layer.weights]
    assert sorted(name for stage in stages for name in stage) == sorted(with_weights)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"architecture": "resnet19"}, "resnet18"),
        ({}, "write hf:timm/NAME, the path of a timm folder"),
        ({"weights": "imagenet"}, "imagenet is for mobilenet_v3_small"),
        ({"weights": "none/here"}, "there is no folder"),
        ({"architecture": "convnext_tiny"}, "write imagenet"),
        ({"architecture": "convnext_tiny", "weights": "none/here.weights.h5"}, "there is no file"),
    ],
)
def test_a_config_that_cannot_work(tmp_path: Path, model: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        train(tmp_path, {"name": "backbone", **model})
    assert said in str(caught.value)


def test_check_finds_a_missing_tensor_without_keras(tmp_path: Path) -> None:
    weights = folder_of(tmp_path / "weights")
    document = json.loads((weights / "config.json").read_text())
    document["architecture"] = "resnet18"
    (weights / "config.json").write_text(json.dumps(document))
    config = f"model: {{name: backbone, architecture: resnet18, weights: {weights}}}\ndata: digits\n"
    (tmp_path / "c.yaml").write_text(config)
    code = (
        "import sys\nfrom bmcli.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    status = end.code\n"
        "assert not {'keras', 'tensorflow', 'numpy'} & set(sys.modules)\nsys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "c.yaml"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2, done.stderr
    assert "conv1.weight is missing" in done.stderr


@pytest.mark.parametrize(
    ("image", "said"), [({"channels": 1}, "take colour"), ({"size": 16}, "no less than 32 pixels")]
)
def test_images_that_it_cannot_take(tmp_path: Path, image: dict[str, Any], said: str) -> None:
    model = {"name": "backbone", "architecture": "mobilenet_v3_small", "weights": "random"}
    with pytest.raises(ConfigError, match=said):
        train(tmp_path, model, preprocessing={"image": image})


def test_grad_cam_and_attributions(run: bmcli.Run) -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8)).astype(np.uint8)
    (found,) = run.explain(image)
    assert found.heat is not None and found.heat.ndim == 2
    assert found.image.shape == (32, 32, 3)


TWO_EPOCHS = """\
name: trial
data: {{name: digits, limit: 48}}
model: {{name: backbone, weights: {weights}}}
training: {{epochs: 2, batch_size: 16, precision: float32}}
evaluation: {{splits: [test]}}
"""


def test_resuming_is_exact_and_needs_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = folder_of(tmp_path / "weights")
    (tmp_path / "c.yaml").write_text(TWO_EPOCHS.format(weights=weights))
    assert train_in(tmp_path, "c.yaml") == 0
    stop_when_saved(1, monkeypatch)
    assert train_in(tmp_path, "c.yaml") == 143
    monkeypatch.undo()
    weights.rename(tmp_path / "elsewhere")
    assert train_in(tmp_path, "--resume", "trial-v2") == 0
    whole, again = (
        json.loads((tmp_path / f"runs/trial-v{number}" / layout.RECORD).read_text()) for number in (1, 2)
    )
    assert again["weights_sha256"] == whole["weights_sha256"]
    assert again["exact"] is True and again["pretrained"] == whole["pretrained"]


def test_a_smoke_test_needs_no_weights(tmp_path: Path) -> None:
    config = TWO_EPOCHS.format(weights=tmp_path / "missing") + "preprocessing: {image: {size: 32}}\n"
    (tmp_path / "c.yaml").write_text(config)
    assert train_in(tmp_path, "c.yaml", "--smoke") == 0
    assert not (tmp_path / "runs").exists()
