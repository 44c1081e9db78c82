"""The user's own data: folders, tables and arrays, all brought into `Parts` in the same three steps.

read      each split as its reader finds it: examples, truth as texts, ids, groups
infer     one task and one list of classes for all splits
encode    targets; what is unusable leaves its split and is listed, in one go for all reasons
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bmcli import tasks
from bmcli.config.data_facts import folder_rules
from bmcli.config.schema import DataConfig
from bmcli.core.errors import ConfigError, DataError, Place, Problem
from bmcli.core.examples import Examples
from bmcli.core.spec import SPLITS, DataSpec, Kind
from bmcli.data import column_meanings, column_roles, column_truth, table_rows
from bmcli.data.bundle import Parts, Split
from bmcli.data.targets import (
    Truth,
    classes_of,
    encode,
    infer_task,
    one_word_each,
    same_value,
)
from bmcli.files.facts import SPLIT_WORDS, shortened
from bmcli.files.suffixes import TABLE_SUFFIXES
from bmcli.modalities.base import modality_of
from bmcli.modalities.table.columns import texts
from bmcli.tasks._truth import variant_of, variants

if TYPE_CHECKING:
    from bmcli.files.facts import ColumnFacts
    from bmcli.files.tables import Frame

FORMATS = "a folder of images or texts, .csv, .tsv, .jsonl, .parquet or .npz"


@dataclass(frozen=True)
class Raw:
    """One split as found.

    groups: one text per example, or None; origin: where it comes from; frame, rows: the table and the
    positions in it, for messages; beside: its columns that are neither truth nor examples. facts: what its
    columns mean.
    """

    kind: Kind
    examples: Examples
    truth: Truth
    ids: tuple[str, ...]
    origin: str
    groups: tuple[str, ...] | None = None
    frame: Frame | None = None
    rows: np.ndarray | None = None
    beside: tuple[str, ...] = ()
    facts: Mapping[str, ColumnFacts] = field(default_factory=dict)

    def take(self, indices: np.ndarray) -> Raw:
        """The examples at `indices`."""
        return replace(
            self,
            examples=self.examples.take(indices),
            truth=replace(self.truth, labels=tuple(self.truth.labels[i] for i in indices)),
            ids=tuple(self.ids[i] for i in indices),
            groups=None if self.groups is None else tuple(self.groups[i] for i in indices),
            rows=None if self.rows is None else self.rows[indices],
        )

    def split(self, targets: np.ndarray, bad: Mapping[int, str]) -> Split:
        """With those targets, and without the examples that are bad."""
        beside = None
        if self.frame is not None and self.rows is not None and self.beside:
            beside = self.frame.data.select(self.beside)[self.rows]
        return Split(self.examples, targets, self.ids, beside).take(_others(len(self.ids), bad))

    def problem(self, index: int, message: str) -> Problem:
        """Something wrong with the example at that position."""
        if self.frame is not None and self.rows is not None:
            return self.frame.problem(int(self.rows[index]), message)
        return Problem(message, Place(self.ids[index]))


@dataclass(frozen=True)
class Found:
    """What a reader brings: splits by name, unusable files or rows ('file', 'row'), things to say, and the
    column of the texts."""

    splits: dict[str, Raw]
    problems: list[Problem]
    unit: str
    target_name: str = "target"
    notes: tuple[str, ...] = ()


def read(config: DataConfig, *, unscaled: bool = False) -> Parts:
    """All at `data.path`, and at `data.validation` and `data.test` where these are files or folders.

    unscaled: as `arrays.read` takes it.
    """
    assert config.path is not None
    found = _read(Path(config.path), config, unscaled=unscaled)
    for name in ("validation", "test"):
        where = getattr(config, name)
        if not isinstance(where, str):
            continue
        if name in found.splits:
            raise ConfigError(
                f"data.{name} names {where}, but {config.path} brings a {name} split of its own",
                hint=f"leave data.{name} out",
            )
        other = _read(Path(where), config, like=found)
        found = replace(
            found,
            splits={**found.splits, name: replace(_only(other, where), origin=f"given: {Path(where).name}")},
            problems=found.problems + other.problems,
            notes=(*found.notes, *(note for note in other.notes if note not in found.notes)),
        )
    said = _distinct_ids(found, config)
    return _encoded(replace(found, notes=(*found.notes, *said)), config)


def read_split(path: Path, config: DataConfig, spec: DataSpec, *, unscaled: bool = False) -> Parts:
    """One labelled file or folder as `train`, with the kind, task and classes of `spec`; unscaled: as
    `arrays.read` takes it."""
    found = _read(path, config, spec=spec, unscaled=unscaled)
    raw = _only(found, str(path))
    notes = list(found.notes)
    if found.unit == "row" and tasks.of(spec.task).has_classes:
        truth, taken = same_value(raw.truth, spec.classes)
        raw = replace(raw, truth=truth)
        notes += _taken(f"{path.name}: ", found.target_name, taken)
    targets, bad = encode(raw.truth, spec.task, spec.classes)
    problems = found.problems + [raw.problem(i, what) for i, what in bad.items()]
    split = raw.split(targets, bad)
    return Parts(
        spec.kind,
        spec.task,
        spec.classes,
        split,
        notes=tuple(notes),
        problems=tuple(problems),
        unit=found.unit,
    )


def _others(size: int, bad: Mapping[int, str]) -> np.ndarray:
    return np.array([i for i in range(size) if i not in bad], np.int64)


def _encoded(found: Found, config: DataConfig) -> Parts:
    train = found.splits["train"]
    if not train.ids:
        raise DataError(f"{config.path} has no usable examples", problems=found.problems)
    about = train.facts.get(found.target_name)
    said_of_classes: list[str] = []
    if about is not None and about.type == "boolean" and not train.truth.several:
        truth, taken = one_word_each(train.truth)
        said_of_classes += _taken("", found.target_name, taken)
        train = replace(train, truth=truth)
        found = replace(found, splits={**found.splits, "train": train})
    task = infer_task(train.truth, config.task)
    classes: tuple[str, ...] = ()
    asked = tasks.of(task)
    if asked.has_classes and found.unit == "row":
        found, classes, more = _classes_of_rows(found)
        said_of_classes += more
    elif asked.has_classes:
        classes = classes_of([raw.truth for raw in found.splits.values()])
    if len(classes) > max(100, len(train.ids) / 2):
        raise DataError(
            f"the target '{found.target_name}' has {len(classes):,} different values "
            f"in {len(train.ids):,} examples",
            hint="is it the right column (data.target)? for a quantity, set data.task: regression",
        )
    splits: dict[str, Split] = {}
    groups = train.groups
    problems = list(found.problems)
    for name, raw in found.splits.items():
        targets, bad = encode(raw.truth, task, classes)
        problems += [raw.problem(i, what) for i, what in bad.items()]
        splits[name] = raw.split(targets, bad)
        if name == "train" and groups is not None:
            groups = tuple(groups[i] for i in _others(len(raw.ids), bad))
    notes = (*found.notes, *said_of_classes)
    if config.task is None:
        notes += (f"task: {task} (inferred{asked.inferred(classes)})",)
    return Parts(
        kind=train.kind,
        task=task,
        classes=classes,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits.get("test"),
        groups=groups,
        target_name=found.target_name,
        splits_from={name: raw.origin for name, raw in found.splits.items() if raw.origin},
        notes=notes,
        problems=tuple(problems),
        unit=found.unit,
        columns=tuple(train.facts.values()),
    )


def _classes_of_rows(found: Found) -> tuple[Found, tuple[str, ...], list[str]]:
    """The data with each class in training's own words, all classes, and what there is to say of them.

    Booleans and numbers are compared by value. Words that differ in case, spacing or a mark at the end alone
    stay apart in training, and are not known in the other splits.
    """
    notes: list[str] = []
    splits = dict(found.splits)
    name, train = found.target_name, splits["train"]
    classes = classes_of([train.truth])
    if train.truth.several:
        return found, classes_of([raw.truth for raw in splits.values()]), notes
    for alike in variants(classes)[:5]:
        counts = Counter(train.truth.labels)
        listed = ", ".join(f"'{shortened(one)}' ({counts[one]:,})" for one in alike)
        notes.append(
            f"classes that differ in case, spacing or a mark at the end alone, taken as different: {listed}"
        )
    new: list[str] = []
    for split, raw in splits.items():
        if split == "train":
            continue
        truth, taken = same_value(raw.truth, classes)
        notes += _taken(f"{split}: ", name, taken)
        splits[split] = replace(raw, truth=truth)
        every = dict.fromkeys(map(str, truth.labels))
        new += [label for label in every if label not in classes and variant_of(label, classes) is None]
    everything = classes_of([train.truth, Truth(tuple(new))])
    return replace(found, splits=splits), everything, notes


def _taken(where: str, target: str, taken: Mapping[tuple[str, str], int]) -> list[str]:
    return [
        f"{where}target '{target}': '{shortened(label)}' is taken for '{shortened(known)}' "
        f"({count:,} row{'s' * (count != 1)})"
        for (label, known), count in list(taken.items())[:5]
    ]


def _read(
    path: Path,
    config: DataConfig,
    like: Found | None = None,
    spec: DataSpec | None = None,
    *,
    unscaled: bool = False,
) -> Found:
    """The splits at a path. like: the main data, whose columns and kind count; spec: a run's; unscaled: as
    `arrays.read` takes it."""
    if not path.exists():
        raise DataError(
            f"there is no {path}",
            place=Place(str(path)),
            hint="data.path is relative to the config's folder",
        )
    main = like.splits["train"] if like is not None else None
    kind = main.kind if main is not None else spec.kind if spec is not None else config.kind
    if path.is_dir():
        classes = None if main is None else set(map(str, main.truth.labels))
        return _read_folder(path, config, kind, spec.classes if spec is not None else classes)
    if path.suffix.lower() == ".npz":
        return _read_arrays(path, kind, unscaled, None if main is None else main.examples)
    if path.suffix.lower() in TABLE_SUFFIXES:
        return _read_table(path, config, kind, like, spec)
    from bmcli.files import mismatched_suffix

    known = mismatched_suffix.by_suffix(path)
    raise DataError(
        f"{path}: unsupported data format" + (f": {known[0]}" if known else ""),
        place=Place(str(path)),
        hint=known[1] if known else f"data is {FORMATS}",
    )


# === Folders ===


def _read_folder(root: Path, config: DataConfig, kind: Kind | None, classes: Iterable[str] | None) -> Found:
    """classes: those of the data that this is a part of; None for data that stands alone."""
    from bmcli.files import folder_layout, folder_scan

    if kind is not None and not modality_of(kind).file_suffixes:
        tables = sorted(p.name for p in root.iterdir() if p.suffix.lower() in TABLE_SUFFIXES)
        raise DataError(
            f"{root} is a folder, and a {kind} is a file",
            hint=f"name the file: data.path: {root / tables[0]}" if tables else f"data is {FORMATS}",
        )
    rules = folder_rules(config, kind, classes or ())
    layout = folder_layout.layout(root, rules if classes is None else replace(rules, cuts=()))
    scan = folder_scan.scan(layout)
    problems = scan.problems
    notes = list(scan.notes)
    splits: dict[str, Raw] = {}
    for name, files in scan.files.items():
        ids, paths, labels, inner = (
            (tuple(c) for c in zip(*files, strict=True)) if files else ((), (), (), ())
        )
        read = modality_of(layout.kind.name).read_files(paths, ids)
        notes += read.notes
        problems += [Problem(what, Place(ids[i])) for i, what in read.problems.items()]
        origin = f"folder {scan.folders[name]}/" if name in scan.folders else ""
        groups = None
        if name == "train" and classes is None:  # the others are never cut
            groups, said = _groups_by_name(ids, inner, config)
            notes += said
        raw = Raw(layout.kind.name, read.examples, Truth(labels, numbers=False), ids, origin, groups)
        splits[name] = raw.take(_others(len(ids), read.problems))
    return Found(splits, problems, "file", "class", tuple(notes))


def _groups_by_name(
    ids: tuple[str, ...], inner: tuple[str, ...], config: DataConfig
) -> tuple[tuple[str, ...] | None, list[str]]:
    """What `data.group` finds in each path inside the class folder, and what there is to say of it; a file
    that it does not match is a group of its own."""
    if config.group is None:
        return None, []
    from bmcli.files.patterns import NamePattern

    pattern = NamePattern(str(config.group), "data.group")
    found = [pattern.find(name) for name in inner]
    within = "path below the folder of the split" if config.class_pattern else "path inside the class folder"
    if inner and all(group is None for group in found):
        raise DataError(
            f"data.group {pattern.text!r} matches none of {len(inner):,} file names, such as {inner[0]!r}",
            hint=f"it is searched in the {within}; its first group, or the whole match, is the group",
        )
    alone = [name for name, group in zip(inner, found, strict=True) if group is None]
    count = len({group for group in found if group is not None})
    notes = [f"{count:,} groups by data.group in {len(inner) - len(alone):,} file names"]
    if alone:
        notes[0] += f"; {len(alone):,} others are groups of their own, such as {alone[0]!r}"
    return tuple(f"\0{n}" if group is None else group for n, group in zip(ids, found, strict=True)), notes


# === Arrays ===


def _read_arrays(path: Path, kind: Kind | None, unscaled: bool, main: Examples | None) -> Found:
    from bmcli.data import arrays

    found = arrays.read(path, kind, unscaled=unscaled, like=main)
    splits = {}
    problems: list[Problem] = []
    for name, pair in found.items():
        modality = modality_of(pair.examples.kind)
        whole = len(found) == 1
        prefix = "all" if whole else name
        bad = _odd_numbers(modality.odd_in_array(pair.examples), pair.targets)
        problems += [Problem(what, Place(f"{prefix}/{i}")) for i, what in bad.items()]
        good = _others(len(pair.targets), bad)
        targets = pair.targets[good]
        splits[name] = Raw(
            modality.name,
            pair.examples.take(good),
            _truth_of_array(targets, numbers=modality.quantities or targets.dtype.kind == "f", path=path),
            tuple(f"{prefix}/{i}" for i in good),
            "" if whole else f"arrays x_{name}, y_{name}",
        )
    return Found(splits, problems, "row")


def _odd_numbers(bad: dict[int, str], targets: np.ndarray) -> dict[int, str]:
    """Position -> what is wrong, of examples that are `bad` or without truth."""
    if targets.dtype.kind == "f":
        finite = np.isfinite(targets).reshape(len(targets), -1).all(axis=1)
        bad |= {int(i): f"the target is {targets[i]}" for i in np.flatnonzero(~finite)}
    return dict(sorted(bad.items()))


def _truth_of_array(targets: np.ndarray, *, numbers: bool, path: Path) -> Truth:
    if targets.ndim == 1:
        if targets.dtype.kind == "f" and (targets == np.rint(targets)).all():
            targets = targets.astype(np.int64)
        return Truth(tuple(str(value) for value in targets.tolist()), numbers=numbers)
    if targets.dtype.kind in "US" or not np.isin(targets, (0, 1)).all():
        raise DataError(f"{path}: y of two axes must hold 0 and 1, a column per label")
    rows = [tuple(str(i) for i in np.flatnonzero(row)) for row in targets]
    return Truth(tuple(rows), names=tuple(str(i) for i in range(targets.shape[1])))


# === Tables ===


def _read_table(
    path: Path, config: DataConfig, kind: Kind | None, like: Found | None, spec: DataSpec | None
) -> Found:
    from bmcli.files import tables

    frame, unset = column_meanings.without_marks(
        tables.read(path, column_meanings.options_of(config)), config.missing
    )
    known = spec.target_name if spec is not None else like.target_name if like is not None else None
    config = config if config.path else config.model_copy(update={"group": None})
    first = like is None and spec is None
    facts = column_meanings.meanings(frame, config)
    roles = column_roles.assign(frame, facts, config, kind, known, first=first)
    main = like.splits["train"] if like is not None else None
    columns = {} if main is None else modality_of(main.kind).columns_of(main.examples)
    if main is not None and columns:
        missing = [name for name in columns if name not in frame.data.columns]
        if missing:
            raise DataError(f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
        roles = replace(roles, features=tuple(columns))
        facts = {**facts, **{name: main.facts[name] for name in roles.features or ()}}
        facts |= {name: main.facts[name] for name in roles.targets if name in main.facts}
    truth, bad = column_truth.truth_of(frame, roles.targets, config, facts)
    read: Sequence[str] = roles.text or roles.features or ()
    if not roles.text and spec is not None:  # what a text means is the run's own to say
        read = [
            n for n in frame.data.columns if n not in roles.targets and not frame.data[n].dtype.is_nested()
        ]
    examples, odd = modality_of(roles.kind).from_rows(
        frame, read, facts, config.missing, as_found=spec is not None
    )
    groups = None
    if roles.group is not None:
        cells = texts(frame.data[roles.group]).tolist()
        odd += [(i, f"group '{roles.group}' is missing") for i, cell in enumerate(cells) if cell is None]
        groups = tuple(cell or "" for cell in cells)
    ids = frame.ids()
    if roles.id is not None:
        ids, nameless = table_rows.names_of(frame, roles.id)
        odd += nameless
    split = None
    if roles.split is not None and first:
        split, odd_splits = table_rows.splits_of(frame, roles.split)
        odd += odd_splits
    problems, good = table_rows.row_problems(frame, [*bad, *odd])
    every_row = np.arange(frame.data.height)
    taken = {*roles.targets, *roles.text, *(roles.features or ())}
    beside = tuple(n for n in frame.data.columns if n not in taken and not frame.data[n].dtype.is_nested())
    used = {name: replace(about, role=roles.role(name)) for name, about in facts.items()}
    raw = Raw(roles.kind, examples, truth, ids, "", groups, frame, every_row, beside, used)
    name = roles.targets[0] if len(roles.targets) == 1 else "target"
    if split is None:
        splits = {"train": raw.take(np.flatnonzero(good))}
    else:
        splits = {
            part: replace(raw.take(np.flatnonzero(good & (split == part))), origin=f"column '{roles.split}'")
            for part in SPLITS
            if (split == part).any()
        }
    notes = [*frame.notes, *unset, *(roles.notes if first else ())]
    if split is not None:
        counts = [f"{part} {len(splits[part].ids):,}" for part in SPLITS if part in splits]
        notes.append(f"splits by column '{roles.split}': {', '.join(counts)} rows")
    elif roles.split is not None:
        words = texts(frame.data[roles.split]).tolist()
        trained = sum(SPLIT_WORDS.get((word or "").lower()) == "train" for word in words)
        notes.append(
            f"column '{roles.split}' (data.split) is not looked at here: all {len(words):,} rows are used"
            + (f", {trained:,} of which it says are for training" if trained else "")
        )
    if not first:
        notes = [f"{path.name}: {note}" for note in notes]
    return Found(splits, [*frame.problems, *problems], "row", name, tuple(notes))


# === Shared ===


def _only(found: Found, where: str) -> Raw:
    if set(found.splits) != {"train"}:
        raise DataError(
            f"{where} has its own splits ({', '.join(found.splits)})",
            hint="give one of them: its folder or file",
        )
    return found.splits["train"]


def _distinct_ids(found: Found, config: DataConfig) -> tuple[str, ...]:
    """Two files of one name in different places: the split's name goes before, so that ids stay unique. What
    there is to say of it."""
    every = [i for raw in found.splits.values() for i in raw.ids]
    if len(set(every)) == len(every):
        return ()
    twice = [(i, n) for i, n in Counter(every).items() if n > 1]
    for name, raw in found.splits.items():
        if name != "train":
            found.splits[name] = replace(raw, ids=tuple(f"{name}/{i}" for i in raw.ids))
    if config.id is None:
        return ()
    shown = ", ".join(f"'{shortened(i)}'" for i, _ in twice[:3])
    count = f"{len(twice):,} id{'s' * (len(twice) > 1)} of column '{config.id}'"
    return (f"{count} stand in more than one split, such as {shown}: are these the same examples?",)
