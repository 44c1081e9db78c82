"""Fashion-MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bmcli.data.named import DATASETS, Dataset, Progress
from bmcli.files.download import File, fetch

if TYPE_CHECKING:
    from bmcli.core.spec import Kind, Task
    from bmcli.data.bundle import Parts

MD5 = {  # of the unzipped files
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def _file(name: str, sha256: str, size: int) -> File:
    return File(f"fashion-mnist/{name}", ORIGIN + name, sha256, size)


@DATASETS.register("fashion_mnist")
class FashionMnist(Dataset):
    """70,000 images of clothing, 28 × 28 grey, in MNIST's format."""

    kind: ClassVar[Kind] = "image"
    task: ClassVar[Task] = "multiclass"
    classes: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    shape: ClassVar[tuple[int, int, int] | None] = (28, 28, 1)
    sizes: ClassVar[dict[str, int]] = {"train": 60_000, "test": 10_000}
    licence: ClassVar[str] = "MIT"
    homepage: ClassVar[str] = "https://github.com/zalandoresearch/fashion-mnist"
    source: ClassVar[str] = (
        "H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine "
        "learning algorithms, arXiv:1708.07747, 2017"
    )
    files: ClassVar[tuple[File, ...]] = (
        _file(
            "train-images-idx3-ubyte.gz",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            26_421_880,
        ),
        _file(
            "train-labels-idx1-ubyte.gz",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            29_515,
        ),
        _file(
            "t10k-images-idx3-ubyte.gz",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            4_422_102,
        ),
        _file(
            "t10k-labels-idx1-ubyte.gz",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            5_148,
        ),
    )
    forms: ClassVar[tuple[str, ...]] = (
        "fashion-mnist/ or fashion_mnist/ with the four IDX files (train-images-idx3-ubyte, ...), .gz or not",
    )

    def available(self, home: Path) -> bool:
        """Whether the four files exist."""
        return _find(home) is not None

    def load(self, home: Path, progress: Progress | None = None) -> Parts:
        """See Dataset.load."""
        from bmcli.data.named import _idx, _idx_files

        found = _find(home)
        if found is None:
            fetched = [fetch(file, home, progress) for file in self.files]
            found = _idx_files.find([fetched[0].parent])
            assert found is not None
        return _idx.load(found, MD5, self.classes)


def _find(home: Path) -> dict[str, Path] | None:
    from bmcli.data.named import _idx_files

    return _idx_files.find([home / "fashion-mnist", home / "fashion_mnist", home / "FashionMNIST" / "raw"])
