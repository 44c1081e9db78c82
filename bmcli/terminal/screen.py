"""A terminal's lines, some of which are rewritten, and progress of long work.

A separate module, so that a fast prediction does not have to import more.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from bmcli.core import sanitize
from bmcli.core.number_format import clock, duration
from bmcli.terminal import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BAR = 24
"""Width of the progress bar, if there is room; below `_SHORTEST_BAR` it is left out."""
_SHORTEST_BAR = 6

_PLAIN_EVERY = 10.0
"""Seconds between two lines on a terminal that wants plain text."""


class Screen:
    """A stream that may be a terminal, and may be closed at any time.

    Lines stay; below them, on a terminal, `live` lines are rewritten in place.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self.is_terminal = render.is_terminal(stream)
        self.is_live = render.moves_cursor(stream)
        self.paints = render.paints(stream)
        encoding = (getattr(stream, "encoding", None) or "ascii").lower()
        self._ascii = not encoding.startswith("utf")
        self._drawn_cells: list[int] = []
        """Widths of the current live lines."""
        self._gone = False

    @property
    def width(self) -> int:
        """Columns; read each time, as windows change."""
        return render.terminal_width(self._stream)

    def painted(self, text: str, style: str) -> str:
        """Part of a line in this style, if colours are shown. Only for text that is already safe."""
        return f"\x1b[{style}m{text}\x1b[0m" if text and self.paints else text

    def lines(
        self, lines: Sequence[str], style: str = "", indent: int | None = None, lead: str = "", tail: str = ""
    ) -> None:
        """Write permanent lines; on a terminal, lines that do not fit are wrapped.

        style: ANSI parameters ('1' bold) of the lines; indent: of wrapped lines. lead, tail: painted text
            before the first line and after the last.
        """
        safe = [sanitize.safe(line) for line in lines]
        if lead or tail:
            safe = [lead + safe[0], *safe[1:]]
            safe[-1] += tail
        if self.is_terminal or self.is_live:
            safe = [piece for line in safe for piece in render.folded(line, self.width - 1, indent)]
        if style:
            safe = [self.painted(line, style) for line in safe]
        self._write(self._erased() + "".join(f"{line}\n" for line in safe))

    def live(self, lines: Sequence[str]) -> None:
        """Replace the live lines; does nothing without a terminal."""
        if not self.is_live:
            return
        # One column less than available: some terminals wrap when the last one is filled.
        cut = [sanitize.one_line(line)[: self.width - 1] for line in lines]
        text = self._erased() + "".join(f"{line}\n" for line in cut)
        self._drawn_cells = [render.cell_width(line) for line in cut]
        self._write(text)

    def _erased(self) -> str:
        # If the window has become narrower since, a line takes several rows.
        width = self.width if self._drawn_cells else 1
        height = sum(max(1, -(-cells // width)) for cells in self._drawn_cells)
        self._drawn_cells = []
        return f"\x1b[{height}A\r\x1b[J" if height else ""

    def _write(self, text: str) -> None:
        if self._gone or not text:
            return
        if self._ascii:
            text = render.encodable(text, "ascii")
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # The pipe's reader or the terminal is gone (EPIPE, EIO), or the stream is closed. Training must
            # continue, and the log has everything.
            self._gone = True


class Counting:
    """Progress on many inputs, with rate and time left, if stderr is a terminal.

    A line that is rewritten, from half a second on; on a terminal that wants plain text a line now and then;
    in a pipe nothing. what: 'predicting'; unit: 'img/s'. Use it as a context manager; write other output
    inside `hidden`.
    """

    def __init__(self, screen: Screen | None, what: str, unit: str) -> None:
        self._screen = screen if screen is not None and (screen.is_live or screen.is_terminal) else None
        self._what, self._unit = what, unit
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._ticking: threading.Thread | None = None
        self._started = self._told = time.monotonic()
        self.done = 0
        self.total = 0

    def __enter__(self) -> Counting:
        if self._screen is not None:
            self._ticking = threading.Thread(target=self._tick, name="bm-progress", daemon=True)
            self._ticking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_shown(self) -> bool:
        """Whether progress is shown."""
        return self._screen is not None

    def stop(self) -> None:
        """Remove the line permanently."""
        self._over.set()
        if self._ticking is not None:
            self._ticking.join()
        if self._screen is not None:
            self._screen.live([])

    def expect(self, number: int) -> None:
        """Add to the number of expected inputs."""
        self.total += number

    def advance(self, number: int) -> None:
        """Add to the number of inputs done."""
        self.done += number

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Hide the line while other output is written."""
        if self._screen is None:
            yield
            return
        with self._lock:
            self._screen.live([])
            yield

    def _tick(self) -> None:
        wait = 0.5
        while not self._over.wait(wait):
            wait = 0.25
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        assert self._screen is not None
        line = self.line(self._screen.width)
        if self._screen.is_live:
            self._screen.live([line])
        elif time.monotonic() - self._told >= _PLAIN_EVERY:
            self._told = time.monotonic()
            self._screen.lines([line])

    def line(self, width: int) -> str:
        """'predicting  ━━━╸────  2,304/10,000  812 img/s  0:09 left', in less than `width` cells."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = self.done / seconds
        known = self.total >= self.done and self.total > 0
        parts = {
            "done": f"{self.done:,}/{self.total:,}" if known else f"{self.done:,} done",
            "rate": f"{rate:,.0f} {self._unit}" if rate >= 1 else f"{duration(seconds)} so far",
            "left": f"{clock((self.total - self.done) / rate)} left" if known and self.done else "",
        }
        return fitting(
            f"{self._what}  ", parts, ("rate", "done"), width, self.done / max(self.total, 1), known
        )


def fitting(
    lead: str, parts: dict[str, str], order: Sequence[str], width: int, share: float, bar: bool
) -> str:
    """`lead`, a bar where there is room, and the parts, without those of `order` that have none, the first
    of them first: what is not in it stays. In less than `width` cells."""
    kept = {name: text for name, text in parts.items() if text}
    for dropped in ("", *order):
        kept.pop(dropped, None)
        # 'step' is of use only where nothing gives way for it.
        least = BAR + 2 if bar and "step" in kept else 0
        text = "  ".join(kept.values()).replace("all  ", "all ")
        if len(lead) + least + len(text) < width:
            break
    room = min(BAR, width - 1 - len(lead) - len(text) - 2)
    return lead + (f"{bar_of(share, room)}  " if bar and room >= _SHORTEST_BAR else "") + text


def bar_of(share: float, cells: int) -> str:
    filled = round(min(max(share, 0.0), 1.0) * cells)
    return "━" * (filled - 1) + ("╸" if 0 < filled < cells else "━" * min(filled, 1)) + "─" * (cells - filled)
