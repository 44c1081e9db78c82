"""What is wrong with the files of a folder taken together: missing, doubled or misnamed classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bmcli.core.errors import DataError, Place, Problem
from bmcli.files.folder_finder import SHOWN, some_of
from bmcli.files.folder_listing import FOLLOW, LEAVES, Looker, shown
from bmcli.files.folders import Layout, Scan
from bmcli.files.names import (
    nfc,
    says_nothing,
    split_of,
)

LOOSE = "is not in a class folder"


def classes_without_files(look: Looker, folder: Path, result: Scan) -> Iterator[Problem]:
    """A class without examples: more likely an interrupted copy than intended."""
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


def require_some(result: Scan, found: Layout) -> None:
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
    if all(problem.message == LOOSE for problem in result.problems):
        raise DataError(f"{root}: the files are not in class folders", hint=layout_hint)


def settle_names(result: Scan, found: Layout) -> None:
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
        names = ", ".join(f"'{name}'" for name in sorted(set(new.values()))[:SHOWN])
        result.notes.append(
            f"class folders whose names differ only in Unicode normalisation are one: {names}"
        )
        for split, files in result.files.items():
            result.files[split] = [file._replace(label=new.get(file.label, file.label)) for file in files]
            labels = {new.get(label, label) for label in labels}
    spaced: dict[str, str] = {}
    for label in sorted(labels):
        other = spaced.setdefault(" ".join(label.split()), label)
        if other != label:
            raise DataError(
                f"{found.root}: the classes '{other}' and '{label}' differ only in spaces",
                hint="rename the folder of one of them",
            )
    cases: dict[str, set[str]] = {}
    for file in result.files["train"]:
        cases.setdefault(file.label.casefold(), set()).add(file.label)
    twins = ["'" + "' and '".join(sorted(names)) + "'" for names in cases.values() if len(names) > 1]
    if twins:
        result.notes.append(f"classes that differ only in upper and lower case: {some_of(sorted(twins))}")


def refuse_splits_inside(result: Scan, found: Layout) -> None:
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
            hint=f"swap the two levels: train/{shown(label)}/; or data.split_folders: false reads all as one",
        )


def copies(result: Scan) -> None:
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
            f"each of the classes {some_of(sorted(below))} holds folders of the same names "
            f"({some_of(sorted(names))}): if those are the classes, they belong on top"
        )


def compare_splits(result: Scan, found: Layout) -> None:
    """Classes that only one split has."""
    labels = {split: {file.label for file in files} for split, files in result.files.items()}
    train = labels["train"]
    if not train or found.rules.classes:
        return
    if len(set.union(*labels.values())) == 1 and not result.problems:
        raise DataError(
            f"there is only one class ({repr_of(next(iter(train)))}), so there is nothing to classify"
        )
    spoken_of = {
        label for p in result.problems if p.place is not None for label in p.place.file.split("/")[:-1]
    } | {p.place.file.rpartition("/")[2] for p in result.problems if p.place is not None}
    for split in [split for split in labels if split != "train"]:
        extra = sorted(labels[split] - train - spoken_of)
        if extra:
            by_case = {name.casefold(): name for name in train}
            twin = next((by_case[name.casefold()] for name in extra if name.casefold() in by_case), None)
            raise DataError(
                f"no training example has the class {some_of([repr_of(name) for name in extra])}: only "
                f"{shown(result.folders[split])}/ has",
                hint=f"is it '{twin}', which training has?"
                if twin is not None
                else "give it examples outside of validation and test, or leave it out of the data",
            )
        if missing := sorted(train - labels[split]):
            result.notes.append(
                f"{shown(result.folders[split])}/ has no example of the class{'es' * (len(missing) > 1)} "
                f"{some_of([repr_of(name) for name in missing])}"
            )


def repr_of(name: str) -> str:
    """A class as messages show it."""
    return f"'{name}'"
