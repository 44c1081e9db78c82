"""What the columns of a table are for, and their cells as texts, numbers and truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from bmcli.config.schema import Column, DataConfig
from bmcli.data.bundle import Kind, Table, Texts
from bmcli.data.readers.tables import Frame
from bmcli.data.targets import Truth
from bmcli.errors import DataError, Place, Problem, did_you_mean

Use = Literal["numeric", "categorical"]
TARGET_NAMES = ("target", "label", "labels", "class", "y")
MISSING = ["na", "n/a", "nan", "null", "none", "?", "-"]
"""In a column of numbers, besides the empty cell, whatever the case."""
NUMERIC_SHARE = 0.9
"""A column is one of numbers when at least this share of its filled cells are; the others are unusable."""


@dataclass(frozen=True)
class Roles:
    """What is read from which column. features: name -> use, tables only."""

    kind: Kind
    targets: tuple[str, ...]
    text: str | None = None
    features: Mapping[str, Use] | None = None
    group: str | None = None
    notes: tuple[str, ...] = ()


def assign(
    frame: Frame, config: DataConfig, kind: Kind | None, target: str | None = None, *, first: bool = True
) -> Roles:
    """The roles of a file's columns: as the config says, the rest inferred and noted.

    target: a column to predict where the config names none and the file has it. first: whether this file
    decides what the features are; others follow it.
    """
    if kind == "image":
        raise DataError(
            f"{frame.path}: a table holds no pictures", hint="leave data.kind out, or say text or table"
        )
    notes: list[str] = []
    names = frame.data.columns
    group = None if config.group is None else resolve(frame, config.group, "group")
    said_text = None if config.text is None else resolve(frame, config.text, "text")
    if config.target is None:
        targets: tuple[str, ...] = (_infer_target(frame, {group, said_text}, target, notes),)
    else:
        wanted = config.target if isinstance(config.target, list) else [config.target]
        targets = tuple(resolve(frame, column, "target") for column in wanted)
    rest = [name for name in names if name not in targets and name != group]
    if said_text is not None or kind == "text":
        text = said_text or _infer_text(frame, rest, certain=True)
    else:
        text = None if kind == "table" or config.features else _infer_text(frame, rest, certain=False)
    if text is not None:
        if text in targets:
            raise DataError(f"{frame.path}: column '{text}' is both text and target")
        if said_text is None:
            notes.append(f"text: column '{text}' (inferred)")
        if unused := [name for name in rest if name != text]:
            notes.append(f"columns not used beside the text: {_listed(unused)}")
        return Roles("text", targets, text, None, group, tuple(notes))
    if not first:
        return Roles("table", targets, None, None, group, tuple(notes))
    if config.features is not None:
        chosen = [resolve(frame, column, "features") for column in config.features]
        features = {name: use_of(frame, name) for name in chosen if name not in targets}
    else:
        features = _infer_features(frame, rest, notes)
    if not features:
        raise DataError(
            f"{frame.path} has no column to predict '{targets[0]}' from", hint=_columns_hint(frame)
        )
    return Roles("table", targets, None, features, group, tuple(notes))


def resolve(frame: Frame, column: Column, key: str) -> str:
    """The name of a column given by name, or by index from 0; DataError where there is none.

    A number that is not an index but a column's name (`2021`) means that column. Where it is the index of one
    column and the name of another it is not guessed at: DataError says how to write either.
    """
    names = frame.data.columns
    if isinstance(column, str) and column in names:
        return column
    if isinstance(column, int) and 0 <= column < len(names):
        if str(column) in names and names[column] != str(column):
            raise DataError(
                f"{frame.path}: data.{key}: {column} may mean the column '{column}', or the one at index "
                f"{column}, '{names[column]}'",
                place=Place(str(frame.path)),
                hint=f'write "{column}", in quotes, for the first, or its name for the second',
            )
        return names[column]
    if isinstance(column, int) and str(column) in names:
        return str(column)
    near = did_you_mean(str(column), names)
    raise DataError(
        f"{frame.path} has no column {column!r} (data.{key})",
        place=Place(str(frame.path)),
        hint=near or _columns_hint(frame),
    )


def use_of(frame: Frame, name: str) -> Use:
    """Whether a column holds numbers; DataError where a model could not take what it holds."""
    series = frame.data[name]
    if series.dtype.is_nested() or series.dtype == pl.Binary:
        raise DataError(
            f"{frame.path}: column '{name}' holds nested values, not one per row",
            hint="name the columns to use in data.features",
        )
    if series.dtype.is_temporal():
        raise DataError(
            f"{frame.path}: column '{name}' holds dates or times",
            hint="turn it into numbers, or leave it out of data.features",
        )
    if series.dtype.is_numeric() or series.dtype == pl.Null:
        return "numeric"
    if not frame.untyped or series.dtype != pl.String:
        return "categorical"
    return "numeric" if _mostly_numbers(series) else "categorical"


def table_of(frame: Frame, features: Mapping[str, Use]) -> tuple[Table, list[tuple[int, str]]]:
    """The columns as a `Table`, and (position, message) of every cell that cannot be used."""
    columns: dict[str, np.ndarray] = {}
    problems: list[tuple[int, str]] = []
    for name, use in features.items():
        if use == "numeric":
            columns[name], bad = numbers(frame.data[name])
            problems += [(i, f"column '{name}' {what}") for i, what in bad]
        else:
            columns[name] = texts(frame.data[name])
    return Table(columns), problems


def numbers(series: pl.Series) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """float64 [N], NaN where missing; and the cells that are no finite number."""
    if series.dtype != pl.String:
        values = series.cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
        return values, [(int(i), "is infinite") for i in np.flatnonzero(np.isinf(values))]
    cells = series.str.strip_chars()
    gone = cells.is_null() | cells.str.to_lowercase().is_in(MISSING).fill_null(True)
    parsed = cells.cast(pl.Float64, strict=False)
    odd = (parsed.is_null() & ~gone).arg_true().to_list()
    bad = [(i, f"holds '{_short(cells[i])}', not a number") for i in odd]
    values = parsed.to_numpy().astype(np.float64)
    bad += [(int(i), "is infinite") for i in np.flatnonzero(np.isinf(values))]
    return values, bad


def texts(series: pl.Series, *, strip: bool = True) -> np.ndarray:
    """Object array [N] of str, None where missing. Whole numbers are written without a fraction."""
    if series.dtype.is_float():
        finite = series.drop_nulls().drop_nans()
        series = series.fill_nan(None)
        if len(finite) and (finite == finite.round(0)).all() and finite.abs().max() < 2**53:  # type: ignore[operator]
            series = series.cast(pl.Int64)
    series = series.cast(pl.String)
    if strip:
        series = series.str.strip_chars()
    values = np.empty(len(series), object)
    values[:] = series.to_list()
    values[values == ""] = None
    return values


def guessed(series: pl.Series) -> np.ndarray:
    """A column nothing was said about: as `numbers` or `texts` has it, by what most of its cells are."""
    are_numbers = series.dtype.is_numeric() or (series.dtype == pl.String and _mostly_numbers(series))
    return numbers(series)[0] if are_numbers else texts(series)


def cells(series: pl.Series) -> np.ndarray:
    """Object array [N] of texts, None where missing, also by a word for it in a column of numbers."""
    if series.dtype == pl.String:
        filled = _filled(series)
        if len(filled) < len(series) and not filled.cast(pl.Float64, strict=False).null_count():
            known = series.str.strip_chars().str.to_lowercase().is_in(MISSING)
            series = pl.select(pl.when(known).then(None).otherwise(series)).to_series()
    return texts(series)


def texts_of(frame: Frame, name: str) -> tuple[Texts, list[tuple[int, str]]]:
    """A column of texts; empty ones are problems."""
    if frame.data[name].dtype.is_nested():
        raise DataError(f"{frame.path}: column '{name}' holds nested values, not texts")
    values = texts(frame.data[name], strip=False).tolist()
    bad = [(i, f"column '{name}' is empty") for i, v in enumerate(values) if v is None or not v.strip()]
    return Texts(tuple(v or "" for v in values)), bad


def truth_of(
    frame: Frame, targets: Sequence[str], delimiter: str | None
) -> tuple[Truth, list[tuple[int, str]]]:
    """The truth in the target columns, and the rows where it is missing or makes no sense."""
    if len(targets) > 1:
        return _truth_of_columns(frame, targets)
    (name,) = targets
    series = frame.data[name]
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
    values = texts(series).tolist()
    if delimiter is not None:  # here an empty cell says something: no label
        return Truth(
            tuple(tuple(x.strip() for x in (v or "").split(delimiter) if x.strip()) for v in values)
        ), []
    bad = [(i, f"target '{name}' is missing") for i, v in enumerate(values) if v is None]
    return Truth(tuple(v or "" for v in values)), bad


def _truth_of_columns(frame: Frame, targets: Sequence[str]) -> tuple[Truth, list[tuple[int, str]]]:
    labels: list[list[str]] = [[] for _ in range(frame.data.height)]
    bad: list[tuple[int, str]] = []
    for name in targets:
        for i, value in enumerate(texts(frame.data[name]).tolist()):
            word = None if value is None else value.lower()
            if word in ("1", "1.0", "true"):
                labels[i].append(name)
            elif word not in ("0", "0.0", "false"):
                what = "is missing" if value is None else f"is '{_short(value)}', not 0 or 1"
                bad.append((i, f"target '{name}' {what}"))
    return Truth(tuple(map(tuple, labels)), names=tuple(targets)), bad


def _mostly_numbers(series: pl.Series) -> bool:
    """Of a column of texts: whether enough of its filled cells are numbers."""
    filled = _filled(series)
    good = len(filled) - filled.cast(pl.Float64, strict=False).null_count()
    return bool(good) and good >= NUMERIC_SHARE * len(filled)


def _filled(series: pl.Series) -> pl.Series:
    cells = series.drop_nulls().str.strip_chars()
    return cells.filter(~cells.str.to_lowercase().is_in(MISSING))


def _infer_target(frame: Frame, taken: set[str | None], known: str | None, notes: list[str]) -> str:
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


def _infer_text(frame: Frame, names: Sequence[str], *, certain: bool) -> str | None:
    """The column of texts: with `certain` the one with the longest cells, else only one that stands alone."""
    lengths = {}
    for name in names:
        series = frame.data[name]
        if series.dtype == pl.String and use_of(frame, name) == "categorical":
            lengths[name] = float(series.str.len_chars().mean() or 0.0)  # type: ignore[arg-type]
    if certain:
        if not lengths:
            raise DataError(f"{frame.path} has no column of texts", hint="name it in data.text")
        return max(lengths, key=lambda name: lengths[name])
    if len(names) != 1 or not lengths:
        return None
    cells = frame.data[names[0]].drop_nulls()
    words = float(cells.str.count_matches(r"\s+").mean() or 0.0) + 1  # type: ignore[arg-type]
    return names[0] if words >= 3 and cells.n_unique() > len(cells) / 2 else None


def _infer_features(frame: Frame, names: Sequence[str], notes: list[str]) -> dict[str, Use]:
    """All columns that may say something: no constants, no row numbers, no names of single rows, no dates."""
    features: dict[str, Use] = {}
    dropped: dict[str, list[str]] = {}
    height = frame.data.height
    for name in names:
        series = frame.data[name]
        if series.dtype.is_temporal():
            dropped.setdefault("dates or times", []).append(name)
            continue
        use = use_of(frame, name)
        if series.null_count() == height or (height > 1 and series.n_unique() == 1):
            dropped.setdefault("the same in every row", []).append(name)
        elif use == "categorical" and height >= 10 and series.n_unique() == height:
            dropped.setdefault("another text in every row", []).append(name)
        elif use == "numeric" and height >= 10 and _counts_rows(series):
            dropped.setdefault("row numbers", []).append(name)
        else:
            features[name] = use
    notes += [f"not used as features ({why}): {_listed(columns)}" for why, columns in dropped.items()]
    return features


def _counts_rows(series: pl.Series) -> bool:
    values, _ = numbers(series)
    return bool((np.diff(values) == 1).all()) and values[0] in (0, 1)


def _columns_hint(frame: Frame) -> str:
    return f"the columns are {_listed(frame.data.columns)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{_short(n)}'" for n in names[:10]) + (
        f" and {len(names) - 10} more" if len(names) > 10 else ""
    )


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def row_problems(frame: Frame, found: Sequence[tuple[int, str]]) -> tuple[list[Problem], np.ndarray]:
    """One problem per row, in the file's order, and which rows have none: bool [N]."""
    by_row: dict[int, list[str]] = {}
    for i, what in found:
        by_row.setdefault(i, []).append(what)
    good = np.ones(frame.data.height, bool)
    good[list(by_row)] = False
    return [frame.problem(i, "; ".join(by_row[i])) for i in sorted(by_row)], good
