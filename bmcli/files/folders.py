"""What is known of a folder of examples: its kind, its splits, its classes, its files.

`folder_layout.layout` finds where the splits and the class folders lie; `folder_scan.scan` finds every file.

People have folders as they were unpacked: `Training/` and `Testing/`, `seg_train/seg_train/CLASS/`, one
folder around everything, a test folder without class folders. All that is read into one is said in `notes`;
what cannot be decided is one DataError. Hidden files and folders are not data. A link is followed while it
stays inside the folder; one that leaves it is refused unless the config allows it, for data from elsewhere
must not reach into the rest of the machine.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bmcli.core.errors import Problem
from bmcli.core.registry import known_modalities


@dataclass(frozen=True)
class FileKind:
    """Files that are an example each. name: of their modality; one, many: what they are called; documents:
    whether a README next to the class folders may have such a suffix."""

    name: str
    suffixes: frozenset[str]
    one: str
    many: str
    documents: bool


def file_kinds() -> dict[str, FileKind]:
    """By name, those that come with bm and those registered so far."""
    registry = known_modalities()
    known = sorted((registry.get(name)() for name in registry.local_names()), key=lambda one: one.place)
    return {
        one.registry_name: FileKind(
            one.registry_name, one.file_suffixes, one.words.one, one.words.many, one.documents
        )
        for one in known
        if one.file_suffixes
    }


@dataclass(frozen=True)
class Rules:
    """The config's settings for a folder.

    classes: those of the data that the folder is a part of (a run's, or the training split's); empty for
        data that stands alone. cuts: the splits that are cut from training where the folder has none.
    """

    kind: str | None = None
    split_folders: bool = True
    class_pattern: str | None = None
    follow_links: bool = False
    classes: tuple[str, ...] = ()
    cuts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """The layout of a folder.

    splits: split -> the folder that holds its class folders ('train' alone where there are no split folders).
    names: split -> that folder's path in the root; empty if there are no split folders. classes: the class
    folders of the training split; empty if file names hold the classes. stray, beside: what lies beside
    the split folders, by its path in the root: as unusable, as nothing to do with the examples.
    """

    root: Path
    rules: Rules
    kind: FileKind
    splits: dict[str, Path]
    names: dict[str, str]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    stray: tuple[Problem, ...] = ()
    beside: tuple[str, ...] = ()


class File(NamedTuple):
    """One example. name: its path in the root; inner: below its class folder (with `class_pattern`: below the
    folder of its split)."""

    name: str
    path: str
    label: str
    inner: str


@dataclass
class Scan:
    """The contents of a folder.

    files: by split, by name; folders: split -> its path in the root, where there are split folders; suffixes:
    how many files were left out for their suffix; complete: False if `most` ended the count.
    """

    files: dict[str, list[File]] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    suffixes: Counter[str] = field(default_factory=Counter)
    complete: bool = True
