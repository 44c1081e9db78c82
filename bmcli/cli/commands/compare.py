"""bm compare: runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bmcli.cli.command import Session, command
from bmcli.cli.completion import complete_run
from bmcli.cli.options import RunsArgument, TrustCodeOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from bmcli.evaluation.compare import Comparison, Paired


@command
def compare(
    session: Session,
    runs: RunsArgument,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="RUN",
            help="Run that the others are compared with [default: the first].",
            autocompletion=complete_run,
        ),
    ] = None,
    unpaired: Annotated[
        bool,
        typer.Option(
            "--unpaired", help="Only show metrics side by side, even if measured on different examples."
        ),
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Show every difference, including options that only one model has.")
    ] = False,
    trust_code: TrustCodeOption = False,
) -> None:
    """Compare runs, with confidence intervals for the differences.

    A name means all its completed runs, oldest first; runs that differ only in their seed form one column.
    The others are compared with the first: paired, on the same test examples, with 95 % intervals. The best
    metrics are marked ★.
    """
    from bmcli.core.errors import UsageError
    from bmcli.evaluation.compare import compare as compare_runs

    first = session.store.find(baseline) if baseline is not None else None
    found = {first.path.resolve(): first} if first is not None else {}
    for reference in runs:
        for run in session.store.completed(reference):
            found.setdefault(run.path.resolve(), run)
    if len(found) < 2:
        only = next(iter(found.values())).id
        raise UsageError("give at least two runs", hint=f"{' '.join(runs)} is only {only}")
    if trust_code:
        from bmcli.inference.opened import load_tasks
        from bmcli.runs.trust import Trust

        load_tasks(found.values(), Trust(code=True))
    comparison = compare_runs(list(found.values()), baseline=first, unpaired=unpaired)
    session.result(comparison.to_json(), lambda: _tables(comparison, every))
    for split, same in comparison.comparable.items():
        if not same:
            session.warn(f"these runs used different {split} examples, so their metrics cannot be compared")
    if not comparison.paired and len(comparison.groups) > 1 and not unpaired:
        session.warn(
            "no paired comparison: no split was evaluated in all runs, or their predictions were removed"
        )


def _tables(comparison: Comparison, every: bool) -> RenderableType:
    """Metrics, then their differences with uncertainty, then other differences, with one column per run."""
    from rich.console import Group
    from rich.text import Text

    from bmcli.core.sanitize import one_line
    from bmcli.report.comparison import cells, folded, shown_values

    parts: list[RenderableType] = []
    if comparison.metrics:
        labels = [group.label for group in comparison.groups]
        metrics = []
        for row in comparison.metrics:
            same = "" if comparison.comparable[row.split] else "  (other examples)"
            metrics.append([f"{row.split} {row.metric}{same}", *cells(comparison, row)])
        parts += [_table(["metric", *labels], metrics, right=True), Text("")]
    for paired in comparison.paired:
        parts += [*_paired(comparison, paired), Text("")]
    ids = [run["id"] for run in comparison.runs]
    if comparison.differences:
        shown, left_out = (comparison.differences, []) if every else folded(comparison)
        rows = [[f"{one.section}: {one.key}", *shown_values(one)] for one in shown]
        parts.append(_table(["differs", *ids], rows))
        parts += [Text(f"  {one_line(line)}") for line in left_out]
    else:
        # No column shows the ids here, and a name may mean many runs: list them.
        which = ", ".join(ids)
        parts.append(Text(f"{which}: same config, data, code, versions and hardware"))
    return Group(*parts)


def _paired(comparison: Comparison, paired: Paired) -> list[RenderableType]:
    from rich.text import Text

    from bmcli.core.number_format import INTERVAL
    from bmcli.core.sanitize import one_line
    from bmcli.report.comparison import paired_lines, paired_rows

    first, second = (comparison.groups[i].label for i in (paired.first, paired.second))
    several = len(comparison.paired)
    p = f"p (Holm, of {several})" if several > 1 else "p"
    head = [f"{second} − {first}", "difference", INTERVAL, p]
    lines = [Text(f"  {one_line(line)}") for line in paired_lines(comparison, paired)]
    return [_table(head, paired_rows(paired), right=True), *lines]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], right: bool = False) -> RenderableType:
    """A table, or, if it is too wide, a block of lines per row, so that no key or value is broken.

    right: align all columns but the first to the right.
    """
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

    from bmcli.core.sanitize import one_line
    from bmcli.terminal.render import cell_width, table

    safe = [[one_line(cell) for cell in row] for row in (head, *rows)]
    widths = [max(cell_width(row[i]) for row in safe) for i in range(len(head))]

    class Fitting:
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            if sum(widths) + 2 * (len(widths) - 1) <= options.max_width:
                made = table(*safe[0], right=safe[0][1:] if right else ())
                for row in safe[1:]:
                    made.add_row(*row)
                yield made
                return
            name = max(map(cell_width, safe[0][1:]))
            yield Text(safe[0][0], style="bold")
            for row in safe[1:]:
                yield Text(row[0])
                for of, cell in zip(safe[0][1:], row[1:], strict=True):
                    yield Text(f"  {of}{' ' * (name - cell_width(of))}  {cell.rstrip()}")

    return Fitting()
