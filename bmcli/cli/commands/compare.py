"""bm compare: runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bmcli.cli.command import RunsArgument, Session, command

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bmcli.evaluation.compare import Comparison


@command
def compare(session: Session, runs: RunsArgument) -> None:
    """Show what differs between runs: config, data, code, versions, figures.

    A name means all its completed runs. The best figures are marked ★.
    """
    from bmcli.errors import UsageError
    from bmcli.evaluation.compare import compare as compare_runs

    found = {run.path.resolve(): run for reference in runs for run in session.store.completed(reference)}
    if len(found) < 2:
        only = next(iter(found.values())).id
        raise UsageError(f"there is only {only} to compare", hint="name at least two runs")
    comparison = compare_runs(list(found.values()))
    session.result(comparison.to_json(), lambda: _tables(comparison))
    for split, same in comparison.comparable.items():
        if not same:
            session.warn(
                f"the runs were measured on different {split} examples: those figures do not compare"
            )


def _tables(comparison: Comparison) -> RenderableType:
    """Figures first, then what differs, a column per run."""
    from rich.console import Group
    from rich.text import Text

    from bmcli.cli.render import table
    from bmcli.untrusted import one_line

    ids = [run["id"] for run in comparison.runs]
    parts: list[RenderableType] = []
    if comparison.metrics:
        figures = table("figure", *ids, right=ids)
        for row in comparison.metrics:
            marks = ["★" if i in row.best else " " for i in range(len(ids))]
            cells = [f"{_figure(v)} {mark}" for v, mark in zip(row.values, marks, strict=True)]
            same = "" if comparison.comparable[row.split] else "  (other examples)"
            figures.add_row(f"{row.split} {one_line(row.metric)}{same}", *cells)
        parts += [figures, Text("")]
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
