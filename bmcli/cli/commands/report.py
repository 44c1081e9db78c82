"""bm report: a page about a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bmcli.cli.command import Session, command
from bmcli.cli.options import RunsArgument, TrustCodeOption
from bmcli.terminal.render import Verbatim

if TYPE_CHECKING:
    from bmcli.runs.run import Run


_OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Where to write the page [default: in the run]."),
]
_CardOption = Annotated[
    bool, typer.Option("--card", help="Write a model card in Markdown instead, for you to complete.")
]
_UnpairedOption = Annotated[
    bool,
    typer.Option(
        "--unpaired",
        help="For several runs: only show metrics side by side, even if measured on different examples.",
    ),
]
_SplitOption = Annotated[
    str | None, typer.Option("--split", metavar="SPLIT", help="Split shown in detail [default: test].")
]
_ExplainOption = Annotated[
    bool,
    typer.Option("--explain", help="Explain the worst predictions first; needs the run's data."),
]


@command
def report(
    session: Session,
    runs: RunsArgument,
    output: _OutputOption = None,
    card: _CardOption = False,
    unpaired: _UnpairedOption = False,
    split: _SplitOption = None,
    explain: _ExplainOption = False,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    trust_code: TrustCodeOption = False,
) -> None:
    """Write a report: a self-contained HTML page about a run.

    Several runs are compared in comparison.html, in the current folder. A model card is written to
    model_card.md there.
    """
    import os

    from bmcli.core.errors import UsageError
    from bmcli.core.spec import SPLITS
    from bmcli.evaluation.stored_evaluations import read_evaluation
    from bmcli.report import page
    from bmcli.runs import layout, outputs
    from bmcli.runs.store import reference_to

    if len(runs) > 1:
        if card or split or explain:
            raise UsageError("--card, --split and --explain are for a single run")
        target = output or Path("comparison.html")
        session = session.writing(target)
        outputs.write_bytes(target, _comparison(session, runs, unpaired, trust_code).encode("utf-8"))
    else:
        run = session.store.find(runs[0])
        if explain and run.status != "completed":
            raise UsageError(
                f"{run.id} is {run.status}: --explain needs a completed run", hint="leave --explain out"
            )
        if split is not None and read_evaluation(run, split) is None:
            hint = f"bm evaluate {reference_to(run)} --split {split}" if split in SPLITS else None
            raise UsageError(f"{run.id} was not evaluated on {split}", hint=hint)
        own = run.path / layout.REPORT
        target = output or (Path(page.CARD) if card else own)
        if not card and os.path.realpath(target) == os.path.realpath(own):
            target = own
        if card and target.exists() and not outputs.is_stream(target):
            raise UsageError(
                f"{target} exists, and may have been edited", hint="use --output to write another file"
            )
        if target != own:
            session = session.writing(target)
        if explain:
            _explain(session, run, split, trust_code)
        text = page.model_card(run) if card else page.report(run, split)
        if target == own:
            run.write_text(layout.REPORT, text)
        else:
            outputs.write_bytes(target, text.encode("utf-8"))
    session.result({"runs": [run.id for run in _found(session, runs)], "path": str(target)}, Verbatim(target))
    if show:
        _open(session, target)


def _open(session: Session, page: Path) -> None:
    import webbrowser

    if not webbrowser.open(page.absolute().as_uri()):
        session.warn(f"no browser was found to open {page}")


def _explain(session: Session, run: Run, split: str | None, trust_code: bool) -> None:
    from bmcli.cli.spinner import Spinner
    from bmcli.cli.trust import open_asking
    from bmcli.evaluation.measure import prepare
    from bmcli.explain.explain import Explainer
    from bmcli.explain.worst import explain_worst

    opened = open_asking(session, run, trust_code)
    with Spinner(session, "explaining the worst predictions"):
        ready = prepare(opened, split, note=session.note)  # type: ignore[arg-type]
        explain_worst(ready, Explainer(opened))


def _comparison(session: Session, references: list[str], unpaired: bool, trust_code: bool) -> str:
    from bmcli.core.errors import UsageError
    from bmcli.evaluation.compare import compare
    from bmcli.report.page import comparison_report

    found = _found(session, references)
    if len(found) < 2:
        raise UsageError("give at least two runs", hint=f"{' '.join(references)} is only {found[0].id}")
    if trust_code:
        from bmcli.inference.opened import load_tasks
        from bmcli.runs.trust import Trust

        load_tasks(found, Trust(code=True))
    return comparison_report(compare(found, unpaired=unpaired))


def _found(session: Session, references: list[str]) -> list[Run]:
    if len(references) == 1:
        return [session.store.find(references[0])]
    found = {run.path.resolve(): run for one in references for run in session.store.completed(one)}
    return list(found.values())
