"""A look at a folder of images or texts, enough to draft a config that reads it.

What it is, `bmcli.files.folders` decides, as in training. Files are counted by name up to a bound, and some
of them are opened, so that a draft that would meet unusable files says what becomes of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bmcli.config.data_facts import modality_of
from bmcli.config.drafting.inspect import Look, classes_seen
from bmcli.core.errors import DataError, Problem
from bmcli.files import folder_finder, folder_layout, folder_listing, folder_scan, folders

MOST_FILES = 200_000
"""Files that are counted."""
_MOST_OPENED = 1_000
"""Files that are opened."""
_SIZES = 40
_CUTS = ("test", "validation")


def look_at_folder(path: Path) -> Look:
    """Look at it. DataError, the one training would end with, where bm cannot train on it."""
    said: list[tuple[str, object, str]] = []
    rules = folders.Rules(cuts=_CUTS)
    try:
        found = folder_layout.layout(path, rules)
    except folder_finder.NoClassFoldersError as error:
        if error.suggested is None:
            raise
        rules = folders.Rules(class_pattern=error.suggested, cuts=_CUTS)
        found = folder_layout.layout(path, rules)
        said.append(("class_pattern", error.suggested, "the class, in the names of the files"))
    scan = folder_scan.scan(found, MOST_FILES)
    train = scan.files["train"]
    counts = Counter(file.label for file in train)
    brings = tuple(split for split in _CUTS if split in scan.files)
    _require_classes(path, counts, scan.problems, len(_CUTS) - len(brings))
    modality, noun = modality_of(found.kind.name), found.kind.many
    seen = [f"{len(train):,} {noun} of {classes_seen(counts)}"]
    if not scan.complete:
        seen.append(f"counting stopped at {MOST_FILES:,} files: there are more")
    if brings:
        rest = ", ".join(f"{scan.folders[split]}/ {len(scan.files[split]):,}" for split in brings)
        seen.append(f"training: {scan.folders['train']}/; beside it {rest}: these splits are kept")
    every = [file.path for files in scan.files.values() for file in files]
    sizes, bad = modality.glance(_spread(every))
    sizes = sizes[:: max(1, len(sizes) // _SIZES)][:_SIZES]
    seen += modality.draft_remarks(len(train))
    if sizes:
        low, high = min(sizes), max(sizes)
        both = f"{low[0]}×{low[1]}" + ("" if low == high else f" to {high[0]}×{high[1]}")
        seen.append(f"{both} pixels (height × width) in {len(sizes)} images looked at")
    mixed = _kinds_besides(scan.suffixes)
    if mixed:
        said.append(("kind", found.kind.name, f"there are {mixed} too"))
    unusable = _unusable(scan, bad)
    if bad and len(bad) == len(_spread(every)):
        problems = [Problem(f"cannot be read: {folder_listing.shown(name)}") for name in bad]
        raise DataError(f"{path}: none of {len(bad):,} {noun} looked at can be read", problems=problems)
    if unusable:
        seen.append(f"left out: {unusable}")
        said.append(("skip_unusable", True, "files that cannot be used are left out, and listed in the run"))
    seen += scan.notes
    task = "binary" if len(counts) == 2 else "multiclass"
    return Look(
        path, found.kind.name, tuple(seen), task, len(train), sizes=sizes, brings=brings, said=tuple(said)
    )


def _require_classes(path: Path, counts: Counter[str], problems: Sequence[Problem], cuts: int) -> None:
    """Two classes, and enough examples for the splits that are cut."""
    if len(counts) < 2:
        only = f" ('{next(iter(counts))}')" if counts else ""
        message = f"there is only one class{only}, so there is nothing to classify"
        if not counts:
            message = f"{path}: no file can be used"
        raise DataError(message, problems=problems, hint="FOLDER/<class>/<file>, at least 2 classes")
    if counts.total() - len(counts) < cuts:
        raise DataError(
            f"{path}: {counts.total()} examples of {len(counts)} classes leave none to test with",
            hint="give every class several examples",
        )


def _kinds_besides(suffixes: Counter[str]) -> str:
    """Files of the other kind that bm reads."""
    known = folders.file_kinds().values()
    other = {suffix: n for suffix, n in suffixes.items() if any(suffix in one.suffixes for one in known)}
    return folder_layout.left_out(other)


def _unusable(scan: folders.Scan, bad: Sequence[str]) -> str:
    """'12 .svg, 3 .psd; 2: a link that leaves the folder', of all that is left out."""
    parts = [folder_layout.left_out(scan.suffixes)] if scan.suffixes else []
    reasons = Counter(p.message for p in scan.problems if not p.message.startswith("not one of"))
    first = {p.message: p.place.file for p in reversed(scan.problems) if p.place is not None}
    for reason, count in reasons.most_common(5):
        which = first.get(reason, "")
        parts.append(f"{which} ({reason})" if count == 1 else f"{count:,} such as {which} ({reason})")
    if folder_listing.LEAVES in reasons:
        parts.append(folder_listing.FOLLOW)
    if bad:
        parts.append(
            f"{len(bad):,} of those looked at cannot be read, such as {folder_listing.shown(bad[0])}"
        )
    return "; ".join(parts)


def _spread(paths: Sequence[str]) -> list[str]:
    count = min(len(paths), _MOST_OPENED)
    return [paths[i * len(paths) // count] for i in range(count)]
