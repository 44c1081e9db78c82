"""How a file of delimited text is written: what stands before the table, the delimiter, the header.

Told from the first lines. Python's csv.Sniffer wants one character that is everywhere equally frequent and is
wrong about texts; clevercsv, which is better, takes seconds and knows nothing of headers or of what a config
says. The rules here are few: cells per line must agree, and a header must differ from what is below it.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bmcli.files.header import is_number, verdict

DELIMITERS = (",", ";", "\t", "|")
_RARE = ("~", "^", " ")
COMMENTS = ("#", "//")
_LINES = 200
"""Lines from which the delimiter is inferred."""
_ROWS = 1_000
"""Rows from which it is inferred whether the first one is a header."""
_TITLES = 20
"""Lines above a table that may be left out."""


@dataclass(frozen=True)
class Options:
    """The config's settings for a table file; None: inferred from the file. names: columns the config names,
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
    quoting = options.quoting is not False
    skipped, said, comments = _preamble(lines)
    notes: list[str] = []
    delimiter = options.delimiter or said
    if delimiter is None:
        delimiter = _delimiter(lines[skipped:], usual, quoting)
        if delimiter != usual:
            notes.append(f"delimiter: {_named(delimiter)} (inferred)")
    start, why = _table_start(lines, skipped, delimiter, quoting)
    commented = start < skipped
    if comments - commented > 0:
        notes.append(f"{counted(comments - commented, 'comment line')} before the header left out")
    skipped = start
    notes += why
    rows = [row for _, row in _rows(lines[skipped:], delimiter, quoting)][:_ROWS]
    if commented and rows:
        rows[0][0] = uncommented(rows[0][0])
    header = options.header
    if header is None:
        found = verdict(rows, options.names)
        header = found.header
        notes += [found.note] if found.note else []
    return Dialect(delimiter, header, skipped, commented, tuple(notes), delimiter == usual)


def lines_of(text: str) -> list[str]:
    """Lines with their ends; str.splitlines would also cut at U+2028 and its like."""
    return list(io.StringIO(text, newline=""))


def counted(count: int, what: str) -> str:
    """'1 line', '1,200 lines'."""
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def is_comment(line: str) -> bool:
    """Whether a line is marked as a comment; a first cell '#' is a name."""
    line = line.lstrip()
    return line.startswith(COMMENTS) and not re.match(r'#"?[,;\t|]', line)


def uncommented(text: str) -> str:
    """A header in a comment line, without the comment's mark."""
    return text.lstrip("#/ ")


def _rows(lines: Sequence[str], delimiter: str, quoting: bool = True) -> list[tuple[int, list[str]]]:
    """(line, from 0, cells) of each row that is not blank; a quoted cell may span lines."""
    how: Literal[0, 3] = 0 if quoting else 3  # csv.QUOTE_MINIMAL, csv.QUOTE_NONE
    found = []
    reader = csv.reader(lines, delimiter=delimiter, quoting=how)
    at = 0
    try:
        for row in reader:
            if (row and any(cell.strip() for cell in row)) or len(row) > 1:
                found.append((at, row))
            at = reader.line_num
    except csv.Error:
        return [(i, line.rstrip("\r\n").split(delimiter)) for i, line in enumerate(lines) if line.strip()]
    return found


def _named(delimiter: str) -> str:
    return {"\t": "a tab", " ": "a blank"}.get(delimiter, f"'{delimiter}'")


def _preamble(lines: Sequence[str]) -> tuple[int, str | None, int]:
    """Lines before the table, the delimiter given by a line 'sep=;', and the number of comment lines."""
    at, delimiter = 0, None
    if lines and (found := re.fullmatch(r'"?sep=(.)"?[,;\t]*', lines[0].rstrip("\r\n"), re.IGNORECASE)):
        at, delimiter = 1, found[1]
    comments = 0
    while at < len(lines) and (not lines[at].strip() or is_comment(lines[at])):
        comments += bool(lines[at].strip())
        at += 1
    return (at, delimiter, comments) if at < len(lines) else (0, delimiter, 0)


def _table_start(lines: Sequence[str], skipped: int, delimiter: str, quoting: bool) -> tuple[int, list[str]]:
    """Where the table begins: a comment that names its columns belongs to it, a title above it does not."""
    found = _rows(lines[skipped : skipped + _LINES], delimiter, quoting)
    rows = [row for _, row in found]
    if not rows:
        return skipped, []
    width = Counter(map(len, rows)).most_common(1)[0][0]
    if skipped and width > 1 and lines[skipped - 1].lstrip().startswith(COMMENTS):
        names = _rows([uncommented(lines[skipped - 1])], delimiter)
        if names and len(names[0][1]) == width and not any(map(is_number, names[0][1])):
            return skipped - 1, []
    titles = _titles(rows, width)
    if not titles:
        return skipped, []
    return skipped + found[titles][0], [f"{counted(titles, 'line')} above the table left out"]


def _titles(rows: Sequence[Sequence[str]], width: int) -> int:
    """How many rows above the table do not belong to it."""
    if width < 2:
        return 0
    for start in range(1, min(_TITLES, len(rows) - 1) + 1):
        above, rest = rows[:start], rows[start:]
        if not all(len(row) != width or _nearly_empty(row) for row in above):
            return 0
        if len(rest[0]) != width or not _has_width(rest, width):
            continue
        if sum(bool(cell.strip()) for cell in rest[0]) <= width / 2:
            continue
        found = verdict(rest)
        if all(len(row) == 1 for row in above) and (width > 2 or start > 1):
            return start
        if all(len(row) == 1 or _nearly_empty(row) for row in above) and width > 2:
            return start if found.header or not found.sure else 0
        # A title above the table is not a header: the row below a title names the columns.
        names = sum(bool(cell.strip()) for cell in above[0])
        if start == 1 and names == width:
            return 0
        return start if found.header and found.sure else 0
    return 0


def _has_width(rows: Sequence[Sequence[str]], width: int) -> bool:
    return sum(len(row) == width for row in rows) >= 0.8 * len(rows)


def _nearly_empty(row: Sequence[str]) -> bool:
    filled = sum(bool(cell.strip()) for cell in row)
    return filled == 0 or (filled == 1 and len(row) > 2 and bool(row[0].strip()))


def _delimiter(lines: Sequence[str], usual: str, quoting: bool) -> str:
    """The one that cuts the first lines into the same number of cells, none of which another could cut, the
    more the better."""
    best = (0.0, 0.0, 1, 0)
    chosen = usual
    for place, candidate in enumerate((usual, *(d for d in DELIMITERS if d != usual))):
        rows = [row for _, row in _rows(lines[:_LINES], candidate, quoting)]
        widths = Counter(map(len, rows))
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
        score = (round(agreed, 2), round(_whole(rows, candidate), 1), width, -place)
        if agreed > 0.8 and score > best:
            best, chosen = score, candidate
    if best[2] == 1:
        return next((rare for rare in _RARE if _is_rare(lines[:_LINES], rare, quoting)), usual)
    return chosen


def _whole(rows: Sequence[Sequence[str]], delimiter: str) -> float:
    """The share of cells that no other delimiter would cut; a decimal comma cuts nothing."""
    others = [sign for sign in DELIMITERS if sign != delimiter]
    cells = [cell for row in rows for cell in row]
    cut = sum(any(sign in cell for sign in others) and not is_number(cell) for cell in cells)
    return 1 - cut / max(1, len(cells))


def _is_rare(lines: Sequence[str], delimiter: str, quoting: bool) -> bool:
    """Whether a sign that seldom is a delimiter is one: it cuts every line alike, and where it is a blank,
    most columns into numbers."""
    rows = [row for _, row in _rows(lines, delimiter, quoting)]
    if len(rows) < 3:
        return False
    width = len(rows[1])
    if width < 2 or any(len(row) != width for row in rows[1:]) or len(rows[0]) not in (width, width - 1):
        return False
    if delimiter != " ":
        return True
    numeric = sum(all(is_number(row[i]) for row in rows[1:]) for i in range(width))
    return numeric >= max(2, width / 2) or (numeric >= 1 and width >= 3)
