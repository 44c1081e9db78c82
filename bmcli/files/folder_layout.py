"""Where the splits and the class folders lie, from a few bounded listings; no file is opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bmcli.core.errors import DataError, Place, Problem
from bmcli.files.folder_finder import COUNTED, COUNTED_PER_FOLDER, DOCUMENTS, FOLDERS, Finder
from bmcli.files.folder_listing import FOLLOW, LEAVES, Looker, shown, suffix_of
from bmcli.files.folders import Layout, Rules, file_kinds
from bmcli.files.names import (
    SPLIT_WORDS,
)
from bmcli.files.suffixes import IMAGE_SUFFIXES, TABLE_SUFFIXES

# === What lies where ===


def kind_of(root: Path, *, follow_links: bool = False) -> str | None:
    """Images or texts, by the suffix that more files have; None if no file has one.

    Bounded: at most 200 files of each of the first 500 folders, and 2,000 in all, are counted.
    """
    counts = _kinds(Looker(root, follow_links))
    kinds = file_kinds()
    best = max(kinds, key=lambda kind: counts[kind])
    return best if counts[best] else None


def _kinds(look: Looker) -> Counter[str]:
    """How many files there are of each kind, by suffix of the others, and of links that are refused."""
    counts: Counter[str] = Counter()
    kinds = file_kinds()
    waiting = [(look.root, frozenset({str(look.real)}))]
    for _ in range(FOLDERS):
        if not waiting or sum(counts[kind] for kind in kinds) >= COUNTED:
            break
        folder, above = waiting.pop(0)
        listing = look.listing(folder, COUNTED)
        for entry in listing.files[:COUNTED_PER_FOLDER]:
            suffix = suffix_of(entry.name)
            document = folder == look.root and DOCUMENTS.fullmatch(entry.name) is not None
            found = (k for k in kinds.values() if suffix in k.suffixes and not (document and k.documents))
            kind = next(found, None)
            counts[suffix if kind is None else kind.name] += 1
        for entry in listing.folders:
            if look.refuses(entry, above) is None:
                waiting.append((Path(entry.path), above | {os.path.realpath(entry.path)}))
            else:
                counts[LEAVES] += 1
    return counts


def layout(root: Path, rules: Rules | None = None) -> Layout:
    """Where the splits and the class folders lie; from names alone, and few of them.

    Raises DataError if that is unclear: no images or texts, two folders for one split, split folders
    without a training one or without class folders. ConfigError for an invalid pattern.
    """
    rules = rules or Rules()
    look = Looker(root, rules.follow_links)
    name = rules.kind or kind_of(root, follow_links=rules.follow_links)
    if name is None:
        raise _holds_nothing(look)
    kind = file_kinds()[name]
    place = Finder(look, rules, kind)
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


def _holds_nothing(look: Looker) -> DataError:
    """That there is nothing to train on, and why that may be."""
    counts = _kinds(look)
    tables = sorted(e.name for e in look.listing(look.root).files if suffix_of(e.name) in TABLE_SUFFIXES)
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
