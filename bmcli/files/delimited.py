"""CSV and TSV: from bytes to rows of texts, with malformed rows named and none merged or lost.

`records.py` finds where the records are, polars reads those that fit. Where quotation marks stand in odd
places, Python's csv module reads the file, slower, row by row.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from bmcli.core.errors import DataError, Place, Problem
from bmcli.files import encoding, extra_rows, mismatched_suffix, records, repair
from bmcli.files.dialect import Dialect, Options, dialect_of, lines_of, uncommented
from bmcli.files.records import LINE_END, Records

HEAD_LINES = 50
"""Lines from which the dialect is told at least, however long they are,"""
MOST_HEAD = 2**25
"""up to so many bytes."""
_QUOTES_HINT = (
    'inside a quoted cell a quotation mark is written twice: "5"" disk"; '
    "data.quoting: false takes all of them as text"
)


@dataclass(frozen=True)
class Rows:
    """data: the rows that fit, every cell text, an empty one null; rows: int64 [N], the number of each in the
    file, from 1; lines: the line each starts on; problems: the other rows; notes: what was inferred."""

    data: pl.DataFrame
    rows: np.ndarray
    lines: np.ndarray
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    dialect: Dialect


@dataclass(frozen=True)
class _File:
    """A file's content with what is known of it: `text` are its bytes, `body` where the table begins."""

    path: Path
    data: bytes
    text: np.ndarray
    body: int
    dialect: Dialect
    options: Options

    def place(self, line: int) -> Place:
        return Place(str(self.path), line)


def read(path: Path, options: Options) -> Rows:
    """The rows of a file. DataError where it is not a table at all, or quotation marks swallow rows."""
    raw = mismatched_suffix.content(path)
    data, notes = encoding.decoded(path, raw)
    mismatched_suffix.refuse_text(path, data[: encoding.HEAD].decode("utf-8", "replace"))
    quoting = options.quoting is not False
    data = repair.line_ends(data, quoting=quoting)
    if quoting:
        data, said = repair.quotes(data, _head(data))
        notes += said
    lines = lines_of(_head(data))
    dialect = dialect_of(lines, options, "\t" if path.suffix.lower() == ".tsv" else ",")
    notes += dialect.notes
    body = _after_lines(data, dialect.skipped)
    file = _File(path, data, np.frombuffer(data, np.uint8), body, dialect, options)
    found = _read(file)
    return replace(found, notes=(*notes, *found.notes))


def _head(data: bytes) -> str:
    """The first lines of a file, none of them cut."""
    size = encoding.HEAD
    while size < min(len(data), MOST_HEAD) and data.count(b"\n", 0, size) < HEAD_LINES:
        size *= 2
    if size < len(data):
        size = data.rfind(b"\n", 0, size) + 1 or size
    return data[:size].decode("utf-8", "replace")


def _after_lines(data: bytes, count: int) -> int:
    at = 0
    for _ in range(count):
        at = data.index(b"\n", at) + 1
    return at


def _read(file: _File) -> Rows:
    delimiter, quoting = file.dialect.delimiter, file.options.quoting
    lines = records.by_lines(file.text, file.body, delimiter)
    if not len(lines):
        raise DataError(f"{file.path} is empty", place=Place(str(file.path)))
    if quoting is False or file.data.find(b'"', file.body) < 0:
        return _by_polars(file, lines, quote=None)
    quoted = records.by_quotes(file.text, file.body, delimiter)
    # In TSV quotation marks are text more often than not; in CSV one that is never closed is a fault.
    as_text = quoting is None and delimiter == "\t" and lines.even()
    if quoted is None:
        return _row_by_row(file, lines, as_text=as_text)
    if len(quoted) != len(lines) and quoting is None:
        first = np.searchsorted(lines.starts, quoted.starts)
        end = np.searchsorted(lines.starts, quoted.ends, side="right")
        merged = records.swallowed(file.data, lines, first, end, quoted.widths, delimiter)
        if merged is not None:
            if as_text:
                return _unquoted(file, lines)
            raise _swallows(file, merged)
    return _by_polars(file, quoted, quote='"')


def _unquoted(file: _File, lines: Records) -> Rows:
    found = _by_polars(file, lines, quote=None)
    note = "quotation marks do not enclose cells here and count as text (data.quoting: true if they do)"
    return replace(found, notes=(*found.notes, note))


def _swallows(file: _File, merged: records.Swallowed) -> DataError:
    line, last = merged.lines
    return DataError(
        f"{file.path}: {_row(merged.row, file.dialect)}: a quotation mark of line {line} is closed only "
        f"in line {last}: rows would be merged",
        place=file.place(line),
        hint=f"{_QUOTES_HINT}, true takes the cell as it is",
    )


def _row(record: int, dialect: Dialect) -> str:
    """The row at that position among the records, from 0, for people."""
    row = record + (not dialect.header)
    return f"row {row}" if row else "the header"


# === the records that fit, by polars ===


def _by_polars(file: _File, found: Records, *, quote: str | None) -> Rows:
    """quote: None where quotation marks are text."""
    names, found, notes = _names(file, found, quote)
    found, said = extra_rows.left_out(file.data, file.text, found, len(names), file.dialect.delimiter)
    notes += said
    width = len(names)
    rows = np.arange(1, len(found) + 1)
    problems = {
        int(i): f"{_cells(int(found.widths[i]))} instead of {width}"
        for i in np.flatnonzero(found.widths != width)
    }
    if b"\0" in file.data:
        zeros = np.flatnonzero(file.text == 0)
        for i in np.unique(np.searchsorted(found.starts, zeros, side="right") - 1).tolist():
            if i >= 0:
                problems.setdefault(i, "holds zero bytes: the file is damaged there, or not text")
    good = np.ones(len(found), bool)
    good[list(problems)] = False
    kept = found.where(good)
    data = _frame(file, kept, names, quote)
    if data is None:  # bytes that are not UTF-8, most likely
        data, odd = _by_csv(file, kept, names, quote)
        at = np.flatnonzero(good)
        problems |= {int(at[i]): what for i, what in odd.items()}
        good[at[list(odd)]] = False
        kept = found.where(good)
    rows = rows[good]
    listed = [
        Problem(f"row {i + 1}: {what}", file.place(int(found.lines[i])))
        for i, what in sorted(problems.items())
    ]
    return _finished(file, data, rows, kept.lines, listed, notes)


def _finished(
    file: _File,
    data: pl.DataFrame,
    rows: np.ndarray,
    lines: np.ndarray,
    problems: list[Problem],
    notes: list[str],
) -> Rows:
    """Without what is in a table but is no data: see `surplus`."""
    gone, said, odd = extra_rows.rows(data, header=file.dialect.header)
    notes += said
    problems += [Problem(f"row {rows[i]}: {what}", file.place(int(lines[i]))) for i, what in odd.items()]
    keep = np.ones(data.height, bool)
    keep[[*gone, *odd]] = False
    if not keep.all():
        data, rows, lines = data.filter(pl.Series(keep)), rows[keep], lines[keep]
    unnamed = extra_rows.columns(data, file.options.names) if file.dialect.header else []
    if unnamed:
        data = data.drop(unnamed)
        what = (
            "the empty last column is" if len(unnamed) == 1 else f"the {len(unnamed)} empty last columns are"
        )
        notes.append(f"every row ends with a delimiter: {what} left out")
    return Rows(data, rows, lines, tuple(problems), tuple(notes), file.dialect)


def _cells(count: int) -> str:
    return f"{count} cell{'s' if count != 1 else ''}"


def _names(file: _File, found: Records, quote: str | None) -> tuple[list[str], Records, list[str]]:
    """The columns' names, the records below the header, and what was found out.

    Rows of one cell more than the header begin with a row's name, as R writes them, or end with a delimiter.
    """
    if not file.dialect.header:
        return [str(i) for i in range(found.width())], found, []
    line = int(found.lines[0])
    try:
        text = file.data[found.starts[0] : found.ends[0]].decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{file.path}: the header is not UTF-8", place=file.place(line)) from error
    if file.dialect.commented:
        text = uncommented(text)
    header = records.cells_of(text, file.dialect.delimiter, quoting=quote is not None)
    found = extra_rows.below_header(file.data, found.where(np.arange(len(found)) > 0))
    width, notes = found.width(), []
    while len(header) > width > 0 and not header[-1].strip():
        header.pop()  # the header alone ends with a delimiter
    if width == len(header) + 1 and (found.widths == width).mean() > 0.9:
        delimiter = file.dialect.delimiter.encode()
        last = found.ends - 1
        last = last - (file.text[last] == records.RETURN)
        if (file.text[np.maximum(last, 0)] == delimiter[-1]).all():
            header = [*header, ""]
        elif _are_names(file, found.where(found.widths == width), quote):
            header = ["", *header]
            notes = ["the first column has no name: rows have one cell more than the header"]
    return names_of(header, file.path, line), found, notes


def _are_names(file: _File, found: Records, quote: str | None) -> bool:
    """Whether the first cells may be names of rows: whole numbers or words, another in every row."""
    first = [
        (records.cells_of(text, file.dialect.delimiter, quoting=quote is not None) or [""])[0].strip()
        for i in range(min(len(found), 1_000))
        for text in [file.data[found.starts[i] : found.ends[i]].decode("utf-8", "replace")]
    ]
    fractions = sum(bool(re.fullmatch(r"[-+]?\d*[.,]\d+", cell)) for cell in first)
    return len(set(first)) == len(first) and not fractions


def names_of(record: list[str], path: Path, line: int) -> list[str]:
    """Names for columns of a header's cells: none blank, none twice, nothing invisible around them."""
    names = [_visible(name) or f"unnamed_{i}" for i, name in enumerate(record)]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(
            f"{path}: two columns are called {', '.join(map(repr, twice))}", place=Place(str(path), line)
        )
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: the header is not UTF-8", place=Place(str(path), line)) from error
    return names


def _visible(name: str) -> str:
    name = name.strip()
    while name and unicodedata.category(name[0]) in ("Cf", "Cc"):
        name = name[1:].strip()
    while name and unicodedata.category(name[-1]) in ("Cf", "Cc"):
        name = name[:-1].strip()
    return name


def _frame(file: _File, kept: Records, names: list[str], quote: str | None) -> pl.DataFrame | None:
    delimiter = file.dialect.delimiter
    if not len(kept):
        return pl.DataFrame({name: pl.Series(name, [], dtype=pl.String) for name in names})
    if len(delimiter.encode()) > 1:
        return None
    source = _between(file.data, file.text, kept)
    try:
        frame = pl.read_csv(
            source,
            has_header=False,
            new_columns=names,
            infer_schema=False,
            separator=delimiter,
            quote_char=quote,
            raise_if_empty=False,
        )
    except pl.exceptions.PolarsError:
        return None
    if frame.height != len(kept) or frame.width != len(names):
        return None
    return blanks_to_null(frame)


def _between(data: bytes, text: np.ndarray, kept: Records) -> bytes:
    """The records, a line each; what stands between them is left out."""
    follows = (kept.starts[1:] == kept.ends[:-1] + 1) & (text[kept.ends[:-1]] == LINE_END)
    gaps = np.flatnonzero(~follows)
    if not len(gaps):
        whole = kept.starts[0] == 0 and kept.ends[-1] == len(data)
        return data if whole else data[kept.starts[0] : kept.ends[-1]]
    edges = np.concatenate([[-1], gaps, [len(kept) - 1]])
    return b"\n".join(
        data[kept.starts[a + 1] : kept.ends[b]]
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    )


def blanks_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells of blanks alone are empty, and empty cells null."""
    names = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    if not names or not frame.height:
        return frame
    cells = pl.col(names)
    # Controls and the blank come before every other sign.
    begins = (cells < "!") | cells.str.starts_with("\u00a0") | cells.str.starts_with("\u3000")
    suspect = frame.select(begins.any())
    blank = [name for name in names if suspect[name][0]]
    if not blank:
        return frame
    return frame.with_columns(
        pl.when(pl.col(name).str.contains(r"^\s*$")).then(None).otherwise(pl.col(name)).alias(name)
        for name in blank
    )


# === row by row ===


def _by_csv(
    file: _File, kept: Records, names: list[str], quote: str | None
) -> tuple[pl.DataFrame, dict[int, str]]:
    """Each record by itself: those that are not UTF-8 are named, by position."""
    texts = [
        file.data[start:end].decode("utf-8", "surrogateescape")
        for start, end in zip(kept.starts.tolist(), kept.ends.tolist(), strict=True)
    ]
    cut = [records.cells_of(text, file.dialect.delimiter, quoting=quote is not None) for text in texts]
    good, odd = _fitting(cut, len(names))
    return _of_rows([cut[i] for i in good], names), odd


def _fitting(cut: list[list[str]], width: int) -> tuple[list[int], dict[int, str]]:
    """Positions of the rows of that many cells of UTF-8, and what is wrong with the others."""
    good, odd = [], {}
    for i, row in enumerate(cut):
        if len(row) != width:
            odd[i] = f"{_cells(len(row))} instead of {width}"
            continue
        try:
            "".join(row).encode()
            good.append(i)
        except UnicodeEncodeError:
            odd[i] = "not UTF-8"
    return good, odd


def _of_rows(rows: list[list[str]], names: list[str]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return blanks_to_null(
        pl.DataFrame([pl.Series(n, c, dtype=pl.String) for n, c in zip(names, columns, strict=True)])
    )


def _row_by_row(file: _File, lines: Records, *, as_text: bool) -> Rows:
    """A file with quotation marks inside of cells that are not quoted, or never closed.

    as_text: whether all of them may be text.
    """
    try:
        found = list(_records(file, int(lines.lines[0])))
    except DataError:
        if as_text:
            return _unquoted(file, lines)
        raise
    starts = np.array([line for line, _ in found])
    first = np.searchsorted(lines.lines, starts)
    end = np.append(first[1:], len(lines))
    several = [(line, row) for line, row in found if any("\n" in cell for cell in row)]
    if several and file.options.quoting is None:
        if as_text:
            return _unquoted(file, lines)
        widths = np.array([len(row) for _, row in found])
        merged = records.swallowed(file.data, lines, first, end, widths, file.dialect.delimiter)
        if merged is not None:
            raise _swallows(file, merged)
    names = [str(i) for i in range(len(found[0][1]))]
    if file.dialect.header:
        line, header = found.pop(0)
        names = names_of(header, file.path, line)
    good, odd = _fitting([row for _, row in found], len(names))
    data = _of_rows([found[i][1] for i in good], names)
    problems = [Problem(f"row {i + 1}: {what}", file.place(found[i][0])) for i, what in odd.items()]
    at = np.array(good, np.int64)
    return _finished(file, data, at + 1, np.array([found[i][0] for i in good], np.int64), problems, [])


def _records(file: _File, first_line: int) -> Iterator[tuple[int, list[str]]]:
    """(line it starts on, cells) of every record; DataError where quotation marks make the rest
    unreadable."""
    # Bytes that are not UTF-8 become surrogates, so that the rows that hold them can be named.
    text = io.StringIO(file.data[file.body :].decode("utf-8", "surrogateescape"), newline="")
    before = 1 + file.data.count(b"\n", 0, file.body)
    how: Literal[0] = 0  # csv.QUOTE_MINIMAL
    reader = csv.reader(text, delimiter=file.dialect.delimiter, strict=True, quoting=how)
    count = 0
    while True:
        line = reader.line_num + before
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            what = (
                "a quotation mark is opened and never closed"
                if "unexpected end" in str(error)
                else str(error)
            )
            hint = _QUOTES_HINT
            if b'\\"' in file.data:
                hint = 'a backslash keeps no quotation mark from closing a cell: write it twice: "5"" disk"'
            raise DataError(
                f"{file.path}: cannot be read from line {line} ({_row(count, file.dialect)}) on: {what}",
                place=file.place(line),
                hint=hint,
            ) from error
        if len(record) > 1 or any(cell.strip() for cell in record):
            if not count and file.dialect.commented:
                record[0] = uncommented(record[0])
            yield line, record
            count += 1
