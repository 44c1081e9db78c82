"""Unlabelled rows: of table files, and of one on stdin."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bmcli.core.errors import DataError, Place, Problem, did_you_mean
from bmcli.files.inputs import STDIN, files_of
from bmcli.files.suffixes import TABLE_SUFFIXES
from bmcli.modalities.inputs import Inputs, Reading
from bmcli.modalities.table.examples import Table

if TYPE_CHECKING:
    import polars as pl

    from bmcli.files.dialect import Options
    from bmcli.files.tables import Frame

PIECE = 4096
"""Rows read, and handed on, at a time."""


def read(
    inputs: Sequence[str],
    reading: Reading,
    stdin: IO[bytes],
    note: Callable[[str], object] | None,
    expect: Callable[[int], object] | None,
) -> Iterator[Inputs]:
    """See `bmcli.inference.inputs.read`."""
    problems: list[Problem] = []
    for name in inputs:
        for path in [STDIN] if name == STDIN else files_of(name, TABLE_SUFFIXES, problems):
            frame = frame_in(path, reading, problems, stdin)
            if frame is not None:
                if expect is not None:
                    expect(len(frame.rows))
                yield from rows(frame, path, reading, problems, note)
    yield Inputs(Table({}), (), tuple(problems))


def rows(
    frame: Frame,
    path: str,
    reading: Reading,
    problems: list[Problem],
    note: Callable[[str], object] | None,
) -> Iterator[Inputs]:
    """The rows of a table with the run's columns, in pieces; problems: handed on with them.

    path: the table's name in messages, '' if it is not a file.
    """
    import numpy as np

    from bmcli.modalities.table import columns

    absent = [column for column in reading.columns if column not in frame.data.columns]
    if absent:
        listed = ", ".join(f"'{column}'" for column in absent)
        what = f"lacks the column{'s' if len(absent) > 1 else ''} {listed}, which the run needs"
        there = [column for column in frame.data.columns if column not in reading.columns]
        problems.append(Problem(what, Place(path or str(frame.path)), did_you_mean(absent[0], there)))
        return
    data = frame.data.select(reading.columns)
    nested = [name for name in data.columns if data[name].dtype.is_nested()]
    if nested:
        what = f"column '{nested[0]}' holds nested values"
        problems.append(Problem(what, Place(path or str(frame.path))))
        return
    data, said = by_own_decimals(data, reading.decimals)
    if note is not None:
        for line in (*frame.notes, *said):
            note(f"{path or frame.path}: {line}")
    # What a text means, the run's preprocessing knows, and whether the number 20240131 is a date.
    table = Table({column: columns.as_found(data[column]) for column in reading.columns})
    every = names_of(path, frame, reading)
    for start in range(0, len(frame.rows), PIECE):
        some = np.arange(start, min(start + PIECE, len(frame.rows)))
        beside = frame.data[some] if reading.keep else None
        yield Inputs(table.take(some), tuple(every[i] for i in some), tuple(problems), beside)
        problems.clear()


def by_own_decimals(data: pl.DataFrame, decimals: Mapping[str, str]) -> tuple[pl.DataFrame, list[str]]:
    """The columns of numbers that beyond doubt have another decimal mark than the run's as numbers, and a
    note."""
    import polars as pl

    from bmcli.files.cells import parse_cells
    from bmcli.files.columns import facts_of
    from bmcli.files.numbers import NumberFormat

    written = [name for name in data.columns if name in decimals and data[name].dtype == pl.String]
    found = {}
    sure = False
    for name, about in facts_of(data.select(written)).items():
        own = about.format
        if not isinstance(own, NumberFormat) or about.question is not None or about.unfit:
            continue
        # A mark that no cell has says nothing: whole numbers are the same in both.
        marked = data[name].str.contains(own.decimal, literal=True).any()
        if own.decimal != decimals[name] and marked and not own.unit:
            found[name] = parse_cells(data[name], own)[0]
            # Three digits behind the only mark may be thousands, unless another cell or column shows
            # what it means.
            sure |= bool(data[name].str.contains(rf"[{own.decimal}](\d{{1,2}}|\d{{4,}})\s*$").any())
    if not sure:
        return data, []
    mark = {",": "a decimal comma", ".": "a decimal point"}
    listed = ", ".join(f"'{name}'" for name in list(found)[:5])
    note = (
        f"numbers with {mark[',' if decimals[next(iter(found))] == '.' else '.']}, unlike the run's: {listed}"
    )
    return data.with_columns(pl.Series(name, values) for name, values in found.items()), [note]


def frame_in(
    path: str, reading: Reading, problems: list[Problem], stdin: IO[bytes] | None = None
) -> Frame | None:
    """The table in a file, its malformed rows added to the problems; None if it is none."""
    from bmcli.files import tables

    try:
        if path == STDIN and stdin is not None:
            frame = _frame_from(stdin, reading)
        else:
            frame = tables.read(Path(path), _options(reading))
    except DataError as error:
        problems += error.problems or (Problem(error.message, error.place or Place(path), error.hint),)
        return None
    problems += frame.problems
    return frame


def _frame_from(stdin: IO[bytes], reading: Reading) -> Frame:
    """A CSV, TSV or JSON Lines table on stdin; its first character tells which."""
    from bmcli.files import tables

    data = stdin.read()
    head = data.lstrip()[:1]
    first_line = data.split(b"\n", 1)[0]
    suffix = ".jsonl" if head == b"{" else ".tsv" if b"\t" in first_line else ".csv"
    with tempfile.TemporaryDirectory(prefix="bm-stdin-") as folder:
        path = Path(folder) / f"stdin{suffix}"
        path.write_bytes(data)
        return tables.read(path, _options(reading))


def _options(reading: Reading) -> Options:
    from bmcli.files.dialect import Options

    text = reading.text_column
    named = [reading.id, *(text if isinstance(text, Sequence) and not isinstance(text, str) else [text])]
    names = frozenset(name for name in (*named, *reading.columns) if isinstance(name, str))
    return Options(reading.delimiter, reading.header, reading.quoting, names)


def names_of(path: str, frame: Frame, reading: Reading) -> list[str]:
    """The examples' names: by the run's column of ids where the file has it, else 'file.csv:17', and of a
    table that is not a file, the row alone."""
    from bmcli.modalities.table import columns

    given: list[str | None] = [None] * len(frame.rows)
    if reading.id is not None and (isinstance(reading.id, int) or reading.id in frame.data.columns):
        name = columns.resolve(frame, reading.id, "id")
        if name not in reading.columns:  # an index that means another column here
            given = columns.texts(frame.data[name]).tolist()
    called = f"{path}:" if path else ""
    return [cell or f"{called}{row}" for cell, row in zip(given, frame.rows.tolist(), strict=True)]
