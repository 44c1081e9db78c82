"""MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bmcli.data.named import DATASETS, Dataset, Progress
from bmcli.files.download import File, fetch

if TYPE_CHECKING:
    from bmcli.core.spec import Kind, Task
    from bmcli.data.bundle import Parts

MD5 = {  # of the unzipped files, as published with the original release
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
NPZ = File(
    "mnist.npz",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    11_490_434,
)


@DATASETS.register("mnist")
class Mnist(Dataset):
    """70,000 handwritten digits, 28 × 28 grey."""

    kind: ClassVar[Kind] = "image"
    task: ClassVar[Task] = "multiclass"
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    shape: ClassVar[tuple[int, int, int] | None] = (28, 28, 1)
    sizes: ClassVar[dict[str, int]] = {"train": 60_000, "test": 10_000}
    licence: ClassVar[str] = "CC BY-SA 3.0"
    homepage: ClassVar[str] = "http://yann.lecun.com/exdb/mnist/"
    source: ClassVar[str] = (
        "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document "
        "recognition, Proceedings of the IEEE 86, 1998"
    )
    files: ClassVar[tuple[File, ...]] = (NPZ,)
    forms: ClassVar[tuple[str, ...]] = (
        "mnist.npz",
        "mnist/ with the four IDX files (train-images-idx3-ubyte, ...), .gz or not",
        "the four IDX files themselves",
    )

    def available(self, home: Path) -> bool:
        """Whether one of the forms exists."""
        return (home / NPZ.path).is_file() or _find(home) is not None

    def load(self, home: Path, progress: Progress | None = None) -> Parts:
        """See Dataset.load."""
        from bmcli.data.named import _idx

        files = None if (home / NPZ.path).is_file() else _find(home)
        if files is not None:
            return _idx.load(files, MD5, self.classes)
        return _from_npz(fetch(NPZ, home, progress), self.classes)


def _find(home: Path) -> dict[str, Path] | None:
    from bmcli.data.named import _idx_files

    return _idx_files.find([home / "mnist", home / "MNIST" / "raw", home])


def _from_npz(path: Path, classes: tuple[str, ...]) -> Parts:
    from bmcli.data.arrays import open_npz
    from bmcli.data.bundle import Parts
    from bmcli.data.named import _idx
    from bmcli.files.download import sha256_of

    arrays = open_npz(path, ("x_train", "y_train", "x_test", "y_test"))
    train = _idx.image_split(arrays["x_train"], arrays["y_train"], "train", len(classes), path)
    test = _idx.image_split(arrays["x_test"], arrays["y_test"], "test", len(classes), path)
    notes = () if sha256_of(path) == NPZ.sha256 else (f"not the official release: {path}",)
    return Parts("image", "multiclass", classes, train, test=test, notes=notes)
