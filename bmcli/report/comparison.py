"""A comparison as text, for the terminal and for the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bmcli.evaluation.compare import Comparison, MetricRow, Paired


def cells(comparison: Comparison, row: MetricRow) -> list[str]:
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


def paired_rows(paired: Paired) -> list[tuple[str, str, str, str]]:
    """Figure, difference, interval and p."""
    return [
        (
            one.metric,
            _signed(one.difference),
            "–" if one.interval is None else " – ".join(_signed(end) for end in one.interval),
            _p(one.p_holm),
        )
        for one in paired.figures
    ]


def paired_lines(comparison: Comparison, paired: Paired) -> list[str]:
    """What must be known to read them."""
    first, second = (comparison.groups[i].label for i in (paired.first, paired.second))
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
    return lines


def _signed(value: float) -> str:
    text = f"{value:+.4f}" if abs(value) < 100 else f"{value:+.5g}"
    return text.replace("-", "−")


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.5g}"


def shown_value(value: Any) -> str:
    """A setting, short."""
    from bmcli.untrusted import one_line

    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:g}"
    text = one_line(str(value))
    is_hash = isinstance(value, str) and len(value) in (40, 64) and set(value) <= set("0123456789abcdef")
    return text[:12] if is_hash else text
