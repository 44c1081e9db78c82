"""CIFAR-100."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bmcli.data.named import DATASETS, Dataset, Progress
from bmcli.files.download import File, fetch

if TYPE_CHECKING:
    from bmcli.core.spec import Kind, Task
    from bmcli.data.bundle import Parts

FOLDER = "cifar-100-python"
ARCHIVE = File(
    "cifar-100-python.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    169_001_437,
)
MD5 = {  # of the members of the official archive
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
}
FINE = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly "
    "camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup "
    "dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower "
    "leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid "
    "otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray "
    "road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar "
    "sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle "
    "wardrobe whale willow_tree wolf woman worm"
)
COARSE = (
    "aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices "
    "household_furniture insects large_carnivores large_man-made_outdoor_things "
    "large_natural_outdoor_scenes large_omnivores_and_herbivores medium_mammals non-insect_invertebrates "
    "people reptiles small_mammals trees vehicles_1 vehicles_2"
)


@DATASETS.register("cifar100")
class Cifar100(Dataset):
    """60,000 colour images of 100 kinds of objects (in 20 groups), 32 × 32."""

    labels: Literal["fine", "coarse"] = Field("fine", description="100 classes, or their 20 superclasses.")

    kind: ClassVar[Kind] = "image"
    task: ClassVar[Task] = "multiclass"
    classes: ClassVar[tuple[str, ...]] = tuple(FINE.split())
    shape: ClassVar[tuple[int, int, int] | None] = (32, 32, 3)
    sizes: ClassVar[dict[str, int]] = {"train": 50_000, "test": 10_000}
    licence: ClassVar[str] = "none stated; free for research, please cite"
    homepage: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar.html"
    source: ClassVar[str] = "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009"
    files: ClassVar[tuple[File, ...]] = (ARCHIVE,)
    forms: ClassVar[tuple[str, ...]] = (f"{FOLDER}/", ARCHIVE.path)

    def class_names(self) -> tuple[str, ...]:
        """The 100 classes or their 20 superclasses."""
        return self.classes if self.labels == "fine" else tuple(COARSE.split())

    def available(self, home: Path) -> bool:
        """Whether the folder or the archive exists."""
        return _place(home) is not None

    def load(self, home: Path, progress: Progress | None = None) -> Parts:
        """See Dataset.load."""
        from bmcli.data.bundle import Parts
        from bmcli.data.named import _cifar

        place = _place(home) or fetch(ARCHIVE, home, progress)
        batches, notes = _cifar.read(place, FOLDER, MD5)
        classes = self.class_names()
        train, test = (
            _cifar.split([batches[name]], f"{self.labels}_labels".encode(), name, len(classes), place)
            for name in ("train", "test")
        )
        return Parts("image", "multiclass", classes, train, test=test, notes=notes)


def _place(home: Path) -> Path | None:
    for folder in (home / FOLDER, home / f"{FOLDER}-target" / FOLDER):  # the second is Keras's own
        if all((folder / name).is_file() for name in MD5):
            return folder
    archive = home / ARCHIVE.path
    return archive if archive.is_file() else None
