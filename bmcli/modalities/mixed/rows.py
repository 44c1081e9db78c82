"""Examples of several parts in the rows of a table: each part in the columns that are named after it.

A part whose encoder names its columns (a row of numbers and categories) has these; any other has one column
of the part's own name: a text, or the path of a file, relative to the table. A column may also be called
`part.column`, and must be where several parts have a column of the same name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from bmcli.core.errors import DataError, Place, Problem, did_you_mean
from bmcli.files.inputs import STDIN, files_of
from bmcli.files.suffixes import TABLE_SUFFIXES
from bmcli.modalities.base import Expect, Note, modality_of
from bmcli.modalities.inputs import Inputs, Reading
from bmcli.modalities.mixed.examples import Mixed
from bmcli.modalities.table.examples import Table
from bmcli.modalities.table.inputs import by_own_decimals, frame_in, names_of

if TYPE_CHECKING:
    from bmcli.core.examples import Examples
    from bmcli.files.tables import Frame
    from bmcli.modalities.preprocessing import Preprocessing

PIECE = 1024
"""Number of rows passed on at a time."""


def columns_of(encoders: Mapping[str, Preprocessing]) -> tuple[str, ...]:
    """Those of all parts, by their own names."""
    every = [name for part, encoder in encoders.items() for name in _own(part, encoder)]
    return tuple(dict.fromkeys(every))


def read(
    inputs: Sequence[str],
    reading: Reading,
    encoders: Mapping[str, Preprocessing],
    stdin: IO[bytes],
    note: Note | None,
    expect: Expect | None,
) -> Iterator[Inputs]:
    """See `bmcli.inference.inputs.read`."""
    problems: list[Problem] = []
    for name in inputs:
        for path in [STDIN] if name == STDIN else files_of(name, TABLE_SUFFIXES, problems):
            frame = frame_in(path, reading, problems, stdin)
            if frame is None:
                continue
            if path == STDIN:  # what is piped names files as the shell does, from the working directory
                frame = replace(frame, path=Path(STDIN))
            if expect is not None:
                expect(len(frame.rows))
            try:
                examples, bad = examples_in(frame, encoders, note)
            except DataError as error:
                problems.append(Problem(error.message, Place(path), error.hint))
                continue
            yield from _pieces(frame, path, reading, examples, dict(bad), problems)
    if problems:
        yield Inputs(_nothing(), (), tuple(problems))


def examples_in(
    frame: Frame, encoders: Mapping[str, Preprocessing], note: Note | None = None
) -> tuple[Mixed, list[tuple[int, str]]]:
    """All rows, and (position, message) of those that cannot be used. encoders: of the run's parts.

    Raises DataError if a column is missing, holds nested values, or might be of several parts.
    """
    columns = _found(frame, encoders)
    notes = list(frame.notes)
    parts: dict[str, Examples] = {}
    bad: dict[int, list[str]] = {}
    for part, encoder in encoders.items():
        modality = modality_of(encoder.kind)
        data = frame.data.select(columns[part].values())
        data = data.rename({column: name for name, column in columns[part].items()})
        data, said = by_own_decimals(data, modality.reading_columns(encoder)[1])
        notes += said
        own = replace(frame, data=data)
        parts[part], odd = modality.rows_for(own, tuple(columns[part]), (), encoder)
        for position, what in odd:
            bad.setdefault(position, []).append(what)
    if note is not None:
        for line in notes:
            note(f"{frame.path}: {line}")
    return Mixed(parts), [(position, "; ".join(bad[position])) for position in sorted(bad)]


def _own(part: str, encoder: Preprocessing) -> tuple[str, ...]:
    """The columns of a part, by its own names."""
    return modality_of(encoder.kind).reading_columns(encoder)[0] or (part,)


def _found(frame: Frame, encoders: Mapping[str, Preprocessing]) -> dict[str, dict[str, str]]:
    """Part -> its columns by its own names -> those of the table. DataError if one is not there."""
    own = {part: _own(part, encoder) for part, encoder in encoders.items()}
    counts = Counter(name for names in own.values() for name in names)
    there, found, absent = set(frame.data.columns), {}, []
    for part, names in own.items():
        called = {name: f"{part}.{name}" if f"{part}.{name}" in there else name for name in names}
        for name, column in called.items():
            if counts[name] > 1 and column == name and name in there:
                some = ", ".join(f"'{one}.{name}'" for one in own if name in own[one])
                raise DataError(f"column '{name}' could be of several parts", hint=f"name the columns {some}")
            if column not in there:
                absent.append(column)
        found[part] = called
    if absent:
        listed = ", ".join(f"'{column}'" for column in absent)
        other = [column for column in frame.data.columns if column not in columns_of(encoders)]
        raise DataError(
            f"lacks the column{'s' if len(absent) > 1 else ''} {listed}, which the run needs",
            hint=did_you_mean(absent[0], other),
        )
    for called in found.values():
        for column in called.values():
            if frame.data[column].dtype.is_nested():
                raise DataError(f"column '{column}' holds nested values")
    return found


def _pieces(
    frame: Frame,
    path: str,
    reading: Reading,
    examples: Mixed,
    bad: Mapping[int, str],
    problems: list[Problem],
) -> Iterator[Inputs]:
    """What can be used, piece by piece; problems: handed on with them."""
    every = names_of(path, frame, reading)
    problems += [Problem(what, Place(every[i])) for i, what in bad.items()]
    good = np.array([i for i in range(len(every)) if i not in bad], np.int64)
    for start in range(0, len(good), PIECE):
        some = good[start : start + PIECE]
        beside = frame.data[some] if reading.keep else None
        yield Inputs(examples.take(some), tuple(every[i] for i in some), tuple(problems), beside)
        problems.clear()


def _nothing() -> Mixed:
    return Mixed({"": Table({})})
