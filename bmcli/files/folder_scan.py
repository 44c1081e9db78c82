"""Every file of a folder by split and class, from names alone, and what is wrong with the others."""

from __future__ import annotations

import os
from pathlib import Path

from bmcli.core.errors import Place, Problem
from bmcli.files.folder_checks import (
    LOOSE,
    classes_without_files,
    compare_splits,
    copies,
    refuse_splits_inside,
    require_some,
    settle_names,
)
from bmcli.files.folder_finder import DOCUMENTS, some_of
from bmcli.files.folder_listing import Looker, shown, suffix_of
from bmcli.files.folders import File, FileKind, Layout, Scan
from bmcli.files.patterns import NamePattern

# === Every file ===


def scan(found: Layout, most: int | None = None) -> Scan:
    """All usable files by split and class, and what is wrong with the others.

    most: look at no more than that many files. Raises DataError if no file has a class, or if a class
    has no training example or two class names cannot be distinguished; ConfigError as in `layout`.
    """
    look = Looker(found.root, found.rules.follow_links)
    pattern = found.rules.class_pattern
    sorter = Sorter(found, look, NamePattern(pattern, "data.class_pattern") if pattern else None)
    result = sorter.result
    result.folders = dict(found.names)
    left = float("inf") if most is None else most
    for split, folder in found.splits.items():
        result.files[split] = []
        before = len(result.problems)
        for entry in look.walk(folder, result.problems, most=most):
            left -= 1
            if left < 0:
                look.complete = False
                break
            sorter.sort(entry, split, folder)
        result.files[split].sort()
        result.complete = look.complete
        if split == "train" and result.files[split] and result.complete and pattern is None:
            result.problems += classes_without_files(look, folder, result)
        elif split != "train" and not result.files[split]:
            del result.files[split], result.folders[split]
            why = "no file in it can be used" if len(result.problems) > before else "it is empty"
            result.notes.append(f"{look.name(folder)}/ is not used: {why}")
    result.problems += found.stray
    require_some(result, found)
    settle_names(result, found)
    if not found.names and found.rules.split_folders and pattern is None:
        refuse_splits_inside(result, found)
    if pattern is None:
        copies(result)
    if result.complete:
        compare_splits(result, found)
    beside = [*found.beside, *sorter.beside]
    if beside:
        result.notes.append(
            f"not used, as {some_of(beside)} lie{'s' * (len(beside) == 1)} outside the class folders"
        )
    return result


class Sorter:
    """Puts each file where it belongs."""

    def __init__(self, found: Layout, look: Looker, pattern: NamePattern | None) -> None:
        self.found = found
        self.look = look
        self.pattern = pattern
        self.result = Scan(notes=list(found.notes))
        self.beside: list[str] = []
        self._suffixes = found.kind.suffixes
        self._wrong_suffix = f"not one of {', '.join(sorted(self._suffixes))}"

    def sort(self, entry: os.DirEntry[str], split: str, folder: Path) -> None:
        """One file below the folder of a split."""
        name = self.look.raw_name(entry.path)
        start = len(os.path.join(folder, "")) - self.look._prefix  # noqa: PTH118
        inner = name[start:]
        label: str | None
        label, _, rest = inner.partition("/")
        suffix = suffix_of(entry.name)
        problem = None
        if shown(name) != name:
            problem = "its name is not UTF-8"
        elif not rest and (suffix not in self._suffixes or _is_document(entry.name, self.found.kind)):
            self.beside.append(shown(name))
            return
        elif not rest and self.pattern is None:
            problem = LOOSE
        elif suffix not in self._suffixes:
            problem = self._wrong_suffix
            self.result.suffixes[suffix] += 1
        elif not (os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file()):  # noqa: PTH113
            problem = "a link to nothing" if entry.is_symlink() else "not a regular file"
        elif self.pattern is not None:
            label, rest = self.pattern.find(inner) or None, inner
            if label is None:
                problem = f"data.class_pattern does not match '{inner}'"
        if problem is None:
            assert label is not None
            self.result.files[split].append(File(name, os.path.normpath(entry.path), label, rest))
        else:
            self.result.problems.append(Problem(problem, Place(shown(name))))


def _is_document(name: str, kind: FileKind) -> bool:
    return kind.documents and DOCUMENTS.fullmatch(name) is not None
