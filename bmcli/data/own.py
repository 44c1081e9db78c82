"""The user's own data: folders, tables and arrays, all brought into `Parts` in the same three steps.

read      each split as its reader finds it: examples, truth as texts, ids, groups
infer     one task and one list of classes for all splits
encode    targets; what is unusable leaves its split and is listed, in one go for all reasons
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bmcli.config.schema import DataConfig
from bmcli.data import columns
from bmcli.data.bundle import DataSpec, Examples, Images, Kind, Parts, Split, Table, Texts
from bmcli.data.targets import Truth, classes_of, encode, infer_task
from bmcli.errors import ConfigError, DataError, Place, Problem
from bmcli.files.suffixes import IMAGE_SUFFIXES, TABLE_SUFFIXES, TEXT_SUFFIXES

if TYPE_CHECKING:
    from bmcli.data.readers.tables import Frame

FORMATS = "a folder of pictures or texts, .csv, .tsv, .jsonl, .parquet or .npz"


@dataclass(frozen=True)
class Raw:
    """One split as found.

    groups: one text per example, or None; origin: where it comes from; frame, rows: the table and the
    positions in it, for messages; beside: its columns that are neither truth nor examples.
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
    """What a reader brings: splits by name, unusable files or rows ('file', 'row'), things to say."""

    splits: dict[str, Raw]
    problems: list[Problem]
    unit: str
    target_name: str = "target"
    notes: tuple[str, ...] = ()


def read(config: DataConfig) -> Parts:
    """All at `data.path`, and at `data.validation` and `data.test` where these are files or folders."""
    assert config.path is not None
    found = _read(Path(config.path), config)
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
    _distinct_ids(found)
    return _encoded(found, config)


def read_split(path: Path, config: DataConfig, spec: DataSpec) -> Parts:
    """One labelled file or folder as `train`, with the kind, task and classes of `spec`."""
    found = _read(path, config, spec=spec)
    raw = _only(found, str(path))
    targets, bad = encode(raw.truth, spec.task, spec.classes)
    problems = found.problems + [raw.problem(i, what) for i, what in bad.items()]
    split = raw.split(targets, bad)
    return Parts(
        spec.kind,
        spec.task,
        spec.classes,
        split,
        notes=found.notes,
        problems=tuple(problems),
        unit=found.unit,
    )


def _others(size: int, bad: Mapping[int, str]) -> np.ndarray:
    return np.array([i for i in range(size) if i not in bad], np.int64)


def _encoded(found: Found, config: DataConfig) -> Parts:
    train = found.splits["train"]
    if not train.ids:
        raise DataError(f"{config.path} holds no usable examples", problems=found.problems)
    task = infer_task(train.truth, config.task)
    classes = () if task == "regression" else classes_of([raw.truth for raw in found.splits.values()])
    if len(classes) > max(100, len(train.ids) / 2):
        raise DataError(
            f"the target '{found.target_name}' has {len(classes):,} different values "
            f"in {len(train.ids):,} examples",
            hint="is it the right column (data.target)? for a quantity say data.task: regression",
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
    notes = found.notes
    if config.task is None:
        said = {"binary": ": two classes", "multiclass": f": {len(classes)} classes"}.get(task, "")
        notes += (f"task: {task} (inferred{said})",)
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
    )


def _read(path: Path, config: DataConfig, like: Found | None = None, spec: DataSpec | None = None) -> Found:
    """The splits at a path. like: the main data, whose columns and kind count; spec: a run's."""
    if not path.exists():
        raise DataError(
            f"there is no {path}", place=Place(str(path)), hint="data.path counts from the config's folder"
        )
    main = like.splits["train"] if like is not None else None
    kind = main.kind if main is not None else spec.kind if spec is not None else config.kind
    if path.is_dir():
        return _read_folder(path, config, kind)
    if path.suffix.lower() == ".npz":
        return _read_arrays(path, kind)
    if path.suffix.lower() in TABLE_SUFFIXES:
        return _read_table(path, config, kind, like, spec)
    raise DataError(
        f"{path}: not a form of data that is known", place=Place(str(path)), hint=f"data is {FORMATS}"
    )


# === Folders ===


def _read_folder(root: Path, config: DataConfig, kind: Kind | None) -> Found:
    from bmcli.data.readers import folders, texts

    guessed = kind or folders.kind_of(root)
    if guessed is None or guessed == "table":
        tables = sorted(p.name for p in root.iterdir() if p.suffix.lower() in TABLE_SUFFIXES)
        raise DataError(
            f"{root} holds neither pictures nor .txt files",
            hint=f"name the file: data.path: {root / tables[0]}" if tables else f"data is {FORMATS}",
        )
    scan = folders.scan(root, IMAGE_SUFFIXES if guessed == "image" else TEXT_SUFFIXES)
    problems = scan.problems
    splits: dict[str, Raw] = {}
    notes: tuple[str, ...] = ()
    for name, files in scan.files.items():
        ids, paths, labels = (tuple(column) for column in zip(*files, strict=True)) if files else ((), (), ())
        examples: Examples = Images(paths=paths)
        bad: dict[int, str] = {}
        if guessed == "text":
            read = texts.read_files(paths)
            bad, examples = read.problems, Texts(tuple(read.texts))
            notes += read.notes(ids)
            problems += [Problem(what, Place(ids[i])) for i, what in bad.items()]
        origin = f"folder {scan.folders[name]}/" if name in scan.folders else ""
        raw = Raw(
            "image" if guessed == "image" else "text",
            examples,
            Truth(labels, numbers=False),
            ids,
            origin,
            _groups_by_name(ids, config),
        )
        splits[name] = raw.take(_others(len(ids), bad))
    return Found(splits, problems, "file", "class", notes)


def _groups_by_name(ids: tuple[str, ...], config: DataConfig) -> tuple[str, ...] | None:
    """What the regular expression finds in each file's name; a file it does not fit is a group of its own."""
    if config.group is None or config.path is None:
        return None
    try:
        pattern = re.compile(str(config.group))
    except re.error as error:
        raise ConfigError(f"data.group is no regular expression: {error}") from error
    matches = [pattern.search(name.rsplit("/", 1)[-1]) for name in ids]
    if ids and not any(matches):
        raise DataError(f"data.group {pattern.pattern!r} fits no file name", hint=f"a name is {ids[0]!r}")
    return tuple(
        (m.group(1) or "" if pattern.groups else m.group()) if m else f"\0{name}"
        for m, name in zip(matches, ids, strict=True)
    )


# === Arrays ===


def _read_arrays(path: Path, kind: Kind | None) -> Found:
    from bmcli.data.readers import arrays

    found = arrays.read(path)
    splits = {}
    problems: list[Problem] = []
    for name, pair in found.items():
        is_image = isinstance(pair.examples, Images)
        if kind is not None and kind != ("image" if is_image else "table"):
            raise DataError(f"{path} holds {'pictures' if is_image else 'rows of numbers'}, not {kind} data")
        whole = len(found) == 1
        prefix = "all" if whole else name
        bad = _odd_numbers(pair.examples, pair.targets)
        problems += [Problem(what, Place(f"{prefix}/{i}")) for i, what in bad.items()]
        good = _others(len(pair.targets), bad)
        targets = pair.targets[good]
        splits[name] = Raw(
            "image" if is_image else "table",
            pair.examples.take(good),
            _truth_of_array(targets, numbers=not is_image or targets.dtype.kind == "f", path=path),
            tuple(f"{prefix}/{i}" for i in good),
            "" if whole else f"arrays x_{name}, y_{name}",
        )
    return Found(splits, problems, "row")


def _odd_numbers(examples: Images | Table, targets: np.ndarray) -> dict[int, str]:
    """Position -> what is wrong, of rows with an infinity (NaN is a missing value) or without truth."""
    bad = {}
    if isinstance(examples, Table):
        stack = np.stack(list(examples.columns.values()), axis=1)
        bad = dict.fromkeys(np.flatnonzero(np.isinf(stack).any(axis=1)).tolist(), "holds an infinite number")
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
    from bmcli.data.readers import tables

    frame = tables.read(path, delimiter=config.delimiter, header=config.header)
    known = spec.target_name if spec is not None else like.target_name if like is not None else None
    config = config if config.path else config.model_copy(update={"group": None})
    roles = columns.assign(frame, config, kind, known, first=like is None and spec is None)
    if like is not None and isinstance(table := like.splits["train"].examples, Table):
        uses = {name: _use(values) for name, values in table.columns.items()}
        missing = [name for name in uses if name not in frame.data.columns]
        if missing:
            raise DataError(f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
        roles = replace(roles, features=uses)
    truth, bad = columns.truth_of(frame, roles.targets, config.label_delimiter)
    if roles.kind == "text":
        examples: Examples
        examples, odd = columns.texts_of(frame, roles.text)
    elif spec is not None:  # what is a number is the run's own to say: every cell stays a text
        every = [
            n for n in frame.data.columns if n not in roles.targets and not frame.data[n].dtype.is_nested()
        ]
        examples, odd = Table({n: columns.cells(frame.data[n]) for n in every}), []
    else:
        examples, odd = columns.table_of(frame, roles.features or {})
    groups = None
    if roles.group is not None:
        cells = columns.texts(frame.data[roles.group]).tolist()
        odd += [(i, f"group '{roles.group}' is missing") for i, cell in enumerate(cells) if cell is None]
        groups = tuple(cell or "" for cell in cells)
    problems, good = columns.row_problems(frame, [*bad, *odd])
    every_row = np.arange(frame.data.height)
    taken = {*roles.targets, *roles.text, *(roles.features or {})}
    beside = tuple(n for n in frame.data.columns if n not in taken and not frame.data[n].dtype.is_nested())
    raw = Raw(roles.kind, examples, truth, frame.ids(), "", groups, frame, every_row, beside)
    raw = raw.take(np.flatnonzero(good))
    name = roles.targets[0] if len(roles.targets) == 1 else "target"
    return Found({"train": raw}, [*frame.problems, *problems], "row", name, roles.notes)


def _use(values: np.ndarray) -> columns.Use:
    return "categorical" if values.dtype == object else "numeric"


# === Shared ===


def _only(found: Found, where: str) -> Raw:
    if set(found.splits) != {"train"}:
        raise DataError(
            f"{where} has splits of its own ({', '.join(found.splits)})",
            hint="name one of them: its folder or file",
        )
    return found.splits["train"]


def _distinct_ids(found: Found) -> None:
    """Two files of one name in different places: the split's name goes before, so that ids stay unique."""
    every = [i for raw in found.splits.values() for i in raw.ids]
    if len(set(every)) == len(every):
        return
    for name, raw in found.splits.items():
        if name != "train":
            found.splits[name] = replace(raw, ids=tuple(f"{name}/{i}" for i in raw.ids))
