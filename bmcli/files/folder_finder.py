"""The path down to the class folders, and what is next to it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from bmcli.core.errors import DataError, Place, Problem
from bmcli.files.folder_listing import FOLLOW, LISTED, Listing, Looker, shown, suffix_of
from bmcli.files.folders import FileKind, Rules
from bmcli.files.names import (
    GENERIC,
    IMAGES,
    PARTS,
    is_generic,
    nfc,
    says_nothing,
    split_of,
    suggest_pattern,
    words_of,
)
from bmcli.files.patterns import NamePattern
from bmcli.files.suffixes import SPLIT_FOLDERS

NOT_SPLITS = "data.split_folders: false treats every folder as a class, whatever its name"

DOCUMENTS = re.compile(
    r"((readme|licen[cs]e|copying|citation)([ ._-].*)?|changelog|changes|authors|credits|attribution|notice"
    r"|class(es|_?names)|labels?|requirements|about|info)\.txt",
    re.IGNORECASE,
)
"""Names of .txt files next to the class folders that describe the data and are not part of it."""
COUNTED_PER_FOLDER, COUNTED, FOLDERS = 200, 2_000, 500
"""What `kind_of` looks at."""
_BESIDE = 10
"""Folders that are searched for examples next to one called images/ or similar."""
SHOWN = 5


class NoClassFoldersError(DataError):
    """Files are not in a class folder. suggested: a `data.class_pattern` that their names clearly fit."""

    suggested: str | None = None


class Finder:
    """Finds the path to the class folders, and records what is next to it."""

    def __init__(self, look: Looker, rules: Rules, kind: FileKind) -> None:
        self.look = look
        self.rules = rules
        self.kind = kind
        self.beside: list[str] = []
        self.stray: list[Problem] = []
        self._skipped: list[str] = []
        self._pattern = (
            NamePattern(rules.class_pattern, "data.class_pattern") if rules.class_pattern else None
        )

    def notes(self) -> list[str]:
        """What was skipped on the way."""
        if not self._skipped:
            return []
        return [f"a level around the class folders is skipped: {', '.join(self._skipped)}"]

    def is_example(self, name: str, *, top: bool = True) -> bool:
        """Whether a file is of the kind that is read; top: where documents about the data lie, too."""
        if top and self.kind.documents and DOCUMENTS.fullmatch(name):
            return False
        return suffix_of(name) in self.kind.suffixes

    def down(self, folder: Path, classes: Collection[str], *, part: bool = False) -> Path:
        """Below the folders that hold nothing but one other folder, which is not a class.

        part: of a validation or test split, in which a class may stand alone; classes: those known.
        """
        start = folder
        while True:
            listing = self.look.listing(folder)
            only = self._only_one(listing)
            if only is None or any(self.is_example(entry.name) for entry in listing.files):
                break
            if self.look.refuses(only) is not None or nfc(only.name) in set(map(nfc, classes)):
                break
            named = split_of(only.name)
            if folder == self.look.root and self.rules.split_folders and named and named[0] == "train":
                break
            below = self.look.listing(Path(only.path))
            generic = is_generic(only.name) or nfc(only.name).lower() == nfc(folder.name).lower()
            if below.folders:
                known = {nfc(entry.name) for entry in below.folders} & set(map(nfc, classes))
                if part and not generic and not known:
                    break
            elif not below.files or not (generic or self._pattern is not None):
                break
            self.beside += [self.look.name(entry.path) for entry in listing.files]
            self.beside += [
                f"{self.look.name(entry.path)}/" for entry in listing.folders if entry is not only
            ]
            folder = Path(only.path)
        if folder != start:
            self._skipped.append(f"{self.look.name(folder)}/")
        return folder

    def _only_one(self, listing: Listing) -> os.DirEntry[str] | None:
        """The only folder with examples: images/ next to annotations/, which has none."""
        if len(listing.folders) == 1:
            return listing.folders[0]
        generic = [e for e in listing.folders if is_generic(e.name) and split_of(e.name) is None]
        if len(generic) != 1 or len(listing.folders) > _BESIDE:
            return None
        others = [entry for entry in listing.folders if entry is not generic[0]]
        return None if any(self._has_examples(entry) for entry in others) else generic[0]

    def _has_examples(self, folder: os.DirEntry[str]) -> bool:
        """Whether there is an example below, or something that could be one; bounded."""
        if self.look.refuses(folder) is not None:
            return True
        count = 0
        for count, entry in enumerate(self.look.walk(Path(folder.path), [], most=COUNTED)):
            if count >= COUNTED or self.is_example(entry.name, top=False):
                return True
        return False

    def split_folders(self, base: Path) -> dict[str, Path]:
        """split -> its folder; empty if the folders are classes."""
        folders = self.look.listing(base).folders
        named = {entry.name: found for entry in folders if (found := split_of(entry.name)) is not None}
        others = [entry.name for entry in folders if entry.name not in named]
        sure = {name for name, (_, words) in named.items() if says_nothing(words)}
        whole = not others and len({split for split, _ in named.values()} - {"unlabelled"}) > 1
        taken: dict[str, list[str]] = {}
        for name, (split, words) in named.items():
            twin = any(w == words and s != split for s, w in named.values())
            if name in sure or twin or whole:
                taken.setdefault(split, []).append(name)
        taken.pop("unlabelled", None)
        if not taken:
            return {}
        self._check_splits(base, taken, [n for n in (entry.name for entry in folders) if n not in sure])
        return {split: base / taken[split][0] for split in SPLIT_FOLDERS if split in taken}

    def _check_splits(self, base: Path, taken: Mapping[str, list[str]], others: list[str]) -> None:
        where = str(base)
        for split, names in taken.items():
            if len(names) > 1:
                both = " and ".join(shown(name) for name in sorted(names))
                raise DataError(
                    f"{where}: {both} are both the {split} split", hint=f"leave one; or {NOT_SPLITS}"
                )
        listed = [shown(name) for names in taken.values() for name in names]
        if "train" not in taken:
            also = [shown(name) for name in others if name not in listed]
            beside = f" ({some_of(also)} beside it)" if also else ""
            raise DataError(
                f"{where}: {' and '.join(f'{name}/' for name in listed)} "
                f"{'have names of splits' if len(listed) > 1 else 'has the name of a split'}, "
                f"and there is no folder for training{beside}",
                hint=f"move the class folders into {base.name}/train/; or, where it is a class, {NOT_SPLITS}",
            )
        train = base / taken["train"][0]
        if (why := self.look.refuses_path(train)) is not None:
            raise DataError(f"{self.look.root}: {shown(train.name)} is {why}", hint=FOLLOW)

    def class_folders(self, folder: Path) -> tuple[str, ...]:
        """The names of the class folders; DataError if there are none and no pattern gives the class."""
        listing = self.look.listing(folder)
        if self._pattern is not None:
            return ()
        if listing.folders:
            self._refuse_parts(folder, [shown(entry.name) for entry in listing.folders])
            return tuple(shown(entry.name) for entry in listing.folders)
        examples = [entry.name for entry in listing.files if self.is_example(entry.name)]
        where = f"{self.look.root}: " + (
            f"{self.look.name(folder)}/ holds " if folder != self.look.root else ""
        )
        suffix = min(self.kind.suffixes & {".jpg", ".txt"} or self.kind.suffixes)
        hint = f"one folder per class: {folder.name}/daisy/1{suffix}"
        if not examples:
            raise DataError(f"{self.look.root} holds no class folders with files in it", hint=hint)
        count = self._count(len(examples), listing.complete)
        suggested = suggest_pattern(examples)
        key = f"data.class_pattern: '{suggested[0] if suggested else '^(cat|dog)'}'"
        hint += f"; or, where the names of the files begin with the class, {key}"
        if folder.name and split_of(folder.name) and self.rules.split_folders and folder != self.look.root:
            hint += f"; or, where {shown(folder.name)} is a class, {NOT_SPLITS}"
        what = (
            f"{count}, and no class folder"
            if folder != self.look.root
            else f"{count} are not in a class folder"
        )
        error = NoClassFoldersError(where + what, hint=hint)
        error.suggested = suggested and suggested[0]
        raise error

    def _refuse_parts(self, folder: Path, names: list[str]) -> None:
        """images/ and masks/ are two parts of every example, and no classes."""
        words = {name: set(words_of(name)) for name in names}
        parts = [name for name, said in words.items() if said & PARTS and said <= PARTS | GENERIC]
        images = [name for name, said in words.items() if said & IMAGES and said <= GENERIC]
        if parts and images and len(parts) + len(images) == len(names) and self.rules.split_folders:
            listed = some_of([f"{name}/" for name in names])
            raise DataError(
                f"{folder} holds {listed}: these are not the names of classes",
                hint="bm reads one folder per class; it does not read masks or boxes. If these "
                f"are classes, {NOT_SPLITS}",
            )

    def unusable_split(self, split: str, folder: Path, inner: Path) -> str | None:
        """Why a validation or test folder cannot be used, where it has no classes."""
        listing = self.look.listing(inner)
        name = self.look.name(folder)
        if self._pattern is not None:
            names = self._some_names(inner)
            if not names:
                return f"{name}/ is empty: not used" + self._instead(split)
            if any(self._pattern.find(each) for each in names):
                return None
            count = self._count(len(names), len(names) < COUNTED)
            why = f"holds {count} whose names data.class_pattern does not match"
        elif listing.folders:
            return None
        else:
            count_of = sum(self.is_example(entry.name) for entry in listing.files)
            if not count_of:
                return f"{name}/ is empty: not used" + self._instead(split)
            why = f"holds {self._count(count_of, listing.complete)} without class folders"
        return f"{name}/ {why}: not used, use bm predict for them" + self._instead(split)

    def _some_names(self, folder: Path) -> list[str]:
        """Examples below, by their path in the folder; bounded."""
        names: list[str] = []
        for entry in self.look.walk(folder, [], most=LISTED):
            if self.is_example(entry.name, top=False):
                names.append(self.look.raw_name(entry.path)[len(self.look.raw_name(str(folder))) + 1 :])
            if len(names) >= COUNTED:
                break
        return names

    def _instead(self, split: str) -> str:
        return f"; the {split} split is cut from training instead" if split in self.rules.cuts else ""

    def _count(self, count: int, complete: bool) -> str:
        more = "" if complete else "more than "
        return f"{more}{count:,} {self.kind.one if count == 1 else self.kind.many}"

    def look_beside(self, base: Path, splits: Mapping[str, Path]) -> None:
        """What is next to the split folders."""
        listing = self.look.listing(base)
        inside = {folder.name for folder in splits.values()}
        unlabelled = []
        for entry in listing.folders:
            if entry.name in inside:
                continue
            named = split_of(entry.name)
            if named is not None and named[0] == "unlabelled":
                unlabelled.append(f"{self.look.name(entry.path)}/")
            else:
                self.stray.append(Problem("is beside the split folders", Place(self.look.name(entry.path))))
        for entry in listing.files:
            if self.is_example(entry.name):
                self.stray.append(Problem("is beside the split folders", Place(self.look.name(entry.path))))
            else:
                self.beside.append(self.look.name(entry.path))
        self.beside += unlabelled


def some_of(names: Collection[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN:,} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
