"""CSV and TSV: from bytes to rows of texts, with malformed rows named and none merged or lost.

The structure of the file (where records begin, how many cells each has) is read off the positions of line
ends, delimiters and quotation marks, all at once; polars then reads the records that fit. Where quotation marks
stand in odd places, Python's csv module reads the file, slower, row by row.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from bmcli.errors import DataError, Place, Problem
from bmcli.files.dialect import Dialect, Options, dialect_of, lines_of
from bmcli.files.encoding import detect, said

HEAD = 2**18
"""Bytes from which encoding and dialect are told."""
CHUNK_ROWS = 50_000
CELL_LIMIT = 64 * 2**20
"""Characters in one CSV cell: more means a quote that is never closed."""
_QUOTE, _LINE_END, _RETURN = b'"'[0], b"\n"[0], b"\r"[0]


@dataclass(frozen=True)
class Rows:
    """data: the rows that fit, every cell text, an empty one null; rows: int64 [N], the number of each in the
    file, from 1; lines: the line each starts on; problems: the other rows; notes: what was inferred."""

    data: pl.DataFrame
    rows: np.ndarray
    lines: np.ndarray
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    dialect: Dialect | None = None


@dataclass(frozen=True)
class _Structure:
    """Of each record: where it starts and ends (its line end left out), the line, the number of cells."""

    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray
    widths: np.ndarray

    def where(self, keep: np.ndarray) -> _Structure:
        return _Structure(self.starts[keep], self.ends[keep], self.lines[keep], self.widths[keep])


def read(path: Path, options: Options) -> Rows:
    """The rows of a file. DataError where it is not a table at all, or quotation marks swallow rows."""
    data, notes = decoded(path)
    head = data[:HEAD].decode("utf-8", "replace")
    lines = lines_of(head)
    if len(data) > HEAD and len(lines) > 1:
        lines = lines[:-1]
    dialect = dialect_of(lines, options, "\t" if path.suffix.lower() == ".tsv" else ",")
    notes += dialect.notes
    body = sum(len(line.encode()) for line in lines[: dialect.skipped]) if dialect.skipped else 0
    text = np.frombuffer(data, np.uint8)
    found = _read(path, data, text, body, dialect, options)
    return replace(found, notes=(*notes, *found.notes), dialect=dialect)


def decoded(path: Path) -> tuple[bytes, list[str]]:
    """A file's content as UTF-8 without a mark, its lines ended by line feeds, and what was found out.

    Bytes that are not UTF-8 are left where most of the file is: their rows are named later. DataError where it
    is not text.
    """
    data = path.read_bytes()
    codec = detect(data[:HEAD], whole=len(data) <= HEAD)
    if codec == "utf-8" and len(data) > HEAD and not _is_utf8(data):
        codec = detect(data, whole=True)
    if codec is None:
        if (
            b"\0" in data[:HEAD]
            or not data[:HEAD].decode("utf-8", "ignore").isprintable()
            and _binary(data[:HEAD])
        ):
            raise DataError(f"{path} is not a text file", place=Place(str(path)))
        codec = "utf-8"
    notes = []
    if codec in ("utf-8", "utf-8-sig", "ascii"):
        data = data.removeprefix(b"\xef\xbb\xbf")
    else:
        try:
            data = data.decode(codec).removeprefix("\ufeff").encode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is {said(codec)} at its beginning, but not throughout",
                place=Place(str(path)),
                hint="save it as UTF-8",
            ) from error
        notes.append(f"encoding: {said(codec)} (detected)")
    if b"\r" in data and b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    return data, notes


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _binary(head: bytes) -> bool:
    controls = sum(head.count(bytes([code])) for code in range(32) if code not in b"\t\n\v\f\r\b\x1b")
    return controls > 0.1 * len(head)


def _read(path: Path, data: bytes, text: np.ndarray, body: int, dialect: Dialect, options: Options) -> Rows:
    has_quotes = data.find(b'"', body) >= 0
    by_lines = _structure(text, body, dialect.delimiter, quoted=False)
    assert by_lines is not None
    if has_quotes and options.quoting is not False:
        quoted = _structure(text, body, dialect.delimiter, quoted=True)
        if quoted is None:
            return _with_odd_quotes(path, data, text, body, dialect, options, by_lines)
        if len(quoted.starts) != len(by_lines.starts) and options.quoting is None:
            swallowed = _swallowed(data, quoted, by_lines, dialect)
            if swallowed is not None:
                # In TSV quotation marks are text more often than not; in CSV one that is never closed is a fault.
                if dialect.delimiter == "\t" and _even(by_lines):
                    return _unquoted(path, data, text, dialect, options, by_lines)
                raise _swallows(path, *swallowed)
        return _by_polars(path, data, text, dialect, options, quoted, quote='"')
    return _by_polars(path, data, text, dialect, options, by_lines, quote=None)


def _unquoted(
    path: Path, data: bytes, text: np.ndarray, dialect: Dialect, options: Options, structure: _Structure
) -> Rows:
    found = _by_polars(path, data, text, dialect, options, structure, quote=None)
    note = "quotation marks do not enclose cells here and count as text (data.quoting: true if they do)"
    return Rows(found.data, found.rows, found.lines, found.problems, (*found.notes, note))


def _structure(text: np.ndarray, body: int, delimiter: str, *, quoted: bool) -> _Structure | None:
    """The records from position `body` on; None where a quotation mark stands in an odd place."""
    part = text[body:]
    line_ends = np.flatnonzero(part == _LINE_END)
    cuts = np.flatnonzero(part == ord(delimiter)) if ord(delimiter) < 128 else None
    if cuts is None:  # a delimiter of several bytes: where its first one is, if the others follow
        code = np.frombuffer(delimiter.encode(), np.uint8)
        windows = np.lib.stride_tricks.sliding_window_view(part, len(code))
        cuts = np.flatnonzero((windows == code).all(axis=1))
    lines_before = None
    if quoted:
        marks = np.flatnonzero(part == _QUOTE)
        if len(marks) % 2 or not _regular(part, marks, delimiter):
            return None
        lines_before = line_ends
        line_ends = line_ends[np.searchsorted(marks, line_ends) % 2 == 0]
        cuts = cuts[np.searchsorted(marks, cuts) % 2 == 0]
    starts = np.concatenate([[0], line_ends + 1])
    ends = np.concatenate([line_ends, [len(part)]])
    if starts[-1] == len(part):
        starts, ends = starts[:-1], ends[:-1]
    before = np.searchsorted(cuts, starts)
    widths = np.searchsorted(cuts, ends) - before + 1
    numbers = np.arange(len(starts)) if lines_before is None else np.searchsorted(lines_before, starts)
    first_line = 1 + int((text[:body] == _LINE_END).sum())
    structure = _Structure(starts + body, ends + body, numbers + first_line, widths)
    short = np.flatnonzero((structure.ends - structure.starts <= 1) | (widths == 1))
    blank = [
        i
        for i in short.tolist()
        if not text[structure.starts[i] : structure.ends[i]].tobytes().strip(b" \t\r\f\v")
    ]
    if not blank:
        return structure
    keep = np.ones(len(starts), bool)
    keep[blank] = False
    return structure.where(keep)


def _regular(part: np.ndarray, marks: np.ndarray, delimiter: str) -> bool:
    """Whether every quotation mark opens or closes a cell, or is one of two within one."""
    opening, closing = marks[::2], marks[1::2]
    code = ord(delimiter[-1]) if ord(delimiter[-1]) < 128 else delimiter.encode()[-1]
    before = part[np.maximum(opening - 1, 0)]
    fine = (opening == 0) | (before == code) | (before == _LINE_END) | (before == _QUOTE)
    after = part[np.minimum(closing + 1, len(part) - 1)]
    first = ord(delimiter[0]) if ord(delimiter[0]) < 128 else delimiter.encode()[0]
    ended = (
        (closing == len(part) - 1)
        | (after == first)
        | (after == _LINE_END)
        | (after == _RETURN)
        | (after == _QUOTE)
    )
    # A mark right behind an opening one at the beginning of a cell, as in """x""", is even again.
    return bool(fine.all() and ended.all())


def _even(structure: _Structure) -> bool:
    return len(structure.widths) > 0 and bool((structure.widths == structure.widths[0]).all())


def _swallowed(
    data: bytes, quoted: _Structure, by_lines: _Structure, dialect: Dialect
) -> tuple[int, int, int] | None:
    """(row, line, last line) of a record that is rather several: each of its lines has all cells, and their
    first and last ones are what other rows have there."""
    if not len(quoted.widths):
        return None
    width = Counter(quoted.widths.tolist()).most_common(1)[0][0]
    if width < 2:
        return None
    at = {int(start): i for i, start in enumerate(by_lines.starts.tolist())}
    last_starts = np.searchsorted(by_lines.starts, quoted.ends, side="right")
    known: list[_Edge] | None = None
    for i in range(len(quoted.starts)):
        first, last = at.get(int(quoted.starts[i]), -1), int(last_starts[i])
        if first < 0 or last - first < 2 or not (by_lines.widths[first:last] == width).all():
            continue
        if known is None:
            known = _edges(data, quoted, by_lines, dialect)
        record = data[quoted.starts[i] : quoted.ends[i]].decode("utf-8", "replace")
        cells = next(csv.reader(io.StringIO(record, newline=""), delimiter=dialect.delimiter), [])
        spans = [column for column, cell in enumerate(cells) if "\n" in cell]
        pieces = [
            data[by_lines.starts[k] : by_lines.ends[k]].decode("utf-8", "replace").split(dialect.delimiter)
            for k in range(first, last)
        ]
        # What the marks enclose may be anything; the cells at the line breaks in between may not.
        tests = [
            all(edge.fits(piece[column]) for piece in pieces)
            for column, edge in zip((0, -1), known, strict=True)
            if edge.values and column % width not in spans
        ]
        if tests and all(tests):
            row = i + (not dialect.header)
            return row, int(by_lines.lines[first]), int(by_lines.lines[last - 1])
    return None


@dataclass(frozen=True)
class _Edge:
    """What stands in the first or last column: its values where they repeat, or numbers."""

    values: frozenset[str]
    numeric: bool

    def fits(self, cell: str) -> bool:
        cell = _bare(cell)
        return cell in self.values or (self.numeric and _is_number(cell))


def _edges(data: bytes, quoted: _Structure, by_lines: _Structure, dialect: Dialect) -> list[_Edge]:
    """Of the first and the last column, by the records of one line."""
    after = np.searchsorted(by_lines.starts, quoted.ends, side="right")
    single = np.flatnonzero(after - np.searchsorted(by_lines.starts, quoted.starts) == 1)
    records = [
        data[quoted.starts[i] : quoted.ends[i]].decode("utf-8", "replace").split(dialect.delimiter)
        for i in single[dialect.header :][:5_000].tolist()
    ]
    found = []
    for column in (0, -1):
        values = Counter(_bare(record[column]) for record in records)
        numeric = bool(values) and all(map(_is_number, values))
        known = numeric or len(values) <= 0.5 * values.total()
        found.append(_Edge(frozenset(values) if known else frozenset(), numeric))
    return found


def _bare(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _swallows(path: Path, row: int, line: int, last: int) -> DataError:
    return DataError(
        f"{path}: row {row}: a quotation mark opened in line {line} is closed only in line {last}: rows would be merged",
        place=Place(str(path), line),
        hint='data.quoting: false takes quotation marks as text; inside a quoted cell one is written twice: "5"" disk"',
    )


# === the records that fit, by polars ===


def _by_polars(
    path: Path,
    data: bytes,
    text: np.ndarray,
    dialect: Dialect,
    options: Options,
    structure: _Structure,
    *,
    quote: str | None,
) -> Rows:
    if not len(structure.starts):
        raise DataError(f"{path} is empty", place=Place(str(path)))
    names: list[str] | None = None
    notes: list[str] = []
    if dialect.header:
        first = data[structure.starts[0] : structure.ends[0]]
        line = int(structure.lines[0])
        header = _first_record(first, dialect, quote, path, line)
        structure = structure.where(np.arange(len(structure.starts)) > 0)
        header, drop, why = _columns(header, structure, data, dialect, text)
        notes += why
        names = _header(header, path, line)
    else:
        width = Counter(structure.widths.tolist()).most_common(1)[0][0]
        names, drop = [str(i) for i in range(width)], False
    width = len(names)
    good = structure.widths == width
    rows = np.arange(1, len(structure.starts) + 1)
    problems = [
        Problem(
            f"row {rows[i]}: {_cells(int(structure.widths[i]))} instead of {width}",
            Place(str(path), int(structure.lines[i])),
        )
        for i in np.flatnonzero(~good)
    ]
    kept = structure.where(good)
    frame = _frame(data, text, kept, names, dialect.delimiter, quote)
    if frame is None:  # bytes that are not UTF-8, most likely
        return _by_csv(path, data, structure, names, dialect, quote, notes, drop)
    if drop:
        frame = frame.drop(names[-1])
    return Rows(frame, rows[good], kept.lines, tuple(problems), tuple(notes))


def _cells(count: int) -> str:
    return f"{count} cell{'s' if count != 1 else ''}"


def _first_record(record: bytes, dialect: Dialect, quote: str | None, path: Path, line: int) -> list[str]:
    try:
        text = record.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the header is not UTF-8", place=Place(str(path), line)) from error
    if dialect.commented:
        text = text.lstrip("#/ ")
    how: Literal[0, 3] = 3 if quote is None else 0  # csv.QUOTE_NONE, csv.QUOTE_MINIMAL
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter, quoting=how), [])


def _columns(
    header: list[str], structure: _Structure, data: bytes, dialect: Dialect, text: np.ndarray
) -> tuple[list[str], bool, list[str]]:
    """The header with a name for every column of the rows, whether the last column is to be dropped, notes.

    Rows of one cell more than the header end with a delimiter, or begin with a row's name, as R writes them.
    """
    if not len(structure.widths):
        return header, False, []
    width, count = Counter(structure.widths.tolist()).most_common(1)[0]
    trailing = header and not header[-1].strip()
    if not (width == len(header) + 1 and count == len(structure.widths)) and not (
        trailing and width == len(header)
    ):
        return header, False, []
    last = structure.ends - 1
    last = last - (text[last] == _RETURN)
    ends_empty = bool((text[np.maximum(last, 0)] == dialect.delimiter.encode()[-1]).all())
    if width == len(header):
        return (
            (header, True, ["every row ends with a delimiter: the empty last column is left out"])
            if ends_empty
            else (header, False, [])
        )
    if ends_empty:
        return [*header, ""], True, ["every row ends with a delimiter: the empty last column is left out"]
    return ["", *header], False, ["the first column has no name: rows have one cell more than the header"]


def _frame(
    data: bytes, text: np.ndarray, kept: _Structure, names: list[str], delimiter: str, quote: str | None
) -> pl.DataFrame | None:
    if not len(kept.starts):
        return pl.DataFrame({name: pl.Series(name, [], dtype=pl.String) for name in names})
    if len(delimiter.encode()) > 1:
        return None
    gaps = np.flatnonzero(kept.starts[1:] > kept.ends[:-1] + 1)
    if len(gaps):  # rows that do not fit stand between: what polars sees leaves them out
        edges = np.concatenate([[-1], gaps, [len(kept.starts) - 1]])
        pieces = [
            data[kept.starts[a + 1] : kept.ends[b]]
            for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        ]
        source = b"\n".join(pieces)
    else:
        source = data[kept.starts[0] : kept.ends[-1]]
    try:
        frame = pl.read_csv(
            io.BytesIO(source),
            has_header=False,
            new_columns=names,
            infer_schema=False,
            separator=delimiter,
            quote_char=quote,
            raise_if_empty=False,
        )
    except pl.exceptions.PolarsError:
        return None
    if frame.width != len(names) and not source.strip():
        return None
    if frame.height != len(kept.starts) or frame.width != len(names):
        return None
    return blanks_to_null(frame)


def blanks_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells of blanks alone are empty, and empty cells null."""
    names = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    if not names or not frame.height:
        return frame
    cells = pl.col(names)
    begins = [cells.str.starts_with(sign) for sign in (" ", "\t", "\u00a0", "\n", "\r")]
    suspect = frame.select(reduce(or_, begins, cells == "").any())
    blank = [name for name in names if suspect[name][0]]
    if not blank:
        return frame
    return frame.with_columns(
        pl.when(pl.col(name).str.contains(r"^\s*$")).then(None).otherwise(pl.col(name)).alias(name)
        for name in blank
    )


# === row by row ===


def _with_odd_quotes(
    path: Path,
    data: bytes,
    text: np.ndarray,
    body: int,
    dialect: Dialect,
    options: Options,
    by_lines: _Structure,
) -> Rows:
    """A file with quotation marks inside of cells that are not quoted, or behind blanks, or never closed."""
    open_ = options.quoting is None and dialect.delimiter == "\t" and _even(by_lines)
    failed: DataError | None = None
    for loose in (False, True):
        try:
            records = list(
                _records(
                    path,
                    data[body:],
                    dialect.delimiter,
                    int(by_lines.lines[0]) if len(by_lines.lines) else 1,
                    loose,
                )
            )
        except DataError as error:
            failed = failed or error
            continue
        widths = Counter(len(record) for _, record in records)
        merged = sum(any("\n" in cell for cell in record) for _, record in records)
        if len(widths) == 1 and not (merged and open_):
            return _of_records(path, records, dialect, [])
    if open_:
        return _unquoted(path, data, text, dialect, options, by_lines)
    if failed is not None:
        raise failed
    return _of_records(path, records, dialect, [])


def _by_csv(
    path: Path,
    data: bytes,
    structure: _Structure,
    names: list[str],
    dialect: Dialect,
    quote: str | None,
    notes: list[str],
    drop: bool,
) -> Rows:
    """Each record by itself: those that are not UTF-8 are named."""
    how: Literal[0, 3] = 3 if quote is None else 0  # csv.QUOTE_NONE, csv.QUOTE_MINIMAL
    records = []
    limit = csv.field_size_limit(CELL_LIMIT)
    try:
        for start, end, line in zip(
            structure.starts.tolist(), structure.ends.tolist(), structure.lines.tolist(), strict=True
        ):
            record = data[start:end].decode("utf-8", "surrogateescape")
            reader = csv.reader(io.StringIO(record, newline=""), delimiter=dialect.delimiter, quoting=how)
            records.append((line, next(reader, [])))
    finally:
        csv.field_size_limit(limit)
    found = _rows(path, records, names)
    data_frame = found.data.drop(names[-1]) if drop else found.data
    return Rows(data_frame, found.rows, found.lines, found.problems, tuple(notes))


def _of_records(path: Path, records: list[tuple[int, list[str]]], dialect: Dialect, notes: list[str]) -> Rows:
    if not records:
        raise DataError(f"{path} is empty", place=Place(str(path)))
    line, first = records[0]
    names = _header(first, path, line) if dialect.header else [str(i) for i in range(len(first))]
    found = _rows(path, records[1:] if dialect.header else records, names)
    return Rows(found.data, found.rows, found.lines, found.problems, tuple(notes))


def _rows(path: Path, records: list[tuple[int, list[str]]], names: list[str]) -> Rows:
    kept: list[list[str]] = []
    rows, lines = [], []
    problems = []
    for row, (line, record) in enumerate(records, start=1):
        what = None
        if len(record) != len(names):
            what = f"{_cells(len(record))} instead of {len(names)}"
        else:
            try:
                "".join(record).encode()
            except UnicodeEncodeError:
                what = "not UTF-8"
        if what is not None:
            problems.append(Problem(f"row {row}: {what}", Place(str(path), line)))
            continue
        kept.append(record)
        rows.append(row)
        lines.append(line)
    columns = list(zip(*kept, strict=True)) if kept else [()] * len(names)
    frame = pl.DataFrame([pl.Series(n, c, dtype=pl.String) for n, c in zip(names, columns, strict=True)])
    return Rows(
        blanks_to_null(frame), np.array(rows, np.int64), np.array(lines, np.int64), tuple(problems), ()
    )


def _records(
    path: Path, data: bytes, delimiter: str, first_line: int, loose: bool
) -> Iterator[tuple[int, list[str]]]:
    """(line it starts on, cells) of every record; DataError where quotes make the rest unreadable.

    loose: blanks may stand between a delimiter and a quotation mark.
    """
    limit = csv.field_size_limit(CELL_LIMIT)
    try:
        # Bytes that are not UTF-8 become surrogates, so that the rows that hold them can be named.
        file = io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")
        reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=loose)
        row = 0
        while True:
            line = reader.line_num + first_line
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                what = "a quote is opened and never closed" if "unexpected end" in str(error) else str(error)
                raise DataError(
                    f"{path}: cannot be read from line {line} (row {row}) on: {what}",
                    place=Place(str(path), line),
                    hint='a quote inside a quoted cell is written twice: "5"" disk"; data.quoting: false takes '
                    "quotation marks as text",
                ) from error
            if record:
                yield line, record
                row += 1
    finally:
        csv.field_size_limit(limit)


def _header(record: list[str], path: Path, line: int) -> list[str]:
    names = [name.strip() or f"unnamed_{i}" for i, name in enumerate(record)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(
            f"{path}: two columns are called {', '.join(map(repr, twice))}", place=Place(str(path), line)
        )
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: the header is not UTF-8", place=Place(str(path), line)) from error
    return names
