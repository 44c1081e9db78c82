"""Where the records of a delimited file begin and end, read off the positions of line ends, delimiters and
quotation marks, all at once; and whether quotation marks swallow rows."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

LINE_END, RETURN, QUOTE = b"\n"[0], b"\r"[0], b'"'[0]
CELL_LIMIT = 64 * 2**20
"""Characters in one cell: more means a quotation mark that is never closed."""
_BLOCK = 2**19
"""Bytes read at a time."""
_NONE = np.empty(0, np.int64)
_EDGE_ROWS = 5_000
"""Rows from which it is learned what the first and the last column hold."""

csv.field_size_limit(CELL_LIMIT)


@dataclass(frozen=True)
class Records:
    """Of each record that is not blank: where it starts and ends in the file (its line end left out), the
    line it starts on, and its number of cells; int64 [N] each."""

    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray
    widths: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def where(self, keep: np.ndarray) -> Records:
        """Those that a mask or positions pick."""
        return Records(self.starts[keep], self.ends[keep], self.lines[keep], self.widths[keep])

    def width(self) -> int:
        """The number of cells that most have; 0 of none."""
        if not len(self.widths):
            return 0
        values, counts = np.unique(self.widths, return_counts=True)
        return int(values[counts.argmax()])

    def even(self) -> bool:
        """Whether all have the same number of cells."""
        return len(self) > 0 and bool((self.widths == self.widths[0]).all())


def cells_of(record: str, delimiter: str, *, quoting: bool = True) -> list[str]:
    """The cells of one record."""
    how: Literal[0, 3] = 0 if quoting else 3  # csv.QUOTE_MINIMAL, csv.QUOTE_NONE
    return next(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter, quoting=how), [])


def by_lines(text: np.ndarray, start: int, delimiter: str) -> Records:
    """The records from position `start` on, where quotation marks mean nothing: one in each line."""
    code = delimiter.encode()
    line_ends, cuts = [], []
    for at, part in _blocks(text, start):
        line_ends.append(np.flatnonzero(part == LINE_END) + at)
        if len(code) == 1:
            cuts.append(np.flatnonzero(part == code[0]) + at)
    joined = np.concatenate(cuts) if len(code) == 1 and cuts else _cuts_of_several(text[start:], code)
    return _records(text, start, np.concatenate(line_ends) if line_ends else _NONE, joined)


def by_quotes(text: np.ndarray, start: int, delimiter: str) -> Records | None:
    """The same with quotation marks around cells; None if one stands in an odd place or is never closed,
    or where the delimiter is a character of several bytes."""
    code = delimiter.encode()
    if len(code) > 1:
        return None
    is_edge = np.isin(np.arange(256), [LINE_END, QUOTE, code[0]])
    line_ends, every, cuts = [_NONE], [_NONE], [_NONE]
    open_ = False
    for at, part in _blocks(text, start):
        marks, ends, cut = part == QUOTE, part == LINE_END, part == code[0]
        inside = within(marks)
        if open_:
            np.logical_not(inside, out=inside)
        outside = ~inside
        edges = marks | ends | cut
        fits = np.empty_like(edges)
        # An opening mark stands behind a line end, a delimiter or, of two within a cell, a mark;
        fits[1:] = edges[:-1]
        fits[0] = at == 0 or is_edge[text[start + at - 1]]
        if (marks & inside & ~fits).any():
            return None
        # a closing one before these, too.
        after = start + at + len(part)
        fits[:-1] = edges[1:]
        fits[-1] = after == len(text) or is_edge[text[after]] or text[after] == RETURN
        odd = np.flatnonzero(marks & outside & ~fits)
        if len(odd) and not (text[odd + (start + at + 1)] == RETURN).all():
            return None
        open_ = bool(inside[-1])
        every.append(np.flatnonzero(ends) + at)
        line_ends.append(np.flatnonzero(ends & outside) + at)
        cuts.append(np.flatnonzero(cut & outside) + at)
    if open_:
        return None
    return _records(text, start, *map(np.concatenate, (line_ends, cuts, every)))


def _blocks(text: np.ndarray, start: int) -> Iterator[tuple[int, np.ndarray]]:
    """(position, counted from `start`, and the bytes) in pieces that a processor's cache holds."""
    for at in range(start, len(text), _BLOCK):
        yield at - start, text[at : at + _BLOCK]


def within(marks: np.ndarray) -> np.ndarray:
    """Which positions are inside quotation marks (an opening mark is, a closing one is not): bool [N].

    The running parity of the marks, 64 positions at a time: a prefix of exclusive ors in each word, then of
    the words.
    """
    bits = np.packbits(marks, bitorder="little")
    words = np.zeros(-(-len(bits) // 8), "<u8")
    words.view(np.uint8)[: len(bits)] = bits
    for shift in (1, 2, 4, 8, 16, 32):
        words ^= words << np.uint64(shift)
    odd = np.bitwise_xor.accumulate(words >> np.uint64(63))
    words[1:] ^= np.where(odd[:-1] == 1, np.uint64(2**64 - 1), np.uint64(0))
    return np.unpackbits(words.view(np.uint8), count=len(marks), bitorder="little").view(bool)


def _cuts_of_several(part: np.ndarray, code: bytes) -> np.ndarray:
    """Where a delimiter of several bytes stands."""
    if len(part) < len(code):
        return _NONE
    windows = np.lib.stride_tricks.sliding_window_view(part, len(code))
    return np.flatnonzero((windows == np.frombuffer(code, np.uint8)).all(axis=1))


def _records(
    text: np.ndarray, start: int, line_ends: np.ndarray, cuts: np.ndarray, every: np.ndarray | None = None
) -> Records:
    """every: all line ends, where some are inside of cells."""
    size = len(text) - start
    starts = np.concatenate([[0], line_ends + 1])
    ends = np.concatenate([line_ends, [size]])
    if starts[-1] == size:
        starts, ends = starts[:-1], ends[:-1]
    before = np.searchsorted(cuts, starts)
    widths = np.diff(before, append=len(cuts)) + 1
    numbers = np.arange(len(starts)) if every is None else np.searchsorted(every, starts)
    first_line = 1 + int((text[:start] == LINE_END).sum())
    found = Records(starts + start, ends + start, numbers + first_line, widths)
    short = np.flatnonzero(widths == 1)
    blank = [
        i for i in short.tolist() if not text[found.starts[i] : found.ends[i]].tobytes().strip(b" \t\r\f\v")
    ]
    if not blank:
        return found
    keep = np.ones(len(starts), bool)
    keep[blank] = False
    return found.where(keep)


# === rows that quotation marks swallow ===


@dataclass(frozen=True)
class Swallowed:
    """A record that is rather several rows; row: its position among the records, from 0; lines: the first and
    the last of it."""

    row: int
    lines: tuple[int, int]


def swallowed(
    data: bytes, lines: Records, first: np.ndarray, end: np.ndarray, widths: np.ndarray, delimiter: str
) -> Swallowed | None:
    """The first record in which a quotation mark swallows rows; None if all may be cells with line breaks.

    lines: the records by lines; first, end: which of them each record consists of; widths: its cells; int64
    [N]. Suspicious is a record each of whose lines has as many cells as a row. It is several rows where it
    has itself other cells than a row; where most cells at the line breaks are what the first and the last
    column hold elsewhere; and where these hold anything, unless other records show that the file does have
    cells with line breaks.
    """
    values, counts = np.unique(widths, return_counts=True)
    width = int(values[counts.argmax()]) if len(values) else 0
    if width < 2:
        return None
    several = np.flatnonzero(end - first > 1)
    odd = np.concatenate([[0], np.cumsum(lines.widths != width)])
    from_, to = first[several], end[several]
    whole = (odd[to - 1] == odd[from_ + 1]) & (lines.widths[from_] >= width) & (lines.widths[to - 1] >= width)
    suspicious = several[whole].tolist()
    if not suspicious:
        return None
    edges = _edges(data, lines.where(first[end - first == 1]), delimiter)
    proven = len(suspicious) < len(several)
    for i in suspicious:
        cells = [_text(data, lines, k).split(delimiter) for k in range(int(first[i]), int(end[i]))]
        tests = [(edges[0], piece[0]) for piece in cells[1:]] + [
            (edges[1], piece[-1]) for piece in cells[:-1]
        ]
        known = [edge.fits(cell) for edge, cell in tests if edge.values or edge.numeric]
        if widths[i] != width or (sum(known) > len(known) / 2 if known else not proven):
            return Swallowed(i, (int(lines.lines[first[i]]), int(lines.lines[end[i] - 1])))
    return None


def _text(data: bytes, records: Records, i: int) -> str:
    return data[records.starts[i] : records.ends[i]].decode("utf-8", "replace")


@dataclass(frozen=True)
class _Edge:
    """What stands in the first or last column: its values where they repeat, or numbers; nothing is known
    where there are neither."""

    values: frozenset[str]
    numeric: bool

    def fits(self, cell: str) -> bool:
        cell = _bare(cell)
        return cell in self.values or (self.numeric and _is_number(cell))


def _edges(data: bytes, records: Records, delimiter: str) -> tuple[_Edge, _Edge]:
    """Of the first and the last column, by records of one line, without the first, which may be a header."""
    rows: Sequence[list[str]] = [
        _text(data, records, i).split(delimiter) for i in range(1, min(len(records), _EDGE_ROWS))
    ]
    found = []
    for column in (0, -1):
        values = Counter(_bare(row[column]) for row in rows)
        numeric = bool(values) and all(_is_number(value) for value in values if value)
        known = len(values) <= 0.5 * values.total()
        found.append(_Edge(frozenset(values) if known else frozenset(), numeric))
    return found[0], found[1]


def _bare(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
