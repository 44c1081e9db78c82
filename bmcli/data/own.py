"""The user's own data: folders, tables and arrays, all brought into `Parts` in the same three steps.

read      each split as its reader finds it: examples, truth as texts, ids, groups
infer     one task and one list of classes for all splits
encode    targets; what is unusable leaves its split and is listed, in one go for all reasons
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli import tasks
from bmcli.config.schema import DataConfig
from bmcli.core.errors import ConfigError, DataError, Place
from bmcli.core.spec import DataSpec
from bmcli.data.array_reader import read_arrays
from bmcli.data.bundle import Parts, Split
from bmcli.data.folder_reader import read_folder
from bmcli.data.raw import FORMATS, Found, Raw, others
from bmcli.data.table_reader import read_table
from bmcli.data.targets import classes_of, encode, infer_task, one_word_each, same_value
from bmcli.files import mismatched_suffix
from bmcli.files.facts import shortened
from bmcli.files.suffixes import TABLE_SUFFIXES
from bmcli.tasks._truth import Truth, variant_of, variants

if TYPE_CHECKING:
    from bmcli.modalities.preprocessing import Preprocessing


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


def read_split(
    path: Path,
    config: DataConfig,
    spec: DataSpec,
    *,
    unscaled: bool = False,
    encoder: Preprocessing | None = None,
) -> Parts:
    """One labelled file or folder as `train`, with the kind, task and classes of `spec`; unscaled: as
    `arrays.read` takes it; encoder: the run's."""
    found = _read(path, config, spec=spec, unscaled=unscaled, encoder=encoder)
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
            groups = tuple(groups[i] for i in others(len(raw.ids), bad))
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
            f"classes that differ only in case, spacing or final punctuation, read as different: {listed}"
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
        f"{where}target '{target}': '{shortened(label)}' is read as '{shortened(known)}' "
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
    encoder: Preprocessing | None = None,
) -> Found:
    """The splits at a path. like: the main data, whose columns and kind count; spec, encoder: a run's;
    unscaled: as `arrays.read` takes it."""
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
        return read_folder(path, config, kind, spec.classes if spec is not None else classes)
    if path.suffix.lower() == ".npz":
        return read_arrays(path, kind, unscaled, None if main is None else main.examples)
    if path.suffix.lower() in TABLE_SUFFIXES:
        return read_table(path, config, kind, like, spec, encoder)
    known = mismatched_suffix.by_suffix(path)
    raise DataError(
        f"{path}: unsupported data format" + (f": {known[0]}" if known else ""),
        place=Place(str(path)),
        hint=known[1] if known else f"data is {FORMATS}",
    )


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
    return (f"{count} are in more than one split, such as {shown}: are these the same examples?",)
