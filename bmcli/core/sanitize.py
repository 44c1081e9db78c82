"""Makes names and texts from outside (of files, classes, columns) safe to show."""

from __future__ import annotations

import re

# C0 but newline and tab, C1, the marks that reverse reading direction, and halves of surrogate pairs (which
# stand for the undecodable bytes of a file name).
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def safe(text: str) -> str:
    """`text` with every control character shown as an escape; newlines and tabs stay."""
    return UNSAFE.sub(_escape, text)


def one_line(text: str) -> str:
    """`text` made safe, on one line: for names and anything else that must not break a layout."""
    return safe(text.replace("\n", "\\n").replace("\t", "\\t"))


def safe_cell(text: str) -> str:
    """`text` for a cell of a CSV file: safe, and with an apostrophe before what a spreadsheet would run as a
    formula. Plain numbers stay."""
    cell = safe(text)
    return "'" + cell if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else cell
