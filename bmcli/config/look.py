"""A short look at somebody's data: enough to draft a config, with bounded reading.

Guesses only: whoever reads the draft sees what was seen and corrects it. Readers with all their rules are in
`bmcli.data`.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bmcli.errors import DataError
from bmcli.files.suffixes import TABLE_SUFFIXES

_SAMPLE_BYTES = 2_000_000
_COUNT_BYTES = 200_000_000
_SAMPLE_ROWS = 5_000
_MOST_CLASSES = 50

_TARGETS = (
    *("target", "label", "labels", "class", "category", "y", "outcome", "sentiment", "species", "queue"),
    *("rating", "score", "price", "value", "diagnosis", "survived", "churn", "topic", "intent", "quality"),
)
_TEXTS = ("text", "body", "review", "comment", "message", "sentence", "content", "description", "question")
_GROUP = re.compile(r"^(group|(user|customer|patient|subject|person|client|session|author|device)(_?id)?)$")
_IDENTIFIER = re.compile(r"(^|_)(id|uuid|index|key)$|^unnamed", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """What the sampled rows show of a column. `name` is its position where the file names none."""

    name: str | int
    numeric: bool
    whole: bool
    distinct: int
    filled: int
    words: float

    @property
    def repeats(self) -> bool:
        return self.distinct < self.filled


@dataclass(frozen=True)
class Look:
    """What was seen. `seen` are sentences for the draft's head; `said` are further keys of `data` for it,
    each with its value and why."""

    path: Path
    kind: str
    seen: tuple[str, ...]
    task: str = "multiclass"
    examples: int = 0
    columns: tuple[Column, ...] = ()
    text: str | int | None = None
    target: str | int | None = None
    group: str | int | None = None
    left_out: tuple[str | int, ...] = ()
    label_delimiter: str | None = None
    delimiter: str | None = None
    header: bool = True
    sizes: tuple[tuple[int, int], ...] = ()
    brings: tuple[str, ...] = field(default=())
    said: tuple[tuple[str, object, str], ...] = ()


def look(path: Path) -> Look:
    """Look at a folder or file. DataError where it is nothing bm can train on."""
    try:
        if path.is_dir():
            from bmcli.config.look_folder import look_at_folder

            return look_at_folder(path)
        suffix = path.suffix.lower()
        if suffix in (".csv", ".tsv"):
            return _delimited(path)
        if suffix in (".jsonl", ".ndjson"):
            return _json_lines(path)
        if suffix == ".parquet":
            return _parquet(path)
        if suffix == ".npz":
            return _npz(path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error.reason}", hint="save it with UTF-8 encoding") from error
    kinds = ", ".join(sorted(TABLE_SUFFIXES))
    raise DataError(f"cannot tell what {path} is", hint=f"a folder of pictures or texts, {kinds} or .npz")


def _delimited(path: Path) -> Look:
    csv.field_size_limit(_SAMPLE_BYTES)  # the csv module's own limit is shorter than some texts
    sample, count = _sample_lines(path)
    delimiter = _delimiter(sample) if path.suffix.lower() == ".csv" else "\t"
    table = [row for row in csv.reader(sample, delimiter=delimiter) if row]
    if not table:
        raise DataError(f"{path} is empty")
    rows = round(count * len(table) / len(sample))  # a quoted cell may take several lines
    table = table[:_SAMPLE_ROWS]
    width = Counter(len(row) for row in table).most_common(1)[0][0]
    table = [row for row in table if len(row) == width]
    header = _has_header(table)
    names: Sequence[str | int] = table[0] if header else range(width)
    body = table[1:] if header else table
    columns = [_column(name, [row[i] for row in body]) for i, name in enumerate(names)]
    own = "," if path.suffix.lower() == ".csv" else "\t"
    return _table(
        path,
        columns,
        {name: [row[i] for row in body] for i, name in enumerate(names)},
        rows - header,
        delimiter=None if delimiter == own else delimiter,
        header=header,
    )


def _sample_lines(path: Path) -> tuple[list[str], int]:
    """The first lines, and how many there are in all (estimated for a very large file)."""
    with path.open("rb") as file:
        data = last = file.read(_SAMPLE_BYTES)
        count, done = data.count(b"\n"), len(data)
        while done < _COUNT_BYTES and (chunk := file.read(1 << 20)):
            count += chunk.count(b"\n")
            done += len(chunk)
            last = chunk
    total = path.stat().st_size
    text = data.decode("utf-8-sig", "strict" if len(data) == total else "ignore")
    lines = list(io.StringIO(text, newline=""))  # str.splitlines would also cut at U+2028 and its like
    if len(data) < total:
        lines = lines[:-1]
    if not last.endswith(b"\n") and total:
        count += 1
    return lines, round(count * total / done) if done and done < total else count


def _delimiter(lines: Sequence[str]) -> str:
    """The one that cuts the first lines into the same number of cells, the more the better."""
    best, most = ",", 1
    for candidate in (",", ";", "\t", "|"):
        rows = [row for row in csv.reader(lines[:50], delimiter=candidate) if row]
        widths = Counter(len(row) for row in rows)
        if not widths:
            continue
        width, how_often = widths.most_common(1)[0]
        if how_often >= 0.9 * len(rows) and width > most:
            best, most = candidate, width
    return best


def _has_header(table: Sequence[Sequence[str]]) -> bool:
    head, body = table[0], table[1:]
    names = [cell.strip() for cell in head]
    if not body or len(set(names)) < len(names) or any(not name or _number(name) for name in names):
        return False
    if {name.lower() for name in names} & {*_TARGETS, *_TEXTS}:
        return True
    for i, name in enumerate(names):
        cells = [row[i] for row in body[:200]]
        if any(_number(cell) for cell in cells):
            return True
        if name in cells:
            return False
    return all(len(name) <= 40 for name in names)


def _json_lines(path: Path) -> Look:
    lines, rows = _sample_lines(path)
    values: dict[str | int, list[str]] = {}
    for number, line in enumerate(lines[:_SAMPLE_ROWS], 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number} is not JSON: {error}") from error
        if not isinstance(record, dict):
            raise DataError(f"{path}:{number} is not a JSON object")
        for key, value in record.items():
            values.setdefault(key, []).append("" if value is None else str(value))
    return _table(path, [_column(name, cells) for name, cells in values.items()], values, rows)


def _parquet(path: Path) -> Look:
    import polars

    try:
        frame = polars.scan_parquet(path)
        head = frame.head(_SAMPLE_ROWS).collect()
        rows = int(frame.select(polars.len()).collect().item())
    except polars.exceptions.PolarsError as error:
        raise DataError(f"{path} is not a Parquet file bm can read: {error}") from error
    values: dict[str | int, list[str]] = {
        name: ["" if value is None else str(value) for value in head[name]] for name in head.columns
    }
    return _table(path, [_column(name, cells) for name, cells in values.items()], values, rows)


def _npz(path: Path) -> Look:
    import numpy as np

    shapes: dict[str, tuple[int, ...]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    version = np.lib.format.read_magic(member)
                    read = np.lib.format.read_array_header_1_0
                    header = read if version == (1, 0) else np.lib.format.read_array_header_2_0
                    shapes[name.removesuffix(".npy")] = header(member)[0]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not an .npz file: {error}") from error
    inputs = next((shape for name, shape in shapes.items() if name in ("x_train", "x", "X", "images")), None)
    if inputs is None:
        listed = ", ".join(shapes)
        raise DataError(f"{path} holds {listed or 'nothing'}; expected x_train and y_train, or x and y")
    kind = "image" if len(inputs) >= 3 else "table"
    seen = [f"{name}: {' × '.join(map(str, shape))}" for name, shape in shapes.items()][:6]
    sizes = ((inputs[1], inputs[2]),) if kind == "image" else ()
    brings = tuple(split for split, name in (("test", "x_test"), ("validation", "x_val")) if name in shapes)
    return Look(path, kind, tuple(seen), examples=inputs[0], sizes=sizes, brings=brings)


def _table(
    path: Path,
    columns: Sequence[Column],
    values: dict[str | int, list[str]],
    rows: int,
    *,
    delimiter: str | None = None,
    header: bool = True,
) -> Look:
    if len(columns) < 2:
        raise DataError(f"{path} has only one column", hint="a target needs a column of its own")
    text = _text_column(columns)
    group = next((c.name for c in columns if _GROUP.match(str(c.name).lower()) and c.repeats), None)
    rest = [c for c in columns if c.name not in (text, group)]
    target = _target_column(rest, labelled=text is not None)
    chosen = next(c for c in columns if c.name == target)
    counts = Counter(cell for cell in values[target] if cell)
    regression = chosen.numeric and (not chosen.whole or chosen.distinct > 20) and text is None
    labels = None if chosen.numeric else _label_delimiter(counts)
    seen = [f"{rows:,} rows, {len(columns)} columns"]
    if regression:
        seen.append(f"'{target}' is a number: a regression")
    elif labels is not None:
        each = Counter(label for cell, n in counts.items() for label in _labels(cell, labels) * n)
        seen.append(f"'{target}' holds several labels, '{labels}' between them, of {_classes(each)}")
    else:
        seen.append(f"'{target}' has {_classes(counts)}")
    if not header:
        seen.append("the first row names no columns: they are numbered from 0")
    left_out = tuple(
        c.name for c in rest if c.name != target and _IDENTIFIER.search(str(c.name)) and not c.repeats
    )
    task = "regression" if regression else "binary" if len(counts) == 2 else "multiclass"
    return Look(
        path,
        "table" if text is None else "text",
        tuple(seen),
        "multilabel" if labels is not None else task,
        rows,
        tuple(columns),
        text,
        target,
        group,
        left_out,
        labels,
        delimiter,
        header,
    )


def _column(name: str | int, cells: Sequence[str]) -> Column:
    filled = [cell.strip() for cell in cells if cell.strip()]
    numbers = [cell for cell in filled if _number(cell)]
    return Column(
        name,
        numeric=bool(filled) and len(numbers) == len(filled),
        whole=all(re.fullmatch(r"[-+]?\d+(\.0*)?", cell) for cell in numbers),
        distinct=len(set(filled)),
        filled=len(filled),
        words=sum(len(cell.split()) for cell in filled) / max(1, len(filled)),
    )


def _text_column(columns: Sequence[Column]) -> str | int | None:
    """The column of sentences: the wordiest, where cells have several words and rarely repeat."""
    wordy = [c for c in columns if not c.numeric and c.words >= 3 and c.distinct > 0.5 * c.filled]
    named = [c for c in wordy if str(c.name).lower() in _TEXTS]
    best = max(named or wordy, key=lambda c: c.words, default=None)
    return best.name if best else None


def _target_column(columns: Sequence[Column], *, labelled: bool) -> str | int:
    by_name = {str(c.name).lower(): c.name for c in reversed(columns)}
    for name in _TARGETS:
        if name in by_name:
            return by_name[name]
    usable = [c for c in columns if c.distinct > 1 and not _IDENTIFIER.search(str(c.name))] or list(columns)
    if labelled:
        return min(usable, key=lambda c: c.distinct).name
    return usable[-1].name


def _label_delimiter(counts: Counter[str]) -> str | None:
    """What separates labels in the target's cells: where it cuts them into fewer different pieces."""
    for candidate in ("|", ";", ","):
        pieces = {label for cell in counts for label in _labels(cell, candidate)}
        if len(pieces) < len(counts) and any(candidate in cell for cell in counts):
            return candidate
    return None


def _labels(cell: str, delimiter: str) -> list[str]:
    return [label for piece in cell.split(delimiter) if (label := piece.strip())]


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _classes(counts: Counter[str]) -> str:
    """'3 classes: daisy 61 · rose 488 · ...'."""
    shown = " · ".join(f"{name} {count:,}" for name, count in _first(counts.most_common(), 6))
    more = " · ..." if len(counts) > 6 else ""
    return f"{len(counts)} classes: {shown}{more}"


def _first(pairs: Iterable[tuple[str, int]], most: int) -> list[tuple[str, int]]:
    return list(pairs)[:most]
