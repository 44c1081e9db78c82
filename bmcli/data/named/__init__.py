"""Named datasets: one file per dataset.

A dataset declares (without NumPy) what it contains and where it comes from, finds its files in the data home
in the forms of the official release, and reads them. It declares:

    kind, task, classes, shape      as in `DataBundle`; shape is (height, width, channels), for images only
    sizes                           examples per split, {'train': 60000, 'test': 10000}; one entry 'all' if
    the data has no splits licence, homepage, source       terms of use, where it is published, how to cite it
    files                           what is downloaded, with SHA-256 and size; empty if nothing is forms
    the forms looked for in the data home, one line each
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bmcli.core.component import Component
from bmcli.core.plugin_calls import Check, kind_of
from bmcli.core.registry import Registry
from bmcli.files.download import File

if TYPE_CHECKING:
    from bmcli.core.spec import Kind, Task
    from bmcli.data.bundle import Parts

Progress = Callable[[str, int, int], None]
"""Called with (file name, bytes done, total bytes) during a download."""


def _parts(result: object, _: tuple[object, ...]) -> str | None:
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
        """The classes for these options; `classes` unless an option selects another set."""
        return self.classes

    def available(self, home: Path) -> bool:
        """Whether it can be loaded without a download."""
        return not self.files

    def load(self, home: Path, progress: Progress | None = None) -> Parts:
        """Read it, downloading what is missing.

        Raises DataError if it is neither there nor available for download, IntegrityError if a download does
        not match its SHA-256.
        """
        raise NotImplementedError


DATASETS: Registry[Dataset] = Registry("dataset", Dataset, __name__, needs="load")
