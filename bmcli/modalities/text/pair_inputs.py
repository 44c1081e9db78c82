"""Unlabelled pairs of texts: given themselves, two by two, or in the two columns of tables."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from bmcli.core.errors import Place, Problem, UsageError
from bmcli.files.inputs import STDIN, files_of
from bmcli.files.suffixes import TABLE_SUFFIXES
from bmcli.modalities.base import Expect, Note
from bmcli.modalities.inputs import Inputs, Reading
from bmcli.modalities.python_types import (
    array_of,
    is_array,
    is_frame,
    is_missing,
    is_path,
    listed,
    named,
    path_of,
)
from bmcli.modalities.table.inputs import frame_in
from bmcli.modalities.text.examples import Columns, Texts
from bmcli.modalities.text.inputs import PIECE, texts_of_rows
from bmcli.modalities.values import BETWEEN


def read(
    inputs: Sequence[str], reading: Reading, pair: Columns, stdin: IO[bytes], expect: Expect | None
) -> Iterator[Inputs]:
    """See `bmcli.inference.inputs.read`. pair: what the run's two texts are called."""
    if reading.lines:
        raise UsageError(
            f"--lines: a line is one text, but this run takes pairs, {' and '.join(pair)}",
            hint="give a table with these columns; JSON lines are one, too",
        )
    if not reading.texts:
        return _of_files(inputs, reading, pair, stdin, expect)
    if len(inputs) % 2:
        given = f"{len(inputs)} text{'s are' if len(inputs) > 1 else ' is'} given"
        hint = f"--text '{pair[0].upper()}' '{pair[1].upper()}'"
        raise UsageError(f"this run takes pairs of texts, {' and '.join(pair)}, but {given}", hint=hint)
    if STDIN in inputs:
        raise UsageError("a text of a pair cannot be read from stdin", hint="without --text, - is a table")
    if expect is not None:
        expect(len(inputs) // 2)
    return _in_pieces(list(zip(inputs[::2], inputs[1::2], strict=True)), pair)


def _of_files(
    inputs: Sequence[str], reading: Reading, pair: Columns, stdin: IO[bytes], expect: Expect | None
) -> Iterator[Inputs]:
    problems: list[Problem] = []
    for name in inputs:
        found = [STDIN] if name == STDIN else files_of(name, TABLE_SUFFIXES, problems, or_text=True)
        for path in found:
            if path != STDIN and Path(path).suffix.lower() not in TABLE_SUFFIXES:
                message = f"this run takes pairs of texts: a table with the columns {' and '.join(pair)}"
                problems.append(Problem(message, Place(path)))
            elif (frame := frame_in(path, reading, problems, stdin)) is not None:
                if expect is not None:
                    expect(len(frame.rows))
                yield from texts_of_rows(frame, path, reading, problems)
    yield Inputs(Texts(()), (), tuple(problems))


def read_objects(
    inputs: object, reading: Reading, pair: Columns, note: Note, expect: Expect
) -> Iterator[Inputs]:
    """Pairs as Python has them: one as a tuple, a list of pairs, an array [n, 2], frames and records with the
    two columns, paths of tables. UsageError for what is none of these."""
    wanted = f"a pair of texts ({', '.join(pair)}) or a list of pairs"
    if reading.lines:
        raise UsageError(f"lines=True reads single texts, but this run takes pairs: expected {wanted}")
    if is_frame(inputs) or isinstance(inputs, Mapping):
        return _frame(inputs, reading, note, expect)
    if isinstance(inputs, str | bytes | bytearray):
        raise UsageError(f"expected {wanted}, got {named(inputs)}")
    if is_array(inputs):
        array = array_of(inputs)
        if array.dtype.kind not in "OUT" or array.ndim != 2 or array.shape[1] != 2:
            shape = " × ".join(map(str, array.shape))
            raise UsageError(f"expected {wanted}, got an array of {array.dtype}, {shape}")
        items: list[object] = array.tolist()
    elif is_path(inputs) or (isinstance(inputs, tuple) and _is_pair(inputs)):
        items = [inputs]
    else:
        items = listed(inputs, wanted)
    if items and all(isinstance(item, Mapping) for item in items):
        return _frame(items, reading, note, expect)
    for number, item in enumerate(items):
        if not (is_path(item) or _is_pair(item)):
            message = f"input {number}: expected a pair of texts ({', '.join(pair)}), got {named(item)}"
            raise UsageError(message)
    return _each(items, reading, pair, expect)


def _frame(inputs: object, reading: Reading, note: Note, expect: Expect) -> Iterator[Inputs]:
    from bmcli.modalities.text import python_inputs

    return python_inputs.of_frame(inputs, reading, note, expect)


def _each(items: Sequence[object], reading: Reading, pair: Columns, expect: Expect) -> Iterator[Inputs]:
    waiting: list[tuple[object, object]] = []
    for item in items:
        if isinstance(item, list | tuple):
            waiting.append((item[0], item[1]))
            continue
        expect(len(waiting))
        yield from _in_pieces(waiting, pair)
        waiting = []
        yield from _of_files([path_of(item)], reading, pair, io.BytesIO(), expect)
    expect(len(waiting))
    yield from _in_pieces(waiting, pair)


def _in_pieces(pairs: Sequence[tuple[object, object]], pair: Columns) -> Iterator[Inputs]:
    """Pairs of texts, of which either may be empty or missing: then the pair is a problem."""
    for start in range(0, len(pairs), PIECE):
        good: list[tuple[str, str]] = []
        problems: list[Problem] = []
        for number, both in enumerate(pairs[start : start + PIECE], start):
            texts = ["" if is_missing(one) else str(one) for one in both]
            empty = [name for name, one in zip(pair, texts, strict=True) if not one.strip()]
            if empty:
                problems.append(Problem(f"{' and '.join(empty)}: the text is empty", Place(f"pair {number}")))
            else:
                good.append((texts[0], texts[1]))
        texts_of = Texts(tuple(one for one, _ in good), tuple(other for _, other in good), pair)
        yield Inputs(texts_of, tuple(map(BETWEEN.join, good)), tuple(problems))


def _is_pair(value: object) -> bool:
    """Whether it is two texts, of which either may be missing."""
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(one, str) or is_missing(one) for one in value)
    )
