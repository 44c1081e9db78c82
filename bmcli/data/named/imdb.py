"""IMDB, the Large Movie Review Dataset v1.0."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bmcli.core.errors import DataError
from bmcli.data.named import DATASETS, Dataset, Progress
from bmcli.files.download import File, fetch

if TYPE_CHECKING:
    from bmcli.core.spec import Kind, Task
    from bmcli.data.bundle import Parts, Split

FOLDER = "aclImdb"
ARCHIVE = File(
    "aclImdb_v1.tar.gz",
    "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
    84_125_825,
)
EACH = 12_500
LONGEST = 2**20
"""Largest size of a review in bytes; a longer file is not a review."""


@DATASETS.register("imdb")
class Imdb(Dataset):
    """50,000 film reviews, half of them positive."""

    strip_markup: bool = Field(True, description="Replace HTML line breaks (<br />) with newlines.")

    kind: ClassVar[Kind] = "text"
    task: ClassVar[Task] = "binary"
    classes: ClassVar[tuple[str, ...]] = ("neg", "pos")
    sizes: ClassVar[dict[str, int]] = {"train": 25_000, "test": 25_000}
    licence: ClassVar[str] = "none stated; free for research, please cite"
    homepage: ClassVar[str] = "https://ai.stanford.edu/~amaas/data/sentiment/"
    source: ClassVar[str] = "A. L. Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011"
    files: ClassVar[tuple[File, ...]] = (ARCHIVE,)
    forms: ClassVar[tuple[str, ...]] = (f"{FOLDER}/ with train/ and test/", ARCHIVE.path)

    def available(self, home: Path) -> bool:
        """Whether the folder or the archive exists."""
        return _folder(home) is not None or (home / ARCHIVE.path).is_file()

    def load(self, home: Path, progress: Progress | None = None) -> Parts:
        """The labelled reviews sorted by name; the unlabelled ones are left out."""
        from bmcli.data.bundle import Parts

        folder = _folder(home)
        place = folder or fetch(ARCHIVE, home, progress)
        reviews = _from_folder(place) if folder else _from_archive(place)
        train, test = (self._split(name, reviews[name], place) for name in ("train", "test"))
        notes: tuple[str, ...] = ()
        counts = {
            f"{s}/{c}": sum(i.startswith(f"{s}/{c}/") for i in reviews[s])
            for s in reviews
            for c in self.classes
        }
        if odd := [f"{n:,} in {where}" for where, n in counts.items() if n != EACH]:
            notes = (f"not the official release: {', '.join(odd)} instead of {EACH:,} reviews ({place})",)
        return Parts("text", "binary", self.classes, train, test=test, notes=notes)

    def _split(self, name: str, reviews: dict[str, bytes], place: Path) -> Split:
        import numpy as np

        from bmcli.data.bundle import Split
        from bmcli.modalities.text.examples import Texts

        ids = tuple(sorted(reviews))
        try:
            texts = [reviews[i].decode("utf-8") for i in ids]
        except UnicodeDecodeError as error:
            raise DataError(f"{place}: a review of the {name} split is not UTF-8: {error}") from error
        if self.strip_markup:
            texts = [text.replace("<br />", "\n") for text in texts]
        targets = np.array([i.split("/")[1] == "pos" for i in ids], np.int64)
        return Split(Texts(tuple(texts)), targets, ids)


def _folder(home: Path) -> Path | None:
    for folder in (home / FOLDER, home / "aclImdb_v1" / FOLDER):
        if all((folder / s / c).is_dir() for s in ("train", "test") for c in ("neg", "pos")):
            return folder
    return None


def _from_folder(folder: Path) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {"train": {}, "test": {}}
    for split, reviews in found.items():
        for label in ("neg", "pos"):
            with os.scandir(folder / split / label) as entries:
                for entry in entries:
                    if entry.name.endswith(".txt") and not entry.name.startswith(".") and entry.is_file():
                        if entry.stat().st_size >= LONGEST:
                            continue
                        with open(entry.path, "rb", buffering=0) as file:  # noqa: PTH123 - 50,000 times
                            reviews[f"{split}/{label}/{entry.name}"] = file.read()
    return found


def _from_archive(path: Path) -> dict[str, dict[str, bytes]]:
    """Read the .tar.gz directly into memory; nothing is unpacked on disk."""
    import tarfile

    found: dict[str, dict[str, bytes]] = {"train": {}, "test": {}}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                parts = member.name.split("/")
                if (
                    len(parts) != 4
                    or parts[0] != FOLDER
                    or parts[1] not in found
                    or parts[2] not in ("neg", "pos")
                ):
                    continue
                if member.isfile() and member.size < LONGEST and parts[3].endswith(".txt"):
                    file = archive.extractfile(member)
                    assert file is not None
                    found[parts[1]]["/".join(parts[1:])] = file.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{path} is damaged: {error}", hint="remove it and download it again") from error
    return found
