"""Texts as Python has them: a text, a list or a column of them, frames and records, files.

A `str` is a text, a `Path` a file. Only a `str` that ends as a text or table file does and is the name of one
that exists could mean either, and is an error.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bmcli.core.errors import Place, Problem, UsageError
from bmcli.modalities.inputs import Inputs, Reading
from bmcli.modalities.python_types import (
    array_of,
    is_array,
    is_frame,
    is_missing,
    is_path,
    listed,
    named,
    package_of,
    path_of,
)
from bmcli.modalities.text import inputs as files
from bmcli.modalities.text.examples import Texts
from bmcli.modalities.text.inputs import SUFFIXES

_EXPECTED = "a text, a list of texts, a frame, or a Path"
_LONGEST_PATH = 4096


def read(
    inputs: object, reading: Reading, note: Callable[[str], object], expect: Callable[[int], object]
) -> Iterator[Inputs]:
    """See `bmcli.modalities.python_inputs.read`."""
    if reading.lines:
        return _lines(inputs, reading, note)
    if is_frame(inputs) or isinstance(inputs, Mapping):
        return of_frame(inputs, reading, note, expect)
    if isinstance(inputs, str) or is_path(inputs) or is_missing(inputs):
        inputs = [inputs]
    elif is_array(inputs):
        array = array_of(inputs)
        if array.dtype.kind not in "OUT" or array.ndim > 1:
            raise UsageError(f"expected {_EXPECTED}, got an array of {array.dtype} with {array.ndim} axes")
        inputs = [array.item()] if array.ndim == 0 else array.tolist()
    elif package_of(inputs) == "pyarrow" and hasattr(inputs, "to_pylist"):
        inputs = inputs.to_pylist()
    elif isinstance(inputs, bytes | bytearray) or hasattr(inputs, "read"):
        raise UsageError(f"expected {_EXPECTED}, got {named(inputs)}", hint="write x.decode('utf-8')")
    items = listed(inputs, _EXPECTED)
    if items and all(isinstance(item, Mapping) for item in items):
        return of_frame(items, reading, note, expect)
    for number, item in enumerate(items):
        _require_text(item, number, reading)
    expect(len(items))
    problems: list[Problem] = []
    encodings: dict[str, list[str]] = {}
    found = _each(items, reading, problems, encodings, expect)
    return files.gathered(found, problems, encodings, note)


def _require_text(item: object, number: int, reading: Reading) -> None:
    """UsageError for what is not a text, or may be either a text or a file."""
    if is_path(item) or is_missing(item):
        return
    if not isinstance(item, str):
        hint = "write x.decode('utf-8')" if isinstance(item, bytes) else None
        if isinstance(item, list | tuple):
            hint = "write ' '.join(x) where it is a text in words"
        raise UsageError(f"input {number}: expected a text, got {named(item)}", hint=hint)
    if reading.texts or len(item) > _LONGEST_PATH or "\n" in item:
        return
    if Path(item).suffix.lower() in SUFFIXES and os.path.exists(item):  # noqa: PTH110 - of any text
        raise UsageError(
            f"input {number}: '{item}' could be a text, or the file of that name",
            hint=f"Path({item!r}) reads the file; text=True says that it is the text itself",
        )


def _each(
    items: list[object],
    reading: Reading,
    problems: list[Problem],
    encodings: dict[str, list[str]],
    expect: Callable[[int], object],
) -> Iterator[tuple[str, str] | Inputs]:
    of_files = replace(reading, texts=False)
    for number, item in enumerate(items):
        if is_missing(item):
            problems.append(Problem("the text is missing", Place(f"input {number}")))
        elif isinstance(item, str):
            yield str(item), str(item)
        else:
            expect(-1)  # its files are counted
            paths = [path_of(item)]
            yield from files.each_text(paths, of_files, problems, encodings, expect, or_text=False)


def _lines(inputs: object, reading: Reading, note: Callable[[str], object]) -> Iterator[Inputs]:
    """Each line of the files is a text."""
    paths = [inputs] if isinstance(inputs, str) or is_path(inputs) else listed(inputs, "paths")
    if odd := [path for path in paths if not (isinstance(path, str) or is_path(path))]:
        raise UsageError(f"lines=True reads the lines of files: expected paths, got {named(odd[0])}")
    return files.read([path_of(path) for path in paths], reading, io.BytesIO(), note, None)


def of_frame(
    inputs: object, reading: Reading, note: Callable[[str], object], expect: Callable[[int], object]
) -> Iterator[Inputs]:
    """The texts, or pairs of texts, in the run's columns of a frame, of columns by name, or of records."""
    from bmcli.modalities.table import python_inputs

    frame = python_inputs.as_read(python_inputs.frame_of(inputs, (), note))
    expect(len(frame.rows))
    problems: list[Problem] = []
    if len(frame.rows):
        yield from files.texts_of_rows(frame, "", reading, problems)
    yield Inputs(Texts(()), (), tuple(problems))
