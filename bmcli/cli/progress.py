"""Shows a training while it runs, on stderr and in the run's log.

On a terminal: header, a table that grows by a row per epoch, and two lines below it that are rewritten as
steps are done. In a pipe: plain lines. Training never ends because nobody looks any more.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from types import TracebackType
from typing import IO, TYPE_CHECKING

from bmcli.cli import render
from bmcli.cli.summary import RATES, header, summary
from bmcli.display import Silent
from bmcli.figures import clock, figure, setting
from bmcli.runs import layout
from bmcli.runs.record import now
from bmcli.training.events import EpochDone, Event, StepsDone, TrainingDone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bmcli.cli.command import Session
    from bmcli.display import Finished
    from bmcli.experiment import Experiment
    from bmcli.runs.run import Run

_BAR = 24
"""Cells of the progress bar where there is room; below `_SHORTEST_BAR` there is none."""
_SHORTEST_BAR = 6

_ASCII = str.maketrans("━╸─★✓·→–…×", "=>-**.>-.x")
"""For terminals and pipes whose encoding has no such signs."""

_TIMINGS = ("epoch", "learning_rate", "seconds", "training_seconds", "examples_per_second")


class Screen:
    """A stream that may be a terminal, and may go away.

    Lines stay; below them, on a terminal, `live` lines are rewritten in place.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self.is_live = (
            render.is_terminal(stream)
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM", "dumb") != "dumb"
        )
        encoding = (getattr(stream, "encoding", None) or "ascii").lower()
        self._ascii = not encoding.startswith("utf")
        self._height = 0
        self._gone = False

    @property
    def width(self) -> int:
        """Columns; asked anew each time, as windows change."""
        return shutil.get_terminal_size().columns

    def lines(self, lines: Sequence[str], style: str = "", indent: int = 0) -> None:
        """Write lines that stay.

        style: ANSI parameters ('1' bold); indent: of what does not fit the width; both on terminals alone.
        """
        safe = [render.safe(line) for line in lines]
        if self.is_live and indent:
            hanging = " " * indent
            safe = [p for s in safe for p in textwrap.wrap(s, self.width - 1, subsequent_indent=hanging)]
        if self.is_live and style:
            safe = [f"\x1b[{style}m{line}\x1b[0m" for line in safe]
        self._write(self._erased() + "".join(f"{line}\n" for line in safe))

    def live(self, lines: Sequence[str]) -> None:
        """Replace the lines below; nothing where nobody sees it."""
        if not self.is_live:
            return
        # One column less than there are: some terminals wrap when the last one is filled.
        cut = [render.one_line(line)[: self.width - 1] for line in lines]
        text = self._erased() + "".join(f"{line}\n" for line in cut)
        self._height = len(cut)
        self._write(text)

    def _erased(self) -> str:
        height, self._height = self._height, 0
        return f"\x1b[{height}A\r\x1b[J" if height else ""

    def _write(self, text: str) -> None:
        if self._gone or not text:
            return
        if self._ascii:
            text = text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # The pipe's reader or the terminal is gone (EPIPE, EIO), or the stream is closed. The training is
            # worth more than its picture, and the log has it all.
            self._gone = True


class NotesOnly(Silent):
    """Notes and warnings, where nothing is trained."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def note(self, text: str) -> None:
        """Something worth knowing."""
        self._session.note(text)

    def warn(self, text: str) -> None:
        """Something that may be wrong."""
        self._session.warn(text)


class TrainingDisplay:
    """Shows a training to whoever looks; `bmcli.display.Display` for the command line.

    With --quiet only warnings are seen. Everything goes to the run's log too.
    """

    def __init__(self, session: Session, stream: IO[str] | None = None) -> None:
        self._quiet = session.quiet
        self._screen = Screen(sys.stderr if stream is None else stream)
        self._run: Run | None = None
        self._before: list[str] = []
        self._columns: list[str] = []
        self._monitor = ""
        self._rate = "examples/s"

    def __enter__(self) -> TrainingDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def note(self, text: str) -> None:
        """Something worth knowing."""
        self._say([text])

    def warn(self, text: str) -> None:
        """Something that may be wrong; also with --quiet."""
        self._say([f"warning: {text}"], always=True)

    def progress(self, what: str, done: int, total: int) -> None:
        """Data is being downloaded or looked at."""
        if not self._quiet:
            self._screen.live([f"{what}  {done / max(total, 1):.0%}"] if done < total else [])

    def begin(self, run: Run, experiment: Experiment, parameters: int, steps_per_epoch: int) -> None:
        """The run exists and training is about to start."""
        self._run = run
        for line in self._before:
            self._log(line)
        self._before.clear()
        self._rate = RATES[experiment.bundle.kind]
        self._monitor = experiment.config.training.monitor
        self.header(header(run, experiment, parameters, steps_per_epoch))

    def header(self, lines: Sequence[tuple[str, str]]) -> None:
        """(label, text) lines, aligned but for the first, whose label is the title."""
        (title, first), *others = lines
        width = max((len(label) for label, _ in others), default=0)
        self._say([f"{title}   {first}"], style="1")
        for label, text in others:
            self._say([f"{label:<{width}}  {text}"], indent=width + 2)

    def handle(self, event: Event) -> None:
        """Training goes on."""
        if isinstance(event, StepsDone):
            if not self._quiet:
                self._screen.live(self._progress(event))
        elif isinstance(event, EpochDone):
            self._epoch(event)
        elif isinstance(event, TrainingDone) and event.reason != "all epochs done":
            self._say([f"stopped after epoch {event.epochs_done}: {event.reason}"])

    def stage(self, text: str) -> None:
        """What is being done before and after training, where it takes a while."""
        if not self._quiet:
            self._screen.live([f"{text} …"])
        self._log(text)

    def finished(self, finished: Finished) -> None:
        """The run is complete."""
        first, *others = summary(finished)
        self._say(["", first] if not self._quiet else [first], style="1")
        self._say(others)

    def close(self) -> None:
        """Take the live lines away."""
        self._screen.live([])

    def _epoch(self, event: EpochDone) -> None:
        record = event.record
        number = f"{event.epoch}/{event.epochs}"
        seconds = clock(record.get("seconds"))
        if not self._columns:
            self._columns = _columns(record, self._monitor)
            if self._screen.is_live and not self._quiet:
                head = "".join(f"  {name:>{_width(name)}}" for name in self._columns)
                # Wide enough for the last epoch's number, so that no row moves.
                self._screen.lines(["", f"{'epoch':<{_number_width(event.epochs)}}{head}    time"], style="2")
        plain = "  ".join(f"{name} {figure(record.get(name))}" for name in self._columns)
        line = f"epoch {number}  {plain}  {seconds}{'  best' if event.best else ''}"
        self._log(line)
        if self._quiet:
            return
        if self._screen.is_live:
            cells = "".join(f"  {figure(record.get(n)):>{_width(n)}}" for n in self._columns)
            best = "  ★ best" if event.best else ""
            self._screen.lines([f"{number:>{_number_width(event.epochs)}}{cells}  {seconds:>6}{best}"])
        else:
            self._screen.lines([line])

    def _progress(self, event: StepsDone) -> list[str]:
        number = f"{event.epoch}/{event.epochs}"
        lead = f"{number:>{_number_width(event.epochs)}}  "
        steps = f"{event.steps:,}"
        done = f"{event.step:>{len(steps)},}/{steps}"
        rest = (
            f"  {done}  {event.examples_per_second:,.0f} {self._rate}"
            f"  epoch {clock(event.seconds)}, all {clock(event.seconds_left)} left"
        )
        room = min(_BAR, self._screen.width - 1 - len(lead) - len(rest))
        bar = _bar(event.step / max(event.steps, 1), room) if room >= _SHORTEST_BAR else done
        rest = rest if room >= _SHORTEST_BAR else rest.removeprefix(f"  {done}")
        figures = (
            f"loss {figure(event.loss)}  {event.metric_name.replace('_', ' ')} {figure(event.metric)}"
            f"  learning rate {setting(event.learning_rate)}"
        )
        return [lead + bar + rest, " " * len(lead) + figures]

    def _say(self, lines: Sequence[str], *, style: str = "", always: bool = False, indent: int = 0) -> None:
        if always or not self._quiet:
            self._screen.lines(lines, style, indent)
        for line in lines:
            self._log(line)

    def _log(self, line: str) -> None:
        if not line:
            return
        stamped = f"{now()}  {render.one_line(line)}"
        if self._run is None:
            self._before.append(line)
        else:
            self._run.append_line(layout.LOG, stamped)


def _columns(record: dict[str, float | int | None], monitor: str) -> list[str]:
    """The figures a row shows: loss, and with a validation split its loss and metric, what is monitored."""
    measured = [name for name in record if name not in _TIMINGS]
    running = next((name for name in measured if name != "loss" and not name.startswith("val_")), None)
    wanted = ["loss", "val_loss", f"val_{running}"] if "val_loss" in record else ["loss", running or ""]
    return [name for name in dict.fromkeys([*wanted, monitor]) if name in measured]


def _width(name: str) -> int:
    return max(len(name), 7)


def _number_width(epochs: int) -> int:
    return max(len("epoch"), 2 * len(str(epochs)) + 1)


def _bar(share: float, cells: int) -> str:
    filled = round(min(max(share, 0.0), 1.0) * cells)
    return "━" * (filled - 1) + ("╸" if 0 < filled < cells else "━" * min(filled, 1)) + "─" * (cells - filled)
