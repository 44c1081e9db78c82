"""bm gate: pass or fail a run, for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bmcli.cli.command import Session, command
from bmcli.cli.completion import complete_run
from bmcli.cli.options import RunArgument

if TYPE_CHECKING:
    from bmcli.evaluation.gate import Verdict


_MinOption = Annotated[
    list[str] | None,
    typer.Option("--min", metavar="METRIC=VALUE", help="Lower bound of a metric: accuracy=0.97; repeatable."),
]
_MaxOption = Annotated[
    list[str] | None,
    typer.Option("--max", metavar="METRIC=VALUE", help="Upper bound of a metric: loss=0.3; repeatable."),
]
_BaselineOption = Annotated[
    str | None,
    typer.Option("--baseline", metavar="RUN", help="Run to compare with.", autocompletion=complete_run),
]
_MaxDropOption = Annotated[
    list[str] | None,
    typer.Option(
        "--max-drop",
        metavar="[METRIC=]VALUE",
        help="How much worse than the baseline the run may be, on the same examples [default metric: the "
        "headline].",
    ),
]
_LowerBoundOption = Annotated[
    bool,
    typer.Option("--lower-bound", help="Compare the worse end of the 95 % interval with the bound."),
]
_SplitOption = Annotated[
    str, typer.Option("--split", metavar="SPLIT", help="The evaluation to use: test, or any stored one.")
]
_JunitOption = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit report for CI.")
]
_TagOption = Annotated[
    str | None,
    typer.Option(
        "--tag", metavar="TAG", help="If all checks pass, move this tag to the run; @TAG then refers to it."
    ),
]


@command
def gate(
    session: Session,
    run: RunArgument,
    min: _MinOption = None,
    max: _MaxOption = None,
    baseline: _BaselineOption = None,
    max_drop: _MaxDropOption = None,
    lower_bound: _LowerBoundOption = False,
    split: _SplitOption = "test",
    junit: _JunitOption = None,
    tag: _TagOption = None,
) -> None:
    """Pass or fail a run; the exit code is 7 if it fails.

    METRIC is any metric of the evaluation, or per_class.CLASS.recall (precision, f1, support). A missing one
    counts as a failure.
    """
    from bmcli.core.errors import ExitCode, UsageError
    from bmcli.evaluation.gate import judge, parse
    from bmcli.runs import outputs
    from bmcli.runs.tags import validate_tag

    bounds = [
        parse(kind, text)
        for kind, texts in (("min", min), ("max", max), ("drop", max_drop))
        for text in texts or ()
    ]
    if not bounds:
        raise UsageError("give at least one check, such as --min accuracy=0.97")
    if bool(max_drop) != (baseline is not None):
        raise UsageError("--baseline and --max-drop need each other")
    if tag is not None:
        validate_tag(tag)
    session = session.writing(junit, "--junit")
    found = session.store.find(run)
    if tag is not None:
        session.store.tags.check_movable(found)
    against = session.store.find(baseline) if baseline is not None else None
    verdict = judge(found, bounds, split=split, baseline=against, lower_bound=lower_bound)
    if junit is not None:
        outputs.write_bytes(junit, verdict.to_junit())
    if tag is not None and verdict.holds:
        session.store.tags.move(tag, found)
    session.result({**verdict.to_json(), "tag": tag if verdict.holds else None}, lambda: _table(verdict))
    for text in verdict.warnings:
        session.warn(text)
    if tag is not None and verdict.holds:
        session.note(f"@{tag} is now {found.id}")
    if not verdict.holds:
        failed = sum(not check.holds for check in verdict.checks)
        asked = len(verdict.checks)
        session.note(f"{found.id}: {failed} of {asked} check{'s' if asked > 1 else ''} failed")
        raise typer.Exit(ExitCode.GATE)


def _table(verdict: Verdict) -> str:
    from bmcli.core import streams
    from bmcli.terminal.render import columns, painted_marks

    rows = [
        ("✓" if check.holds else "✗", check.asked, check.shown, check.reason or "")
        for check in verdict.checks
    ]
    return painted_marks(columns(rows, right=(2,)), streams.out())
