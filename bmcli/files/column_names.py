"""The names of the columns of a CSV or TSV file: its first row, or numbers."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import numpy as np

from bmcli.core.errors import DataError, Place
from bmcli.files import extra_rows, records
from bmcli.files.delimited_rows import DelimitedFile
from bmcli.files.dialect import uncommented
from bmcli.files.records import Records


def column_names(
    file: DelimitedFile, found: Records, quote: str | None
) -> tuple[list[str], Records, list[str]]:
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


def _are_names(file: DelimitedFile, found: Records, quote: str | None) -> bool:
    """Whether the first cells may be names of rows: whole numbers or words, different in every row."""
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
