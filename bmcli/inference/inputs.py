"""The inputs of `bm predict` and `bm explain`: unlabelled examples, read in pieces of bounded size.

An input is a file, a folder, a pattern (`'photos/*.jpg'`, expanded here where the shell did not), `-` for
stdin, or with `texts` the text itself. What it is read as is decided by the run's kind. What cannot be read
is a problem of its own; the other inputs go on.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bmcli.core.errors import UsageError
from bmcli.files.inputs import STDIN, files_of
from bmcli.modalities.base import at_hand, modality_of
from bmcli.modalities.inputs import Inputs, Reading

if TYPE_CHECKING:
    from bmcli.core.spec import Kind

__all__ = ["STDIN", "Inputs", "Reading", "files_of", "kinds_of", "read", "reads"]


def kinds_of(inputs: Sequence[str], *, texts: bool = False, lines: bool = False) -> tuple[Kind, ...]:
    """The kinds of run that could take these inputs, judged by their names; all if that is unclear.

    A file that is not there counts by its name, so that what is said of it is not about another kind.
    """
    known = at_hand()
    if texts or lines:
        return tuple(modality.name for modality in known if modality.takes_texts)
    suffixes = frozenset[str]().union(*(modality.suffixes for modality in known))
    for paths in [*(files_of(name, suffixes, []) for name in inputs), inputs]:
        for path in paths:
            suffix = Path(path).suffix.lower()
            # Rows before texts in rows: what a table is most often.
            taking = sorted((m for m in known if suffix in m.suffixes), key=lambda m: len(m.suffixes))
            if taking:
                return tuple(modality.name for modality in taking)
    return tuple(modality.name for modality in known if modality.suffixes)


def read(
    inputs: Sequence[str],
    reading: Reading,
    *,
    stdin: IO[bytes] | None = None,
    note: Callable[[str], object] | None = None,
    expect: Callable[[int], object] | None = None,
) -> Iterator[Inputs]:
    """The examples, piece by piece, in order; each piece with its own problems.

    stdin: what `-` means; default the process's. note: called with what was inferred or converted, when all
    is read. expect: called with the number of further examples as soon as it is known: of files at once, of
    the rows of a table when it is read, of the lines of a file never. Raises UsageError if an option does
    not fit the run.
    """
    modality = modality_of(reading.kind)
    if not modality.takes_texts and (reading.texts or reading.lines):
        option = "--text" if reading.texts else "--lines"
        raise UsageError(f"{option} is for text runs, but this run takes {modality.words.inputs}")
    if reading.texts and reading.lines:
        raise UsageError(
            "--text and --lines cannot be used together: texts are either arguments or lines of files"
        )
    if stdin is None:
        stdin = _own_stdin() if STDIN in inputs else io.BytesIO()
    return modality.read_inputs(inputs, reading, stdin, note, expect)


def _own_stdin() -> IO[bytes]:
    """stdin by a reader of its own: a thread that waits for it must not hold the lock that Python needs to
    end."""
    try:
        return io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False))
    except (OSError, ValueError):  # replaced by something that is not a file
        return sys.stdin.buffer


def reads(path: Path, inputs: Sequence[str], reading: Reading) -> bool:
    """Whether a file, under any name, is one of those that the inputs refer to."""
    if reading.texts or not path.exists():
        return False
    files = (file for name in inputs for file in files_of(name, modality_of(reading.kind).suffixes, []))
    return any(Path(file).exists() and path.samefile(file) for file in files)
