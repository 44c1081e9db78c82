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
from typing import TYPE_CHECKING, Any, ClassVar

from bmcli.core.component import Component
from bmcli.core.plugin_calls import Check, kind_of
from bmcli.core.registry import Registry
from bmcli.files.download import File

if TYPE_CHECKING:
    from bmcli.core.spec import Kind, Task
    from bmcli.data.bundle import Parts

Progress = Callable[[str, int, int], None]
"""Called with (file name, bytes done, bytes in all) while something is downloaded."""


def _parts(result: Any, _: tuple[Any, ...]) -> str | None:
    from bmcli import tasks
    from bmcli.core.spec import SPLITS
    from bmcli.data.bundle import Parts

    if not isinstance(result, Parts):
        return f"gives {kind_of(result)}, not Parts"
    for name in SPLITS:
        split = result.split(name)
        if split is None:
            continue
        counts = {"examples": len(split.examples), "targets": len(split.targets), "ids": len(split.ids)}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{count:,} {what}" for what, count in counts.items())
            return f"gives a {name} split of {listed}"
        if wrong := tasks.of(result.task).check_targets(split.targets, result.classes):
            return wrong
    return None


class Dataset(Component):
    """Base of all named datasets: the fields are the options, `load` reads it."""

    results: ClassVar[dict[str, Check]] = {"load": _parts}

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


DATASETS: Registry[Dataset] = Registry("dataset", Dataset, __name__, needs="load")
