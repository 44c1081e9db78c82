"""Habits of other programs, undone before a file is cut into cells: odd line ends, other quotation marks,
spaces around them. Changes to cells are reported."""

from __future__ import annotations

import re

import numpy as np

from bmcli.files.dialect import DELIMITERS, lines_of
from bmcli.files.records import LINE_END, QUOTE, RETURN, cells_of, within

_LINES = 200
"""Lines that show a habit."""
_CUT = "[,;\\t|]"


def line_ends(data: bytes, *, quoting: bool) -> bytes:
    """Line feeds in the place of carriage returns that end lines alone, outside of quotation marks."""
    if b"\r" not in data:
        return data
    text = np.frombuffer(data, np.uint8)
    alone = text == RETURN
    alone[:-1] &= text[1:] != LINE_END
    if quoting and alone.any() and b'"' in data:
        inside = within(text == QUOTE)
        if not inside[-1]:
            alone &= ~inside
    if not alone.any():
        return data
    text = text.copy()
    text[alone] = LINE_END
    return text.tobytes()


def quotes(data: bytes, head: str) -> tuple[bytes, list[str]]:
    """Cells enclosed in other ways than by plain quotation marks, enclosed by these; and what was found.

    head: the first part of the file, of whole lines.
    """
    notes: list[str] = []
    lines = [line.rstrip("\r\n") for line in lines_of(head)[:_LINES] if line.strip()]
    if len(lines) < 2:
        return data, notes
    for way in (_whole_lines, _formulas, _curly, _apostrophes):
        found = way(data, lines)
        if found is not None:
            data, note = found
            notes.append(note)
            break
    return _without_blanks(data, lines), notes


def _whole_lines(data: bytes, lines: list[str]) -> tuple[bytes, str] | None:
    """Every line in quotation marks as if it were a single cell."""
    if not all(line.startswith('"') and line.endswith('"') and len(line) > 1 for line in lines):
        return None
    inner = []
    for line in lines:
        if any(len(cells_of(line, delimiter)) != 1 for delimiter in DELIMITERS):
            return None
        inner.append(cells_of(line, ",")[0])
    for delimiter in DELIMITERS:
        widths = {len(cells_of(line, delimiter)) for line in inner}
        if len(widths) == 1 and widths != {1}:
            break
    else:
        return None
    text = data.decode("utf-8", "surrogateescape").split("\n")
    bare = [(cells_of(line.rstrip("\r"), ",") or [""])[0] if line.startswith('"') else line for line in text]
    found = "\n".join(bare).encode("utf-8", "surrogateescape")
    return found, "every line is enclosed in quotation marks, which are left out"


def _formulas(data: bytes, lines: list[str]) -> tuple[bytes, str] | None:
    """Cells written as ="00123", so that Excel takes them for texts."""
    cell = rf'(?:^|(?<={_CUT}))="([^"]*)"(?={_CUT}|$)'
    if sum(bool(re.search(cell, line)) for line in lines) < 0.5 * len(lines):
        return None
    found = re.sub(rf'(?:^|(?<={_CUT}))=(?="[^"\n]*"(?:{_CUT}|\r?$))'.encode(), b"", data, flags=re.MULTILINE)
    return found, 'cells written as ="…" are read as the text in them'


def _curly(data: bytes, lines: list[str]) -> tuple[bytes, str] | None:
    """Cells in typographic quotation marks."""
    if '"' in "".join(lines):
        return None
    for opening, closing in ("“”", "„“", "«»", "””"):
        cell = rf"(?:^|(?<={_CUT})){opening}[^{opening}{closing}]*{closing}(?={_CUT}|$)"
        counts = {len(re.findall(cell, line)) for line in lines[1:]}
        if len(counts) != 1 or counts == {0}:
            continue
        found = re.sub(rf"(?:^|(?<={_CUT})){opening}".encode(), b'"', data, flags=re.MULTILINE)
        found = re.sub(rf"{closing}(?={_CUT}|\r?$)".encode(), b'"', found, flags=re.MULTILINE)
        return (
            found,
            f"cells are enclosed in {opening}{closing} (data.quoting: false if these belong to them)",
        )
    return None


def _apostrophes(data: bytes, lines: list[str]) -> tuple[bytes, str] | None:
    """Cells in apostrophes: as many in every line."""
    if b'"' in data:
        return None
    opening, closing = rf"(?:^|(?<={_CUT}))'", rf"'(?={_CUT}|$)"
    counts = {(len(re.findall(opening, line)), len(re.findall(closing, line))) for line in lines[1:]}
    if len(counts) != 1:
        return None
    ((opened, closed),) = counts
    if opened != closed or not opened:
        return None
    found = re.sub(opening.encode(), b'"', data, flags=re.MULTILINE)
    found = re.sub(rf"'(?={_CUT}|\r?$)".encode(), b'"', found, flags=re.MULTILINE)
    found = found.replace(b"''", b"'")
    return found, "cells are enclosed in apostrophes (data.quoting: false if these belong to them)"


def _without_blanks(data: bytes, lines: list[str]) -> bytes:
    """Without blanks between a delimiter and the quotation marks around a cell."""
    if not any(re.search(rf'{_CUT} +"|" +{_CUT}|^ +"|" +$', line) for line in lines):
        return data
    text = np.frombuffer(data, np.uint8)
    marks = np.flatnonzero(text == QUOTE)
    if len(marks) % 2 or not len(marks):
        return data
    opening, closing = marks[::2], marks[1::2]
    # Two quotation marks side by side within a cell stand for one, and the cell continues.
    again = opening[1:] == closing[:-1] + 1
    opening = opening[np.concatenate([[True], ~again])]
    closing = closing[np.concatenate([~again, [True]])]
    cut = np.isin(np.arange(256), [*map(ord, DELIMITERS), LINE_END, RETURN])
    before, starts = _walk(text, opening, -1, cut)
    after, ends = _walk(text, closing, 1, cut)
    enclosed = starts & ends
    gone = np.zeros(len(text), bool)
    for edges, marks_, step in ((before, opening, -1), (after, closing, 1)):
        apart = enclosed & (edges != marks_ + step)
        for mark, edge in zip(marks_[apart].tolist(), edges[apart].tolist(), strict=True):
            gone[min(mark, edge) + 1 : max(mark, edge)] = True
    return text[~gone].tobytes()


def _walk(text: np.ndarray, marks: np.ndarray, step: int, cut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From each mark over blanks to what stands beyond: its position, and whether a cell ends there."""
    at = marks + step
    for _ in range(100):
        inside = (at >= 0) & (at < len(text))
        blank = inside & (text[np.clip(at, 0, len(text) - 1)] == ord(" "))
        if not blank.any():
            break
        at = np.where(blank, at + step, at)
    inside = (at >= 0) & (at < len(text))
    return at, ~inside | cut[text[np.clip(at, 0, len(text) - 1)]]
