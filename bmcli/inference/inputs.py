"""What `bm predict` and `bm explain` are given: unlabelled examples, read in pieces of bounded size.

An input is a file, a folder, a pattern (`'photos/*.jpg'`, expanded here where the shell did not), `-` for
stdin, or with `texts` the text itself. What it is read as is decided by the run's kind. What cannot be read
is a problem of its own; the other inputs go on.
"""

from __future__ import annotations

import fnmatch
import glob
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bmcli.core.errors import DataError, Place, Problem, UsageError, did_you_mean
from bmcli.core.spec import Kind
from bmcli.data.bundle import Examples, Images, Table, Texts
from bmcli.files.suffixes import IMAGE_SUFFIXES, TABLE_SUFFIXES

if TYPE_CHECKING:
    import polars as pl

    from bmcli.files.dialect import Options
    from bmcli.files.tables import Frame

TEXT_SUFFIXES = frozenset({".txt", ".text", ".md"})
SUFFIXES = {"image": IMAGE_SUFFIXES, "text": TEXT_SUFFIXES | TABLE_SUFFIXES, "table": TABLE_SUFFIXES}
STDIN = "-"
PIECE = {"image": 256, "text": 1024, "table": 4096}
"""Examples read, and handed on, at a time."""
PIECE_BYTES = 32 * 2**20
"""Image files handed on at a time hold no more than this, but for one that is larger: a piece of large photos
would else take many seconds, in which nothing is seen of it and nothing stops it."""
LONGEST_LINE = 16 * 2**20
"""Bytes of a line that is read as one text."""
LONGEST_TEXT = 64 * 2**20
"""Bytes of a file that is read as one text."""


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
    that the run reads its columns of numbers by.
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


def kinds_of(inputs: Sequence[str], *, texts: bool = False, lines: bool = False) -> tuple[Kind, ...]:
    """The kinds of run that could take these inputs, by their looks; all where nothing can be said.

    A file that is not there counts by its name, so that what is said of it is not about another kind.
    """
    if texts or lines:
        return ("text",)
    known = frozenset.union(IMAGE_SUFFIXES, TEXT_SUFFIXES, TABLE_SUFFIXES)
    for paths in [*(files_of(name, known, []) for name in inputs), inputs]:
        for path in paths:
            suffix = Path(path).suffix.lower()
            if suffix in IMAGE_SUFFIXES:
                return ("image",)
            if suffix in TEXT_SUFFIXES:
                return ("text",)
            if suffix in TABLE_SUFFIXES:
                return "table", "text"
    return "image", "text", "table"


def read(
    inputs: Sequence[str],
    reading: Reading,
    *,
    stdin: IO[bytes] | None = None,
    note: Callable[[str], object] | None = None,
    expect: Callable[[int], object] | None = None,
) -> Iterator[Inputs]:
    """The examples, piece by piece, in order; each piece with its own problems.

    stdin: what `-` means; default the process's. note: who is told what was inferred or converted, when all
    is read. expect: told how many more examples there will be, as soon as that is known: of files at once, of
    the rows of a table when it is read, of the lines of a file never. Raises UsageError where an option does
    not fit the run.
    """
    if reading.kind != "text" and (reading.texts or reading.lines):
        option = "--text" if reading.texts else "--lines"
        raise UsageError(f"{option} is for runs that take texts; this one takes {_plural(reading.kind)}")
    if reading.texts and reading.lines:
        raise UsageError("--text and --lines exclude each other: the texts are given, or lie in files")
    if stdin is None:
        stdin = _own_stdin() if STDIN in inputs else io.BytesIO()
    if reading.kind == "image":
        return _images(inputs, stdin, expect)
    if reading.kind == "table":
        return _tables(inputs, reading, stdin, note, expect)
    return _texts(inputs, reading, stdin, note, expect)


def _own_stdin() -> IO[bytes]:
    """stdin by a reader of its own: a thread that waits for it must not hold the lock that Python needs to
    end."""
    try:
        return io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False))
    except (OSError, ValueError):  # replaced by something that is no file
        return sys.stdin.buffer


def reads(path: Path, inputs: Sequence[str], reading: Reading) -> bool:
    """Whether a file, by whatever name, is one of those that the inputs stand for."""
    if reading.texts or not path.exists():
        return False
    files = (file for name in inputs for file in files_of(name, SUFFIXES[reading.kind], []))
    return any(Path(file).exists() and path.samefile(file) for file in files)


def _plural(kind: Kind) -> str:
    return {"image": "images", "text": "texts", "table": "rows of tables"}[kind]


def _images(
    inputs: Sequence[str], stdin: IO[bytes], expect: Callable[[int], object] | None
) -> Iterator[Inputs]:
    paths: list[str] = []
    problems: list[Problem] = []
    held = 0

    def piece() -> Inputs:
        nonlocal held
        made = Inputs(Images(paths=tuple(paths)), tuple(paths), tuple(problems))
        paths.clear()
        problems.clear()
        held = 0
        return made

    for name, files in _expanded(inputs, SUFFIXES["image"], problems, expect):
        if name == STDIN:
            yield piece()
            yield _image_from(stdin)
            continue
        for path in files:
            size = bytes_of(path)
            if len(paths) == PIECE["image"] or (paths and held + size > PIECE_BYTES):
                yield piece()
            paths.append(path)
            held += size
    yield piece()


def bytes_of(path: str) -> int:
    """Of a file; 0 where there is none, which its reader will say."""
    try:
        return os.stat(path).st_size  # noqa: PTH116 - for every file
    except OSError:
        return 0


def _expanded(
    inputs: Sequence[str],
    suffixes: frozenset[str],
    problems: list[Problem],
    expect: Callable[[int], object] | None,
    or_text: bool = False,
) -> Iterator[tuple[str, Iterable[str]]]:
    """Each input with its files. expect: all are listed before the first is handed on, to say how many they
    are."""
    if expect is None:
        yield from ((name, files_of(name, suffixes, problems, or_text=or_text)) for name in inputs)
        return
    listed = [(name, list(files_of(name, suffixes, problems, or_text=or_text))) for name in inputs]
    expect(sum(1 if name == STDIN else len(files) for name, files in listed))
    yield from listed


def _image_from(stdin: IO[bytes]) -> Inputs:
    from bmcli.modalities.image.decode import MAX_BYTES

    data = stdin.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        problem = Problem(f"larger than {MAX_BYTES // 2**20} MiB", Place(STDIN))
        return Inputs(Images(paths=()), (), (problem,))
    return Inputs(Images(contents=(data,)), (STDIN,))


def _texts(
    inputs: Sequence[str],
    reading: Reading,
    stdin: IO[bytes],
    note: Callable[[str], object] | None,
    expect: Callable[[int], object] | None,
) -> Iterator[Inputs]:
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

    problems, encodings: filled by whoever yields `found`, on the way; empty texts join the problems.
    """
    from bmcli.modalities.text.files import notes

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
        if len(texts) == PIECE["text"]:
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
    for name, files in _expanded(inputs, SUFFIXES["text"], problems, known, or_text):
        if name == STDIN:
            yield from (_lines if reading.lines else _text_from)(STDIN, stdin, problems, encodings)
            continue
        for path in files:
            if Path(path).suffix.lower() in TABLE_SUFFIXES and not reading.lines:
                frame = _frame(path, reading, problems)
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
    from bmcli.modalities.text.files import NOT_TEXT, decode

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
    from bmcli.files import encoding
    from bmcli.modalities.text.files import decode

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


def texts_of_rows(frame: Frame, name: str, reading: Reading, problems: list[Problem]) -> Iterator[Inputs]:
    """The texts in the run's columns of a table. name: the file's, '' for a table that is none; DataError
    where that lacks the columns."""
    import numpy as np

    from bmcli.data import column_roles as columns

    try:
        texts, bad = columns.texts_of(frame, _text_columns(frame, reading))
    except DataError as error:
        if not name:
            raise
        problems += error.problems or (Problem(error.message, error.place, error.hint),)
        return
    empty = dict(bad)
    filled = np.array([i for i in range(len(texts)) if i not in empty], np.int64)
    names = _names(name, frame, reading)
    problems += [Problem(what, Place(names[i])) for i, what in empty.items()]
    for start in range(0, len(filled), PIECE["text"]):
        rows = filled[start : start + PIECE["text"]]
        beside = frame.data[rows] if reading.keep else None
        yield Inputs(texts.take(rows), tuple(names[i] for i in rows.tolist()), beside=beside)


def _text_columns(frame: Frame, reading: Reading) -> tuple[str, ...]:
    """The columns the config names; else the only one of texts, or the one with the longest."""
    import polars as pl

    from bmcli.data import column_roles as columns

    if reading.text_column is not None:
        return columns.resolve_text(frame, reading.text_column)
    lengths = {
        name: float(frame.data[name].str.len_chars().mean() or 0.0)  # type: ignore[arg-type]
        for name in frame.data.columns
        if frame.data[name].dtype == pl.String
    }
    if not lengths:
        raise DataError(f"{frame.path} has no column of texts", place=Place(str(frame.path)))
    return (max(lengths, key=lambda name: lengths[name]),)


def _tables(
    inputs: Sequence[str],
    reading: Reading,
    stdin: IO[bytes],
    note: Callable[[str], object] | None,
    expect: Callable[[int], object] | None,
) -> Iterator[Inputs]:
    problems: list[Problem] = []
    for name in inputs:
        for path in [STDIN] if name == STDIN else files_of(name, SUFFIXES["table"], problems):
            frame = _frame(path, reading, problems, stdin)
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

    path: what the table is called, '' for one that is no file.
    """
    import numpy as np

    from bmcli.data import column_roles as columns

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
    data, said = _by_own_decimals(data, reading.decimals)
    if note is not None:
        for line in (*frame.notes, *said):
            note(f"{path or frame.path}: {line}")
    # What a text means, the run's preprocessing knows, and whether the number 20240131 is a date.
    table = Table({column: columns.as_found(data[column]) for column in reading.columns})
    every = _names(path, frame, reading)
    for start in range(0, len(frame.rows), PIECE["table"]):
        some = np.arange(start, min(start + PIECE["table"], len(frame.rows)))
        beside = frame.data[some] if reading.keep else None
        yield Inputs(table.take(some), tuple(every[i] for i in some), tuple(problems), beside)
        problems.clear()


def _by_own_decimals(data: pl.DataFrame, decimals: Mapping[str, str]) -> tuple[pl.DataFrame, list[str]]:
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


def _frame(
    path: str, reading: Reading, problems: list[Problem], stdin: IO[bytes] | None = None
) -> Frame | None:
    """The table in a file, its malformed rows added to the problems; None where it is none."""
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
    """A CSV, TSV or JSON Lines table on stdin, told apart by its first character."""
    import tempfile

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


def _names(path: str, frame: Frame, reading: Reading) -> list[str]:
    """The examples' names: by the run's column of ids where the file has it, else 'file.csv:17', and of a
    table that is no file the row alone."""
    from bmcli.data import column_roles as columns

    given: list[str | None] = [None] * len(frame.rows)
    if reading.id is not None and (isinstance(reading.id, int) or reading.id in frame.data.columns):
        name = columns.resolve(frame, reading.id, "id")
        if name not in reading.columns:  # an index that means another column here
            given = columns.texts(frame.data[name]).tolist()
    called = f"{path}:" if path else ""
    return [cell or f"{called}{row}" for cell, row in zip(given, frame.rows.tolist(), strict=True)]


def files_of(
    name: str, suffixes: frozenset[str], problems: list[Problem], *, or_text: bool = False
) -> Iterator[str]:
    """The files an input stands for: itself, those of a folder (by suffix), or those of a pattern.

    problems: gets what cannot be read, as a place that holds none of them.

    or_text: the user may have meant the text itself, and is told how to say so.
    """
    if os.path.isdir(name):  # noqa: PTH112 (Path's raises where a text is too long to be a name)
        yield from _below(name, suffixes, problems)
    elif os.path.lexists(name):
        yield name
    elif glob.has_magic(name):
        matches = _matching(name)
        if not matches:
            problems.append(Problem("nothing matches", Place(name)))
        for match in matches:
            if Path(match).is_dir():
                yield from _below(match, suffixes, problems)
            else:
                yield match
    elif name != STDIN:
        hint = "--text says that it is the text itself" if or_text else None
        problems.append(Problem("there is no such file", Place(name), hint))


def _matching(pattern: str) -> list[str]:
    """The paths that a pattern stands for, sorted, each beginning as the pattern does.

    As `glob.glob(pattern, recursive=True)`, but that `**` follows no links, and every folder is looked into
    once for each part of the pattern: glob takes exponential time where `**` is repeated or links lead back.
    """
    parts = pattern.split(os.sep)  # noqa: PTH206 (as it is written)
    found = {os.sep} if parts[0] == "" else {""}
    for number, part in enumerate(parts):
        if part == "" or (number and part == parts[number - 1] == "**"):
            continue
        if part == "**":
            found = {f for folder in found for f in _folders_below(folder, found)}
        elif glob.has_magic(part):
            hidden = part.startswith(".")
            last = number == len(parts) - 1
            found = {
                os.path.join(folder, entry.name)  # noqa: PTH118 (keeps the name as it was written)
                for folder in found
                for entry in _entries(folder)
                if fnmatch.fnmatchcase(entry.name, part)
                and (hidden or not entry.name.startswith("."))
                and (last or entry.is_dir())
            }
        else:
            joined = (os.path.join(folder, part) for folder in found)  # noqa: PTH118
            found = {path for path in joined if os.path.lexists(path)}
    return sorted(found - {""})


def _folders_below(folder: str, known: set[str]) -> Iterator[str]:
    """The folder and those below that no other of `known` leads to; links are not followed."""
    waiting = [folder]
    while waiting:
        at = waiting.pop()
        yield at
        for entry in _entries(at):
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                path = os.path.join(at, entry.name)  # noqa: PTH118
                if path not in known:
                    waiting.append(path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder or os.curdir) as entries:
            return list(entries)
    except OSError:  # no folder, or not to be read: as `glob` has it, nothing matches there
        return []


def _walk(folder: str, onerror: Callable[[OSError], None]) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`, sorted and without hidden folders; but not by recursion, which Python bounds: folders may
    lie a thousand deep."""
    waiting = [folder]
    while waiting:
        parent = waiting.pop()
        folders: list[os.DirEntry[str]] = []
        names: list[os.DirEntry[str]] = []
        try:
            with os.scandir(parent) as entries:
                for entry in entries:
                    (folders if entry.is_dir() else names).append(entry)
        except OSError as error:
            onerror(error)
            continue
        inside = sorted(entry.name for entry in folders if not entry.name.startswith("."))
        links = {entry.name for entry in folders if entry.is_symlink()}
        yield parent, inside, [entry.name for entry in names]
        prefix = parent if parent.endswith(os.sep) else parent + os.sep
        waiting += [prefix + name for name in reversed(inside) if name not in links]


def _below(folder: str, suffixes: frozenset[str], problems: list[Problem]) -> Iterator[str]:
    """Files of a folder and the folders in it, in order; hidden ones are no data."""
    found = False

    def unreadable(error: OSError) -> None:
        problems.append(Problem(f"cannot be read: {error.strerror or error}", Place(str(error.filename))))

    for parent, folders, names in _walk(folder, unreadable):
        for each in folders:
            if os.path.islink(link := os.path.join(parent, each)):  # noqa: PTH114, PTH118
                problems.append(Problem("a link to a folder: not followed, name it itself", Place(link)))
        for each in sorted(names):
            if each.startswith(".") or Path(each).suffix.lower() not in suffixes:
                continue
            found = True
            path = f"{parent.rstrip(os.sep)}{os.sep}{each}" if parent != os.sep else f"{os.sep}{each}"
            if os.path.isfile(path):  # noqa: PTH113 - once for every file of a folder
                yield path
            else:  # to open a pipe that lies there would wait for ever
                what = "not a regular file" if os.path.exists(path) else "a link to nothing"  # noqa: PTH110
                problems.append(Problem(what, Place(path)))
    if not found:
        problems.append(Problem(f"holds no {', '.join(sorted(suffixes))} file", Place(folder)))
