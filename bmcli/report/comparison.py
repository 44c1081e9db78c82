"""A comparison as text, for the terminal and the HTML page."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from bmcli.core.number_format import decimals, difference, duration, size
from bmcli.core.sanitize import one_line

if TYPE_CHECKING:
    from bmcli.evaluation.compare import Comparison, Difference, MetricRow, Paired

MOST_OPTIONS = 2
"""Number of options shown that only some of the runs' models have; more are only counted."""

_LONGEST_VALUE = 100


def cells(comparison: Comparison, row: MetricRow) -> list[str]:
    """A metric of every group: its value, or the mean and standard deviation over the seeds."""
    means: list[float | None] = []
    texts = []
    for group in comparison.groups:
        values = [v for i in group.counted if (v := row.values[i]) is not None]
        means.append(fmean(values) if values else None)
        text = decimals(means[-1])
        texts.append(f"{text} ± {decimals(stdev(values))}" if len(values) > 1 else text)
    known = [mean for mean in means if mean is not None]
    best = max(known, default=None) if row.greater_is_better else min(known, default=None)
    marked = comparison.comparable[row.split] and len(set(known)) > 1
    return [
        f"{text} {'★' if marked and mean == best else ' '}" for text, mean in zip(texts, means, strict=True)
    ]


def paired_rows(paired: Paired) -> list[tuple[str, str, str, str]]:
    """Metric, difference, interval and p."""
    return [
        (
            one.metric,
            difference(one.difference),
            "–" if one.interval is None else _range(one.interval),
            _p(one.p_holm),
        )
        for one in paired.figures
    ]


def paired_lines(comparison: Comparison, paired: Paired) -> list[str]:
    """Notes that a reader needs."""
    first, second = (comparison.groups[i].label for i in (paired.first, paired.second))
    lines = [f"paired on the same {paired.examples:,} examples of {paired.split}"]
    if (found := paired.disagreements) is not None:
        apart = found.only_first_right + found.only_second_right
        lines.append(
            f"they disagree on {apart:,} example{'s' if apart != 1 else ''}: "
            f"{first} is right on {found.only_first_right:,}, {second} on {found.only_second_right:,}"
        )
    if not paired.seeds_measured:
        lines.append("only one run each: seed-to-seed variation is unknown; train more seeds")
    if paired.also_differ:
        lines.append(f"they also differ in {', '.join(paired.also_differ)}, which may be the reason")
    return lines


def _range(interval: tuple[float, float]) -> str:
    """Of a difference: both ends with their signs, and no dash beside a minus."""
    low, high = interval
    return f"{difference(low)} {'to' if low < 0 or high < 0 else '–'} {difference(high)}"


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def folded(comparison: Comparison) -> tuple[list[Difference], list[str]]:
    """The differences without the options that only some of the runs have because their models (data,
    optimizers, ...) are different ones; and a line for each thing whose options were left out."""
    lines: list[str] = []
    left_out: set[str] = set()
    for one in comparison.differences:
        of, _, last = one.key.rpartition(".")
        if one.section != "config" or last != "name" or not of:
            continue
        own = [
            other.key
            for other in comparison.differences
            if other.section == "config" and other.key.startswith(f"{of}.") and None in other.values
        ]
        own = [key for key in own if key != one.key]
        if len(own) > MOST_OPTIONS:
            left_out |= set(own)
            names = " → ".join(dict.fromkeys(shown_value(value) for value in one.values))
            lines.append(f"{of} {names} ({len(own)} options that the others lack; --all)")
    shown = [one for one in comparison.differences if one.section != "config" or one.key not in left_out]
    return shown, lines


def shown_values(difference: Difference) -> list[str]:
    """The value of each run."""
    known: dict[tuple[str, str], Callable[[float], str]] = {
        ("training", "seconds"): duration,
        ("hardware", "memory"): size,
    }
    write = known.get((difference.section, difference.key), shown_value)
    numbers = all(isinstance(value, int | float | None) for value in difference.values)
    return [
        write(value) if numbers and isinstance(value, int | float) else shown_value(value)
        for value in difference.values
    ]


def shown_value(value: object) -> str:
    """A setting, short, as a config has it: all digits of a number."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, list):
        text = f"[{', '.join('null' if item is None else shown_value(item) for item in value)}]"
    else:
        text = one_line(str(value))
    is_hash = isinstance(value, str) and len(value) in (40, 64) and set(value) <= set("0123456789abcdef")
    if is_hash:
        return text[:12]
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
