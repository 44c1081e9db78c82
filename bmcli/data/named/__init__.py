"""Named datasets: one file per dataset, found by its place.

A dataset knows statically (without NumPy) what it holds and where it comes from, finds its files in the data
home in the forms the official release has, and reads them. What it declares:

    kind, task, classes, shape      as in `DataBundle`; shape is (height, width, channels), pictures only
    sizes                           examples per split, {'train': 60000, 'test': 10000}; one entry 'all' where
                                    the data brings no split
    licence, homepage, source       terms of use, where it is published, how to cite it
    files                           what is downloaded, with SHA-256 and size; empty where nothing need be
    forms                           where it is looked for in the data home, one line each
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bmcli.data.download import File
from bmcli.registry import Component, Registry

if TYPE_CHECKING:
    from bmcli.data.bundle import Kind, Parts, Task

Progress = Callable[[str, int, int], None]
"""Called with (file name, bytes done, bytes in all) while something is downloaded."""


class Dataset(Component):
    """Base of all named datasets: the fields are the options, `load` reads it."""

    kind: ClassVar[Kind]
    task: ClassVar[Task]
    classes: ClassVar[tuple[str, ...]] = ()
    shape: ClassVar[tuple[int, int, int] | None] = None
    sizes: ClassVar[dict[str, int]] = {}
    licence: ClassVar[str] = ""
    homepage: ClassVar[str] = ""
    files: ClassVar[tuple[File, ...]] = ()
    forms: ClassVar[tuple[str, ...]] = ()

    def class_names(self) -> tuple[str, ...]:
        """The classes with these options; `classes` unless an option chooses among several sets."""
        return self.classes

    def available(self, home: Path) -> bool:
        """Whether it can be loaded without a download."""
        return not self.files

    def load(self, home: Path, progress: Progress | None = None) -> Parts:
        """Read it, downloading what is missing.

        Raises DataError where it is neither there nor to be had, IntegrityError where a download is not what
        was pinned.
        """
        raise NotImplementedError


DATASETS: Registry[Dataset] = Registry("dataset", Dataset, __name__)
