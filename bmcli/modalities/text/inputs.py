"""Unlabelled texts: given themselves, in files, in lines of files, in columns of tables."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bmcli.core.errors import DataError, Place, Problem
from bmcli.files import encoding
from bmcli.files.inputs import STDIN, expanded
from bmcli.files.suffixes import TABLE_SUFFIXES
from bmcli.modalities.inputs import Inputs, Reading
from bmcli.modalities.table.inputs import frame_in, names_of
from bmcli.modalities.text.encoder import TextPreprocessing
from bmcli.modalities.text.examples import Columns, Texts
from bmcli.modalities.text.files import NOT_TEXT, decode, notes

if TYPE_CHECKING:
    from bmcli.files.tables import Frame

TEXT_SUFFIXES = frozenset({".txt", ".text", ".md"})
SUFFIXES = TEXT_SUFFIXES | TABLE_SUFFIXES
PIECE = 1024
"""Texts read, and handed on, at a time."""
LONGEST_LINE = 16 * 2**20
"""Bytes of a line that is read as one text."""
LONGEST_TEXT = 64 * 2**20
"""Bytes of a file that is read as one text."""


def read(
    inputs: Sequence[str],
    reading: Reading,
    stdin: IO[bytes],
    note: Callable[[str], object] | None,
    expect: Callable[[int], object] | None,
) -> Iterator[Inputs]:
    """See `bmcli.inference.inputs.read`."""
    encodings: dict[str, list[str]] = {}
    problems: list[Problem] = []
    found = each_text(inputs, reading, problems, encodings, expect, stdin)
    return gathered(found, problems, encodings, note)


def gathered(
    found: Iterator[tuple[str, str] | Inputs],
    problems: list[Problem],
    encodings: Mapping[str, list[str]],
    note: Callable[[str], object] | None,
) -> Iterator[Inputs]:
    """(name, text) of single texts in pieces, with the pieces that come among them.

    problems, encodings: filled by the generator `found` as it runs; empty texts are added to the problems.
    """
    texts: list[str] = []
    names: list[str] = []

    def piece() -> Inputs:
        made = Inputs(Texts(tuple(texts)), tuple(names), tuple(problems))
        for filled in (texts, names, problems):
            filled.clear()
        return made

    for one in found:
        if isinstance(one, Inputs):
            yield piece()
            yield one
            continue
        name, text = one
        if not text.strip():
            problems.append(Problem("the text is empty", Place(name or "''")))
            continue
        names.append(name)
        texts.append(text)
        if len(texts) == PIECE:
            yield piece()
    for line in notes(encodings) if note is not None else ():
        note(line)  # type: ignore[misc]
    yield piece()


def each_text(
    inputs: Sequence[str],
    reading: Reading,
    problems: list[Problem],
    encodings: dict[str, list[str]],
    expect: Callable[[int], object] | None = None,
    stdin: IO[bytes] | None = None,
    *,
    or_text: bool = True,
) -> Iterator[tuple[str, str] | Inputs]:
    """(name, text) of every text, those of table files in pieces. encodings: codec -> the files that are not
    UTF-8, filled on the way. stdin: what `-` means, where that may occur. or_text: as `files_of` takes it."""
    stdin = stdin or io.BytesIO()
    if reading.texts:
        if expect is not None:
            expect(len(inputs))
        for text in inputs:
            if text == STDIN:
                yield from _text_from(STDIN, stdin, problems, encodings)
            else:
                yield text, text
        return
    known = None if reading.lines else expect
    for name, files in expanded(inputs, SUFFIXES, problems, known, or_text):
        if name == STDIN:
            yield from (_lines if reading.lines else _text_from)(STDIN, stdin, problems, encodings)
            continue
        for path in files:
            if Path(path).suffix.lower() in TABLE_SUFFIXES and not reading.lines:
                frame = frame_in(path, reading, problems)
                if frame is None:
                    continue
                if expect is not None:
                    expect(len(frame.rows) - 1)  # the file itself was counted
                yield from texts_of_rows(frame, path, reading, problems)
                continue
            try:
                with Path(path).open("rb") as file:
                    yield from (_lines if reading.lines else _text_from)(path, file, problems, encodings)
            except OSError as error:
                problems.append(Problem(f"cannot be read: {error.strerror or error}", Place(path)))


def _text_from(
    name: str, file: IO[bytes], problems: list[Problem], encodings: dict[str, list[str]]
) -> Iterator[tuple[str, str]]:
    text = _decoded(name, file.read(LONGEST_TEXT + 1), problems, encodings)
    if text is not None:
        yield name, text


def _decoded(name: str, data: bytes, problems: list[Problem], encodings: dict[str, list[str]]) -> str | None:
    if len(data) > LONGEST_TEXT:
        problems.append(Problem(f"larger than {LONGEST_TEXT // 2**20} MiB", Place(name)))
    elif (found := decode(data)) is None:
        problems.append(Problem(NOT_TEXT, Place(name)))
    else:
        text, codec = found
        if codec != "utf-8":
            encodings.setdefault(codec, []).append(name)
        return text
    return None


def _lines(
    name: str, file: IO[bytes], problems: list[Problem], encodings: dict[str, list[str]]
) -> Iterator[tuple[str, str]]:
    """Each line that is not blank, named 'file:number'; a problem where there is none."""
    stream = file if hasattr(file, "peek") else io.BufferedReader(file)  # type: ignore[type-var]
    codec = encoding.detect(stream.peek(), whole=False)
    if codec is not None and codec.startswith(("utf-16", "utf-32")):  # its line ends are more than a byte
        whole = _decoded(name, stream.read(LONGEST_TEXT + 1), problems, encodings)
        if whole is None:
            return
        stream = io.BytesIO(whole.encode("utf-8"))
    number, used = 0, len(problems)
    empty = True
    while line := stream.readline(LONGEST_LINE):
        number += 1
        place = Place(name, number)
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            problems.append(Problem(f"longer than {LONGEST_LINE // 2**20} MiB", place))
            while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE)
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            if (found := decode(line, codec)) is None:
                problems.append(Problem("not UTF-8", place))
                continue
            text, codec = found
            if name not in encodings.setdefault(codec, []):
                encodings[codec].append(name)
        if text.strip():
            empty = False
            yield f"{name}:{number}", text.rstrip("\r\n")
    if empty and len(problems) == used:
        problems.append(Problem("holds no text", Place(name)))


def pair_of(reading: Reading) -> Columns | None:
    """What the run's two texts are called; None if it takes single ones."""
    encoder = reading.encoder
    return encoder.pair if isinstance(encoder, TextPreprocessing) else None


def texts_of_rows(frame: Frame, name: str, reading: Reading, problems: list[Problem]) -> Iterator[Inputs]:
    """The texts in the run's columns of a table. name: the file's, '' for a table that is none; DataError
    where that lacks the columns."""
    import numpy as np

    from bmcli.modalities.table import columns

    try:
        read = columns.texts_of if pair_of(reading) is None else columns.pairs_of
        texts, bad = read(frame, _text_columns(frame, reading))
    except DataError as error:
        if not name:
            raise
        problems += error.problems or (Problem(error.message, error.place, error.hint),)
        return
    empty = dict(bad)
    filled = np.array([i for i in range(len(texts)) if i not in empty], np.int64)
    names = names_of(name, frame, reading)
    problems += [Problem(what, Place(names[i])) for i, what in empty.items()]
    for start in range(0, len(filled), PIECE):
        rows = filled[start : start + PIECE]
        beside = frame.data[rows] if reading.keep else None
        yield Inputs(texts.take(rows), tuple(names[i] for i in rows.tolist()), beside=beside)


def _text_columns(frame: Frame, reading: Reading) -> tuple[str, ...]:
    """The columns the config names; else those of a pair, the only one of texts, or the one with the
    longest."""
    import polars as pl

    from bmcli.modalities.table import columns

    if reading.text_column is not None:
        return columns.resolve_text(frame, reading.text_column)
    if (pair := pair_of(reading)) is not None:
        return columns.resolve_text(frame, pair)
    lengths = {
        name: float(frame.data[name].str.len_chars().mean() or 0.0)  # type: ignore[arg-type]
        for name in frame.data.columns
        if frame.data[name].dtype == pl.String
    }
    if not lengths:
        raise DataError(f"{frame.path} has no column of texts", place=Place(str(frame.path)))
    return (max(lengths, key=lambda name: lengths[name]),)
