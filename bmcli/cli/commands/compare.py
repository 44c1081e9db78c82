"""bm compare: runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bmcli.cli.command import RunsArgument, Session, command

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bmcli.evaluation.compare import Comparison, MetricRow, Paired


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
    from bmcli.untrusted import one_line

    parts: list[RenderableType] = []
    if comparison.metrics:
        labels = [one_line(group.label) for group in comparison.groups]
        figures = table("figure", *labels, right=labels)
        for row in comparison.metrics:
            same = "" if comparison.comparable[row.split] else "  (other examples)"
            figures.add_row(f"{row.split} {one_line(row.metric)}{same}", *_cells(comparison, row))
        parts += [figures, Text("")]
    for paired in comparison.paired:
        parts += [*_paired(comparison, paired), Text("")]
    ids = [run["id"] for run in comparison.runs]
    if comparison.differences:
        differing = table("differs", *ids)
        for difference in comparison.differences:
            name = f"{difference.section}: {one_line(difference.key)}"
            differing.add_row(name, *(_value(difference.key, v) for v in difference.values))
        parts.append(differing)
    else:
        # The ids head no column here, and a name may stand for many runs: say which they are.
        which = ", ".join(ids)
        parts.append(Text(f"{which}: nothing differs in config, data, code, versions and hardware"))
    return Group(*parts)


def _cells(comparison: Comparison, row: MetricRow) -> list[str]:
    """A figure of every group: its value, or the mean and standard deviation over the seeds."""
    from statistics import fmean, stdev

    means: list[float | None] = []
    texts = []
    for group in comparison.groups:
        values = [v for i in group.counted if (v := row.values[i]) is not None]
        means.append(fmean(values) if values else None)
        text = _figure(means[-1])
        texts.append(f"{text} ± {_figure(stdev(values))}" if len(values) > 1 else text)
    known = [mean for mean in means if mean is not None]
    best = max(known, default=None) if row.greater_is_better else min(known, default=None)
    marked = comparison.comparable[row.split] and len(set(known)) > 1
    return [
        f"{text} {'★' if marked and mean == best else ' '}" for text, mean in zip(texts, means, strict=True)
    ]


def _paired(comparison: Comparison, paired: Paired) -> list[RenderableType]:
    from rich.text import Text

    from bmcli.cli.figures import INTERVAL
    from bmcli.cli.render import table
    from bmcli.untrusted import one_line

    first, second = (one_line(comparison.groups[i].label) for i in (paired.first, paired.second))
    several = len(comparison.paired)
    p = f"p (Holm, of {several})" if several > 1 else "p"
    rows = table(f"{second} − {first}", "difference", INTERVAL, p, right=("difference", INTERVAL, p))
    for one in paired.figures:
        interval = "–" if one.interval is None else " – ".join(_signed(end) for end in one.interval)
        rows.add_row(one_line(one.metric), _signed(one.difference), interval, _p(one.p_holm))
    lines = [f"paired on the same {paired.examples:,} examples of {paired.split}"]
    if (found := paired.disagreements) is not None:
        apart = found.only_first_right + found.only_second_right
        lines.append(
            f"one is right and the other wrong on {apart:,}: "
            f"{first} right on {found.only_first_right:,}, {second} on {found.only_second_right:,}"
        )
    if not paired.seeds_measured:
        lines.append("one run each: the luck of training was not measured (train more seeds)")
    if paired.also_differ:
        lines.append(f"they differ in {', '.join(paired.also_differ)} too, which may be the reason")
    return [rows, *(Text(f"  {line}") for line in lines)]


def _signed(value: float) -> str:
    text = f"{value:+.4f}" if abs(value) < 100 else f"{value:+.5g}"
    return text.replace("-", "−")


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.5g}"


def _value(key: str, value: Any) -> str:
    from bmcli.untrusted import one_line

    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:g}"
    text = one_line(str(value))
    is_hash = isinstance(value, str) and len(value) in (40, 64) and set(value) <= set("0123456789abcdef")
    return text[:12] if is_hash else text
