"""bm predict: predict new inputs with a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bmcli.cli.command import Session, command
from bmcli.cli.options import InputsArgument, LinesOption, RunOption, TextOption, TrustCodeOption
from bmcli.cli.predictions import ShownPredictions

if TYPE_CHECKING:
    from bmcli.core.errors import Problem
    from bmcli.inference.opened import OpenedRun
    from bmcli.inference.predictor import Prediction, Predictor
    from bmcli.runs.run import Run


_TopKOption = Annotated[
    int | None,
    typer.Option("--top-k", min=1, metavar="N", help="Number of classes shown per input [default: 5]."),
]
_OutputOption = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="Write predictions to a .csv, .jsonl or .parquet file."),
]
_KeepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="COLUMN",
        help="Copy this column of the input tables to the output; all: every column. Repeatable.",
    ),
]
_BatchSizeOption = Annotated[
    int, typer.Option("--batch-size", min=1, metavar="N", help="Number of inputs per model call.")
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
        help="Probability from which the positive class (or a label) is predicted; best: the threshold with "
        "the best F1 on validation.",
    ),
]


@command
def predict(
    session: Session,
    inputs: InputsArgument,
    run: RunOption = None,
    top_k: _TopKOption = None,
    output: _OutputOption = None,
    keep: _KeepOption = None,
    text: TextOption = False,
    lines: LinesOption = False,
    batch_size: _BatchSizeOption = 256,
    strict: _StrictOption = False,
    calibrated: _CalibratedOption = False,
    threshold: _ThresholdOption = None,
    trust_code: TrustCodeOption = False,
) -> None:
    """Predict images, texts or rows of tables with a run.

    Without --run, uses the newest completed run that takes such inputs.
    """
    from bmcli.core.errors import UsageError
    from bmcli.inference import inputs as readers
    from bmcli.inference.opened import OpenedRun
    from bmcli.inference.predictor import unreadable
    from bmcli.runs.trust import Trust

    if output is not None:
        from bmcli.inference import prediction_files

        prediction_files.check_suffix(output)
        session = session.writing(output)
    chosen = session.store.find(run) if run else newest(session, inputs, text=text, lines=lines)
    opened = OpenedRun(chosen, Trust(trust_code))
    predictor = _predictor(session, opened, calibrated=calibrated, threshold=threshold, strict=strict)
    if keep and output is None and not session.json:
        raise UsageError("--keep needs --output or --json")
    reading = opened.reading(texts=text, lines=lines, keep=bool(keep))
    if output is not None and readers.reads(output, inputs, reading):
        raise UsageError(f"--output {output} is one of the inputs", hint="choose a different file")
    shown = ShownPredictions(session, predictor, quiet=output is not None, strict=strict, keep=keep or ())
    with _stoppable(session, shown, output), shown.counting as counting:
        # Listing all files before the first prediction only pays off if progress is shown.
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
        error = unreadable(shown.problems, shown.count + len(shown.problems))
        if session.json and output is None:  # stdout holds one object per input already
            from bmcli.terminal.render import print_error

            print_error(error)
            raise typer.Exit(error.exit_code)
        raise error


def _predictor(
    session: Session, opened: OpenedRun, *, calibrated: bool, threshold: str | None, strict: bool
) -> Predictor:
    """The run's predictor. UsageError if --strict needs statistics that the run does not have."""
    from bmcli.core.errors import UsageError
    from bmcli.inference.predictor import open_predictor

    run = opened.run
    if opened.needs_keras:
        session.note(f"{run.id} has no model.onnx: predicting with Keras, which takes longer to start")
    predictor = open_predictor(opened, calibrated=calibrated, threshold=_threshold(threshold))
    if strict and predictor.familiarity is None:
        raise UsageError(
            f"{run.id} has no input statistics, which --strict needs",
            hint="runs of older versions of bm do not have them",
        )
    return predictor


def _write(
    session: Session,
    output: Path,
    shown: ShownPredictions,
    pieces: Iterator[tuple[list[Prediction], list[Problem]]],
) -> None:
    """Write all predictions to a file, which appears when it is complete; if interrupted, those made so far
    are kept."""
    from itertools import chain

    from bmcli.inference import prediction_files
    from bmcli.inference.partial import Partial
    from bmcli.runs import outputs

    if output.is_symlink() or outputs.is_stream(output):  # pipes and devices get no partial file
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
            with suppress(OSError):  # whatever prevented writing it may prevent removing it
                partial.remove()
        raise
    partial.remove()


@contextmanager
def _stoppable(session: Session, shown: ShownPredictions, output: Path | None) -> Iterator[None]:
    """Ctrl-C and SIGTERM report progress, and leave nothing half-written."""
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
            from bmcli.terminal.render import print_error

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
        raise UsageError(f"--threshold {text}: expected a probability", hint="--threshold 0.4, or best")
    return value


def newest(session: Session, inputs: Sequence[str], *, text: bool, lines: bool) -> Run:
    """The newest run that takes these inputs; reports which."""
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
