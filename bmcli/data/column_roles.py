"""What the columns of a table are for, and their cells as texts, numbers and truth.

What a column means, `bmcli.files.columns` says; here it gets its part in an experiment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from bmcli.config.schema import DataConfig
from bmcli.core.errors import DataError, Place, Problem
from bmcli.core.spec import Kind
from bmcli.data.targets import Truth
from bmcli.files.cells import parse_cells
from bmcli.files.columns import facts_of
from bmcli.files.dates import DateFormat
from bmcli.files.dialect import Options
from bmcli.files.facts import SPLIT_WORDS, ColumnFacts, Said, shortened
from bmcli.files.numbers import FALSE, TRUE, NumberFormat, numeric_marks
from bmcli.files.tables import Frame
from bmcli.modalities.base import modality_of
from bmcli.modalities.table.columns import (
    columns_hint,
    listed,
    lowered,
    more,
    resolve,
    resolve_text,
    texts,
    without,
)

TARGET_NAMES = ("target", "label", "labels", "class", "y")
_YES = ("1", "1.0", *TRUE)
_NO = ("0", "0.0", *FALSE)
CLASS_MISSING = frozenset({"na", "n/a", "#n/a", "#na", "<na>", "nan", "null"})
"""In a target of classes, what says that the truth is missing; a class may well be called 'none'."""


@dataclass(frozen=True)
class Roles:
    """What is read from which column.

    text: the columns whose cells make a text. features: tables only, in the file's order.
    dropped: name -> why a column is not used.
    """

    kind: Kind
    targets: tuple[str, ...]
    text: tuple[str, ...] = ()
    features: tuple[str, ...] | None = None
    group: str | None = None
    split: str | None = None
    id: str | None = None
    dropped: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def role(self, name: str) -> str:
        """What that column is for, in a word or two."""
        for role in ("group", "split", "id"):
            if getattr(self, role) == name:
                return role
        if name in self.text:
            return "text"
        if name in self.targets:
            return "target"
        if name in (self.features or ()):
            return "feature"
        return f"not used: {self.dropped[name]}" if name in self.dropped else "not used"


def options_of(config: DataConfig) -> Options:
    """How a table file is written, as far as the config says it."""
    named: list[object] = [config.group, config.split, config.id, *config.columns]
    for several in (config.target, config.features, config.text):
        named += several if isinstance(several, list) else [several]
    names = frozenset(name for name in named if isinstance(name, str))
    return Options(config.delimiter, config.header, config.quoting, names)


def without_marks(frame: Frame, missing: Collection[str]) -> tuple[Frame, list[str]]:
    """The table with nulls where `data.missing` says that a value is missing, and a note of how many. A mark
    that is a number stands for that number, however it is written."""
    marks = lowered(missing)
    numbers = numeric_marks(marks)
    changed: list[pl.Series] = []
    counts: list[str] = []
    for series in frame.data.iter_columns() if marks else ():
        if series.dtype.is_numeric():
            gone = series.cast(pl.Float64).is_in(list(numbers)) if numbers else None
        elif series.dtype == pl.String:
            cells = series.str.strip_chars()
            gone = cells.str.to_lowercase().is_in(list(marks))
            if numbers:
                gone |= cells.cast(pl.Float64, strict=False).is_in(list(numbers)).fill_null(False)
        else:
            continue
        if gone is not None and (count := int(gone.sum())):
            changed.append(
                frame.data.select(pl.when(~gone.fill_null(False)).then(series).alias(series.name)).to_series()
            )
            counts.append(f"'{shortened(series.name)}' ({count:,})")
    if not changed:
        return frame, []
    listed = ", ".join(counts[:10]) + more(len(counts) - 10)
    return replace(frame, data=frame.data.with_columns(changed)), [f"cells missing by data.missing: {listed}"]


def meanings(frame: Frame, config: DataConfig) -> dict[str, ColumnFacts]:
    """What each column means: as the config says, else as its cells do. DataError where the config names a
    column that the file does not have."""
    said = {}
    for name, about in config.columns.items():
        if isinstance(about, str):
            said[resolve(frame, name, "columns")] = Said(about)
        else:
            said[resolve(frame, name, "columns")] = Said(
                about.type, about.decimal, about.unit, about.day_first, tuple(about.parts), about.cyclic
            )
    return facts_of(frame.data, said, config.missing)


def assign(
    frame: Frame,
    facts: Mapping[str, ColumnFacts],
    config: DataConfig,
    kind: Kind | None,
    target: str | None = None,
    *,
    first: bool = True,
) -> Roles:
    """The roles of a file's columns: as the config says, the rest inferred and noted.

    target: a column to predict where the config names none and the file has it. first: whether this file
    decides what the features are; others follow it.
    """
    modality = None if kind is None else modality_of(kind)
    if modality is not None and not modality.of_tables:
        raise DataError(
            f"{frame.path}: a table holds no {modality.words.many}",
            hint="leave data.kind out, or say text or table",
        )
    texts_wanted = modality is not None and modality.takes_texts
    notes: list[str] = []
    names = frame.data.columns
    roles: dict[str, str | None] = {}
    for key in ("group", "split", "id"):
        column = getattr(config, key)
        absent = not first and key != "group" and column not in names
        roles[key] = None if column is None or absent else resolve(frame, column, key)
    said_text = resolve_text(frame, config.text)
    taken = {*roles.values(), *said_text}
    if config.target is None:
        targets: tuple[str, ...] = (_infer_target(frame, facts, taken, target, notes),)
    else:
        wanted = config.target if isinstance(config.target, list) else [config.target]
        targets = tuple(resolve(frame, column, "target") for column in wanted)
    _require_one_part(frame, facts, targets, roles)
    rest = [n for n in names if n not in targets and n not in roles.values() and not facts[n].ignored]
    given = Roles("table", targets, group=roles["group"], split=roles["split"], id=roles["id"])
    text = said_text
    if not text and (texts_wanted or (modality is None and not config.features)):
        inferred = _infer_text(frame, facts, rest, certain=texts_wanted)
        text = () if inferred is None else (inferred,)
    if text:
        if both := [name for name in text if name in targets]:
            raise DataError(f"{frame.path}: column '{both[0]}' is both text and target")
        if not said_text:
            notes.append(f"text: column '{text[0]}' (inferred: {facts[text[0]].reason})")
        if unused := [name for name in rest if name not in text]:
            notes.append(f"unused columns: {listed(unused)}")
        dropped = dict.fromkeys(unused, "beside the text")
        if first:
            _require_answers(frame, [facts[name] for name in targets])
            notes += _read_as([facts[name] for name in targets])
        return replace(given, kind="text", text=text, dropped=dropped, notes=tuple(notes))
    if not first:
        return replace(given, notes=tuple(notes))
    if config.features is not None:
        features = tuple(resolve(frame, column, "features") for column in config.features)
        features = tuple(name for name in features if name not in targets)
        if roles["split"] in features:
            raise DataError(
                f"{frame.path}: column '{roles['split']}' is both data.split and one of data.features",
                hint="take it out of data.features: a model would learn which split a row is in",
            )
        for name in features:
            _require_values(frame, facts[name])
        dropped = {}
    else:
        features, dropped = _infer_features(frame, facts, rest, notes)
    if not features:
        texts_there = [name for name in rest if facts[name].type == "text"]
        hint = f"data.text: {texts_there[0]} reads the texts in it" if texts_there else columns_hint(frame)
        raise DataError(f"{frame.path} has no column to predict '{targets[0]}' from", hint=hint)
    _require_answers(frame, [facts[name] for name in (*features, *targets)])
    notes += _read_as([facts[name] for name in (*features, *targets)])
    return replace(given, features=features, dropped=dropped, notes=tuple(notes))


def _require_one_part(
    frame: Frame,
    facts: Mapping[str, ColumnFacts],
    targets: Sequence[str],
    roles: Mapping[str, str | None],
) -> None:
    """DataError where a column is to be predicted and something else, too."""
    for name in targets:
        for key, column in roles.items():
            if column == name:
                raise DataError(f"{frame.path}: column '{name}' is both data.target and data.{key}")
        if facts[name].ignored:
            raise DataError(
                f"{frame.path}: column '{name}' is data.target, and data.columns says to ignore it",
                hint="take it out of data.columns",
            )
    used = [(key, column) for key, column in roles.items() if column is not None]
    for i, (key, column) in enumerate(used):
        for other, same in used[:i]:
            if same == column and {key, other} != {"group", "id"}:
                raise DataError(f"{frame.path}: column '{column}' is both data.{other} and data.{key}")


def _require_values(frame: Frame, facts: ColumnFacts) -> None:
    """DataError where a model could not take what a column holds."""
    if facts.type == "nested":
        raise DataError(
            f"{frame.path}: column '{facts.name}' holds nested values, not one per row",
            hint="name the columns to use in data.features",
        )


def _require_answers(frame: Frame, columns: Sequence[ColumnFacts]) -> None:
    """DataError with every question about a column that the config has to answer."""
    problems = [Problem(f.question, Place(str(frame.path))) for f in columns if f.question is not None]
    if len(problems) == 1:
        raise DataError(f"{frame.path}: {problems[0].message}", place=Place(str(frame.path)))
    if problems:
        raise DataError(f"{frame.path}: {len(problems)} columns can be read in two ways", problems=problems)


def truth_of(
    frame: Frame, targets: Sequence[str], config: DataConfig, facts: Mapping[str, ColumnFacts]
) -> tuple[Truth, list[tuple[int, str]]]:
    """The truth in the target columns, and the rows where it is missing or makes no sense."""
    if len(targets) > 1:
        return _truth_of_columns(frame, targets, facts)
    (name,) = targets
    series, about = frame.data[name], facts[name]
    if (
        isinstance(series.dtype, pl.List)
        and series.dtype.inner is not None
        and not series.dtype.inner.is_nested()
    ):
        lists = series.to_list()
        bad = [(i, f"target '{name}' is missing") for i, v in enumerate(lists) if v is None]
        return Truth(tuple(tuple(str(x).strip() for x in v or () if x is not None) for v in lists)), bad
    if series.dtype.is_nested():
        raise DataError(f"{frame.path}: the target '{name}' holds nested values")
    values = texts(series)
    if config.label_delimiter is not None:  # here an empty cell says something: no label
        cut = config.label_delimiter
        return Truth(
            tuple(tuple(x.strip() for x in (v or "").split(cut) if x.strip()) for v in values.tolist())
        ), []
    if about.type == "date":
        raise DataError(
            f"{frame.path}: the target '{name}' holds dates, and bm predicts numbers and classes",
            hint=f"data.columns: {{{name}: category}} makes each a class",
        )
    _require_answers(frame, [about])
    odd: dict[int, str] = {}
    if about.type in ("number", "identifier") and isinstance(about.format, NumberFormat):
        values, odd = _as_plain_numbers(series, values, about.format, config.missing)
    else:
        values = without(values, config.missing if about.said else {*config.missing, *CLASS_MISSING})
    found = values.tolist()
    bad = [(i, f"target '{name}' is missing") for i, v in enumerate(found) if v is None]
    bad += [(i, f"target '{name}' {what}") for i, what in odd.items()]
    quantity = True if about.said and about.type == "number" else None
    numbers = not (about.said and about.type in ("category", "boolean", "text"))
    return Truth(tuple(v or "" for v in found), numbers=numbers, quantity=quantity), bad


def _as_plain_numbers(
    series: pl.Series, cells: np.ndarray, format_: NumberFormat, missing: Collection[str]
) -> tuple[np.ndarray, dict[int, str]]:
    """The cells with numbers as programs write them: '$290,000' becomes '290000'; others stay as they are.

    Position -> what is wrong with those that do not fit a format of their own: 0.5 among percents.
    """
    values, bad = parse_cells(series, format_, lowered(missing))
    found = cells.copy()
    gone = [i for i in np.flatnonzero(np.isnan(values)).tolist() if i not in bad]
    found[gone] = None
    if series.dtype == pl.String:
        odd = series.str.strip_chars().cast(pl.Float64, strict=False).is_null().to_numpy()
        for i in np.flatnonzero(np.isfinite(values) & (odd | (not format_.plain))).tolist():
            number = float(values[i])
            found[i] = str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    return found, {} if format_.plain else bad


def _truth_of_columns(
    frame: Frame, targets: Sequence[str], facts: Mapping[str, ColumnFacts]
) -> tuple[Truth, list[tuple[int, str]]]:
    labels: list[list[str]] = [[] for _ in range(frame.data.height)]
    bad: list[tuple[int, str]] = []
    for name in targets:
        about = facts[name]
        flag = isinstance(about.format, NumberFormat) and about.format.flag
        values = without(texts(frame.data[name]), CLASS_MISSING).tolist()
        known = about.type == "boolean" or flag or about.different <= 2
        if not known or (about.filled and not any((v or "").lower() in (*_YES, *_NO) for v in values)):
            example = next((v for v in values if v not in (None, "0", "1")), "")
            held = f"{about.different:,} value{'s' * (about.different != 1)}"
            raise DataError(
                f"{frame.path}: several targets are labels, columns of 0 and 1, and '{name}' holds {held} "
                f"such as '{shortened(str(example))}'",
                hint=f"a run predicts one quantity: data.target: {name}",
            )
        for i, value in enumerate(values):
            word = None if value is None else value.lower()
            if word in _YES:
                labels[i].append(name)
            elif word not in _NO:
                what = "is missing" if value is None else f"is '{shortened(value)}', not 0 or 1"
                bad.append((i, f"target '{name}' {what}"))
    return Truth(tuple(map(tuple, labels)), names=tuple(targets)), bad


def splits_of(frame: Frame, name: str) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """Which split a column says each row belongs to: object array [N] of 'train', 'validation' and 'test';
    and the rows where it says something else. DataError where no row is for training."""
    cells = texts(frame.data[name]).tolist()
    said = np.array([SPLIT_WORDS.get((cell or "").lower(), "") for cell in cells], object)
    bad = [
        (
            i,
            f"column '{name}' is empty: is the row train, validation or test?"
            if cells[i] is None
            else f"column '{name}' says '{shortened(str(cells[i]))}', not train, validation or test",
        )
        for i in np.flatnonzero(said == "").tolist()
    ]
    if not (said == "train").any():
        raise DataError(
            f"{frame.path}: no row of column '{name}' says 'train' (data.split)",
            place=Place(str(frame.path)),
            hint=f"it says {_some(cells)}",
        )
    return said, bad


def _some(cells: Sequence[str | None]) -> str:
    different = list(dict.fromkeys(cell for cell in cells if cell is not None))
    return ", ".join(f"'{shortened(cell)}'" for cell in different[:5]) or "nothing"


def names_of(frame: Frame, name: str) -> tuple[tuple[str, ...], list[tuple[int, str]]]:
    """The examples' names in the column `data.id`, and the rows where there is none or one a second time."""
    cells = texts(frame.data[name]).tolist()
    seen: dict[str, int] = {}
    bad = []
    for i, cell in enumerate(cells):
        if cell is None:
            bad.append((i, f"id '{name}' is missing"))
        elif cell in seen:
            bad.append((i, f"id '{shortened(cell)}' is that of row {frame.rows[seen[cell]]} too"))
        else:
            seen[cell] = i
    return tuple(cell or "" for cell in cells), bad


def _infer_target(
    frame: Frame,
    facts: Mapping[str, ColumnFacts],
    taken: set[str | None],
    known: str | None,
    notes: list[str],
) -> str:
    names = [name for name in frame.data.columns if name not in taken]
    if known is not None and known in names:
        return known
    if not names:
        raise DataError(f"{frame.path} has no column left to predict", hint="name it in data.target")
    by_name = [name for wanted in TARGET_NAMES for name in names if name.lower() == wanted]
    if len(names) == 1:
        chosen, why = names[0], "the only one left"
    elif by_name:
        chosen, why = by_name[0], "by its name"
    else:
        chosen, why = names[-1], "the last one"
    if frame.data.width == 1:
        raise DataError(
            f"{frame.path} has a single column, '{chosen}'",
            hint="data.delimiter may be another (';' or a tab)",
        )
    notes.append(f"target: column '{chosen}' ({why})")
    return chosen


def _infer_text(
    frame: Frame, facts: Mapping[str, ColumnFacts], names: Sequence[str], *, certain: bool
) -> str | None:
    """The column of texts: with `certain` the one with the longest cells, else only one that stands alone."""
    found = [name for name in names if facts[name].type == "text"]
    if not certain:
        others = [n for n in names if n not in found and facts[n].type not in ("empty", "identifier")]
        return found[0] if len(found) == 1 and not others else None
    words = found or [
        n for n in names if facts[n].type in ("category", "identifier") and facts[n].format is None
    ]
    if not words:
        raise DataError(f"{frame.path} has no column of texts", hint="name it in data.text")
    lengths = frame.data.select(pl.col(name).cast(pl.String).str.len_chars().mean() for name in words).row(0)
    return max(zip(lengths, words, strict=True), key=lambda pair: pair[0] or 0.0)[1]


def _infer_features(
    frame: Frame, facts: Mapping[str, ColumnFacts], names: Sequence[str], notes: list[str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """All columns that may say something: no constants, no row numbers, no names of single rows, no texts."""
    features: list[str] = []
    dropped: dict[str, str] = {}
    for name in names:
        about = facts[name]
        if about.split:
            dropped[name] = "says train, validation or test"
            notes.append(
                f"column '{name}' says train, validation or test: data.split: {name} uses it as the split"
            )
            continue
        if about.type == "empty":
            dropped[name] = "empty"
        elif about.constant and frame.data.height > 1:
            dropped[name] = "the same in every row"
        elif about.row_numbers:
            dropped[name] = "row numbers"
        elif about.type == "identifier":
            dropped[name] = about.reason
        elif about.type == "text":
            dropped[name] = "texts, which a table's model does not read"
        else:
            _require_values(frame, about)
            features.append(name)
    by_reason: dict[str, list[str]] = {}
    for name, why in dropped.items():
        if not facts[name].split:
            by_reason.setdefault(why, []).append(name)
    notes += [f"not used as features ({why}): {listed(columns)}" for why, columns in by_reason.items()]
    return tuple(features), dropped


def _read_as(columns: Sequence[ColumnFacts]) -> list[str]:
    """What is worth a line about how the features are read."""
    notes = []
    days: dict[str, list[str]] = {}
    for about in columns:
        if isinstance(about.format, DateFormat) and (about.parts or not about.format.clock):
            number = "a number of days" if not about.format.clock else "a share of a day"
            what = ", ".join((number, *about.parts)) + (" (on a circle)" if about.cyclic else "")
            days.setdefault(what, []).append(about.name)
    notes += [f"dates become {what}: {listed(names)}" for what, names in days.items()]
    by_format: dict[str, list[str]] = {}
    for about in columns:
        if isinstance(about.format, NumberFormat) and not about.format.plain:
            comma = "with a decimal comma" if about.format.decimal == "," else ""
            unit = f"in {about.format.unit}" if about.format.unit else ""
            by_format.setdefault(" ".join(filter(None, (comma, unit))), []).append(about.name)
    notes += [f"numbers {how}: {listed(names)}" for how, names in by_format.items()]
    marked = [
        f"'{shortened(f.name)}' ({', '.join(map(repr, f.marks[:3]))}; {f.missing:,} missing)"
        for f in columns
        if f.marks
    ]
    if marked:
        notes.append(f"words for missing values: {', '.join(marked[:5])}" + more(len(marked) - 5))
    codes = [f.name for f in columns if f.reason.startswith("leading zeros")]
    if codes:
        notes.append(f"codes with leading zeros, taken as categories: {listed(codes)}")
    notes += [about.warning for about in columns if about.warning]
    return notes


def row_problems(frame: Frame, found: Sequence[tuple[int, str]]) -> tuple[list[Problem], np.ndarray]:
    """One problem per row, in the file's order, and which rows have none: bool [N]."""
    by_row: dict[int, list[str]] = {}
    for i, what in found:
        by_row.setdefault(i, []).append(what)
    good = np.ones(frame.data.height, bool)
    good[list(by_row)] = False
    return [frame.problem(i, "; ".join(by_row[i])) for i in sorted(by_row)], good
