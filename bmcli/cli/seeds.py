"""Summary of runs that differ only in their seed: mean and spread of each metric."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from bmcli.core.number_format import decimals
from bmcli.core.plain import Document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bmcli.runs.run import Run


def across(runs: Sequence[Run]) -> dict[str, dict[str, dict[str, object]]]:
    """Split -> metric -> {mean, deviation, values}, for metrics that every run has.

    deviation: the standard deviation between runs, with n - 1; not that of the mean.
    """
    metrics = [run.record.metrics for run in runs]
    found: dict[str, dict[str, dict[str, object]]] = {}
    for split, first in metrics[0].items():
        for name in first:
            values = [value for one in metrics if (value := one.get(split, {}).get(name)) is not None]
            if len(values) == len(runs):
                mean, deviation = statistics.fmean(values), statistics.stdev(values)
                found.setdefault(split, {})[name] = {"mean": mean, "deviation": deviation, "values": values}
    return found


def lines(runs: Sequence[Run], seeds: Sequence[int], summary: dict[str, dict[str, Document]]) -> list[str]:
    """The runs with their headline metric, and its mean."""
    headline = runs[0].record.headline
    split = "test" if "test" in summary else next(iter(summary), None)
    known = summary.get(split or "", {}).get(headline or "")
    if known is None:
        return []
    width = max(len(run.id) for run in runs)
    rows = [
        f"  {run.id:<{width}}  seed {seed:<6}  {decimals(value)}"
        for run, seed, value in zip(runs, seeds, known["values"], strict=True)
    ]
    mean = f"{decimals(known['mean'])}, standard deviation {decimals(known['deviation'])}"
    return ["", f"{headline} on {split}, {len(runs)} seeds", *rows, f"  mean {mean}"]
