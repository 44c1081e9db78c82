"""Features are those of timm; see make_backbones.py for how they were made. What does not fit is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmcli.core.errors import BmError, ConfigError, IntegrityError
from bmcli.pretrained.backbones import TIMM, timm
from bmcli.pretrained.backbones.efficientnet_lite import EfficientNetLite, Stage
from bmcli.pretrained.backbones.layers import convolution
from bmcli.pretrained.backbones.resnet import ResNet
from bmcli.pretrained.backbones.vision_transformer import VisionTransformer
from tests.pretrained.make_backbones import BACKBONES

TINY: dict[str, timm.Architecture] = {
    "lite": EfficientNetLite(8, (Stage(1, 3, 1, 1, 8), Stage(2, 3, 2, 2, 16), Stage(2, 5, 2, 3, 24)), 32),
    "resnet": ResNet((2, 1, 1, 1), False, width=4),
    "bottleneck": ResNet((2, 1, 1, 1), True, width=2),
    "vit": VisionTransformer(4, 16, 2, 2),
    "dinov2": VisionTransformer(4, 16, 2, 2, layer_scale=True),
}
ANY = ".*"


def network(name: str, shape: tuple[int, ...]) -> Any:
    import keras

    images = keras.Input(shape, name="input")
    return keras.Model(images, TINY[name].features(images))


@pytest.mark.parametrize(
    ("name", "size"), [*((name, "") for name in TINY), ("vit", "larger"), ("dinov2", "larger")]
)
def test_features(name: str, size: str) -> None:
    kept = np.load(BACKBONES / name / "reference.npz")
    images = kept[size or "images"]
    model = network(name, images.shape[1:])
    weights = timm.weights_of(BACKBONES / name, TINY[name], images.shape[1:3])
    assert set(weights.by_variable) == {variable.path for variable in model.weights}
    weights.load(model)
    found = np.asarray(model(images, training=False))
    wanted = kept[f"{size}_features" if size else "features"]
    assert np.abs(wanted).mean() > 0.05
    # The resampled positions go through another arithmetic.
    assert np.abs(found - wanted).max() < (1e-3 if size else 1e-4) * max(1, np.abs(wanted).max())


@pytest.mark.parametrize("padding", ["tensorflow", "pytorch"])
def test_padding_at_stride_two(padding: Any) -> None:
    """A kernel that takes its middle alone shows where the first window lies."""
    import keras

    images = keras.Input((4, 4, 1))
    model = keras.Model(images, convolution(images, "conv", 1, 3, stride=2, padding=padding))
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, 1] = 1
    model.get_layer("conv").set_weights([kernel])
    values = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    wanted = {"tensorflow": [[5, 7], [13, 15]], "pytorch": [[0, 2], [8, 10]]}[padding]
    assert np.asarray(model(values))[0, :, :, 0].tolist() == wanted


def test_epsilons_of_batch_norm() -> None:
    import keras

    for name, epsilon in (("lite", 1e-3), ("resnet", 1e-5)):
        model = network(name, (32, 32, 3))
        norms = [one for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]
        assert norms and {one.epsilon for one in norms} == {epsilon}


@pytest.mark.parametrize("name", TIMM)
def test_every_architecture_knows_where_its_weights_are_from(name: str) -> None:
    import keras

    entry = TIMM[name]
    size = entry.images.size
    images = keras.Input((*size, 3))
    model = keras.Model(images, entry.architecture.features(images))
    sources = entry.architecture.sources(size)
    assert set(sources) == {variable.path for variable in model.weights}


def changed(tmp_path: Path, name: str, change: Callable[[dict[str, np.ndarray]], None]) -> Path:
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / name
    shutil.copytree(BACKBONES / name, folder)
    arrays = load_file(folder / "model.safetensors")
    change(arrays)
    save_file(arrays, folder / "model.safetensors")
    return folder


def refused(folder: Path, name: str) -> str:
    with pytest.raises(IntegrityError) as caught:
        timm.weights_of(folder, TINY[name], (32, 32))
    return "; ".join(problem.message for problem in caught.value.problems)


def test_tensors_that_do_not_fit(tmp_path: Path) -> None:
    def change(arrays: dict[str, np.ndarray]) -> None:
        del arrays["layer2.0.bn1.running_var"]
        arrays["layer9.0.conv1.weight"] = np.zeros(2, np.float16)
        arrays["conv1.weight"] = arrays["conv1.weight"][:, :1].copy()
        arrays["bn1.bias"] = arrays["bn1.bias"].astype(np.int32)

    found = refused(changed(tmp_path, "resnet", change), "resnet")
    assert "layer2.0.bn1.running_var is missing" in found
    assert "layer9.0.conv1.weight has no place in it" in found
    assert "conv1.weight is [64, 1, 7, 7], not [64, 3, 7, 7]" in found
    assert "bn1.bias is I32" in found


def test_heads_and_counters_are_left_out(tmp_path: Path) -> None:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays["bn1.num_batches_tracked"] = np.array(3, np.int64)

    folder = changed(tmp_path, "resnet", change)
    assert timm.weights_of(folder, TINY["resnet"], (32, 32)).unused == ("fc.bias", "fc.weight")


def test_nothing_is_loaded_where_a_value_is_not_finite(tmp_path: Path) -> None:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays["layer4.0.bn2.weight"][0] = np.nan

    folder = changed(tmp_path, "resnet", change)
    model = network("resnet", (32, 32, 3))
    before = [np.asarray(one).copy() for one in model.weights]
    with pytest.raises(IntegrityError, match=r"layer4\.0\.bn2\.weight"):
        timm.weights_of(folder, TINY["resnet"], (32, 32)).load(model)
    assert all(np.array_equal(one, now) for one, now in zip(before, model.weights, strict=True))


def test_a_position_table_of_no_square(tmp_path: Path) -> None:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays["pos_embed"] = np.ascontiguousarray(arrays["pos_embed"][:, :-1])

    folder = changed(tmp_path, "vit", change)
    weights = timm.weights_of(folder, TINY["vit"], (16, 16))
    with pytest.raises(IntegrityError, match="pos_embed has 16 rows"):
        weights.load(network("vit", (16, 16, 3)))


def test_a_truncated_file(tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(BACKBONES / "vit", folder)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="truncated"):
        timm.weights_of(folder, TINY["vit"], (16, 16))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("input_size", [3, 10**9, 224], "input_size"),
        ("input_size", [1, 224, 224], "3 channels"),
        ("input_size", "224", "input_size"),
        ("interpolation", "nearest", "interpolation is 'nearest'"),
        ("crop_pct", 0, None),
        ("crop_pct", 7, "crop_pct"),
        ("crop_mode", "border", "crop_mode"),
        ("mean", [0.5, 0.5], "mean is not 3 numbers"),
        ("mean", [0.5, 0.5, float("nan")], "mean"),
        ("std", [0.2, 0.2, 0.0], "std"),
        ("std", None, "std"),
    ],
)
def test_what_config_json_may_say(tmp_path: Path, key: str, value: object, said: str | None) -> None:
    document = json.loads((BACKBONES / "vit" / "config.json").read_text())
    document["pretrained_cfg"][key] = value
    (tmp_path / "config.json").write_text(json.dumps(document))
    if said is None:
        assert timm.described(tmp_path, ANY).images.crop == 1
        return
    with pytest.raises(ConfigError, match=said):
        timm.described(tmp_path, ANY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is damaged"),
        ("[]", "not a map"),
        ("{}", "names no architecture"),
        ('{"architecture": "resnet50d"}', "'resnet50d', where resnet50 is needed"),
        ('{"architecture": "resnet50"}', "no pretrained_cfg"),
        ('{"architecture": "resnet50", "model_args": {"stem_type": "deep"}}', "stem_type"),
    ],
)
def test_a_config_json_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BmError, match=said):
        timm.described(tmp_path, "resnet50")


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        timm.described(tmp_path / "none", ANY)
    with pytest.raises(ConfigError, match="there is no file"):
        timm.described(tmp_path, ANY)


@pytest.mark.parametrize("name", TINY)
def test_onnx_with_one_input_and_plain_keras(tmp_path: Path, name: str) -> None:
    import keras
    import onnxruntime

    from bmcli.core.spec import DataSpec
    from bmcli.export.onnx import to_onnx

    kept = np.load(BACKBONES / name / "reference.npz")
    images = kept["images"]
    body = network(name, images.shape[1:])
    timm.weights_of(BACKBONES / name, TINY[name], images.shape[1:3]).load(body)
    model = keras.Model(body.input, keras.layers.Identity(name="output")(body.output))
    session = onnxruntime.InferenceSession(
        to_onnx(model, DataSpec.single("image", "multiclass", images.shape[1:], tuple("ab")))
    )
    assert [one.name for one in session.get_inputs()] == ["input"]
    found = session.run(None, {"input": images})[0]
    assert np.abs(found - kept["features"]).max() < 1e-4 * max(1, np.abs(found).max())
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.abs(np.asarray(again(images)) - found).max() < 1e-4 * max(1, np.abs(found).max())


def test_grad_cam_of_patches() -> None:
    """Of the states that the class token still reads: those at the end have no gradient but its own."""
    from bmcli.explain.attributions import GradCam

    images = np.load(BACKBONES / "vit/reference.npz")["images"]
    body = network("vit", images.shape[1:])
    timm.weights_of(BACKBONES / "vit", TINY["vit"], images.shape[1:3]).load(body)
    cam = GradCam(body)
    assert cam.there
    chosen = np.zeros(body.output.shape[-1], np.float32)
    chosen[0] = 1
    heat = cam.heat(images[0], chosen)
    patch = TINY["vit"].patch
    assert heat.shape == (images.shape[1] // patch, images.shape[2] // patch)
    assert heat.max() == 1 and heat.min() < 1 and np.isfinite(heat).all()
