"""Features are those of keras.applications; where the files come from, and what does not fit."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmcli.core.errors import ConfigError, DataError, IntegrityError
from bmcli.core.spec import DataSpec
from bmcli.models.backbone import Backbone
from bmcli.pretrained.backbones import KERAS
from tests.server import Server

SMALL = "mobilenet_v3_small"
SPEC = DataSpec.single("image", "multiclass", (64, 64, 3), tuple("abc"))


def original(name: str, seed: int = 0, **options: Any) -> Any:
    """Keras's own network with random weights, statistics and layer scales included."""
    import keras

    keras.utils.set_random_seed(seed)
    build = getattr(keras.applications, KERAS[name].builder)
    model = build(input_shape=(64, 64, 3), include_top=False, weights=None, **options)
    random = np.random.default_rng(seed)
    for variable in model.weights:
        values = np.asarray(variable)
        variable.assign(values + 0.2 * random.random(values.shape) * (values.std() or 1))
    return model


def features(network: Any) -> Any:
    import keras

    return keras.Model(network.input, network.layers[-2].output)


@pytest.mark.parametrize("name", [SMALL, "convnext_tiny"])
@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_features(tmp_path: Path, name: str, suffix: str) -> None:
    import keras

    model = original(name, include_preprocessing=False)
    file = tmp_path / f"saved{suffix}"
    model.save(file) if suffix == ".keras" else model.save_weights(file)
    component = Backbone(architecture=name, weights=str(file))
    assert component.resolved(files=True)[1] == []
    network = component.build(SPEC)
    component.initialise(network, None)
    images = np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype(np.float32)
    pooled = keras.layers.GlobalAveragePooling2D()(model.layers[-1].input)
    top = model.layers[-1](pooled) if name == "convnext_tiny" else model.layers[-1].output
    wanted = keras.Model(model.input, top)(images, training=False)
    wanted = np.asarray(wanted) if name == "convnext_tiny" else np.asarray(wanted).mean(axis=(1, 2))
    found = np.asarray(features(network)(images, training=False))
    assert np.abs(found - wanted).max() < 1e-3 * max(1, np.abs(wanted).max())
    assert np.abs(wanted).max() > 0.01
    origin = component.origin()
    assert origin is not None
    assert origin["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", [SMALL, "efficientnet_v2_b0", "efficientnet_v2_s", "convnext_tiny"])
def test_images_are_scaled_as_keras_does_it_inside_the_model(name: str) -> None:
    import keras

    model = original(name)
    first = next(one for one in model.layers if isinstance(one, keras.layers.Conv2D | keras.Sequential))
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    wanted = np.asarray(keras.Model(model.input, first.input)(pixels))
    images = KERAS[name].images
    found = pixels * np.float32(images.scale) + np.float32(images.offset)
    assert np.abs(found - wanted[:, : found.shape[1], : found.shape[2]]).max() < 1e-5


def test_images_of_resnet50_v2() -> None:
    import keras

    pixels = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3)).astype(np.float32)
    images = KERAS["resnet50_v2"].images
    wanted = keras.applications.resnet_v2.preprocess_input(pixels.copy())
    assert np.allclose(pixels * np.float32(images.scale) + np.float32(images.offset), wanted, atol=1e-6)


@pytest.mark.parametrize("name", KERAS)
def test_the_installed_keras_pins_a_hash(name: str) -> None:
    assert len(KERAS[name].pinned()) in (32, 64)


def older_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What an official file is like, of random weights, which Keras is made to pin."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    application = KERAS[SMALL]
    file = folder / "made.h5"
    with h5py.File(file, "w") as opened:
        legacy_h5_format.save_weights_to_hdf5_group(opened, original(SMALL, include_preprocessing=False))
    data = file.read_bytes()
    module = importlib.import_module(f"keras.src.applications.{application.module}")
    pinned = {application.key: ("", hashlib.md5(data).hexdigest())}
    monkeypatch.setattr(module, "WEIGHTS_HASHES", {**module.WEIGHTS_HASHES, **pinned})
    return data


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Keras's folder of models, and the data home."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("BM_DATA_HOME", str(tmp_path / "home"))
    (tmp_path / "keras" / "models").mkdir(parents=True)
    return tmp_path / "keras" / "models", tmp_path / "home"


def loaded() -> Any:
    component = Backbone(architecture=SMALL, weights="imagenet")
    network = component.build(SPEC)
    component.initialise(network, None)
    return network


def test_the_file_is_found_where_keras_leaves_it(
    tmp_path: Path, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BM_OFFLINE", "1")
    (places[0] / KERAS[SMALL].name).write_bytes(older_file(tmp_path, monkeypatch))
    network = loaded()
    wanted = original(SMALL, include_preprocessing=False)
    variables = {variable.path: variable for variable in network.weights}
    for variable in wanted.weights:
        assert np.array_equal(variables[variable.path], variable)
    assert not places[1].exists()


def test_a_file_that_keras_does_not_pin_is_refused(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BM_OFFLINE", "1")
    (places[0] / KERAS[SMALL].name).write_bytes(b"something else")
    with pytest.raises(IntegrityError, match="is not the file that Keras publishes"):
        loaded()


def test_offline_says_what_to_put_where(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BM_OFFLINE", "1")
    application = KERAS[SMALL]
    with pytest.raises(DataError) as caught:
        application.official()
    assert f"storage.googleapis.com/tensorflow/keras-applications/{application.file}" in str(caught.value)
    assert str(places[1] / "keras-applications" / application.file) in str(caught.value)
    assert f"MD5 {application.pinned()}" in str(caught.value)
    made_up = Backbone(architecture=SMALL, weights="imagenet").made_up(places[1])
    assert made_up.weights == "random"


def test_it_is_downloaded_once_and_resumed(
    tmp_path: Path, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    data = older_file(tmp_path, monkeypatch)
    server.files[f"keras-applications/{KERAS[SMALL].file}"] = data
    server.cut_after = len(data) // 2
    component, seen = Backbone(architecture=SMALL, weights="imagenet"), []
    missing = component.missing()
    assert missing is not None and missing.name == KERAS[SMALL].name
    with pytest.raises(ConfigError, match="is not on this machine"):
        loaded()  # nothing is downloaded but where a config is read for training
    assert server.requests == []
    component.obtain(lambda *step: seen.append(step))
    assert seen[-1] == (KERAS[SMALL].name, len(data), len(data)) and component.missing() is None
    assert server.requests == [None, f"bytes={len(data) // 2}-"]
    assert KERAS[SMALL].here() == places[1] / "keras-applications" / KERAS[SMALL].file
    loaded()
    assert len(server.requests) == 2


def test_a_download_with_another_hash_is_refused(places: tuple[Path, Path], server: Server) -> None:
    server.files[f"keras-applications/{KERAS[SMALL].file}"] = b"another"
    with pytest.raises(IntegrityError, match="its MD5 is"):
        KERAS[SMALL].official()
    assert KERAS[SMALL].here() is None


def refused(weights: Path, error: type[Exception] = IntegrityError) -> str:
    component = Backbone(architecture=SMALL, weights=str(weights))
    network = component.build(SPEC)
    before = [np.asarray(one).copy() for one in network.weights]
    with pytest.raises(error) as caught:
        component.initialise(network, None)
    assert all(np.array_equal(one, now) for one, now in zip(before, network.weights, strict=True))
    return str(caught.value)


def test_files_of_other_networks(tmp_path: Path) -> None:
    import keras

    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    other.save_weights(tmp_path / "other.weights.h5")
    found = refused(tmp_path / "other.weights.h5")
    assert "is missing" in found and "include_top=False" in found
    topped = keras.applications.MobileNetV3Small(
        (64, 64, 3), weights=None, include_preprocessing=False, classes=7
    )
    topped.save_weights(tmp_path / "topped.weights.h5")
    assert "has no place in it" in refused(tmp_path / "topped.weights.h5")
    (tmp_path / "damaged.weights.h5").write_bytes(b"not HDF5")
    assert "is damaged" in refused(tmp_path / "damaged.weights.h5")
    (tmp_path / "damaged.keras").write_bytes(b"not ZIP")
    assert "is damaged" in refused(tmp_path / "damaged.keras")
    (tmp_path / "weights.pt").write_bytes(b"")
    assert "is not one of .weights.h5" in refused(tmp_path / "weights.pt", ConfigError)


def test_a_file_that_points_to_another_is_refused(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "linked.weights.h5", "w") as opened:
        opened["layers"] = h5py.ExternalLink("/etc/passwd", "/")
    assert "lies in another place" in refused(tmp_path / "linked.weights.h5")
