"""bm predict: ask a run about new inputs."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bmcli.cli.command import RunOption, Session, TrustCodeOption, command

if TYPE_CHECKING:
    from bmcli.core.errors import Problem
    from bmcli.inference.predictor import Choice, Prediction, Predictor
    from bmcli.runs.run import Run

BAR = 30
SHORTEST_BAR = 6
NAME_WIDTH = 60
SHORTEST_NAME = 16
MOST_WARNINGS = 5
"""Of inputs that do not look like the training data."""


_InputsArgument = Annotated[
    list[str],
    typer.Argument(metavar="INPUT...", help="Files, folders, quoted patterns, - for stdin, or texts."),
]
_TopKOption = Annotated[
    int | None,
    typer.Option("--top-k", min=1, metavar="N", help="Number of classes shown per input [default: 5]."),
]
_OutputOption = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="Write to a .csv, .jsonl or .parquet file."),
]
_KeepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="COLUMN",
        help="Copy a column of the input tables to the output; all: every one. Repeatable.",
    ),
]
_BatchSizeOption = Annotated[
    int, typer.Option("--batch-size", min=1, metavar="N", help="Inputs given to the model at once.")
]
_StrictOption = Annotated[
    bool, typer.Option("--strict", help="Refuse inputs that do not look like the training data.")
]
_CalibratedOption = Annotated[
    bool,
    typer.Option("--calibrated", help="Use calibrated probabilities (temperature scaling)."),
]
_ThresholdOption = Annotated[
    str | None,
    typer.Option(
        "--threshold",
        metavar="P",
        help="Probability at or above which the positive class (or a label) is predicted; best: the one "
        "with the best F1 on validation.",
    ),
]


@command
def predict(
    session: Session,
    inputs: _InputsArgument,
    run: RunOption = None,
    top_k: _TopKOption = None,
    output: _OutputOption = None,
    keep: _KeepOption = None,
    text: Annotated[bool, typer.Option("--text", help="The inputs are the texts themselves.")] = False,
    lines: Annotated[bool, typer.Option("--lines", help="Each line of a file is a text.")] = False,
    batch_size: _BatchSizeOption = 256,
    strict: _StrictOption = False,
    calibrated: _CalibratedOption = False,
    threshold: _ThresholdOption = None,
    trust_code: TrustCodeOption = False,
) -> None:
    """Predict images, texts or rows of tables with a run.

    Without --run: with the newest completed run that takes such inputs.
    """
    from bmcli.inference import inputs as readers
    from bmcli.inference import predictor as inference

    if output is not None:
        from bmcli.inference import prediction_files

        prediction_files.check_suffix(output)
        session = session.writing(output)
    chosen = session.store.find(run) if run else newest(session, inputs, text=text, lines=lines)
    if inference.needs_keras(chosen):
        session.note(f"{chosen.id} has no model.onnx: predicting through Keras, which takes longer to start")
    predictor = inference.open_predictor(
        chosen, trust_code=trust_code, calibrated=calibrated, threshold=_threshold(threshold)
    )
    if strict and predictor.familiarity is None:
        from bmcli.core.errors import UsageError

        raise UsageError(
            f"{chosen.id} has no input statistics, which --strict needs",
            hint="runs of an older bm did not keep them",
        )
    if keep and output is None and not session.json:
        from bmcli.core.errors import UsageError

        raise UsageError("--keep copies columns to a file: it needs --output or --json")
    reading = inference.reading_of(chosen, predictor.preprocessing, texts=text, lines=lines, keep=bool(keep))
    if output is not None and readers.reads(output, inputs, reading):
        from bmcli.core.errors import UsageError

        raise UsageError(f"--output {output} is one of the inputs", hint="choose another file")
    shown = _Shown(session, predictor, quiet=output is not None, strict=strict, keep=keep or ())
    with _stoppable(session, shown, output), shown.counting as counting:
        # Only who looks on is worth listing all files for before the first answer.
        expect = counting.expect if counting.is_shown else None
        read = readers.read(inputs, reading, note=shown.note, expect=expect)
        pieces = predictor.stream(read, top_k=top_k, batch_size=batch_size)
        if output is not None:
            _write(session, output, shown, pieces)
        else:
            for _ in shown.pieces(pieces):
                pass
    if output is not None:
        session.note(f"{output}: {shown.count:,} prediction{'s' if shown.count != 1 else ''}")
    shown.say_taken()
    if shown.problems:
        error = inference.unreadable(shown.problems, shown.count + len(shown.problems))
        if session.json and output is None:  # stdout holds one object per input already
            from bmcli.cli.render import print_error

            print_error(error)
            raise typer.Exit(error.exit_code)
        raise error


def _write(
    session: Session,
    output: Path,
    shown: _Shown,
    pieces: Iterator[tuple[list[Prediction], list[Problem]]],
) -> None:
    """All predictions into a file, which is there when it is complete; cut off, those made so far stay."""
    from itertools import chain

    from bmcli.inference import prediction_files
    from bmcli.inference.partial import Partial
    from bmcli.runs import outputs

    if output.is_symlink() or outputs.is_stream(output):  # nothing is made beside those
        prediction_files.write(output, chain.from_iterable(shown.pieces(pieces)))
        return
    partial = Partial(output)
    try:
        prediction_files.write(output, partial.keep(shown.pieces(pieces)))
    except BaseException:
        shown.counting.stop()
        if partial.count:
            session.warn(f"{output} was not written; {partial.path} holds {partial.count:,} predictions")
        else:
            with suppress(OSError):  # what kept it from being written may keep it from being removed
                partial.remove()
        raise
    partial.remove()


@contextmanager
def _stoppable(session: Session, shown: _Shown, output: Path | None) -> Iterator[None]:
    """Ctrl-C and SIGTERM say how far it came, and leave no half of anything."""
    from bmcli.core.errors import InterruptedRunError
    from bmcli.experiments.signals import Stopped, stops_at_once

    try:
        with stops_at_once():
            yield
    except Stopped as stopped:
        of_all = f" of {shown.counting.total:,}" if shown.counting.total > shown.count else ""
        error = InterruptedRunError(
            f"stopped after {shown.count:,}{of_all} predictions", signal_exit_code=stopped.exit_code
        )
        if session.json and output is None:  # stdout holds one object per input already
            from bmcli.cli.render import print_error

            print_error(error)
            raise typer.Exit(stopped.exit_code) from stopped
        raise error from stopped


def _threshold(text: str | None) -> float | Literal["best"] | None:
    from bmcli.core.errors import UsageError

    if text is None:
        return None
    if text == "best":
        return "best"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"--threshold {text}: a probability is wanted", hint="--threshold 0.4, or best")
    return value


def newest(session: Session, inputs: Sequence[str], *, text: bool, lines: bool) -> Run:
    """The newest run that takes these inputs; says which."""
    from bmcli.core.errors import UsageError
    from bmcli.inference.inputs import kinds_of
    from bmcli.inference.predictor import choose_run

    found, names = choose_run(session.store, kinds_of(inputs, texts=text, lines=lines))
    if len(names) > 1 and session.json:
        raise UsageError(
            f"runs of several names take such inputs: {', '.join(names)}", hint="choose one with --run"
        )
    others = f"; others: {', '.join(names[1:])} (--run chooses)" if len(names) > 1 else ""
    session.note(f"using {found.id}, the newest run that takes such inputs{others}")
    return found


class _Shown:
    """Predictions on their way: shown as they come, counted, problems gathered.

    quiet: they go to a file instead of stdout. keep: the columns carried along.
    """

    def __init__(
        self, session: Session, predictor: Predictor, *, quiet: bool, strict: bool, keep: Sequence[str]
    ) -> None:
        self.session = session
        self.predictor = predictor
        self.run = predictor.run
        self.target_name = predictor.spec.target_name
        self.keep = keep
        self.quiet = quiet
        self.strict = strict
        self.count = 0
        self.unfamiliar = 0
        self.odd: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self._held: list[Prediction] = []  # the first one, until it is known whether it stays alone
        self._width = 0
        self._columns: list[str] = []  # what --keep all means, by the first file
        self._differs = False
        from bmcli.cli.screen import Counting, Screen
        from bmcli.modalities.base import words_of

        kind = predictor.preprocessing.kind
        screen = None if session.quiet else Screen(sys.stderr)
        self.counting = Counting(screen, "predicting", words_of(kind).rate)

    def note(self, text: str) -> None:
        """Something worth knowing, said while the work goes on."""
        with self.counting.hidden():
            self.session.note(text)

    def pieces(self, pieces: Iterator[tuple[list[Prediction], list[Problem]]]) -> Iterator[list[Prediction]]:
        """All predictions, after they were shown."""
        for every, unusable in pieces:
            with self.counting.hidden():
                predictions, problems = self._familiar(self._kept(every), unusable)
                self.count += len(predictions)
                self.problems += problems
                if not self.quiet:
                    self._show(predictions, problems)
            self.counting.advance(len(every) + len(unusable))
            yield predictions
        self.counting.stop()
        if self._held:
            self._print(_card(self._held[0], self.run, self.target_name))
        if self.unfamiliar > MOST_WARNINGS:
            from bmcli.modalities.remark import Unfamiliar

            more = self.unfamiliar - MOST_WARNINGS
            self.session.warn(f"{more:,} more inputs do not look like the training data, in all:")
            for line in Unfamiliar(taken=self.odd).notes("inputs"):
                self.session.warn(line)

    def say_taken(self) -> None:
        """What was read as something that training has."""
        from bmcli.modalities.remark import Unfamiliar

        for note in Unfamiliar(taken=self.predictor.taken).notes("inputs"):
            self.session.note(note)

    def _kept(self, predictions: list[Prediction]) -> list[Prediction]:
        """With the columns of --keep alone."""
        if not self.keep or not predictions:
            return predictions
        from dataclasses import replace

        from bmcli.core.errors import UsageError, did_you_mean

        known = list(predictions[0].kept or ())
        every = "all" in self.keep and "all" not in known
        if every and not self._columns:
            self._columns = known
        wanted = self._columns if every else list(dict.fromkeys(self.keep))
        if every and set(known) != set(wanted) and not self._differs:
            self._differs = True
            odd = sorted(set(known) ^ set(wanted))
            more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
            self.session.warn(
                "--keep all carries the columns of the first file along: the table of "
                f"{_name(predictions[0].input)} differs in '{odd[0]}'{more}"
            )
        for name in wanted:
            if name not in known and not every:
                hint = did_you_mean(name, known) or f"the columns are {', '.join(known[:10]) or 'none'}"
                first = _name(predictions[0].input)
                raise UsageError(f"--keep {name}: the table of {first} has no such column", hint=hint)
        return [
            replace(p, kept={name: _plain((p.kept or {}).get(name)) for name in wanted}) for p in predictions
        ]

    def _familiar(
        self, predictions: list[Prediction], problems: list[Problem]
    ) -> tuple[list[Prediction], list[Problem]]:
        """With --strict, inputs that look odd become problems; else they are warned of."""
        from bmcli.inference.predictor import refused as _refused
        from bmcli.modalities.remark import joined

        odd = [one for one in predictions if one.unfamiliar]
        if not odd:
            return predictions, problems
        if self.strict:
            familiar, refused = _refused(predictions)
            return familiar, [*problems, *refused]
        for prediction in odd[: max(MOST_WARNINGS - self.unfamiliar, 0)]:
            self.session.warn(f"{_name(prediction.input)}: {joined(prediction.unfamiliar)}")
        self.unfamiliar += len(odd)
        self.odd.update(text for prediction in odd for text in prediction.unfamiliar)
        return predictions, problems

    def _show(self, predictions: list[Prediction], problems: list[Problem]) -> None:
        if self.session.json:
            for prediction in predictions:
                self.session.result_line(prediction.to_json())
            for problem in problems:
                self.session.result_line(error_line(problem))
            return
        if self.count <= 1:
            self._held += predictions
            return
        predictions, self._held = self._held + predictions, []
        if not predictions:
            return
        from bmcli.cli.render import heading, terminal_width, width_of
        from bmcli.core import streams

        columns = width_of(streams.out()) or terminal_width(streams.out())
        most = max(SHORTEST_NAME, min(NAME_WIDTH, columns // 2 - 2))
        rows = [(_name(p.input, most), *_answer(p)) for p in predictions]
        if not self._width:
            self._width = max(len("input"), *(len(row[0]) for row in rows))
            what = self.target_name if predictions[0].value is not None else "prediction"
            self._print(heading([_row("input", what, "", self._width)], streams.out()))
        self._print("\n".join(_row(*row, self._width) for row in rows))

    def _print(self, text: str) -> None:
        from bmcli.cli.render import print_plain
        from bmcli.core import streams

        print_plain(text, streams.out())


def _plain(value: object) -> object:
    """A cell as JSON has it; what JSON does not have, as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _row(name: str, answer: str, more: str, width: int) -> str:
    return f"{name:<{width}}  {answer}  {more}".rstrip()


def _name(name: str, most: int = NAME_WIDTH) -> str:
    """On one line; of a long one the end where it is a path, else the beginning."""
    from bmcli.core.sanitize import one_line

    name = one_line(name)
    if len(name) <= most:
        return name
    return "…" + name[1 - most :] if "/" in name and " " not in name else name[: most - 1] + "…"


def _answer(prediction: Prediction) -> tuple[str, str]:
    """The answer, and how sure."""
    from bmcli.core.number_format import quantity

    if prediction.value is not None:
        return quantity(prediction.value), ""
    if prediction.labels is not None:
        return _listed(prediction.labels) or "none", ""
    first, *others = prediction.top
    return _listed([first]), f"({_listed(others[:2])})" if others else ""


def _listed(choices: Sequence[Choice]) -> str:
    from bmcli.core.sanitize import one_line

    return ", ".join(f"{one_line(c.label)} {_probability(c.probability)}" for c in choices)


def _probability(p: float) -> str:
    from bmcli.core.number_format import probability

    return probability(p)


def _card(prediction: Prediction, run: str, target_name: str) -> str:
    """A single answer, with a bar for each class."""
    from bmcli.cli.render import cell_width, terminal_width, width_of
    from bmcli.core import streams
    from bmcli.core.number_format import quantity
    from bmcli.core.sanitize import one_line

    head = f"{_name(prediction.input)} · {run}"
    if prediction.value is not None:
        return f"{head}\n  {one_line(target_name)}  {quantity(prediction.value)}"
    labels = [one_line(choice.label) for choice in prediction.top]
    width = max(map(cell_width, labels))
    # What a row has beside the bar: two blanks, a mark, a label, a probability and the gaps.
    beside = 2 + 2 * (prediction.labels is not None) + width + 2 + 6 + 2
    room = (width_of(streams.out()) or terminal_width(streams.out())) - beside
    cells = min(BAR, room) if room >= SHORTEST_BAR else 0
    rows = []
    for label, choice in zip(labels, prediction.top, strict=True):
        mark = ("✓ " if choice in prediction.labels else "  ") if prediction.labels is not None else ""
        bar = "█" * round(choice.probability * cells)
        label += " " * (width - cell_width(label))
        rows.append(f"  {mark}{label}  {_probability(choice.probability):>6}  {bar}".rstrip())
    return "\n".join([head, *rows])


def error_line(problem: Problem) -> dict[str, object]:
    place = problem.place
    return {
        "input": str(place) if place else None,
        "error": {
            "code": "data",
            "message": problem.message,
            "file": place.file if place else None,
            "line": place.line if place else None,
            "column": place.column if place else None,
            "hint": problem.hint,
        },
    }
