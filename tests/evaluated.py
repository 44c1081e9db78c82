"""A run, evaluated in one call."""

from __future__ import annotations

from pathlib import Path

from bmcli.core.spec import SplitName
from bmcli.evaluation.measure import measure, prepare
from bmcli.inference.opened import UNTRUSTED, OpenedRun
from bmcli.metrics.results import Evaluation
from bmcli.runs.run import Run
from bmcli.runs.trust import Trust


def evaluate_run(
    run: Run, split: SplitName | None = None, *, data: Path | None = None, trust: Trust = UNTRUSTED
) -> Evaluation:
    """Measure a run on one of its own splits (default test), or on labelled files."""
    return measure(prepare(OpenedRun(run, trust), split, data=data))
