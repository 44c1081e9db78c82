"""bm explain: show what predictions depend on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bmcli.cli.command import Session, command
from bmcli.cli.options import InputsArgument, LinesOption, RunOption, TextOption, TrustCodeOption

if TYPE_CHECKING:
    from bmcli.core.errors import Problem
    from bmcli.explain.base import Explanation
    from bmcli.explain.explain import Explainer
    from bmcli.inference.inputs import Inputs
    from bmcli.inference.opened import OpenedRun

MOST_WARNINGS = 5
"""Largest number of inputs unlike the training data that are named."""


_LabelOption = Annotated[
    str | None,
    typer.Option("--class", metavar="CLASS", help="Explain this class [default: the predicted one]."),
]
_OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help="Folder for images and pages [default: explain-RUN]."),
]
_ImportanceOption = Annotated[
    bool,
    typer.Option(
        "--importance", help="Show how much each column of a labelled table matters, over all rows."
    ),
]
_UnseenOnlyOption = Annotated[
    bool,
    typer.Option(
        "--unseen-only", help="With --importance: leave out rows that the run was trained or validated on."
    ),
]


@command
def explain(
    session: Session,
    inputs: InputsArgument,
    run: RunOption = None,
    label: _LabelOption = None,
    output: _OutputOption = None,
    importance: _ImportanceOption = False,
    unseen_only: _UnseenOnlyOption = False,
    text: TextOption = False,
    lines: LinesOption = False,
    trust_code: TrustCodeOption = False,
) -> None:
    """Show which parts of images, texts or rows a prediction depends on.

    Uses integrated gradients, and Grad-CAM for image networks, each with a check of its reliability. Without
    --run, uses the newest completed run that takes such inputs.
    """
    from bmcli.cli.commands.predict import newest
    from bmcli.cli.spinner import Spinner
    from bmcli.core.errors import DataError, UsageError
    from bmcli.explain.explain import Explainer
    from bmcli.inference.inputs import read
    from bmcli.inference.opened import OpenedRun
    from bmcli.modalities.base import modality_of
    from bmcli.modalities.remark import Unfamiliar
    from bmcli.runs import outputs
    from bmcli.runs.trust import Trust

    chosen = session.store.find(run) if run else newest(session, inputs, text=text, lines=lines)
    opened = OpenedRun(chosen, Trust(trust_code))
    if importance:
        if label is not None:
            raise UsageError("--class and --importance cannot be used together")
        _importance(session, opened, inputs, unseen_only)
        return
    if unseen_only:
        raise UsageError("--unseen-only needs --importance")
    if output is not None and not modality_of(chosen.record.kind or "").explained_in_files:
        raise UsageError(
            "--output is for images and texts: rows are printed", hint="--json > FILE keeps them"
        )
    folder = output or Path(f"explain-{chosen.id}")
    outputs.check_folder(folder)
    with Spinner(session, "loading the model"):
        explainer = Explainer(opened, label=label)
    reading = opened.reading(texts=text, lines=lines)
    shown = _Shown(session, folder)
    if explainer.note:
        session.warn(explainer.note)
    pieces = read(inputs, reading, note=session.note)
    problems = _show_all(session, explainer, pieces, shown)
    for line in Unfamiliar(taken=explainer.taken).notes("inputs"):
        session.note(line)
    if not shown.count and not problems:
        raise DataError("the inputs contain nothing to explain")
    if problems:
        _fail(session, problems, shown.count + len(problems))


def _show_all(
    session: Session, explainer: Explainer, pieces: Iterable[Inputs], shown: _Shown
) -> list[Problem]:
    """Explain all inputs, and show them one by one; returns those that cannot be explained."""
    from bmcli.cli.spinner import watched
    from bmcli.core.errors import Problem

    problems: list[Problem] = []
    for piece in pieces:
        for found in watched(session, explainer.explain(piece), "explaining"):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                shown.show(found)
    shown.close()
    return problems


def _fail(session: Session, problems: list[Problem], count: int) -> NoReturn:
    """End with an error about these of `count` inputs; with --json, each has its own line on stdout."""
    from bmcli.cli.predictions import error_line
    from bmcli.inference.predictor import unreadable
    from bmcli.terminal import render

    error = unreadable(problems, count)
    if not session.json:
        raise error
    for problem in problems:  # as for predictions: one object per input, also for unusable ones
        session.result_line(error_line(problem))
    render.print_error(error)
    raise typer.Exit(error.exit_code)


def _importance(session: Session, opened: OpenedRun, inputs: list[str], unseen_only: bool) -> None:
    from dataclasses import asdict

    from bmcli.cli.commands.evaluate import say_seen
    from bmcli.cli.spinner import Spinner
    from bmcli.core import streams
    from bmcli.core.errors import UsageError
    from bmcli.core.number_format import decimals
    from bmcli.evaluation.measure import prepare
    from bmcli.explain.importance import permutation_importance
    from bmcli.terminal.render import columns, heading

    if len(inputs) != 1 or inputs[0] == "-":
        raise UsageError("--importance takes one labelled table file")
    with Spinner(session) as progress:
        ready = prepare(
            opened, data=Path(inputs[0]), unseen_only=unseen_only, note=session.note, progress=progress
        )
    say_seen(session, ready)
    with Spinner(session, "shuffling columns") as progress:
        found = permutation_importance(
            ready.session, ready.preprocessing, ready.spec, ready.split, progress=progress
        )
    seen = ready.seen.to_json() if ready.seen is not None else {}
    run = opened.run.id

    def shown() -> str:
        rows_told = "1 row" if found.rows == 1 else f"{found.rows:,} rows"
        head = f"{run}: {found.metric} {decimals(found.value)} over {rows_told}; how much worse without"
        top = max((one.drop for one in found.columns), default=0.0) or 1.0
        rows = [
            (
                f"  {one.column}",
                decimals(one.drop),
                f"± {decimals(one.deviation)}",
                "█" * round(20 * one.drop / top),
            )
            for one in found.columns
        ]
        return heading([head, *columns(rows, right=(1, 2))], streams.out())

    session.result({"run": run, **asdict(found), **seen}, shown)


class _Shown:
    """Writes explanations to the terminal, and as files to a folder."""

    def __init__(self, session: Session, folder: Path) -> None:
        self.session = session
        self.folder = folder
        self.count = 0
        self.odd = 0
        self.warned: str | None = None
        self.texts: list[Explanation] = []

    def show(self, one: Explanation) -> None:
        self.count += 1
        document = one.to_json()
        if one.image is not None:
            from bmcli.explain.overlay import overlay

            document["picture"] = str(self._written(f"{_stem(one.input)}-{self.count}.png", overlay(one)))
        if one.tokens:
            self.texts.append(one)
        if one.unfamiliar and (one.part is None or one.input != self.warned):
            self._warn(one)
        if self.session.json:
            self.session.result_line(document)
            return
        self._print(one, document.get("picture"))

    def close(self) -> None:
        from bmcli.report import explanations as shown

        if self.odd > MOST_WARNINGS:
            more = self.odd - MOST_WARNINGS
            self.session.warn(f"{more:,} more inputs do not look like the training data")
        if self.texts:
            path = self._written("texts.html", shown.page(self.texts).encode("utf-8", "backslashreplace"))
            self.session.note(f"{path}: {len(self.texts)} text{'s' if len(self.texts) > 1 else ''}")

    def _warn(self, one: Explanation) -> None:
        from bmcli.core.sanitize import one_line
        from bmcli.modalities.remark import joined

        self.odd += 1
        self.warned = one.input  # once for all of its parts
        if self.odd <= MOST_WARNINGS:
            self.session.warn(one_line(f"{_short(one.input)}: {joined(one.unfamiliar)}"))

    def _written(self, name: str, data: bytes) -> Path:
        from bmcli.runs import atomic, outputs

        path = self.folder / name
        with atomic.resources(f"write {path}"):
            self.folder.mkdir(parents=True, exist_ok=True)
        outputs.check(path, made_by_bm=True)
        outputs.write_bytes(path, data)
        return path

    def _print(self, one: Explanation, image: str | None) -> None:
        from rich.text import Text

        from bmcli.core.number_format import decimals, quantity
        from bmcli.core.sanitize import one_line
        from bmcli.report import explanations as shown
        from bmcli.terminal.render import columns

        name = one_line(_short(one.input))
        out = self.session.out
        answer = decimals(one.value) if one.label is not None else quantity(one.value)
        name = f"{name} · {one_line(one.part)}" if one.part else name
        out.print(Text(f"{name} · {one_line(one.label or 'value')} {answer}", style="bold"))
        if one.tokens:
            out.print(shown.coloured(one))
        if one.features:
            out.print(Text("\n".join("  " + line for line in columns(shown.bars(one), right=(1, 2)))))
        if image:
            out.print(Text(f"  {one_line(image)}"))
        out.print(Text(f"  {shown.trust(one.error, one.deletion)}", style="dim"))


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"


def _stem(name: str) -> str:
    """A file name for any input name."""
    kept = "".join(c if c.isalnum() or c in "-_" else "_" for c in Path(name).stem)
    return kept[:60] or "input"
