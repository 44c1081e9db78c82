"""CSV and TSV: from bytes to rows of texts, with malformed rows named and none merged or lost.

`records.py` finds the records, polars reads those that fit. Where quotation marks are in odd
places, Python's csv module reads the file, slower, row by row.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from bmcli.core.errors import DataError, Place, Problem
from bmcli.files import encoding, extra_rows, mismatched_suffix, records, repair
from bmcli.files.column_names import column_names, names_of
from bmcli.files.csv_rows import by_csv, csv_records, fitting, frame_of
from bmcli.files.delimited_rows import (
    QUOTES_HINT,
    DelimitedFile,
    Rows,
    blanks_to_null,
    count_of_cells,
    row_name,
)
from bmcli.files.dialect import Options, dialect_of, lines_of
from bmcli.files.records import LINE_END, Records

HEAD_LINES = 50
"""Minimum number of lines from which the dialect is inferred, however long they are,"""
MOST_HEAD = 2**25
"""up to this number of bytes."""


def read(path: Path, options: Options) -> Rows:
    """The rows of a file. DataError if it is not a table at all, or quotation marks swallow rows."""
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
    file = DelimitedFile(path, data, np.frombuffer(data, np.uint8), body, dialect, options)
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


def _read(file: DelimitedFile) -> Rows:
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


def _unquoted(file: DelimitedFile, lines: Records) -> Rows:
    found = _by_polars(file, lines, quote=None)
    note = "quotation marks do not enclose cells here and count as text (data.quoting: true if they do)"
    return replace(found, notes=(*found.notes, note))


def _swallows(file: DelimitedFile, merged: records.Swallowed) -> DataError:
    line, last = merged.lines
    return DataError(
        f"{file.path}: {row_name(merged.row, file.dialect)}: a quotation mark of line {line} is closed only "
        f"in line {last}: rows would be merged",
        place=file.place(line),
        hint=f"{QUOTES_HINT}, true takes the cell as it is",
    )


# === the records that fit, by polars ===


def _by_polars(file: DelimitedFile, found: Records, *, quote: str | None) -> Rows:
    """quote: None if quotation marks are text."""
    names, found, notes = column_names(file, found, quote)
    found, said = extra_rows.left_out(file.data, file.text, found, len(names), file.dialect.delimiter)
    notes += said
    width = len(names)
    rows = np.arange(1, len(found) + 1)
    problems = {
        int(i): f"{count_of_cells(int(found.widths[i]))} instead of {width}"
        for i in np.flatnonzero(found.widths != width)
    }
    if b"\0" in file.data:
        zeros = np.flatnonzero(file.text == 0)
        for i in np.unique(np.searchsorted(found.starts, zeros, side="right") - 1).tolist():
            if i >= 0:
                problems.setdefault(i, "contains null bytes: the file is damaged there, or not text")
    good = np.ones(len(found), bool)
    good[list(problems)] = False
    kept = found.where(good)
    data = _frame(file, kept, names, quote)
    if data is None:  # bytes that are not UTF-8, most likely
        data, odd = by_csv(file, kept, names, quote)
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
    file: DelimitedFile,
    data: pl.DataFrame,
    rows: np.ndarray,
    lines: np.ndarray,
    problems: list[Problem],
    notes: list[str],
) -> Rows:
    """Without the rows and columns of a file that are not data; see `extra_rows`."""
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


def _frame(file: DelimitedFile, kept: Records, names: list[str], quote: str | None) -> pl.DataFrame | None:
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


def _row_by_row(file: DelimitedFile, lines: Records, *, as_text: bool) -> Rows:
    """A file with quotation marks inside of cells that are not quoted, or never closed.

    as_text: whether all of them may be text.
    """
    try:
        found = list(csv_records(file))
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
    good, odd = fitting([row for _, row in found], len(names))
    data = frame_of([found[i][1] for i in good], names)
    problems = [Problem(f"row {i + 1}: {what}", file.place(found[i][0])) for i, what in odd.items()]
    at = np.array(good, np.int64)
    return _finished(file, data, at + 1, np.array([found[i][0] for i in good], np.int64), problems, [])
