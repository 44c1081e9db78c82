"""Shows the progress of training, on stderr and in the run's log, and of other long work.

On a terminal: header, a table that grows by a row per epoch, and two lines below it that are rewritten as
steps are done. In a notebook: the same on the cell's stdout, with one line that is rewritten. In a pipe:
plain lines. Training continues even if the output is closed.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType
from typing import IO, TYPE_CHECKING, Protocol

from bmcli.core.number_format import clock, decimals, duration, setting
from bmcli.core.sanitize import one_line
from bmcli.experiments.display import Began, Event, Finished, Note, Progress, Stage, Warned
from bmcli.modalities.base import words_of
from bmcli.runs import layout
from bmcli.runs.record import now
from bmcli.terminal import render
from bmcli.terminal.screen import Screen, fitting
from bmcli.terminal.summary import header, summary
from bmcli.training.events import EpochDone, Resumed, StepsDone, TrainingDone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bmcli.runs.run import Run


_EARLIER = 5
"""Number of epochs of earlier sessions shown again."""
_NOTEBOOK_WIDTH = 100
_REDRAWN = 0.2
"""Seconds between updates of a line in a notebook, which stores each of them."""

_TIMINGS = ("epoch", "learning_rate", "seconds", "training_seconds", "examples_per_second")


class NotebookScreen(Screen):
    """The output of a notebook's cell: no cursor, but a return goes back to the beginning of the line."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(stream)
        self.is_live = True
        self.paints = not os.environ.get("NO_COLOR")
        self._length = 0
        self._drawn = -_REDRAWN

    @property
    def width(self) -> int:
        """Width of a cell in columns."""
        return _NOTEBOOK_WIDTH

    def live(self, lines: Sequence[str]) -> None:
        """Replace the line below; of several lines, one."""
        now = time.monotonic()
        if lines and now - self._drawn < _REDRAWN:
            return
        self._drawn = now if lines else -_REDRAWN
        line = "  ".join(one_line(line).strip() for line in lines)[: self.width - 1]
        text = self._erased() + line
        self._length = len(line)
        self._write(text)

    def _erased(self) -> str:
        length, self._length = self._length, 0
        return "\r" + " " * length + "\r" if length else ""


def python_screen() -> Screen:
    """Where progress is shown when bm is used from Python: a notebook's cell, else stderr.

    Lines are only rewritten for the main thread: parallel training runs would overwrite each other.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    screen = NotebookScreen(sys.stdout) if getattr(shell, "kernel", None) else Screen(sys.stderr)
    screen.is_live = screen.is_live and threading.current_thread() is threading.main_thread()
    return screen


class SayingOnce:
    """A display of notes and warnings for programs, each once, however many inputs it is about.

    said: messages shown already.
    """

    def __init__(self, said: set[str]) -> None:
        self._said = said

    def handle(self, event: Event) -> None:
        """See Display."""
        if isinstance(event, Note):
            self._say(event.text)
        elif isinstance(event, Warned):
            self._say(f"warning: {event.text}")

    def _say(self, text: str) -> None:
        about = text.rpartition(" (")[0] if text.endswith((" example)", " examples)")) else text
        if about not in self._said:
            self._said.add(about)
            python_screen().lines([text])


class _Quietness(Protocol):
    """An object that says whether only warnings are shown."""

    @property
    def quiet(self) -> bool: ...


class _Notes(Protocol):
    """A receiver of notes and warnings."""

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


class NotesOnly:
    """A display of notes and warnings, where nothing is trained."""

    def __init__(self, session: _Notes) -> None:
        self._session = session

    def handle(self, event: Event) -> None:
        """See Display."""
        if isinstance(event, Note):
            self._session.note(event.text)
        elif isinstance(event, Warned):
            self._session.warn(event.text)


class TrainingDisplay:
    """Shows training progress; the `bmcli.experiments.display.Display` of the command line.

    With --quiet only warnings are shown. Everything also goes to the run's log.
    """

    def __init__(self, session: _Quietness, stream: IO[str] | Screen | None = None) -> None:
        self._quiet = session.quiet
        stream = sys.stderr if stream is None else stream
        self._screen = stream if isinstance(stream, Screen) else Screen(stream)
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

    def handle(self, event: Event) -> None:
        """Show one more thing that happened."""
        match event:
            case Note():
                self._say([event.text])
            case Warned():
                self._warn(event.text)
            case Progress():
                self._far(event)
            case Began():
                self._begin(event)
            case Resumed():
                self._resumed(event)
            case StepsDone():
                if not self._quiet:
                    self._screen.live(self._steps(event))
            case EpochDone():
                self._epoch(event)
            case TrainingDone():
                if event.reason != "all epochs done":
                    self._say([f"stopped after epoch {event.epochs_done}: {event.reason}"])
            case Stage():
                self._stage(event.text)
            case Finished():
                self._finished(event)

    def _warn(self, text: str) -> None:
        """Also with --quiet."""
        lead = "warning: "
        self._screen.lines([text], lead=self._screen.painted(lead, render.WARNING))
        self._log(lead + text)

    def _far(self, event: Progress) -> None:
        if not self._quiet:
            share = f"{event.what}  {event.done / max(event.total, 1):.0%}"
            self._screen.live([share] if event.done < event.total else [])

    def _begin(self, event: Began) -> None:
        self._run = event.run
        self._log(*self._before)
        self._before.clear()
        self._rate = words_of(event.kind).rate
        self._monitor = event.monitor
        self.header(header(event))

    def header(self, lines: Sequence[tuple[str, str]]) -> None:
        """(label, text) lines, aligned but for the first, whose label is the title."""
        (title, first), *others = lines
        width = max((len(label) for label, _ in others), default=0)
        below = [f"{label:<{width}}  {text}" for label, text in others]
        self._show([f"{title}   {first}"], style="1")
        for line in below:
            self._show([line], indent=width + 2)
        self._log(f"{title}   {first}", *below)

    def _stage(self, text: str) -> None:
        if not self._quiet:
            self._screen.live([f"{text} …"])
        self._log(text)

    def _finished(self, event: Finished) -> None:
        first, *others = summary(event)
        self._show(["", first], style=f"{render.STRONG};{render.GOOD}")
        self._show(others)
        self._log(first, *others)

    def close(self) -> None:
        """Remove the live lines."""
        self._screen.live([])

    def _resumed(self, event: Resumed) -> None:
        run = self._run.id if self._run is not None else "the run"
        text = f"resuming {run} from epoch {event.epoch} of {event.epochs}"
        if event.epoch > event.epochs:
            text = f"resuming {run} after its last epoch"
        elif event.step:
            text += f", step {event.step:,} of {event.steps:,}"
        self._say([text])
        if self._quiet or not event.records:
            return
        shown = event.records[-_EARLIER:]
        if earlier := len(event.records) - len(shown):
            which = f"epochs 1 to {earlier}" if earlier > 1 else "epoch 1"
            self._screen.lines([f"{which}: see {layout.METRICS}"], style="2")
        for record in shown:
            number = int(record.get("epoch") or 0)
            self._row(record, number, event.epochs, "before", best=number == event.best_epoch, style="2")

    def _epoch(self, event: EpochDone) -> None:
        self._log(self._plain(event.record, event.epoch, event.epochs, best=event.best))
        if not self._quiet:
            self._row(event.record, event.epoch, event.epochs, "", best=event.best)

    def _plain(self, record: dict[str, float | int | None], epoch: int, epochs: int, *, best: bool) -> str:
        names = _columns(record, self._monitor)
        metrics = "  ".join(f"{name} {decimals(record.get(name))}" for name in names)
        seconds = duration(record.get("seconds"))
        return f"epoch {epoch}/{epochs}  {metrics}  {seconds}{'  best' if best else ''}"

    def _row(
        self,
        record: dict[str, float | int | None],
        epoch: int,
        epochs: int,
        more: str,
        *,
        best: bool,
        style: str = "",
    ) -> None:
        """A row of the table, below its header."""
        star = self._screen.painted("★ best" if self._screen.is_live else "best", style or render.GOOD)
        if not self._screen.is_live:
            tail = (f"  {star}" if best else "") + (f"  {more}" if more else "")
            self._screen.lines([self._plain(record, epoch, epochs, best=False)], tail=tail)
            return
        width = _number_width(epochs)
        room = self._screen.width - width
        fitting = _narrowed(_columns(record, self._monitor), self._monitor, room)
        if fitting != self._columns:  # the first row, or the window's width has changed
            self._columns = fitting
            head = "".join(f"  {name:>{_width(name)}}" for name in self._columns)
            # Wide enough for the last epoch's number, so that no row moves.
            self._screen.lines(["", f"{'epoch':<{width}}{head}    time"], style=render.STRONG)
        cells = "".join(f"  {decimals(record.get(name)):>{_width(name)}}" for name in self._columns)
        row = f"{f'{epoch}/{epochs}':>{width}}{cells}  {duration(record.get('seconds')):>6}"
        self._screen.lines([row], style, tail=f"  {star}" if best else "")  # `more` is said by the style

    def _steps(self, event: StepsDone) -> list[str]:
        number = f"{event.epoch}/{event.epochs}"
        lead = f"{number:>{_number_width(event.epochs)}}  "
        steps = f"{event.steps:,}"
        parts = {
            "done": f"{event.step:>{len(steps)},}/{steps}",
            "rate": f"{event.examples_per_second:,.0f} {self._rate}",
            # If the remaining time is unknown, all steps so far included compilation.
            "step": _per_step(event.seconds / max(event.step, 1)) if event.seconds_left is not None else "",
            "epoch": f"epoch {duration(event.seconds)}" + (", all" if event.seconds_left is not None else ""),
            "left": f"{clock(event.seconds_left)} left" if event.seconds_left is not None else "",
        }
        order = ("step", "epoch", "rate", "done")
        first = fitting(lead, parts, order, self._screen.width, event.step / max(event.steps, 1), True)
        metrics = {
            "loss": f"loss {decimals(event.loss)}",
            "metric": f"{event.metric_name.replace('_', ' ')} {decimals(event.metric)}",
            "learning rate": f"learning rate {setting(event.learning_rate)}",
        }
        blank = " " * len(lead)
        return [first, fitting(blank, metrics, ("learning rate", "metric"), self._screen.width, 0, False)]

    def _say(self, lines: Sequence[str], *, style: str = "", indent: int = 0) -> None:
        self._show(lines, style=style, indent=indent)
        self._log(*lines)

    def _show(self, lines: Sequence[str], *, style: str = "", indent: int = 0) -> None:
        if not self._quiet:
            self._screen.lines(lines, style, indent)

    def _log(self, *lines: str) -> None:
        """Together, with one wait for the disk."""
        said = [line for line in lines if line]
        if self._run is None:
            self._before += said
        elif said:
            self._run.append_line(layout.LOG, "\n".join(f"{now()}  {one_line(line)}" for line in said))


def _columns(record: dict[str, float | int | None], monitor: str) -> list[str]:
    """The metrics in a row: loss, and with a validation split its loss and metric, and the monitored one."""
    measured = [name for name in record if name not in _TIMINGS]
    running = next((name for name in measured if name != "loss" and not name.startswith("val_")), None)
    wanted = ["loss", "val_loss", f"val_{running}"] if "val_loss" in record else ["loss", running or ""]
    return [name for name in dict.fromkeys([*wanted, monitor]) if name in measured]


def _narrowed(columns: list[str], monitor: str, room: int) -> list[str]:
    """The columns that fit, with the time and a star; at least the monitored one."""
    columns = list(columns)
    while len(columns) > 1 and sum(2 + _width(name) for name in columns) + len("  0:00:00  ★ best") >= room:
        columns.remove(next((name for name in columns if name != monitor), columns[0]))
    return columns


def _per_step(seconds: float) -> str:
    """'12 ms/step'"""
    return f"{1000 * seconds:,.0f} ms/step" if seconds < 9.95 else f"{seconds:,.0f} s/step"


def _width(name: str) -> int:
    return max(len(name), 7)


def _number_width(epochs: int) -> int:
    return max(len("epoch"), 2 * len(str(epochs)) + 1)
