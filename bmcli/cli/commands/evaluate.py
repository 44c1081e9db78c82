"""bm evaluate: evaluate a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bmcli.cli.command import Session, command
from bmcli.cli.options import RunArgument, TrustCodeOption
from bmcli.cli.trust import open_asking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bmcli.evaluation.measure import Prepared
    from bmcli.evaluation.robustness import Corrupted
    from bmcli.evaluation.slices import Slice
    from bmcli.metrics.results import Evaluation


_SplitOption = Annotated[
    Literal["train", "validation", "test"] | None,
    typer.Option("--split", help="One of the run's own splits [default: test]."),
]
_DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="PATH", help="Evaluate on these labelled files instead."),
]
_UnseenOnlyOption = Annotated[
    bool,
    typer.Option(
        "--unseen-only", help="With --data: leave out examples that the run was trained or validated on."
    ),
]
_ByOption = Annotated[
    list[str] | None,
    typer.Option(
        "--slice",
        metavar="COLUMN",
        help="Also evaluate parts by this column, by length (texts) or by size (images); repeatable.",
    ),
]
_CorruptionsOption = Annotated[
    bool,
    typer.Option("--corruptions", help="Also evaluate on noisy, blurred, ... images, or texts with typos."),
]


@command
def evaluate(
    session: Session,
    run: RunArgument,
    split: _SplitOption = None,
    data: _DataOption = None,
    unseen_only: _UnseenOnlyOption = False,
    by: _ByOption = None,
    corruptions: _CorruptionsOption = False,
    trust_code: TrustCodeOption = False,
) -> None:
    """Evaluate a run on one of its splits, or on your own labelled files.

    Writes the metrics, every prediction and plots into the run.
    """
    from bmcli.cli.spinner import Spinner
    from bmcli.evaluation.measure import measure, prepare
    from bmcli.evaluation.robustness import by_corruptions, by_slices, check_corruptible
    from bmcli.evaluation.slices import check_sliceable
    from bmcli.report.page import refresh

    found = session.store.find(run)
    opened = open_asking(session, found, trust_code)
    notes: list[str] = []
    with Spinner(session) as progress:
        ready = prepare(
            opened, split, data=data, unseen_only=unseen_only, progress=progress, note=notes.append
        )
    for text in notes:
        session.note(text)
    say_seen(session, ready)
    check_sliceable(ready.split, by or ())
    if corruptions:
        check_corruptible(ready.split)
    with Spinner(session, f"evaluating {len(ready.split):,} examples"):
        evaluation = measure(ready)
    document = {"run": found.id, **evaluation.to_json()}
    parts, spoiled = [], []
    if by:
        parts = by_slices(ready, by)
        document["slices"] = [one.to_json() for one in parts]
    if corruptions:
        with Spinner(session, "corrupted copies") as progress:
            spoiled = by_corruptions(ready, progress)
        document["corruptions"] = [one.to_json() for one in spoiled]
    refresh(found)
    session.result(
        document, lambda: _shown([metrics_text(evaluation), *_slices(parts), *_corruptions(spoiled)])
    )
    session.note(f"{found.path}/evaluation/{evaluation.split}.json · with predictions/ and plots/")


def _shown(blocks: Sequence[str]) -> str:
    """The tables one below the other, each with a bold header."""
    from bmcli.core import streams
    from bmcli.terminal.render import Painted, heading

    tables = [table.split("\n") for table in "\n".join(blocks).split("\n\n")]
    return Painted("\n\n".join(heading(lines, streams.out()) for lines in tables))


def say_seen(session: Session, ready: Prepared) -> None:
    """Warn of examples that the run was trained on."""
    if ready.seen is not None and ready.data is not None:
        text = ready.seen.warning(ready.data.name, len(ready.split) + ready.seen.left_out)
        if text is not None:
            session.warn(text)


def metrics_text(evaluation: Evaluation) -> str:
    """The compact table of an evaluation: the headline metric with the baseline, the other metrics, then the
    weakest points."""
    from bmcli.core.number_format import INTERVAL, decimals, interval
    from bmcli.core.sanitize import one_line
    from bmcli.tasks import named

    what = "examples" if evaluation.examples != 1 else "example"
    names = {name: named(name, evaluation.task) for name in evaluation.metrics}
    width = max(map(len, (*names.values(), "weakest class", "most confused")))
    values = {name: decimals(value) for name, value in evaluation.metrics.items()}
    wide = max(map(len, values.values()))
    known = {name: interval(found) for name, found in evaluation.intervals.items() if found is not None}
    known |= {name: why for name, why in evaluation.no_interval.items() if why != "undefined"}
    head = f"{one_line(evaluation.split)}, {evaluation.examples:,} {what}"
    lines = [f"{head:<{width + wide + 4}}   {INTERVAL}" if known else head]
    for name in (evaluation.headline, *(name for name in values if name != evaluation.headline)):
        line = f"  {names[name]:<{width}}  {values[name]:<{wide}}   {known.get(name, '')}"
        baseline = evaluation.baseline
        if name == evaluation.headline and baseline is not None:
            line += " " * max(0, len(INTERVAL) - len(known.get(name, "")))
            line += f"   {one_line(baseline.name)}: {decimals(baseline.value)}"
        lines.append(line.rstrip())
    if (weakest := evaluation.weakest_class) is not None:
        few = ": few" if weakest.few else ""
        value = f"{weakest.metric} {decimals(weakest.value)} (n = {weakest.support:,}{few})"
        found = f"{one_line(weakest.name)}   {value}"
        lines.append(f"  {'weakest class':<{width}}  {found}")
    if (confused := evaluation.most_confused) is not None:
        times = "once" if confused.count == 1 else f"{confused.count:,} times"
        pair = f"{one_line(confused.true)} → {one_line(confused.predicted)}, {times}"
        lines.append(f"  {'most confused':<{width}}  {pair}")
    return "\n".join(lines)


def _slices(found: list[Slice]) -> list[str]:
    from bmcli.core.number_format import decimals, interval
    from bmcli.terminal.render import columns

    if not found:
        return []
    rows = [
        (
            f"  {one.by}",
            one.value,
            f"{one.examples:,}",
            decimals(one.figure),
            interval(one.interval) if one.interval else one.no_interval or "–",
            "few" if one.few else "",
        )
        for one in found
    ]
    return ["", f"{found[0].metric} by slices", *columns(rows, right=(2, 3))]


def _corruptions(found: list[Corrupted]) -> list[str]:
    from bmcli.core.number_format import decimals, interval
    from bmcli.terminal.render import columns

    if not found:
        return []
    rows = [
        (
            f"  {one.corruption}",
            str(one.strength) if one.strength else "",
            decimals(one.figure),
            interval(one.interval) if one.interval else one.no_interval or "–",
        )
        for one in found
    ]
    return ["", f"{found[0].metric} of corrupted copies, by strength", *columns(rows, right=(1, 2))]
