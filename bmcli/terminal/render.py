"""Output on a terminal, in a pipe and as JSON.

Rich is only used here, and imported late, because its import costs more than most commands. Text is never
read as markup, and control characters are shown as escapes, so that names from outside cannot colour, move or
rewrite anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from typing import IO, TYPE_CHECKING, Any

from bmcli.core import errors
from bmcli.core.plain import Document
from bmcli.core.sanitize import one_line, safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.table import Table

    from bmcli.core.errors import BmError, Place

UNBOUNDED = 10_000
"""The width for pipes and files, where lines are not wrapped."""


def to_json(document: object, *, indent: int | None = 2) -> str:
    """Strict JSON: NaN and infinity raise ValueError, because they are a bug in the caller."""
    return json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False)


def write_json(document: object, stream: IO[str], *, indent: int | None = 2) -> None:
    """One document and a newline, in UTF-8 for any locale."""
    text = to_json(document, indent=indent) + "\n"
    # An undecodable byte of a file name is a lone surrogate, which UTF-8 cannot hold; backslashreplace writes
    # it as \udcXX, which within a JSON string is just the right escape.
    data = text.encode("utf-8", "backslashreplace")
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(data.decode("utf-8"))
    else:
        stream.flush()
        buffer.write(data)
    stream.flush()


def is_terminal(stream: IO[str]) -> bool:
    """Whether the stream is a terminal; False for a closed stream."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # None under pythonw, or closed
        return False


ERROR, WARNING, GOOD, STRONG = "1;31", "1;35", "32", "1"
"""ANSI styles in basic colours that are readable in dark and light themes: not yellow or white."""


class Painted(str):
    """Text that is already safe and coloured."""

    __slots__ = ()


class Verbatim(str):
    """Text that is copied or read by a program, such as a path: its lines are never wrapped."""

    __slots__ = ()


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def paints(stream: IO[str]) -> bool:
    """Whether the stream gets colour: terminals do, unless NO_COLOR is set or TERM is dumb; FORCE_COLOR adds
    it in pipes."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0").lower() not in ("", "0", "false", "no"):
        return True
    return is_terminal(stream) and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")


def paint(text: str, style: str, stream: IO[str]) -> str:
    """The text in this style, if the stream has colour. Only for text that is already safe."""
    return f"\x1b[{style}m{text}\x1b[0m" if text and paints(stream) else text


def heading(lines: Sequence[str], stream: IO[str]) -> Painted:
    """A table's lines, made safe, with the header (the first line) in bold."""
    head, *rows = map(safe, lines)
    return Painted("\n".join([paint(head, STRONG, stream), *rows]))


def painted_marks(lines: Sequence[str], stream: IO[str]) -> Painted:
    """Lines, made safe, that may begin with a mark: a tick is green, a cross red, '!' as warnings are."""
    styles = {"✓": GOOD, "✗": ERROR, "!": WARNING}
    return Painted(
        "\n".join(
            paint(line[0], styles[line[0]], stream) + line[1:] if line[:1] in styles else line
            for line in map(safe, lines)
        )
    )


def folded(line: str, width: int, indent: int | None = None) -> list[str]:
    """A line in pieces of at most `width` cells, without breaking words.

    It is broken between columns (two spaces) or before a '·' if that leaves no half-empty line, else between
    words. Continuation lines are indented to the second column if there is room, or by `indent`. Wider words
    stay whole, and so do lines with a bm command, which is meant to be copied.
    """
    if len(line) <= width and (line.isascii() or _cells(line) <= width):
        return [line]
    label = re.match(r" *(?:\x1b\[[0-9;]*m)*\S.*?  +(?=\S)", line)
    if re.match(r" *bm [a-z]+ ", _COLOUR.sub("", line[label.end() :] if label else line)):
        return [line]
    if indent is None:
        indent = _cells(label[0]) if label else width
        if indent > width // 2:
            indent = min(len(line) - len(line.lstrip(" ")) + 2, width // 2)
    pieces, current, used = [], "", 0
    # Gaps and words alternate; a gap belongs to the word after it.
    for part in re.findall(r" *[^ ]+", line):
        cells = _cells(part)
        fits = used + cells <= width or _cells(part.lstrip(" ")) > width - indent
        if current.strip() and not fits:
            ends = part.startswith("  ") or part == " ·"
            kept, carried = (current, "") if ends else _broken(current, width)
            pieces.append(kept)
            current = " " * indent + (carried + part).lstrip(" ")
            used = _cells(current)
        else:
            current += part
            used += cells
    return [*pieces, current]


def _broken(line: str, width: int) -> tuple[str, str]:
    """A full line, and the part of its end that moves to the next one: a started column or clause."""
    body = len(line) - len(line.lstrip(" "))
    for gap in reversed([*re.finditer(r" {2,}(?=\S)| (?=·(?: |$))", line)]):
        if gap.start() > body and 2 * _cells(line[: gap.start()]) >= width:
            return line[: gap.start()], line[gap.end() :]
    return line, ""


def _cells(text: str) -> int:
    """Cells of a text that may have colours."""
    return cell_width(_COLOUR.sub("", text) if "\x1b" in text else text)


def width_of(stream: IO[str]) -> int | None:
    """COLUMNS where it is set, no bound for a pipe, None (ask the terminal) else."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return int(columns)
    return None if is_terminal(stream) else UNBOUNDED


def terminal_width(stream: IO[str] | None = None) -> int:
    """Columns of the terminal, or 80 if unknown.

    stream: whose terminal; stdout may be a pipe while stderr is not, as in `RUN=$(bm train ...)`.
    """
    columns = os.environ.get("COLUMNS", "")
    if stream is not None and not (columns.isdigit() and int(columns) > 0):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if columns_there := os.get_terminal_size(stream.fileno()).columns:
                return columns_there
    return shutil.get_terminal_size().columns


def moves_cursor(stream: IO[str]) -> bool:
    """Whether lines may be rewritten: on a capable terminal, unless NO_COLOR is set."""
    return (
        is_terminal(stream)
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    )


def console(stream: IO[str]) -> Console:
    """A Rich console on `stream` that treats every string literally and escapes control characters."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment
    from rich.text import Text

    encoding = getattr(stream, "encoding", None) or "utf-8"

    class SafeConsole(Console):
        def render_str(self, text: str, **settings: Any) -> Text:
            return super().render_str(encodable(safe(text), encoding), **settings)

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                text = segment.text
                if not segment.control and not (text.isascii() and text.isprintable()):
                    # A line ends in a segment of its own, and '\n' is safe.
                    segment = Segment(encodable(safe(text), encoding), segment.style)
                yield segment

    plain = not paints(stream)
    moves = moves_cursor(stream)
    return SafeConsole(
        file=stream,
        width=width_of(stream),
        markup=False,
        emoji=False,
        highlight=False,
        # NO_COLOR drops bold and cursor movements too: 'plain text, no control characters'.
        color_system=None if plain else "auto" if moves else "standard",
        no_color=plain or None,
        force_terminal=None if moves else False,
        legacy_windows=False,
    )


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table in bm's style: no frame, bold header. `right`: columns of numbers."""
    from rich.table import Table

    result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        result.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return result


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Rows of cells, made safe, as aligned lines. right: the columns of numbers.

    For long tables without wrapping or colour: a thousand rows cost less than importing Rich.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(cell_width, column)) for column in zip(*cells, strict=True)]

    def padded(cell: str, position: int) -> str:
        space = " " * (widths[position] - cell_width(cell))
        return space + cell if position in right else cell + space

    return ["  ".join(padded(cell, i) for i, cell in enumerate(row)).rstrip() for row in cells]


def narrowed(
    rows: Sequence[Sequence[str]], least: Sequence[str], stream: IO[str], right: Sequence[str] = ()
) -> list[str]:
    """A table's lines, as from `columns`, without the columns for which a narrow terminal has no room.

    rows: the first is the header. least: the columns that may be dropped, least important first. right: those
        of numbers.
    """
    width = width_of(stream) or terminal_width(stream)
    head, lines = list(rows[0]), []
    for dropped in ("", *least):
        head = [name for name in head if name != dropped]
        places = [rows[0].index(name) for name in head]
        numeric = [i for i, name in enumerate(head) if name in right]
        lines = columns([[row[i] for i in places] for row in rows], numeric)
        if max(map(cell_width, lines)) <= width:
            break
    return lines


def cell_width(text: str) -> int:
    """Width of a text in terminal cells: East Asian wide characters take two."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def error_text(error: BmError) -> str:
    """The text of an error: what is wrong, where, what to do; at most a few lines per problem."""
    room = terminal_width(sys.stderr) if is_terminal(sys.stderr) else None
    return errors.error_text(error, width=room)


def error_document(error: BmError) -> dict[str, object]:
    """The error in `--json`: the first problem in full, and all problems."""
    problems = error.problems
    first = problems[0] if problems else None
    place = error.place or (first.place if first else None)
    hint = error.hint or (first.hint if first else None)
    head = {"code": error.code, **_located(error.message, place, hint)}
    every = [{"code": error.code, **_located(p.message, p.place, p.hint)} for p in problems]
    return {"format": 1, "error": head, "errors": every or [head]}


def _located(message: str, place: Place | None, hint: str | None) -> Document:
    return {
        "message": message,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "hint": hint,
    }


def print_error(error: BmError) -> None:
    """An error on stderr, as `error_text` words it."""
    lead = "error: "
    print_plain(error_text(error).removeprefix(lead), lead=lead, style=ERROR)


_ASCII = str.maketrans("━╸─★✓✗·→–−…×█“”‘’", "=>-**x.>--.x#\"\"''")
"""For terminals and pipes whose encoding lacks these symbols."""


def encodable(text: str, encoding: str) -> str:
    """The text in this encoding: bm's own symbols in ASCII, others as escapes."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def print_plain(text: str, stream: IO[str] | None = None, *, lead: str = "", style: str = "") -> None:
    """A line without Rich: for errors and notes, which must work when all else fails.

    stream: default stderr, whose failures (a full disk, a closed pipe or terminal) are ignored, because the
        work and its exit code matter more. OSError from any other stream. lead: a word before the text, in
        this style. Long lines are wrapped on a terminal, except `Verbatim` text.
    """
    if stream is None:
        with contextlib.suppress(OSError):
            print_plain(text, sys.stderr, lead=lead, style=style)
        return
    data = paint(lead, style, stream) + (text if isinstance(text, Painted) else safe(text))
    if not isinstance(text, Verbatim) and is_terminal(stream):
        width = terminal_width(stream)
        data = "\n".join(piece for line in data.split("\n") for piece in folded(line, width))
    data += "\n"
    stream.write(encodable(data, getattr(stream, "encoding", None) or "utf-8"))
    stream.flush()
