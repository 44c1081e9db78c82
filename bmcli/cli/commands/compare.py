"""bm compare: runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bmcli.cli.command import RunsArgument, Session, command

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bmcli.evaluation.compare import Comparison, Paired


@command
def compare(
    session: Session,
    runs: RunsArgument,
    unpaired: Annotated[
        bool,
        typer.Option("--unpaired", help="Only show figures side by side, also of different test examples."),
    ] = False,
) -> None:
    """Show what differs between runs, and how sure the difference is.

    A name means all its completed runs; runs that differ only in their seed form one column. The others are
    compared with the first: paired, on the same test examples, with 95 % intervals. The best figures are
    marked ★.
    """
    from bmcli.errors import UsageError
    from bmcli.evaluation.compare import compare as compare_runs

    found = {run.path.resolve(): run for reference in runs for run in session.store.completed(reference)}
    if len(found) < 2:
        only = next(iter(found.values())).id
        raise UsageError(f"there is only {only} to compare", hint="name at least two runs")
    comparison = compare_runs(list(found.values()), unpaired=unpaired)
    session.result(comparison.to_json(), lambda: _tables(comparison))
    for split, same in comparison.comparable.items():
        if not same:
            session.warn(
                f"the runs were measured on different {split} examples: those figures do not compare"
            )
    if not comparison.paired and len(comparison.groups) > 1 and not unpaired:
        session.warn(
            "no split was measured in all of the runs, or their predictions are gone: nothing is paired"
        )


def _tables(comparison: Comparison) -> RenderableType:
    """Figures first, then how sure their differences are, then what else differs, a column per run."""
    from rich.console import Group
    from rich.text import Text

    from bmcli.cli.render import table
    from bmcli.report.comparison import cells, shown_value
    from bmcli.untrusted import one_line

    parts: list[RenderableType] = []
    if comparison.metrics:
        labels = [one_line(group.label) for group in comparison.groups]
        figures = table("figure", *labels, right=labels)
        for row in comparison.metrics:
            same = "" if comparison.comparable[row.split] else "  (other examples)"
            figures.add_row(f"{row.split} {one_line(row.metric)}{same}", *cells(comparison, row))
        parts += [figures, Text("")]
    for paired in comparison.paired:
        parts += [*_paired(comparison, paired), Text("")]
    ids = [run["id"] for run in comparison.runs]
    if comparison.differences:
        differing = table("differs", *ids)
        for difference in comparison.differences:
            name = f"{difference.section}: {one_line(difference.key)}"
            differing.add_row(name, *(shown_value(v) for v in difference.values))
        parts.append(differing)
    else:
        # The ids head no column here, and a name may stand for many runs: say which they are.
        which = ", ".join(ids)
        parts.append(Text(f"{which}: nothing differs in config, data, code, versions and hardware"))
    return Group(*parts)


def _paired(comparison: Comparison, paired: Paired) -> list[RenderableType]:
    from rich.text import Text

    from bmcli.cli.render import table
    from bmcli.figures import INTERVAL
    from bmcli.report.comparison import paired_lines, paired_rows
    from bmcli.untrusted import one_line

    first, second = (one_line(comparison.groups[i].label) for i in (paired.first, paired.second))
    several = len(comparison.paired)
    p = f"p (Holm, of {several})" if several > 1 else "p"
    rows = table(f"{second} − {first}", "difference", INTERVAL, p, right=("difference", INTERVAL, p))
    for row in paired_rows(paired):
        rows.add_row(*map(one_line, row))
    return [rows, *(Text(f"  {one_line(line)}") for line in paired_lines(comparison, paired))]
