"""The learning curves of a run, from its metrics.jsonl."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bmcli import tasks
from bmcli.core.stopwatch import phase
from bmcli.plots.evaluation import learning_curves
from bmcli.runs import layout
from bmcli.runs.documents import epochs

if TYPE_CHECKING:
    from bmcli.runs.run import Run


@phase("plots")
def draw_learning_curves(run: Run) -> None:
    """Draw plots/learning_curves.png from metrics.jsonl; nothing if no epoch was finished."""
    task = run.record.task
    if task is not None and (records := epochs(run)):
        png = learning_curves(records, tasks.of(task).running_name, run.record.best_epoch)
        run.write_bytes(layout.plot_of("learning_curves"), png)
