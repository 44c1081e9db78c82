"""The best weights inside model.keras: found when it is written, read without Keras, refused when they do not
fit."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmcli.core.errors import IntegrityError
from bmcli.core.spec import DataSpec
from bmcli.inference import weights as w
from bmcli.inference.weights_index import Index, index_of
from bmcli.models import MODELS
from bmcli.models._head import finished


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A saved network with a submodel, norms, several equal variables; and the network."""
    import keras

    spec = DataSpec.single("image", "multiclass", (8, 8, 3), ("a", "b", "c"))
    network = MODELS.get("resnet")(stem=4, widths=[4, 6], blocks=[1, 1]).build(spec)
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    finished(network, spec, "flip").save(path)
    assert any(isinstance(layer, keras.Model) for layer in finished(network, spec, "flip").layers)
    return path, network


def test_every_weight_is_found_and_read_again(saved: tuple[Path, Any]) -> None:
    path, network = saved
    weights = w.weights_of(network)
    index = index_of(path, weights, w.sha256_of(weights))
    assert index is not None and index.places.keys() == weights.keys()
    assert len({place.start for place in index.places.values()}) == len(weights), "each at its own place"
    again = Index.from_text(index.to_text(), origin="best.json")
    assert again == index
    read = again.read(path.read_bytes(), origin="model.keras")
    assert w.sha256_of(read) == w.weights_sha256(network)
    read["head/kernel"] += 1  # they are copies


def test_without_one_of_them_there_is_no_index(saved: tuple[Path, Any], tmp_path: Path) -> None:
    path, network = saved
    weights = w.weights_of(network)
    assert index_of(path, {**weights, "head/kernel": weights["head/kernel"] + 1}, "") is None
    packed = tmp_path / "packed.keras"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert index_of(packed, weights, "") is None


GOOD = {"dtype": "float32", "shape": [2, 3], "start": 0}
DAMAGED: dict[str, tuple[object, str]] = {
    "a position beyond the end": ({**GOOD, "start": 2**40}, "it ends before a"),
    "a shape larger than the file": ({**GOOD, "shape": [2**39, 2**39]}, "it ends before a"),
    "a negative position": ({**GOOD, "start": -4}, "starts at -4"),
    "Python objects": ({**GOOD, "dtype": "object"}, "has dtype 'object'"),
    "no shape": ({"dtype": "float32", "start": 0}, "shape"),
    "a shape that is not one": ({**GOOD, "shape": [-1]}, "the shape of a"),
    "a thousand axes": ({**GOOD, "shape": [1] * 1000}, "the shape of a"),
    "no map": (7, "damaged"),
}


@pytest.mark.parametrize("case", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_index_is_refused(case: tuple[object, str]) -> None:
    document = {"format": 1, "file": "model.keras", "weights_sha256": "0", "weights": {"a": case[0]}}
    with pytest.raises(IntegrityError, match=case[1]):
        Index.from_text(json.dumps(document), origin="best.json").read(bytes(1000), origin="model.keras")


def test_many_names_for_the_same_bytes_allocate_no_more_than_the_file() -> None:
    places = {str(number): {"dtype": "uint8", "shape": [900], "start": 0} for number in range(3)}
    text = json.dumps({"format": 1, "weights_sha256": "0", "weights": places})
    with pytest.raises(IntegrityError, match="ends before 1"):
        Index.from_text(text, origin="best.json").read(bytes(1000), origin="model.keras")


def test_another_format_is_refused() -> None:
    with pytest.raises(IntegrityError, match="has format 2"):
        Index.from_text('{"format": 2}', origin="best.json")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_scalars_and_other_dtypes(dtype: str, tmp_path: Path) -> None:
    import h5py

    weights = {"a": np.array(3, dtype), "b": np.arange(4).astype(dtype)}
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name, array in weights.items():
            file.create_dataset(f"layers/{name}/vars/0", data=array)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}" * 9)
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    index = index_of(tmp_path / "m.keras", weights, "")
    assert index is not None
    read = index.read((tmp_path / "m.keras").read_bytes(), origin="m")
    assert w.sha256_of(read) == w.sha256_of(weights)
