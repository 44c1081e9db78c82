"""What a file's table contains besides data: rows of dashes, comments, footers, sums, repeated headers,
empty columns at the end. It is left out with a note; a row of sums is a problem, since it looks like an
example."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
import polars as pl

from bmcli.files.dialect import COMMENTS, counted
from bmcli.files.records import RETURN, Records

_LAST = 3
"""Rows at the end that may be a footer."""
_MOST_SURPLUS = 1_000
_RULE = re.compile(rb"[-=+| :\t,;]*[-=]{2,}[-=+| :\t,;]*")
_COUNT = re.compile(r"\(?\s*[\d,. ]+ (rows?|records?|lines?|entries|results?)( \w+)?\s*\)?\.?", re.I)
_SUM = re.compile(
    r"((grand|sub|over)?[ -]?total|totals|sum|summe|gesamt|insgesamt|somme|totaux|suma|average|mean|count)"
    r"\b.{0,20}",
    re.I,
)


def below_header(data: bytes, found: Records) -> Records:
    """Without the line of dashes that Markdown and databases draw under a header."""
    if len(found) > 1 and _RULE.fullmatch(data[found.starts[0] : found.ends[0]].rstrip(b"\r")):
        return found.where(np.arange(len(found)) > 0)
    return found


def left_out(
    data: bytes, text: np.ndarray, found: Records, width: int, delimiter: str
) -> tuple[Records, list[str]]:
    """Without surplus delimiters at the ends of rows, rows without any cell at the end, comments and lines of
    text below the table; and the notes on it. width: the number of columns."""
    notes: list[str] = []
    found = _shortened(text, found, width, delimiter, notes)
    count = len(found)
    code = delimiter.encode()
    while count and _is_empty(data, found, count - 1, code):
        count -= 1
    if count < len(found) - 1:  # a single one may be a row whose every cell is missing
        notes.append(f"{counted(len(found) - count, 'empty row')} at the end left out")
        found = found.where(np.arange(count))
    if width < 2 or not (found.widths != width).any():
        return found, notes
    gone = _comments(data, found, width)
    if len(gone):
        notes.append(f"{counted(len(gone), 'comment line')} between the rows left out")
    below = _below(data, found, width)
    if below:
        shown = _text(data, found, below[0]).strip()
        shown = shown if len(shown) <= 40 else shown[:39] + "…"
        notes.append(f"{counted(len(below), 'line')} below the table left out: '{shown}'")
    keep = np.ones(len(found), bool)
    keep[[*gone, *below]] = False
    return found.where(keep), notes


def _shortened(text: np.ndarray, found: Records, width: int, delimiter: str, notes: list[str]) -> Records:
    """Without delimiters at the end of rows that have more cells than there are columns."""
    code = delimiter.encode()
    if len(code) > 1 or not (found.widths > width).any():
        return found
    ends, widths = found.ends.copy(), found.widths.copy()
    for _ in range(_MOST_SURPLUS):
        wide = np.flatnonzero(widths > width)
        last = ends[wide] - 1
        last -= text[last] == RETURN
        wide, last = wide[text[last] == code[0]], last[text[last] == code[0]]
        if not len(wide):
            break
        ends[wide] = last
        widths[wide] -= 1
    changed = (widths != found.widths) & (widths == width)
    if not changed.any():
        return found
    notes.append(f"{counted(int(changed.sum()), 'row')} with extra delimiters at the end: left out")
    return Records(
        found.starts,
        np.where(changed, ends, found.ends),
        found.lines,
        np.where(changed, widths, found.widths),
    )


def _is_empty(data: bytes, found: Records, i: int, code: bytes) -> bool:
    return found.widths[i] > 1 and not data[found.starts[i] : found.ends[i]].replace(code, b"").strip()


def _text(data: bytes, found: Records, i: int) -> str:
    return data[found.starts[i] : found.ends[i]].decode("utf-8", "replace")


def _comments(data: bytes, found: Records, width: int) -> list[int]:
    """Rows that do not fit and begin as comments do, where none that fits does."""
    marks = tuple(mark.encode() for mark in COMMENTS)
    gone = [
        i
        for i in np.flatnonzero(found.widths != width).tolist()
        if data.startswith(marks, int(found.starts[i]))
    ]
    if not gone:
        return []
    fitting = found.starts[found.widths == width].tolist()
    return [] if any(data.startswith(marks, start) for start in fitting) else gone


def _below(data: bytes, found: Records, width: int) -> list[int]:
    """The last rows where they are lines of text below the table: behind a blank line, or a number of
    rows."""
    gone: list[int] = []
    for i in range(len(found) - 1, max(0, len(found) - 1 - _LAST), -1):
        if found.widths[i] == width or found.widths[i] > 1:
            break
        gone.insert(0, i)
    while gone:
        i = gone[0]
        apart = data.count(b"\n", int(found.ends[i - 1]), int(found.starts[i])) > 1
        if apart or _COUNT.fullmatch(_text(data, found, i).strip()):
            return gone
        gone.pop(0)
    return []


def rows(data: pl.DataFrame, *, header: bool) -> tuple[list[int], list[str], dict[int, str]]:
    """Rows of a table that are not data: positions to leave out, what to say of them, and position -> what is
    wrong with it, of sums."""
    gone: list[int] = []
    notes: list[str] = []
    if not data.height or data.width < 2:
        return [], [], {}
    if header:
        again = data[data.columns[0]].str.strip_chars() == data.columns[0]
        for i in again.fill_null(False).arg_true().to_list():
            cells = [(cell or "").strip() for cell in data.row(i)]
            if all(a == b for a, b in zip(cells, data.columns, strict=True) if not b.startswith("unnamed_")):
                gone.append(i)
        if gone:
            notes.append(f"{counted(len(gone), 'row')} repeating the header left out")
    odd: dict[int, str] = {}
    for i in range(data.height - 1, max(0, data.height - 1 - _LAST), -1):
        filled = [cell.strip() for cell in data.row(i) if cell is not None]
        first = filled[0] if filled else ""
        if len(filled) == 1 and _COUNT.fullmatch(first):
            gone.append(i)
            notes.append(f"1 line below the table left out: '{first}'")
        elif filled and _SUM.fullmatch(first) and (len(filled) == 1 or _sums(data, i)):
            odd[i] = f"says '{first}' and is not an example: remove it"
        else:
            break
    return gone, notes, odd


def _sums(data: pl.DataFrame, i: int) -> bool:
    """Whether a number of a row is the sum, mean or count of those above it."""
    for name in data.columns:
        cells = data[name].head(i + 1).str.strip_chars().str.replace(",", ".", literal=True)
        values = cells.cast(pl.Float64, strict=False)
        above, last = values.head(i).drop_nulls(), values[i]
        if last is None or len(above) < 0.8 * i or not len(above):
            continue
        fraction = (cells[i] or "").partition(".")[2]
        near = 0.51 * 10.0 ** -len(fraction) + 1e-9 * abs(last)
        if any(abs(last - float(value)) <= near for value in (above.sum(), above.mean() or 0.0, len(above))):  # type: ignore[arg-type]
            return True
    return False


def columns(data: pl.DataFrame, named: Collection[str]) -> list[str]:
    """The last columns that have neither a name nor a cell. named: those that are wanted all the same."""
    gone = []
    for i in range(data.width - 1, 0, -1):
        name = data.columns[i]
        if name != f"unnamed_{i}" or name in named or data[name].null_count() < data.height:
            break
        gone.append(name)
    return gone
