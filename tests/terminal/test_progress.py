from __future__ import annotations

import io
import os
import pty
import re
import select
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bmcli.cli.command import Session
from bmcli.experiments.display import Began, Finished, Note, Stage, Warned
from bmcli.metrics.results import Baseline, Confusion, Evaluation, WeakestClass
from bmcli.runs import layout
from bmcli.runs.run import Run
from bmcli.runs.store import RunStore
from bmcli.terminal.progress import NotebookScreen, TrainingDisplay, python_screen
from bmcli.terminal.screen import Counting, Screen, bar_of
from bmcli.training.events import EpochDone, Resumed, StepsDone, TrainingDone


def began(run: Run, monitor: str = "val_loss") -> Began:
    return Began(
        run=run,
        seed=3,
        kind="image",
        task="multiclass",
        target_name="target",
        classes=2,
        class_sizes=(31, 1971),
        splits={"train": 2000, "validation": 2},
        model="resnet",
        parameters=1_500_000,
        closed_form=False,
        epochs=12,
        steps=71,
        optimizer="adam",
        learning_rate=1e-3,
        schedule="cosine",
        precision="bfloat16",
        xla=False,
        gpu=True,
        monitor=monitor,
    )


def epoch(number: int, best: bool = False) -> EpochDone:
    record: dict[str, float | int | None] = {
        "epoch": number,
        "loss": 1.5,
        "accuracy": 0.5,
        "val_loss": 0.25,
        "val_accuracy": None,
        "learning_rate": 1e-3,
        "seconds": 61.2,
        "examples_per_second": 100.0,
    }
    return EpochDone(number, 12, record, best)


def steps(step: int) -> StepsDone:
    return StepsDone(1, 12, step, 71, 0.6, "label_accuracy", 0.8, 9.8e-4, 262.4, 3.0, 104.0)


def play(display: TrainingDisplay, run: Run) -> None:
    display.handle(Note("3 left out: \x1b[31m"))
    display.handle(began(run))
    display.handle(steps(41))
    display.handle(epoch(1, best=True))
    display.handle(epoch(2))
    display.handle(TrainingDone(2, 1, "no better val_loss for 1 epochs"))
    display.handle(Stage("evaluating on test"))
    display.handle(Warned("no model.onnx"))
    run.seal("completed", best_epoch=1, monitor="val_loss", kind="image")
    evaluation = Evaluation(
        split="test",
        examples=449,
        task="multiclass",
        classes=("aster", "daisy"),
        metrics={"accuracy": 0.902},
        intervals={"accuracy": (0.871, 0.926)},
        headline="accuracy",
        lower_is_better=(),
        baseline=Baseline("always 'daisy'", "accuracy", 0.163),
        per_class=(),
        confusion_matrix=None,
        most_confused=Confusion("aster", "[red]\x1b", 5),
        weakest_class=WeakestClass("aster", 0, "recall", 0.61, 18, True),
    )
    run.update(seconds=131.0)
    display.handle(Finished(run, (evaluation,)))
    display.close()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return RunStore(tmp_path / "runs").create("flowers")


PLAIN = """\
3 left out: \\x1b[31m
flowers-v1   seed 3
data      2,002 images, 2 classes (31–1,971) · train 2,000 val 2
model     resnet · 1.5 M parameters
training  12 epochs × 71 steps · adam 1e-3 cosine · bfloat16 · GPU
epoch 1/12  loss 1.500  val_loss 0.250  val_accuracy –  1:01  best
epoch 2/12  loss 1.500  val_loss 0.250  val_accuracy –  1:01
stopped after epoch 2: no better val_loss for 1 epochs
warning: no model.onnx

✓ flowers-v1 completed in 2:11 · best epoch 1 by val_loss
test, 449 images             95 % interval
  accuracy           0.902   0.871 – 0.926    always 'daisy': 0.163
  weakest class      aster   recall 0.610 (n = 18: few)
  most confused      aster → [red]\\x1b, 5 times
"""


def test_in_a_pipe_lines_are_plain_and_the_log_has_them_all(run: Run) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    play(TrainingDisplay(Session(), stream), run)
    stream.seek(0)
    text = stream.read()
    assert text.startswith(PLAIN)
    assert text.splitlines()[-1].startswith("next   bm predict IMAGE --run ")
    log = [line.partition("  ")[2] for line in run.read_text(layout.LOG).splitlines()]
    assert [line for line in log if line != "evaluating on test"] == [x for x in text.splitlines() if x]
    assert not run.verify().problems and not run.verify().unverified


def test_the_metric_that_decides_is_shown(run: Run) -> None:
    stream = io.StringIO()
    display = TrainingDisplay(Session(), stream)
    display.handle(began(run, "val_cost"))
    one = epoch(1)
    display.handle(replace(one, record=one.record | {"val_f1": 0.5, "val_cost": 0.7}))
    assert "val_accuracy -  val_cost 0.700  1:01" in stream.getvalue()


def test_quiet_shows_warnings_alone_and_logs_the_rest(run: Run) -> None:
    stream = io.StringIO()
    play(TrainingDisplay(Session(quiet=True), stream), run)
    assert stream.getvalue() == "warning: no model.onnx\n"
    assert "epoch 2/12" in run.read_text(layout.LOG)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_other_encodings_get_ascii(run: Run, encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    play(TrainingDisplay(Session(), stream), run)
    assert b"aster > [red]" in raw.getvalue() and raw.getvalue().isascii()


def test_a_closed_stream_does_not_end_the_training(run: Run) -> None:
    read, write = os.pipe()
    os.close(read)
    stream = os.fdopen(write, "w", encoding="utf-8")
    display = TrainingDisplay(Session(), stream)
    play(display, run)
    assert "epoch 2/12" in run.read_text(layout.LOG)
    closed = io.StringIO()
    closed.close()
    Screen(closed).lines(["x"])


def drain(terminal: int) -> str:
    """All that stands to be read: a terminal hands it out in pieces."""
    found = b""
    while select.select([terminal], [], [], 0.1)[0]:
        found += os.read(terminal, 10_000)
    return found.decode()


@pytest.mark.parametrize("width", [40, 44, 60, 80, 100, 120, 200])
def test_on_a_terminal_live_lines_are_rewritten(
    run: Run, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        display = TrainingDisplay(Session(), stream)
        display.handle(began(run))
        display.handle(steps(41))
        first = drain(master)
        display.handle(steps(42))
        second = drain(master)
        display.handle(epoch(1, best=True))
        display.close()
        third = drain(master)
    os.close(master)
    assert second.startswith("\x1b[2A\r\x1b[J"), "the two live lines are taken away first"
    live = second.removeprefix("\x1b[2A\r\x1b[J").splitlines()
    assert len(live) == 2 and all(len(line) < width for line in live)
    assert live[0].strip().startswith("1/12") and "loss 0.600  label accuracy 0.800" in live[1]
    assert live[0].endswith("1:44 left"), "the time left is what goes last"
    if width >= 80:
        assert "42/71  262 img/s  epoch 3.0 s, all 1:44 left" in live[0] or "71 ms/step" in live[0]
        assert "━" in live[0]
    assert "flowers-v1" in first
    rows = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line) for line in third.splitlines()]
    assert all(len(row) < width for row in rows[-2:])
    if width < 60:
        assert rows[-2:] == ["epoch  val_loss    time", " 1/12     0.250    1:01  ★ best"]
        return
    assert "epoch     loss  val_loss  val_accuracy    time" in rows
    assert " 1/12    1.500     0.250             –    1:01  ★ best" in rows


@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_plain_text_gets_it(
    monkeypatch: pytest.MonkeyPatch, variable: tuple[str, str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(*variable)
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        screen = Screen(stream)
        screen.live(["live"])
        screen.lines(["line"], style="1")
        assert os.read(master, 1000) == b"line\r\n"
    os.close(master)


def test_the_bar() -> None:
    assert [bar_of(share, 6) for share in (0, 0.05, 0.5, 0.99, 1, 2)] == [
        "──────",
        "──────",
        "━━╸───",
        "━━━━━━",
        "━━━━━━",
        "━━━━━━",
    ]


def test_a_resumed_run_says_so_and_shows_its_last_epochs(run: Run) -> None:
    stream = io.StringIO()
    display = TrainingDisplay(Session(), stream)
    display.handle(began(run))
    records = tuple(epoch(1).record | {"epoch": number, "seconds": 0.42} for number in range(1, 8))
    display.handle(Resumed(8, 12, 31, 71, records, 6))
    lines = stream.getvalue().splitlines()[-7:]
    assert lines[0] == "resuming flowers-v1 from epoch 8 of 12, step 31 of 71"
    assert lines[1] == "epochs 1 to 2: see metrics.jsonl"
    assert lines[2].startswith("epoch 3/12  loss 1.500") and lines[2].endswith("0.4 s  before")
    assert lines[5].startswith("epoch 6/12") and lines[5].endswith("best  before")
    log = run.read_text(layout.LOG)
    assert "resuming flowers-v1" in log and "epoch 3/12" not in log, "which the log has already"


def test_an_epoch_of_less_than_ten_seconds_is_told_finely(run: Run) -> None:
    stream = io.StringIO()
    display = TrainingDisplay(Session(), stream)
    display.handle(began(run))
    for seconds in (0.012, 0.42, 9.94, 9.96, 61.2):
        one = epoch(1)
        display.handle(replace(one, record=one.record | {"seconds": seconds}))
    ends = [line.rpartition("  ")[2] for line in stream.getvalue().splitlines() if line.startswith("epoch 1")]
    assert ends == ["12 ms", "0.4 s", "9.9 s", "0:10", "1:01"]


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_counting_shows_how_far_it_is_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Counting(Screen(stream), "predicting", "img/s") as counting:
        counting.expect(1000)
        counting.advance(250)
        counting._started -= 10
        for width in (44, 60, 100):
            line = counting.line(width)
            assert len(line) < width and line.endswith("0:30 left") and "250/1,000" in line
        assert "25 img/s" in line and "━" in line
        counting._draw()
        with counting.hidden():
            stream.write("an answer\n")
    shown = stream.getvalue()
    assert shown.index("predicting") < shown.index("\x1b[1A\r\x1b[J") < shown.index("an answer")
    assert "predicting" not in shown.partition("an answer")[2]


def test_counting_without_a_total_or_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(None, "predicting", "texts/s")
    counting.advance(30)
    counting._started -= 10
    assert counting.line(80) == "predicting  30 done  3 texts/s"
    piped = io.StringIO()
    with Counting(Screen(piped), "predicting", "texts/s") as counting:
        assert not counting.is_shown
    assert piped.getvalue() == ""
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    with Counting(Screen(plain), "predicting", "texts/s") as counting:
        counting._told -= 60
        counting._draw()
        counting._draw()
    assert plain.getvalue().count("\n") == 1 and "\x1b" not in plain.getvalue()


def test_in_a_notebook_a_line_of_the_cell_is_rewritten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    screen = python_screen()
    assert isinstance(screen, NotebookScreen) and screen.is_live
    screen.live(["one", "two"])
    screen.live(["too soon"])
    screen.lines(["stays"])
    out, err = capsys.readouterr()
    assert out == "one  two\r        \rstays\n" and err == ""
    shell.kernel = None  # IPython on a terminal
    assert not isinstance(python_screen(), NotebookScreen)


def test_a_window_that_becomes_narrower_gets_a_table_that_fits(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        display = TrainingDisplay(Session(), stream)
        display.handle(began(run))
        display.handle(epoch(1))
        monkeypatch.setenv("COLUMNS", "44")
        drain(master)
        display.handle(epoch(2))
        display.handle(epoch(3))
        rows = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", drain(master)).split("\r\n")
    os.close(master)
    assert rows == ["", "epoch  val_loss    time", " 2/12     0.250    1:01", " 3/12     0.250    1:01", ""]


def test_what_went_well_is_green_and_a_warning_looks_as_everywhere(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    play(TrainingDisplay(Session(), stream), run)
    shown = stream.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert "\x1b[1;32m✓ flowers-v1 completed in 2:11" in shown
    assert "\x1b[1;35mwarning: \x1b[0mno model.onnx" in shown
    assert "  \x1b[32mbest\x1b[0m\n" in shown
    assert not re.search(r"\x1b\[[0-9;]*[^0-9;m]", shown), "no cursor movement in a pipe"
