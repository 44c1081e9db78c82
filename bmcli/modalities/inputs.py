"""Unlabelled examples on their way to a model, in pieces of bounded size, and how they are read."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bmcli.core.errors import Place, Problem, UsageError
from bmcli.files.inputs import STDIN, expanded

if TYPE_CHECKING:
    import polars as pl

    from bmcli.core.examples import Examples
    from bmcli.core.spec import Kind
    from bmcli.files.tables import Frame
    from bmcli.modalities.base import Modality
    from bmcli.modalities.preprocessing import Preprocessing


@dataclass(frozen=True)
class Inputs:
    """Some examples. names: one per example, as the user knows it: the file, 'file.csv:17', or the text.

    problems: inputs of this piece that cannot be read. beside: of table files, the rows as read.
    """

    examples: Examples
    names: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    beside: pl.DataFrame | None = None


@dataclass(frozen=True)
class Reading:
    """How inputs are to be read.

    texts: the inputs are the texts themselves; lines: one text per line of a file.
    text_column, delimiter, header, quoting, id: of tables, as in DataConfig. columns: what a table model
    needs. keep: whether the rows of table files are handed on beside the examples. decimals: the decimal mark
    that the run reads its columns of numbers by. encoder: the run's, where its examples have several parts or
    are texts.
    """

    kind: Kind
    texts: bool = False
    lines: bool = False
    text_column: str | int | Sequence[str | int] | None = None
    delimiter: str | None = None
    header: bool | None = None
    quoting: bool | None = None
    id: str | int | None = None
    columns: tuple[str, ...] = ()
    keep: bool = False
    decimals: Mapping[str, str] = field(default_factory=dict)
    encoder: Preprocessing | None = None


def read_each(
    modality: Modality, inputs: Sequence[str], stdin: IO[bytes], expect: Callable[[int], object] | None
) -> Iterator[Inputs]:
    """Files that are an example each, as `Modality.read_files` reads them."""
    problems: list[Problem] = []
    for name, files in expanded(inputs, modality.suffixes, problems, expect):
        paths = list(files)
        if name == STDIN:
            problems.append(Problem(f"{modality.words.many} are not read from stdin", Place(STDIN)))
            continue
        for start in range(0, len(paths), modality.piece):
            some = paths[start : start + modality.piece]
            found = modality.read_files(some, some)
            good = [i for i in range(len(some)) if i not in found.problems]
            problems += [Problem(what, Place(some[i])) for i, what in found.problems.items()]
            yield Inputs(found.examples.take(good), tuple(some[i] for i in good), tuple(problems))
            problems.clear()
    if problems:
        nothing = modality.read_files([], []).examples
        yield Inputs(nothing, (), tuple(problems))


def files_in_column(modality: Modality, frame: Frame, column: str) -> tuple[Examples, list[tuple[int, str]]]:
    """Files that are an example each, whose paths a column holds, relative to the table; and (position,
    message) of rows that cannot be used."""
    from bmcli.modalities.table.columns import texts

    folder, cells = frame.path.parent, texts(frame.data[column]).tolist()
    # No reader takes the folder itself for a file: it is what an empty cell names.
    paths = [str(folder / (cell or "")) for cell in cells]
    found = modality.read_files(paths, [cell or "" for cell in cells])
    empty = {i: f"column '{column}' is empty" for i, cell in enumerate(cells) if cell is None}
    unusable = {i: f"{cells[i]}: {what}" for i, what in found.problems.items()}
    return found.examples, sorted((unusable | empty).items())


def read_simply(
    modality: Modality, inputs: object, reading: Reading, expect: Callable[[int], object]
) -> Iterator[Inputs]:
    """A path, a list of paths, or an array of several examples."""
    import numpy as np

    from bmcli.modalities.python_types import array_of, is_array, is_path, named, path_of

    if isinstance(inputs, str) or is_path(inputs):
        inputs = [inputs]
    if isinstance(inputs, list | tuple) and inputs and all(isinstance(i, str) or is_path(i) for i in inputs):
        paths = [path_of(path) for path in inputs]
        yield from modality.read_inputs(paths, reading, io.BytesIO(), None, expect)
        return
    if isinstance(inputs, list | tuple):
        try:
            inputs = np.stack([np.asarray(one) for one in inputs])
        except ValueError:
            raise UsageError(f"expected {modality.words.many} of one shape") from None
    array = array_of(inputs) if is_array(inputs) else None
    if array is None or not modality.takes_array(array):
        raise UsageError(f"expected a path, or an array of {modality.words.many}, got {named(inputs)}")
    expect(len(array))
    examples = modality.from_arrays({"train": ("the array", array)}, Path("the array"))["train"]
    for start in range(0, len(array), modality.piece):
        rows = np.arange(start, min(start + modality.piece, len(array)))
        yield Inputs(examples.take(rows), tuple(map(str, rows.tolist())))
