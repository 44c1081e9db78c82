"""What a folder is: its kind, its splits and its classes, decided here for everybody who asks.

    layout   where the splits and the class folders lie, from a few bounded listings; nothing is opened
    scan     every file by split and class, from names alone, and what is wrong with the others

People have folders as they were unpacked: `Training/` and `Testing/`, `seg_train/seg_train/CLASS/`, one
folder around everything, a test folder without class folders. All that is read into one is said in `notes`;
what cannot be decided is one DataError. Hidden files and folders are no data. A link is followed while it
stays inside the folder; one that leaves it is refused unless the config allows it, for data from elsewhere
must not reach into the rest of the machine.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from bmcli.core.errors import DataError, Place, Problem
from bmcli.files.names import (
    GENERIC,
    IMAGES,
    PARTS,
    SPLIT_WORDS,
    is_generic,
    nfc,
    says_nothing,
    split_of,
    suggest_pattern,
    words_of,
)
from bmcli.files.patterns import NamePattern
from bmcli.files.suffixes import IMAGE_SUFFIXES, SPLIT_FOLDERS, TABLE_SUFFIXES, TEXT_SUFFIXES

FolderKind = Literal["image", "text"]
SUFFIXES: dict[FolderKind, frozenset[str]] = {"image": IMAGE_SUFFIXES, "text": TEXT_SUFFIXES}
_NOUNS: dict[FolderKind, tuple[str, str]] = {"image": ("image", "images"), "text": ("text", "texts")}

LITTER = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "__pycache__", "lost+found"}
)
"""What operating systems and tools leave behind, compared in lower case."""
LEAVES = "a link that leaves the folder"
FOLLOW = "data.follow_links: true follows links that leave the folder"
NOT_SPLITS = "data.split_folders: false takes every folder for a class, whatever its name"

_DOCUMENTS = re.compile(
    r"((readme|licen[cs]e|copying|citation)([ ._-].*)?|changelog|changes|authors|credits|attribution|notice"
    r"|class(es|_?names)|labels?|requirements|about|info)\.txt",
    re.IGNORECASE,
)
"""Names of .txt files beside the class folders that are about the data, and not of it."""


_LISTED = 20_000
"""Entries of one folder that `layout` looks at: beyond, it is no matter what else lies there."""
_COUNTED_PER_FOLDER, _COUNTED, _FOLDERS = 200, 2_000, 500
"""What `kind_of` looks at."""
_BESIDE = 10
"""Folders beside one called images/ or the like that are searched for examples."""
_SHOWN = 5
_LEVELS = 50
"""Of folders within folders; more are no way anybody keeps data."""
_VISITS = 200
"""Of one folder, by way of links: a few that name each other twice make more paths than can be walked."""


class NoClassFoldersError(DataError):
    """Files lie in no class folder. suggested: a `data.class_pattern` that their names clearly fit."""

    suggested: str | None = None


@dataclass(frozen=True)
class Rules:
    """What the config says of a folder.

    classes: those of the data that the folder is a part of (a run's, or the training split's); empty for
        data that stands alone. cuts: the splits that are cut from training where the folder has none.
    """

    kind: FolderKind | None = None
    split_folders: bool = True
    class_pattern: str | None = None
    follow_links: bool = False
    classes: tuple[str, ...] = ()
    cuts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Where things lie in a folder.

    splits: split -> the folder that holds its class folders ('train' alone where there are no split folders).
    names: split -> that folder's path in the root; empty where there are no split folders. classes: the class
    folders of the training split; empty where file names hold the classes. stray, beside: what lies beside
    the split folders, by its path in the root: as unusable, as nothing to do with the examples.
    """

    root: Path
    rules: Rules
    kind: FolderKind
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
    """What lies in a folder.

    files: by split, by name; folders: split -> its path in the root, where there are split folders; suffixes:
    how many files were left out for their suffix; complete: False where `most` ended the count.
    """

    files: dict[str, list[File]] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    suffixes: Counter[str] = field(default_factory=Counter)
    complete: bool = True


# === What lies where ===


def kind_of(root: Path, *, follow_links: bool = False) -> FolderKind | None:
    """'image' or 'text', by the suffix that more files have; None where no file has one.

    Bounded: at most 200 files of each of the first 500 folders, and 2,000 in all, are counted.
    """
    counts = _kinds(_Looker(root, follow_links))
    best = max(SUFFIXES, key=lambda kind: counts[kind])
    return best if counts[best] else None


def _kinds(look: _Looker) -> Counter[str]:
    """How many files there are of each kind, by suffix of the others, and of links that are refused."""
    counts: Counter[str] = Counter()
    waiting = [(look.root, frozenset({str(look.real)}))]
    for _ in range(_FOLDERS):
        if not waiting or counts["image"] + counts["text"] >= _COUNTED:
            break
        folder, above = waiting.pop(0)
        listing = look.listing(folder, _COUNTED)
        for entry in listing.files[:_COUNTED_PER_FOLDER]:
            suffix = _suffix(entry.name)
            if suffix in IMAGE_SUFFIXES:
                counts["image"] += 1
            elif suffix in TEXT_SUFFIXES and not (folder == look.root and _DOCUMENTS.fullmatch(entry.name)):
                counts["text"] += 1
            else:
                counts[suffix] += 1
        for entry in listing.folders:
            if look.refuses(entry, above) is None:
                waiting.append((Path(entry.path), above | {os.path.realpath(entry.path)}))
            else:
                counts[LEAVES] += 1
    return counts


def layout(root: Path, rules: Rules | None = None) -> Layout:
    """Where the splits and the class folders lie; from names alone, and few of them.

    Raises DataError where that cannot be told: no images or texts, two folders for one split, split folders
    without a training one or without class folders. ConfigError for a pattern that is none.
    """
    rules = rules or Rules()
    look = _Looker(root, rules.follow_links)
    kind = rules.kind or kind_of(root, follow_links=rules.follow_links)
    if kind is None:
        raise _holds_nothing(look)
    place = _Finder(look, rules, kind)
    base = place.down(root, rules.classes)
    folders = place.split_folders(base) if rules.split_folders else {}
    notes: list[str] = []
    splits: dict[str, Path] = {}
    classes: tuple[str, ...] = ()
    if not folders:
        splits["train"] = base
        classes = place.class_folders(base)
    else:
        odd = [
            f"{shown(f.name)}/ is {split}"
            for split, f in folders.items()
            if f.name.lower() not in SPLIT_WORDS
        ]
        if odd:
            notes.append(f"splits by the names of the folders: {', '.join(odd)}")
        inner = place.down(folders["train"], rules.classes)
        splits["train"], classes = inner, place.class_folders(inner)
        for split, folder in folders.items():
            if split == "train":
                continue
            if (why := look.refuses_path(folder)) is not None:
                place.stray.append(Problem(why, Place(look.name(folder)), FOLLOW))
                continue
            inner = place.down(folder, rules.classes or classes, part=True)
            if (note := place.unusable_split(split, folder, inner)) is not None:
                notes.append(note)
            else:
                splits[split] = inner
        place.look_beside(base, folders)
    notes = [*place.notes(), *notes]
    names = {split: look.name(folder) for split, folder in splits.items()} if folders else {}
    return Layout(
        root, rules, kind, splits, names, classes, tuple(notes), tuple(place.stray), tuple(place.beside)
    )


@dataclass(frozen=True)
class _Listing:
    folders: list[os.DirEntry[str]]
    files: list[os.DirEntry[str]]
    complete: bool = True


class _Looker:
    """Lists folders below a root, and says which links may be followed."""

    def __init__(self, root: Path, follow_links: bool) -> None:
        self.root = root
        self.real = os.path.realpath(root)
        self.complete = True  # whether every folder that was walked was listed to its end
        self._follow = follow_links
        self._prefix = len(os.path.join(root, ""))  # noqa: PTH118
        self._inside = self.real.rstrip(os.sep) + os.sep
        # Real path -> how often it was listed, once a link has been followed.
        self._visits: Counter[str] | None = None

    def listing(self, folder: Path, most: int | None = _LISTED) -> _Listing:
        """What is data in a folder, by name. DataError where it cannot be read, or is too deep or too much
        linked."""
        self._bound(folder)
        folders: list[os.DirEntry[str]] = []
        files: list[os.DirEntry[str]] = []
        complete = True
        try:
            with os.scandir(folder) as entries:
                for count, entry in enumerate(entries):
                    if most is not None and count >= most:
                        complete = False
                        break
                    if entry.name.startswith(".") or entry.name.lower() in LITTER:
                        continue
                    (folders if _is_folder(entry) else files).append(entry)
        except OSError as error:
            raise DataError(
                f"{folder} cannot be read: {error.strerror or error}", place=Place(str(folder))
            ) from error
        return _Listing(sorted(folders, key=_by_name), sorted(files, key=_by_name), complete)

    def _bound(self, folder: Path) -> None:
        name = str(folder)
        if name.count(os.sep, self._prefix) >= _LEVELS:
            top = self.name(name).split("/")[0]
            raise DataError(
                f"{self.root}: folders lie in folders more than {_LEVELS} deep ({top}/...)",
                hint="move them up, or leave them out of the data",
            )
        if self._visits is None:
            return
        real = os.path.realpath(name)
        self._visits[real] += 1
        if self._visits[real] > _VISITS:
            raise DataError(
                f"{self.root}: links lead to {shown(os.path.relpath(real, self.real))} in more than "
                f"{_VISITS} ways",
                hint="leave one link to each folder",
            )

    def refuses(self, entry: os.DirEntry[str], above: Collection[str] = ()) -> str | None:
        """Why a link is not followed; None where it is, or is no link."""
        if not entry.is_symlink():
            return None
        why = self._refuses(entry.path, above)
        if why is None and self._visits is None:
            self._visits = Counter()
        return why

    def refuses_path(self, path: Path) -> str | None:
        """The same for a path."""
        return self._refuses(str(path), ()) if path.is_symlink() else None

    def _refuses(self, path: str, above: Collection[str]) -> str | None:
        target = os.path.realpath(path)
        if target in above or target == self.real:
            return "a link back to a folder above it"
        if target.startswith(self._inside):
            return None
        if self._inside.startswith(target.rstrip(os.sep) + os.sep) and self._follow:
            return "a link back to a folder above it"
        return None if self._follow else LEAVES

    def name(self, path: Path | str) -> str:
        """The path in the root, with slashes, readable."""
        return shown(self.raw_name(str(path)))

    def raw_name(self, path: str) -> str:
        """The same as the file system has it."""
        return path[self._prefix :].replace(os.sep, "/")

    def walk(
        self,
        folder: Path,
        problems: list[Problem],
        above: frozenset[str] = frozenset(),
        most: int | None = None,
    ) -> Iterator[os.DirEntry[str]]:
        """Every file below, sorted; links that are not followed become problems.

        most: entries of one folder that are listed.
        """
        above = above | {os.path.realpath(folder)}
        listing = self.listing(folder, most)
        self.complete &= listing.complete
        for entry in sorted([*listing.folders, *listing.files], key=_by_name):
            if (why := self.refuses(entry, above)) is not None:
                hint = FOLLOW if why == LEAVES else None
                problems.append(Problem(why, Place(self.name(entry.path)), hint))
            elif _is_folder(entry):
                yield from self.walk(Path(entry.path), problems, above, most)
            else:
                yield entry


def _by_name(entry: os.DirEntry[str]) -> str:
    return entry.name


class _Finder:
    """Finds the way to the class folders, and remembers what lies beside it."""

    def __init__(self, look: _Looker, rules: Rules, kind: FolderKind) -> None:
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
        if top and self.kind == "text" and _DOCUMENTS.fullmatch(name):
            return False
        return _suffix(name) in SUFFIXES[self.kind]

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

    def _only_one(self, listing: _Listing) -> os.DirEntry[str] | None:
        """The only folder with examples: images/ beside annotations/, which has none."""
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
        for count, entry in enumerate(self.look.walk(Path(folder.path), [], most=_COUNTED)):
            if count >= _COUNTED or self.is_example(entry.name, top=False):
                return True
        return False

    def split_folders(self, base: Path) -> dict[str, Path]:
        """split -> its folder; empty where the folders are classes."""
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
            beside = f" ({_some(also)} beside it)" if also else ""
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
        """The names of the class folders; DataError where there are none and no pattern says the class."""
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
        hint = f"one folder per class: {folder.name}/daisy/1{min(SUFFIXES[self.kind] & {'.jpg', '.txt'})}"
        if not examples:
            raise DataError(f"{self.look.root} holds no class folders with files in it", hint=hint)
        count = self._count(len(examples), listing.complete)
        suggested = suggest_pattern(examples)
        key = f"data.class_pattern: '{suggested[0] if suggested else '^(cat|dog)'}'"
        hint += f"; or, where the names of the files begin with the class, {key}"
        if folder.name and split_of(folder.name) and self.rules.split_folders and folder != self.look.root:
            hint += f"; or, where {shown(folder.name)} is a class, {NOT_SPLITS}"
        what = (
            f"{count}, and no class folder" if folder != self.look.root else f"{count} lie in no class folder"
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
            raise DataError(
                f"{folder} holds {_some([f'{name}/' for name in names])}: the names are not those of classes",
                hint="bm learns classes, by a folder for each; masks and boxes it does not read. Where these "
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
            count = self._count(len(names), len(names) < _COUNTED)
            why = f"holds {count} whose names data.class_pattern does not match"
        elif listing.folders:
            return None
        else:
            count_of = sum(self.is_example(entry.name) for entry in listing.files)
            if not count_of:
                return f"{name}/ is empty: not used" + self._instead(split)
            why = f"holds {self._count(count_of, listing.complete)} without class folders"
        return f"{name}/ {why}: not used, bm predict gives answers for them" + self._instead(split)

    def _some_names(self, folder: Path) -> list[str]:
        """Examples below, by their path in the folder; bounded."""
        names: list[str] = []
        for entry in self.look.walk(folder, [], most=_LISTED):
            if self.is_example(entry.name, top=False):
                names.append(self.look.raw_name(entry.path)[len(self.look.raw_name(str(folder))) + 1 :])
            if len(names) >= _COUNTED:
                break
        return names

    def _instead(self, split: str) -> str:
        return f"; the {split} split is cut from training instead" if split in self.rules.cuts else ""

    def _count(self, count: int, complete: bool) -> str:
        more = "" if complete else "more than "
        return f"{more}{count:,} {_NOUNS[self.kind][count != 1]}"

    def look_beside(self, base: Path, splits: Mapping[str, Path]) -> None:
        """Whatever lies beside the split folders."""
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
                self.stray.append(Problem("lies beside the split folders", Place(self.look.name(entry.path))))
        for entry in listing.files:
            if self.is_example(entry.name):
                self.stray.append(Problem("lies beside the split folders", Place(self.look.name(entry.path))))
            else:
                self.beside.append(self.look.name(entry.path))
        self.beside += unlabelled


def _holds_nothing(look: _Looker) -> DataError:
    """That there is nothing to train on, and why that may be."""
    counts = _kinds(look)
    tables = sorted(e.name for e in look.listing(look.root).files if _suffix(e.name) in TABLE_SUFFIXES)
    kinds = ", ".join(sorted(IMAGE_SUFFIXES))
    hint = f"images are {kinds}; texts are .txt"
    what = f"{look.root} holds neither images nor .txt files"
    if counts[LEAVES]:
        what = f"{look.root} holds only links that leave the folder ({counts[LEAVES]} folders)"
        hint = FOLLOW
    elif tables:
        hint = f"name the file: data.path: {look.root / tables[0]}"
    elif others := left_out(counts):
        what += f", but {others}"
    return DataError(what, hint=hint)


def left_out(suffixes: Mapping[str, int]) -> str:
    """'12 .svg, 3 .psd, 2 without suffix', the most first."""
    ordered = sorted(suffixes.items(), key=lambda item: (not item[0], -item[1], item[0]))
    known = [(suffix, count) for suffix, count in ordered if count and (not suffix or suffix[0] == ".")]
    parts = [
        f"{count:,} {shown(suffix)}" if suffix else f"{count:,} without suffix" for suffix, count in known
    ]
    return ", ".join(parts[:10]) + (", ..." if len(parts) > 10 else "")


# === Every file ===


def scan(found: Layout, most: int | None = None) -> Scan:
    """All usable files by split and class, and what is wrong with the others.

    most: look at no more than that many files. Raises DataError where no file has a class, and where a class
    has no training example or the names of classes cannot be told apart; ConfigError as `layout`.
    """
    look = _Looker(found.root, found.rules.follow_links)
    pattern = found.rules.class_pattern
    sorter = _Sorter(found, look, NamePattern(pattern, "data.class_pattern") if pattern else None)
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
            result.problems += _classes_without_files(look, folder, result)
        elif split != "train" and not result.files[split]:
            del result.files[split], result.folders[split]
            why = "no file in it can be used" if len(result.problems) > before else "it is empty"
            result.notes.append(f"{look.name(folder)}/ is not used: {why}")
    result.problems += found.stray
    _require_some(result, found)
    _settle_names(result, found)
    if not found.names and found.rules.split_folders and pattern is None:
        _refuse_splits_inside(result, found)
    if pattern is None:
        _copies(result, found)
    if result.complete:
        _compare_splits(result, found)
    beside = [*found.beside, *sorter.beside]
    if beside:
        result.notes.append(
            f"not used, as {_some(beside)} lie{'s' * (len(beside) == 1)} outside the class folders"
        )
    return result


class _Sorter:
    """Puts each file where it belongs."""

    def __init__(self, found: Layout, look: _Looker, pattern: NamePattern | None) -> None:
        self.found = found
        self.look = look
        self.pattern = pattern
        self.result = Scan(notes=list(found.notes))
        self.beside: list[str] = []
        self._suffixes = SUFFIXES[found.kind]
        self._wrong_suffix = f"not one of {', '.join(sorted(self._suffixes))}"

    def sort(self, entry: os.DirEntry[str], split: str, folder: Path) -> None:
        """One file below the folder of a split."""
        name = self.look.raw_name(entry.path)
        start = len(os.path.join(folder, "")) - self.look._prefix  # noqa: PTH118
        inner = name[start:]
        label: str | None
        label, _, rest = inner.partition("/")
        suffix = _suffix(entry.name)
        problem = None
        if shown(name) != name:
            problem = "its name is not UTF-8"
        elif not rest and (suffix not in self._suffixes or _is_document(entry.name, self.found.kind)):
            self.beside.append(shown(name))
            return
        elif not rest and self.pattern is None:
            problem = _LOOSE
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


_LOOSE = "lies in no class folder"


def _is_document(name: str, kind: FolderKind) -> bool:
    return kind == "text" and _DOCUMENTS.fullmatch(name) is not None


def _classes_without_files(look: _Looker, folder: Path, result: Scan) -> Iterator[Problem]:
    """A class nobody gave an example: a copy that broke off, rather than a wish."""
    known = {file.label for file in result.files["train"]}
    spoken_of = {problem.place.file for problem in result.problems if problem.place is not None}
    said = {prefix for name in spoken_of for prefix in _above(name)}
    for entry in look.listing(folder, None).folders:
        if entry.name not in known and look.name(entry.path) not in said:
            yield Problem("a class without examples", Place(look.name(entry.path)))


def _above(name: str) -> Iterator[str]:
    """The name and those of the folders it lies in."""
    yield name
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _require_some(result: Scan, found: Layout) -> None:
    """Some training example, or why there is none."""
    if result.files["train"]:
        return
    root, rules = found.root, found.rules
    where = found.names.get("train")
    messages = Counter(problem.message for problem in result.problems)
    first = next((p.place for p in result.problems if p.message == LEAVES and p.place), None)
    if messages[LEAVES] and first is not None:
        raise DataError(
            f"{root}: {messages[LEAVES]:,} files or folders are links that leave the folder "
            f"({first.file}, ...), and nothing else can be used",
            hint=FOLLOW,
        )
    if rules.class_pattern is not None:
        unmatched = [p for p in result.problems if p.message.startswith("data.class_pattern")]
        if unmatched:
            raise DataError(
                f"{root}: data.class_pattern {rules.class_pattern!r} matches none of "
                f"{len(unmatched):,} names, such as {unmatched[0].message.rpartition('match ')[2]}",
                hint="it is matched against the path below "
                + (f"{where}/" if where else f"{root.name}/")
                + "; its first group, or the whole match, is the class",
            )
    layout_hint = f"one folder per class: {root.name}/daisy/1.jpg, or {root.name}/train/daisy/1.jpg"
    if not result.problems:
        raise DataError(f"{root} holds no class folders with files in them", hint=layout_hint)
    if all(problem.message == _LOOSE for problem in result.problems):
        raise DataError(f"{root}: the files lie in no class folder", hint=layout_hint)


def _settle_names(result: Scan, found: Layout) -> None:
    """One name for what is one class: Unicode writes some letters in two ways."""
    labels = {file.label for files in result.files.values() for file in files}
    forms: dict[str, set[str]] = {}
    for label in labels:
        forms.setdefault(nfc(label), set()).add(label)
    known = {nfc(name): name for name in found.rules.classes}
    new: dict[str, str] = {}
    for plain, several in forms.items():
        target = known.get(plain, plain if len(several) > 1 else next(iter(several)))
        new |= {label: target for label in several if label != target}
    if new:
        names = ", ".join(f"'{name}'" for name in sorted(set(new.values()))[:_SHOWN])
        result.notes.append(f"class folders whose names Unicode writes in two ways are one class: {names}")
        for split, files in result.files.items():
            result.files[split] = [file._replace(label=new.get(file.label, file.label)) for file in files]
            labels = {new.get(label, label) for label in labels}
    spaced: dict[str, str] = {}
    for label in sorted(labels):
        other = spaced.setdefault(" ".join(label.split()), label)
        if other != label:
            raise DataError(
                f"{found.root}: the classes '{other}' and '{label}' differ in nothing but spaces",
                hint="rename the folder of one of them",
            )
    cases: dict[str, set[str]] = {}
    for file in result.files["train"]:
        cases.setdefault(file.label.casefold(), set()).add(file.label)
    twins = ["'" + "' and '".join(sorted(names)) + "'" for names in cases.values() if len(names) > 1]
    if twins:
        result.notes.append(f"classes that differ only in upper and lower case: {_some(sorted(twins))}")


def _refuse_splits_inside(result: Scan, found: Layout) -> None:
    """CLASS/train/ and CLASS/test/: read as they lie, test examples would be trained on."""
    inside: dict[str, set[str]] = {}
    for file in result.files["train"]:
        second, _, rest = file.inner.partition("/")
        split = split_of(second) if rest else None
        inside.setdefault(file.label, set()).add(split[0] if split and says_nothing(split[1]) else "")
    if inside and all("train" in splits and len(splits - {""}) > 1 for splits in inside.values()):
        label = min(inside)
        raise DataError(
            f"{found.root}: the class folders hold split folders of their own ({shown(label)}/train/, ...)",
            hint=f"turn them round: train/{shown(label)}/; or data.split_folders: false reads all as one",
        )


def _copies(result: Scan, found: Layout) -> None:
    """A class folder that holds the other classes once more, as an archive unpacked into itself does."""
    below: dict[str, set[str]] = {}
    for file in result.files["train"]:
        second, _, rest = file.inner.partition("/")
        below.setdefault(file.label, set()).add(second if rest else "")
    for label, names in below.items():
        others = below.keys() - {label}
        if len(others) > 1 and names <= below.keys() and others <= names:
            place = next(file.name for file in result.files["train"] if file.label == label)
            place = place[: place.index(f"{label}/") + len(label)]
            what = "holds folders of the same names as the classes beside it: a copy of them?"
            result.problems.append(Problem(what, Place(place)))
            for split, files in result.files.items():
                result.files[split] = [file for file in files if file.label != label]
    names = next(iter(below.values()), set())
    if len(below) > 1 and len(names) > 1 and "" not in names and all(b == names for b in below.values()):
        result.notes.append(
            f"each of the classes {_some(sorted(below))} holds folders of the same names "
            f"({_some(sorted(names))}): if those are the classes, they belong on top"
        )


def _compare_splits(result: Scan, found: Layout) -> None:
    """Classes that only one split has."""
    labels = {split: {file.label for file in files} for split, files in result.files.items()}
    train = labels["train"]
    if not train or found.rules.classes:
        return
    if len(set.union(*labels.values())) == 1 and not result.problems:
        raise DataError(f"there is only one class ({repr_of(next(iter(train)))}): nothing to tell apart")
    spoken_of = {
        label for p in result.problems if p.place is not None for label in p.place.file.split("/")[:-1]
    } | {p.place.file.rpartition("/")[2] for p in result.problems if p.place is not None}
    for split in [split for split in labels if split != "train"]:
        extra = sorted(labels[split] - train - spoken_of)
        if extra:
            by_case = {name.casefold(): name for name in train}
            twin = next((by_case[name.casefold()] for name in extra if name.casefold() in by_case), None)
            raise DataError(
                f"no training example has the class {_some([repr_of(name) for name in extra])}: only "
                f"{shown(result.folders[split])}/ has",
                hint=f"is it '{twin}', which training has?"
                if twin is not None
                else "give it examples outside of validation and test, or leave it out of the data",
            )
        if missing := sorted(train - labels[split]):
            result.notes.append(
                f"{shown(result.folders[split])}/ has no example of the class{'es' * (len(missing) > 1)} "
                f"{_some([repr_of(name) for name in missing])}"
            )


def repr_of(name: str) -> str:
    """A class as messages show it."""
    return f"'{name}'"


def _some(names: Collection[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN:,} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - a Path per file takes most of the time


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Also where it is a link; one that leads to itself, on which `entry.is_dir` fails, is none."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def shown(name: str) -> str:
    """The name with bytes that are not UTF-8 written as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
