"""Named datasets in every form their releases have, at a hundredth of the size."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmcli.core.errors import DataError
from bmcli.data.bundle import DataBundle
from bmcli.data.named import DATASETS, Dataset, _cifar, _idx
from bmcli.data.named._idx_files import NAMES

Load = Callable[..., DataBundle]
RANDOM = np.random.default_rng(0)
IMAGES = {
    "train": RANDOM.integers(0, 256, (60, 28, 28), np.uint8),
    "t10k": RANDOM.integers(0, 256, (20, 28, 28), np.uint8),
}
LABELS = {"train": np.arange(60, dtype=np.uint8) % 10, "t10k": np.arange(20, dtype=np.uint8) % 10}


def idx(array: np.ndarray) -> bytes:
    shape = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return b"\0\0\x08" + bytes([array.ndim]) + shape + array.tobytes()


def write_idx(folder: Path, *, zipped: bool, dotted: bool = False) -> None:
    folder.mkdir(parents=True)
    for name in NAMES:
        prefix, what, _ = name.split("-", 2)
        data = idx((IMAGES if what == "images" else LABELS)[prefix])
        spelling = name.replace("-idx", ".idx") if dotted else name
        (folder / (f"{spelling}.gz" if zipped else spelling)).write_bytes(
            gzip.compress(data) if zipped else data
        )


def dataset(name: str, **options: Any) -> Dataset:
    return DATASETS.get(name)(**options)


@pytest.mark.parametrize("name", DATASETS.names())
def test_static_information_is_complete(name: str, tmp_path: Path) -> None:
    found = dataset(name)
    assert found.kind in ("image", "text", "table") and found.task and found.summary()
    assert found.sizes and found.licence and found.homepage and found.source and found.forms
    assert (found.shape is not None) == (found.kind == "image")
    assert (len(found.classes) >= 2) == (found.task != "regression")
    assert found.available(tmp_path) == (not found.files)
    assert all(len(f.sha256) == 64 and f.size > 1000 and f.url.startswith("https://") for f in found.files)


def test_looking_at_the_registry_imports_no_numpy() -> None:
    code = (
        "import sys; from bmcli.data.named import DATASETS\n"
        "import pathlib\n"
        "for n in DATASETS: DATASETS.get(n)().available(pathlib.Path('/nowhere'))\n"
        "print([m for m in ('numpy', 'PIL', 'sklearn', 'polars', 'tensorflow') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mnist", "mnist"),
        ("mnist", ""),
        ("fashion_mnist", "fashion-mnist"),
        ("fashion_mnist", "fashion_mnist"),
    ],
)
@pytest.mark.parametrize(("zipped", "dotted"), [(True, False), (False, False), (False, True)])
def test_idx_files(tmp_path: Path, load: Load, name: str, folder: str, zipped: bool, dotted: bool) -> None:
    home = tmp_path / "data"
    write_idx(home / folder, zipped=zipped, dotted=dotted)
    assert dataset(name).available(home)
    bundle = load(name=dataset(name), home=home)
    assert bundle.train.examples.arrays.shape == (54, 28, 28, 1)  # type: ignore[union-attr]
    assert (len(bundle.validation or ()), len(bundle.test or ())) == (6, 20)
    assert (bundle.test.examples.arrays[..., 0] == IMAGES["t10k"]).all()  # type: ignore[union-attr]
    assert bundle.test.targets.tolist() == LABELS["t10k"].tolist()  # type: ignore[union-attr]
    assert bundle.splits_from == {
        "train": "official",
        "test": "official",
        "validation": "cut 0.1, stratified, seed 0",
    }
    assert any("not the official release" in note for note in bundle.notes)


def test_the_official_bytes_are_not_called_another_release(tmp_path: Path) -> None:
    import hashlib

    write_idx(tmp_path / "mnist", zipped=True)
    files = {name: tmp_path / "mnist" / f"{name}.gz" for name in NAMES}
    sums = {n: hashlib.md5(gzip.decompress(p.read_bytes())).hexdigest() for n, p in files.items()}
    assert _idx.load(files, sums, tuple("0123456789")).notes == ()
    sums[NAMES[1]] = "0" * 32
    assert "train-labels" in _idx.load(files, sums, tuple("0123456789")).notes[0]


def test_mnist_as_npz_is_the_same_data(tmp_path: Path, load: Load) -> None:
    home, other = tmp_path / "npz", tmp_path / "idx"
    home.mkdir()
    np.savez(
        home / "mnist.npz",
        x_train=IMAGES["train"],
        y_train=LABELS["train"],
        x_test=IMAGES["t10k"],
        y_test=LABELS["t10k"],
    )
    write_idx(other / "mnist", zipped=True)
    a, b = load(name=dataset("mnist"), home=home), load(name=dataset("mnist"), home=other)
    assert a.fingerprint == b.fingerprint


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-3], lambda d: d + b"x", lambda d: b"\0\0\x0d" + d[3:], lambda d: b""]
)
def test_damaged_idx_files_are_refused(tmp_path: Path, load: Load, damage: Callable[[bytes], bytes]) -> None:
    write_idx(tmp_path / "data/mnist", zipped=False)
    path = tmp_path / "data/mnist/train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="train-images"):
        load(name=dataset("mnist"), home=tmp_path / "data")


def test_a_zip_bomb_and_a_cut_zip_are_refused(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path / "data/mnist", zipped=True)
    path = tmp_path / "data/mnist/train-images-idx3-ubyte.gz"
    monkeypatch.setattr(_idx, "MAX_BYTES", 10_000)
    with pytest.raises(DataError, match="too large"):
        load(name=dataset("mnist"), home=tmp_path / "data")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="truncated"):
        load(name=dataset("mnist"), home=tmp_path / "data")


# === CIFAR ===


def batch(n: int, **labels: list[int]) -> dict[bytes, Any]:
    data = np.zeros((n, 3, 32, 32), np.uint8)
    data[:, 0, 0, :] = 200  # the top row is red
    data[:, 2, :, 5] = 100  # the sixth column is blue
    return {b"data": data.reshape(n, 3072), **{k.encode(): v for k, v in labels.items()}}


def old_pickle(value: dict[bytes, Any]) -> bytes:
    """As Python 2 and NumPy 1 wrote the official files: numpy.core, latin-1 texts."""
    return pickle.dumps(value, protocol=2).replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")


def write_cifar10(home: Path, *, archive: bool) -> None:
    files = {f"data_batch_{i}": old_pickle(batch(20, labels=list(range(10)) * 2)) for i in range(1, 6)}
    files["test_batch"] = old_pickle(batch(10, labels=list(range(10))))
    write_files(home, "cifar-10-batches-py", "cifar-10-python.tar.gz", files, archive=archive)


def write_files(home: Path, folder: str, name: str, files: dict[str, bytes], *, archive: bool) -> None:
    home.mkdir(parents=True, exist_ok=True)
    if archive:
        with tarfile.open(home / name, "w:gz") as tar:
            for file, data in files.items():
                info = tarfile.TarInfo(f"{folder}/{file}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return
    for file, data in files.items():
        path = home / folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.mark.parametrize("archive", [True, False])
def test_cifar10(tmp_path: Path, load: Load, archive: bool) -> None:
    write_cifar10(tmp_path / "data", archive=archive)
    bundle = load(name=dataset("cifar10"), home=tmp_path / "data", validation=0)
    pixels = bundle.train.examples.arrays  # type: ignore[union-attr]
    assert pixels.shape == (100, 32, 32, 3) and pixels.dtype == np.uint8
    assert (pixels[:, 0, 0] == (200, 0, 0)).all() and (pixels[:, 9, 5] == (0, 0, 100)).all()
    assert bundle.classes[bundle.train.targets[3]] == "cat" and len(bundle.test or ()) == 10
    assert "not the official release" in bundle.notes[0]
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == [
        "cifar-10-python.tar.gz" if archive else "cifar-10-batches-py"
    ], "nothing is unpacked on disk"


@pytest.mark.parametrize(("labels", "classes"), [("fine", 100), ("coarse", 20)])
def test_cifar100(tmp_path: Path, load: Load, labels: str, classes: int) -> None:
    both = {"fine_labels": list(range(100)), "coarse_labels": [i % 20 for i in range(100)]}
    files = {"train": old_pickle(batch(100, **both)), "test": old_pickle(batch(100, **both))}
    write_files(tmp_path / "data", "cifar-100-python", "cifar-100-python.tar.gz", files, archive=True)
    bundle = load(name=dataset("cifar100", labels=labels), home=tmp_path / "data", validation=0)
    assert len(bundle.classes) == classes and set(bundle.train.targets.tolist()) == set(range(classes))


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


class Deep:
    def __reduce__(self) -> Any:
        return np.ndarray, ((10**12,), np.uint8)


@pytest.mark.parametrize("payload", ["canary", "eval", "huge", "objects"])
def test_no_pickle_runs_anything(tmp_path: Path, payload: str) -> None:
    spot = tmp_path / "was here"
    value: Any = {
        "canary": Canary(spot),
        "eval": None,
        "huge": Deep(),
        "objects": np.array([{"a": 1}], dtype=object),
    }[payload]
    data = pickle.dumps({b"data": value, b"labels": [1]}, protocol=2)
    if payload == "eval":
        data = b'cbuiltins\neval\n(S\'__import__("os").mkdir("%s")\'\ntR.' % str(spot).encode()
    with pytest.raises(DataError, match="cannot be read"):
        _cifar._unpickled(data, tmp_path / "data_batch_1")
    assert not spot.exists()
    if payload == "canary":
        pickle.loads(data)
        assert spot.exists(), "the canary sings when pickle itself reads it"


@pytest.mark.parametrize(
    "value",
    [
        [1, 2],
        {b"data": [1]},
        {**batch(3), b"labels": [1, 2]},
        {**batch(2), b"labels": [1, 99]},
        {**batch(1), b"labels": ["1"]},
    ],
)
def test_other_pickles_are_refused(tmp_path: Path, load: Load, value: Any) -> None:
    write_cifar10(tmp_path / "data", archive=False)
    (tmp_path / "data/cifar-10-batches-py/data_batch_2").write_bytes(pickle.dumps(value, protocol=2))
    with pytest.raises(DataError, match="CIFAR's form"):
        load(name=dataset("cifar10"), home=tmp_path / "data")


def test_an_incomplete_or_damaged_archive(tmp_path: Path, load: Load) -> None:
    home = tmp_path / "data"
    write_files(home, "cifar-10-batches-py", "cifar-10-python.tar.gz", {"data_batch_1": b"x"}, archive=True)
    with pytest.raises(DataError, match="incomplete: data_batch_2"):
        load(name=dataset("cifar10"), home=home)
    (home / "cifar-10-python.tar.gz").write_bytes(b"\x1f\x8b" + bytes(100))
    with pytest.raises(DataError, match="damaged"):
        load(name=dataset("cifar10"), home=home)


# === IMDB ===


@pytest.mark.parametrize("archive", [True, False])
def test_imdb(tmp_path: Path, load: Load, archive: bool) -> None:
    files = {
        f"{split}/{label}/{i}_{score}.txt": f"{split} {label} {i}.<br /><br />Ω".encode()
        for split in ("train", "test")
        for label, score in (("neg", 2), ("pos", 9))
        for i in range(10)
    }
    files["train/unsup/1_0.txt"] = b"no label"
    files["README"] = b"read me"
    write_files(tmp_path / "data", "aclImdb", "aclImdb_v1.tar.gz", files, archive=archive)
    bundle = load(name=dataset("imdb"), home=tmp_path / "data", validation=0.2)
    assert (len(bundle.train), len(bundle.validation or ()), len(bundle.test or ())) == (16, 4, 20)
    assert bundle.classes == ("neg", "pos") and bundle.task == "binary"
    test = bundle.test
    assert test is not None and test.ids[0] == "test/neg/0_2.txt" and test.targets[0] == 0
    assert test.examples.texts[0] == "test neg 0.\n\nΩ"  # type: ignore[union-attr]
    assert "10 in train/neg" in bundle.notes[0]
    kept = load(name=dataset("imdb", strip_markup=False), home=tmp_path / "data")
    assert "<br />" in kept.train.examples.texts[0]  # type: ignore[union-attr]


def test_bundled_data_needs_nothing(load: Load) -> None:
    digits, diabetes = load(name=dataset("digits")), load(name=dataset("diabetes"))
    assert [len(s or ()) for s in (digits.train, digits.validation, digits.test)] == [1294, 144, 359]
    assert digits.train.examples.arrays.max() == 255  # type: ignore[union-attr]
    assert diabetes.target_name == "progression" and "bmi" in diabetes.train.examples.columns  # type: ignore[union-attr]
    assert digits.fingerprint == load(name=dataset("digits")).fingerprint
    assert digits.fingerprint != load(name=dataset("digits"), seed=1).fingerprint


def test_offline_says_what_to_put_where(load: Load, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        load(name=dataset("mnist"))
    assert str(tmp_path / "home/mnist.npz") in (error.value.hint or "")
