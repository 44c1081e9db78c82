"""Folders with one sub-folder per class, under split folders (train/, validation/, test/) or not.

Names alone are looked at here, so this is quick. Hidden files and folders are no data. A link is followed
when it stays inside the folder; one that leaves it is reported, for data from elsewhere must not reach into
the rest of the machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bmcli.errors import DataError, Place, Problem
from bmcli.files.suffixes import IMAGE_SUFFIXES, SPLIT_FOLDERS, TEXT_SUFFIXES

LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
"""What operating systems leave behind, compared in lower case."""


@dataclass
class Scan:
    """What lies in a folder. files: split -> (id, path, class), by id; folders: split -> its name."""

    files: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def kind_of(root: Path) -> str | None:
    """'image' or 'text', by the suffix that more files have; None where no file has one."""
    counts = {"image": 0, "text": 0}
    for entry in _walk(root, root.resolve(), [], set()):
        suffix = _suffix(entry)
        counts["image"] += suffix in IMAGE_SUFFIXES
        counts["text"] += suffix in TEXT_SUFFIXES
        if counts["image"] + counts["text"] >= 1000:  # enough to know
            break
    best = max(counts, key=lambda kind: counts[kind])
    return best if counts[best] else None


def scan(root: Path, suffixes: frozenset[str]) -> Scan:
    """All usable files by split and class, and what is wrong with the others.

    A folder without split folders is one split, 'train'. Raises DataError where there are no class folders.
    """
    found = Scan()
    split_folders = _split_folders(root)
    for split, folder in split_folders.items() or {"train": root}.items():
        if folder != root:
            found.folders[split] = folder.name
        found.files[split] = []
        for entry in _walk(folder, root.resolve(), found.problems, set()):
            _sort(entry, folder, root, suffixes, found, split)
        found.files[split].sort()
        if split == "train" and found.files[split]:
            found.problems += _classes_without_files(folder, root, found)
    if split_folders:
        inside = {folder.name for folder in split_folders.values()}
        for entry in _entries(root):
            if entry.name not in inside:
                found.problems.append(Problem("lies beside the split folders", Place(_shown(entry.name))))
    if not any(found.files.values()) and not found.problems:
        raise DataError(f"{root} holds no class folders with files in them", hint=_layout(root))
    if not any(found.files.values()) and all(p.message == _LOOSE for p in found.problems):
        raise DataError(f"{root}: the files lie in no class folder", hint=_layout(root))
    return found


def _classes_without_files(folder: Path, root: Path, found: Scan) -> Iterator[Problem]:
    """A class nobody gave an example: a copy that broke off, rather than a wish."""
    known = {name for _, _, name in found.files["train"]}
    spoken_of = {problem.place.file for problem in found.problems if problem.place is not None}
    for entry in _entries(folder):
        name = Path(entry.path).relative_to(root).as_posix()
        said = any(other == name or other.startswith(f"{name}/") for other in spoken_of)
        if _is_folder(entry) and entry.name not in known and not said:
            yield Problem("a class without examples", Place(_shown(name)))


_LOOSE = "lies in no class folder"


def _layout(root: Path) -> str:
    return f"one folder per class: {root.name}/daisy/1.jpg, or {root.name}/train/daisy/1.jpg"


def _suffix(entry: os.DirEntry[str]) -> str:
    return os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - a Path per file takes most of the time


def _sort(
    entry: os.DirEntry[str], folder: Path, root: Path, suffixes: frozenset[str], found: Scan, split: str
) -> None:
    name = entry.path[len(os.path.join(root, "")) :].replace(os.sep, "/")  # noqa: PTH118
    inner = name.split("/")[0 if folder == root else 1 :]  # a split folder lies directly in the root
    problem = None
    if _shown(name) != name:
        problem = "its name is not UTF-8"
    elif len(inner) < 2:
        problem = _LOOSE
    elif _suffix(entry) not in suffixes:
        problem = f"not one of {', '.join(sorted(suffixes))}"
    elif not (os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file()):  # noqa: PTH113
        problem = "a link to nothing" if entry.is_symlink() else "not a regular file"
    if problem is None:
        found.files[split].append((name, os.path.normpath(entry.path), inner[0]))
    else:
        found.problems.append(Problem(problem, Place(_shown(name))))


def _split_folders(root: Path) -> dict[str, Path]:
    """The split folders, where the training one is there and holds class folders."""
    folders = {entry.name: Path(entry.path) for entry in _entries(root) if _is_folder(entry)}
    found: dict[str, Path] = {}
    for split, names in SPLIT_FOLDERS.items():
        matching = [path for name, path in folders.items() if name.lower() in names]
        if len(matching) > 1:
            raise DataError(
                f"{root}: {' and '.join(sorted(p.name for p in matching))} are both the {split} split"
            )
        if matching:
            found[split] = matching[0]
    if "train" not in found or not any(_is_folder(entry) for entry in _entries(found["train"])):
        return {}
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Also where it is a link; one that leads to itself, on which `entry.is_dir` fails, is none."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is data in a folder, by name."""
    try:
        with os.scandir(folder) as entries:
            kept = [e for e in entries if not e.name.startswith(".") and e.name.lower() not in LITTER]
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read: {error.strerror or error}", place=Place(str(folder))
        ) from error
    return sorted(kept, key=lambda entry: entry.name)


def _walk(folder: Path, root: Path, problems: list[Problem], above: set[str]) -> Iterator[os.DirEntry[str]]:
    """Every file below; links that leave `root` (resolved) or lead back above themselves become problems."""
    real = os.path.realpath(folder)
    above = above | {real}
    for entry in _entries(folder):
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            inside = target == str(root) or target.startswith(f"{root}{os.sep}")
            if not inside or target in above:
                what = "a link that leaves the folder" if not inside else "a link back to a folder above it"
                problems.append(
                    Problem(what, Place(_shown(_relative(target_of=Path(entry.path), root=root))))
                )
                continue
        if _is_folder(entry):
            yield from _walk(Path(entry.path), root, problems, above)
        else:
            yield entry


def _relative(*, target_of: Path, root: Path) -> str:
    try:
        return (target_of.parent.resolve() / target_of.name).relative_to(root).as_posix()
    except ValueError:
        return str(target_of)


def _shown(name: str) -> str:
    """The name with bytes that are not UTF-8 written as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
