"""Lines that are too long for a terminal, colours, and signs that an encoding does not have."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import termios
from collections.abc import Callable, Iterator
from typing import IO, Any

import pytest

from bmcli.cli.command import Session
from bmcli.core.errors import Place, Problem, UsageError
from bmcli.terminal import render
from bmcli.terminal.screen import Screen


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, IO[str]]]:
    """The end a terminal emulator holds, and a stream that writes to the terminal."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        yield master, stream
    os.close(master)


def resize(master: int, columns: int) -> None:
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


LINES = [
    "data      2,993 photos, 12 classes (61–488) · train 2,245 val 299 test 449",
    "  accuracy           0.458    0.256 – 0.672    always 'square with a long name': 0.333",
    "  known: activation, batch_norm, dense, dropout, filters, global_pooling, kernel_size, padding",
    "\x1b[1;35mwarning: \x1b[0mthese runs used different test examples, so their metrics cannot be compared",
    "test        loss 1.042  accuracy 0.458  balanced_accuracy 0.458  f1_macro 0.386  ece 0.206",
    "versions    bm 0.1.0  python 3.11.7  backend tensorflow  keras 3.15.1  tensorflow 2.21.0  numpy 2.4.6",
    "  漢字     数字の画像  0.91  (別の数字 0.05, もう一つ 0.02) · 学習済み の 画像 です よ ね",
]


@pytest.mark.parametrize("width", [30, 44, 60, 72])
@pytest.mark.parametrize("line", LINES)
def test_no_word_is_broken_and_none_is_lost(line: str, width: int) -> None:
    pieces = render.folded(line, width)
    assert all(render.cell_width(plain(piece)) <= width for piece in pieces)
    assert " ".join(pieces).split() == line.split()
    assert len(pieces) <= 2 + 2 * render.cell_width(plain(line)) // width, "no line is left nearly empty"


def test_what_follows_stands_below_its_column() -> None:
    first, *others = render.folded(LINES[4], 44)
    assert first == "test        loss 1.042  accuracy 0.458"
    assert others and all(re.match(r" {12}\S", line) for line in others)
    assert all(re.search(r"[a-z0-9_]+ 0\.\d+$", line) for line in others), (
        "a name and its metric stay together"
    )


def test_a_clause_takes_its_separator_along() -> None:
    line = "runs/shapes-v1 · 11 MB · report.html · model.onnx (within 6e-8)"
    assert render.folded(line, 44) == [
        "runs/shapes-v1 · 11 MB · report.html",
        "  · model.onnx (within 6e-8)",
    ]


@pytest.mark.parametrize(
    "line", ["next   bm predict IMAGE --run a-rather-long-name-v1 --top-k 3", "weights  " + "0a" * 32]
)
def test_what_is_there_to_be_copied_stays_in_one_piece(line: str) -> None:
    assert render.folded(line, 44) == [line]


def test_a_terminal_gets_folded_lines_but_paths_and_documents_whole(terminal: tuple[int, IO[str]]) -> None:
    master, stream = terminal
    resize(master, 44)
    render.print_plain(LINES[2], stream)
    lines = os.read(master, 10_000).decode().splitlines()
    assert len(lines) == 3 and all(len(line) <= 44 for line in lines)
    path = "a folder/with blanks in its name/and a long one/that is wider than the terminal/report.html"
    render.print_plain(render.Verbatim(path), stream)
    assert os.read(master, 10_000).decode().splitlines() == [path]


def test_a_pipe_gets_lines_whole(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    with open(os.path.join(tmp_path, "out"), "w+", encoding="utf-8") as stream:  # noqa: PTH118, PTH123
        render.print_plain(LINES[2], stream)
        stream.seek(0)
        assert stream.read() == LINES[2] + "\n"


@pytest.mark.parametrize("columns", [44, 60])
def test_a_caret_points_at_its_column_however_narrow(
    terminal: tuple[int, IO[str]], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    master, stream = terminal
    resize(master, columns)
    monkeypatch.setattr("sys.stderr", stream)
    text = "model: {name: cnn, filtres: [32, 64, 64], another_one_that_is_wrong: 3, and_more: [1, 2, 3]}"
    problems = [
        Problem(f"unknown key '{key}'", Place("c.yaml", 7, text.index(key) + 1, text=text), "see")
        for key in ("filtres", "another_one_that_is_wrong", "and_more")
    ]
    render.print_error(UsageError("3 mistakes in the config", problems=problems))
    lines = os.read(master, 10_000).decode().splitlines()
    assert all(len(plain(line)) <= columns for line in lines)
    pointed = [lines[i - 1][line.index("^") :][:8] for i, line in enumerate(lines) if line.strip() == "^"]
    assert pointed == ["filtres:", "another_", "and_more"]


def test_the_width_is_that_of_the_stream_written_to(terminal: tuple[int, IO[str]]) -> None:
    """`RUN=$(bm train ...)`: stdout is a pipe, and the progress on stderr has a terminal of its own."""
    master, stream = terminal
    resize(master, 47)
    assert render.terminal_width(stream) == 47 == Screen(stream).width
    resize(master, 53)
    assert Screen(stream).width == 53, "asked each time"


def test_live_lines_are_taken_away_also_after_the_window_became_narrower(
    terminal: tuple[int, IO[str]],
) -> None:
    master, stream = terminal
    resize(master, 100)
    screen = Screen(stream)
    screen.live(["x" * 90, "y" * 40])
    resize(master, 40)
    os.read(master, 10_000)
    screen.live(["z"])
    assert os.read(master, 10_000).decode().startswith("\x1b[4A\r\x1b[J"), "three rows of x, one of y"


def test_colours_in_a_pipe_that_asks_for_them_come_without_cursor_movements(
    tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with open(os.path.join(tmp_path, "out"), "w+", encoding="utf-8") as stream:  # noqa: PTH118, PTH123
        screen = Screen(stream)
        screen.live(["gone"])
        screen.lines(["✓ done"], style=render.GOOD)
        stream.seek(0)
        assert stream.read() == "\x1b[32m✓ done\x1b[0m\n"


def test_marks_have_their_colours_and_text_from_outside_none(
    monkeypatch: pytest.MonkeyPatch, terminal: tuple[int, IO[str]]
) -> None:
    _, stream = terminal
    shown = render.painted_marks(["✓ good", "✗ \x1b[31m", "! odd", "· note"], stream)
    assert shown.splitlines() == [
        "\x1b[32m✓\x1b[0m good",
        "\x1b[1;31m✗\x1b[0m \\x1b[31m",
        "\x1b[1;35m!\x1b[0m odd",
        "· note",
    ]
    monkeypatch.setenv("NO_COLOR", "1")
    assert render.painted_marks(["✓ good"], stream) == "✓ good"


def test_signs_that_an_encoding_lacks_are_shown_in_ascii() -> None:
    assert render.encodable("✓ 3 × 4 – ██", "ascii") == "* 3 x 4 - ##"
    assert render.encodable("3 × 4 → 漢", "latin-1") == "3 x 4 > \\u6f22"
    assert render.encodable("✓ 漢", "utf-8") == "✓ 漢"


def test_tables_reach_a_stream_whose_encoding_lacks_their_signs() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    made = render.table("metric", "a–b")
    made.add_row("accuracy × 2", "0.1 – 0.2 漢")
    render.console(stream).print(made)
    shown = stream.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert [" ".join(line.split()) for line in shown.splitlines()] == [
        "metric a-b",
        "accuracy x 2 0.1 - 0.2 \\u6f22",
    ]


@pytest.mark.parametrize("args", [("--help",), ("check", "--help"), ("runs", "show", "--help")])
def test_help_pages_fit_a_narrow_terminal(
    args: tuple[str, ...], invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    page = invoke(*args).out
    assert page.startswith("Usage: bm") and all(len(line) <= 44 for line in page.splitlines())


def test_a_spinner_is_there_only_while_an_item_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown of an item is never written over by it."""
    from bmcli.cli import spinner

    running: list[str] = []

    class Recorded:
        def __init__(self, session: object, what: str) -> None:
            self.what = what

        def __enter__(self) -> None:
            running.append(self.what)

        def __exit__(self, *_: object) -> None:
            running.clear()

    monkeypatch.setattr(spinner, "Spinner", Recorded)

    def items() -> Iterator[int]:
        for number in range(3):
            assert running == ["explaining"]
            yield number

    assert [(one, list(running)) for one in spinner.watched(Session(), items(), "explaining")] == [
        (0, []),
        (1, []),
        (2, []),
    ]
