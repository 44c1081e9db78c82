"""CIFAR-10."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bmcli.data.named import DATASETS, Dataset, Progress
from bmcli.files.download import File, fetch

if TYPE_CHECKING:
    from bmcli.core.spec import Kind, Task
    from bmcli.data.bundle import Parts

FOLDER = "cifar-10-batches-py"
ARCHIVE = File(
    "cifar-10-python.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    170_498_071,
)
MD5 = {  # of the members of the official archive
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


@DATASETS.register("cifar10")
class Cifar10(Dataset):
    """60,000 colour images of 10 kinds of objects, 32 × 32."""

    kind: ClassVar[Kind] = "image"
    task: ClassVar[Task] = "multiclass"
    classes: ClassVar[tuple[str, ...]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    shape: ClassVar[tuple[int, int, int] | None] = (32, 32, 3)
    sizes: ClassVar[dict[str, int]] = {"train": 50_000, "test": 10_000}
    licence: ClassVar[str] = "none stated; free for research, please cite"
    homepage: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar.html"
    source: ClassVar[str] = "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009"
    files: ClassVar[tuple[File, ...]] = (ARCHIVE,)
    forms: ClassVar[tuple[str, ...]] = (f"{FOLDER}/", ARCHIVE.path)

    def available(self, home: Path) -> bool:
        """Whether the folder or the archive exists."""
        return _place(home) is not None

    def load(self, home: Path, progress: Progress | None = None) -> Parts:
        """See Dataset.load."""
        from bmcli.data.bundle import Parts
        from bmcli.data.named import _cifar

        place = _place(home) or fetch(ARCHIVE, home, progress)
        batches, notes = _cifar.read(place, FOLDER, MD5)
        *train, test = (batches[name] for name in MD5)
        return Parts(
            "image",
            "multiclass",
            self.classes,
            _cifar.split(train, b"labels", "train", 10, place),
            test=_cifar.split([test], b"labels", "test", 10, place),
            notes=notes,
        )


def _place(home: Path) -> Path | None:
    for folder in (home / FOLDER, home / f"{FOLDER}-target" / FOLDER):  # the second is Keras's own
        if all((folder / name).is_file() for name in MD5):
            return folder
    archive = home / ARCHIVE.path
    return archive if archive.is_file() else None
