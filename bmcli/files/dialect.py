"""How a file of delimited text is written: what stands before the table, the delimiter, quoting, the header.

Told from the first lines. Python's csv.Sniffer wants one character that is everywhere equally frequent and is
wrong about texts; clevercsv, which is better, takes seconds and knows nothing of headers or of what a config
says. The rules here are few: cells per line must agree, and a header must differ from what is below it.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

DELIMITERS = (",", ";", "\t", "|")
_COMMENTS = ("#", "//")
_LINES = 200
"""Lines from which the delimiter is told."""
_ROWS = 1_000
"""Rows from which it is told whether the first one is a header."""
_FEW = 0.2
"""Share of different values up to which a column is one of categories."""
_MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-"})


@dataclass(frozen=True)
class Options:
    """What the config says of a table file; None: to be told from the file. names: columns the config names,
    which a header has."""

    delimiter: str | None = None
    header: bool | None = None
    quoting: bool | None = None
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Dialect:
    """skipped: lines before the table; header: whether its first row names the columns. notes: what was
    inferred and is not as the suffix has it; usual: the delimiter is."""

    delimiter: str
    header: bool
    skipped: int = 0
    commented: bool = False
    notes: tuple[str, ...] = ()
    usual: bool = True


def dialect_of(lines: Sequence[str], options: Options, usual: str) -> Dialect:
    """Of a file's first lines, with their line ends. usual: the delimiter by the file's suffix."""
    skipped, said, comments = _preamble(lines)
    notes: list[str] = []
    delimiter = options.delimiter or said
    if delimiter is None:
        delimiter = _delimiter(lines[skipped:], usual)
        if delimiter != usual:
            notes.append(f"delimiter: {_named(delimiter)} (inferred)")
    start, why = _table_start(lines, skipped, delimiter)
    commented = start < skipped
    if comments - commented > 0:
        left = comments - commented
        notes.append(f"{left} comment line{'s' if left > 1 else ''} before the header left out")
    skipped = start
    notes += why
    rows = rows_of(lines[skipped:], delimiter)[:_ROWS]
    if commented and rows:
        rows[0][0] = rows[0][0].lstrip("#/ ")
    header = options.header
    if header is None:
        header, why_not = _has_header(rows, options.names)
        notes += why_not
    return Dialect(delimiter, header, skipped, commented, tuple(notes), delimiter == usual)


def rows_of(lines: Sequence[str], delimiter: str, *, quoting: bool = True) -> list[list[str]]:
    """The cells of each line that is not blank; a quoted cell may span lines."""
    how: Literal[0, 3] = 0 if quoting else 3  # csv.QUOTE_MINIMAL, csv.QUOTE_NONE
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter, quoting=how) if row]
    except csv.Error:
        return [line.rstrip("\r\n").split(delimiter) for line in lines if line.strip()]


def _named(delimiter: str) -> str:
    return "a tab" if delimiter == "\t" else f"'{delimiter}'"


def _preamble(lines: Sequence[str]) -> tuple[int, str | None, int]:
    """Lines before the table, the delimiter that a line 'sep=;' says, and how many lines are comments."""
    at, delimiter = 0, None
    if lines and (found := re.fullmatch(r'"?sep=(.)"?', lines[0].rstrip("\r\n"), re.IGNORECASE)):
        at, delimiter = 1, found[1]
    comments = 0
    while at < len(lines) and (not lines[at].strip() or lines[at].lstrip().startswith(_COMMENTS)):
        comments += bool(lines[at].strip())
        at += 1
    return (at, delimiter, comments) if at < len(lines) else (0, delimiter, 0)


def _table_start(lines: Sequence[str], skipped: int, delimiter: str) -> tuple[int, list[str]]:
    """Where the table begins: a comment that names its columns belongs to it, a title above it does not."""
    rows = rows_of(lines[skipped : skipped + _LINES], delimiter)
    widths = Counter(len(row) for row in rows)
    if not widths:
        return skipped, []
    width = widths.most_common(1)[0][0]
    if skipped and width > 1 and lines[skipped - 1].lstrip().startswith(_COMMENTS):
        names = rows_of([lines[skipped - 1].lstrip("#/ ")], delimiter)
        if names and len(names[0]) == width and not any(map(_number, names[0])):
            return skipped - 1, []
    at = skipped
    while at < len(lines) and width > 1:
        first = rows_of([lines[at]], delimiter)
        filled = [cell for row in first for cell in row if cell.strip()]
        title = len(first[0]) == 1 if first else True
        if first and not title and width > 2 and len(filled) == 1 and len(first[0]) == width:
            following = rows_of(lines[at + 1 : at + 2], delimiter)
            title = bool(following) and all(cell.strip() for cell in following[0])
        if not title or '"' in lines[at]:
            break
        at += 1
    titles = sum(bool(line.strip()) for line in lines[skipped:at])
    if titles and titles <= 20 and len(rows) > titles:
        return at, [f"{titles} line{'s' if titles > 1 else ''} above the table left out"]
    return skipped, []


def _delimiter(lines: Sequence[str], usual: str) -> str:
    """The one that cuts the first lines into the same number of cells, the more the better."""
    best = (0.0, 1, 0)
    chosen = usual
    for place, candidate in enumerate((usual, *(d for d in DELIMITERS if d != usual))):
        rows = rows_of(lines[:_LINES], candidate)
        widths = Counter(len(row) for row in rows)
        if not widths:
            continue
        width, how_often = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
        if width == 1:
            continue
        # The first row counts as much as a tenth of all: it is the header, which no decimal comma cuts.
        first = len(rows[0])
        agreed = 0.9 * how_often / len(rows) + (
            0.1 if first == width else 0.05 if first == width - 1 else 0.0
        )
        if agreed > 0.8 and (round(agreed, 2), width, -place) > best:
            best, chosen = (round(agreed, 2), width, -place), candidate
    return chosen


def _has_header(rows: Sequence[Sequence[str]], names: Collection[str]) -> tuple[bool, list[str]]:
    """Whether the first row names the columns, and a note where that is not plain."""
    if len(rows) < 2:
        return True, []
    first = [cell.strip() for cell in rows[0]]
    if names and set(names) & set(first):
        return True, []
    body = [row for row in rows[1:] if len(row) == len(first)]
    if len(body) < 2:
        return True, []
    for_header, for_data = 0, 0
    numeric = []
    for i, name in enumerate(first):
        cells = [cell for row in body if (cell := row[i].strip()).lower() not in _MISSING]
        if not cells or name.lower() in _MISSING:
            continue
        if sum(map(_number, cells)) >= 0.9 * len(cells):
            if not _number(name):
                return True, []
            numeric.append(i)
            for_data += 1
            continue
        different = Counter(cells)
        if len(different) <= max(2, _FEW * len(cells)) and min(different.values()) > 1:
            for_header += name not in different
            for_data += name in different
        elif name in different:
            for_data += 1
    if for_data == 0:
        return True, []
    if for_header:
        return True, [
            f"the first row names the columns: {', '.join(map(repr, first[:5]))} (header: false if it is data)"
        ]
    counted = [float(first[i]) for i in numeric]
    steps = {b - a for a, b in zip(counted, counted[1:], strict=False)}
    if len(counted) > 2 and steps == {1.0} and all(first):
        return True, ["the first row counts the columns and names them (header: false if it is data)"]
    return False, ["the first row is data: columns are called 0, 1, 2, … (header: true if it names them)"]


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return bool(re.fullmatch(r"[-+]?[\d.,]*\d", cell.strip()))
    return True


def lines_of(text: str) -> list[str]:
    """Lines with their ends; str.splitlines would also cut at U+2028 and its like."""
    return list(io.StringIO(text, newline=""))
