"""The lines that `bm train` prints before and after training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bmcli.core.number_format import INTERVAL, agreement, count, decimals, duration, interval, setting, size
from bmcli.core.sanitize import one_line
from bmcli.modalities.base import words_of
from bmcli.runs import layout
from bmcli.runs.store import reference_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bmcli.experiments.display import Began, Finished
    from bmcli.metrics.results import Evaluation
    from bmcli.runs.run import Run

_SPLITS = {"validation": "val"}


def header(began: Began) -> list[tuple[str, str]]:
    """(label, text) of the lines above the table of epochs; the first label is the run's id."""
    from bmcli.core.cores import available_cores

    if began.closed_form:
        parts = ["solved in closed form"]
    else:
        rate = [setting(began.learning_rate)] if began.learning_rate else []
        parts = [
            f"{began.epochs} {'epoch' if began.epochs == 1 else 'epochs'} × {began.steps:,} steps",
            " ".join([began.optimizer, *rate, began.schedule]),
            f"{began.precision}, XLA" if began.xla else began.precision,
        ]
    parts.append("GPU" if began.gpu else f"CPU, {available_cores()} cores")
    return [
        (began.run.id, f"seed {began.seed}"),
        ("data", _data(began)),
        ("model", f"{began.model} · {count(began.parameters)} parameters"),
        ("training", " · ".join(parts)),
    ]


def _data(began: Began) -> str:
    from bmcli import tasks

    task = tasks.of(began.task)
    sizes = {_SPLITS.get(name, name): number for name, number in began.splits.items()}
    text = f"{sum(sizes.values()):,} {words_of(began.kind).many}"
    if not task.has_classes:
        text += f", predicting {one_line(began.target_name)}"
    else:
        text += f", {began.classes} {task.plural}{_spread(began.class_sizes)}"
    return text + " · " + " ".join(f"{name} {number:,}" for name, number in sizes.items())


def _spread(sizes: tuple[int, int] | None) -> str:
    """The smallest and the largest class, ' (61–488)', or ' (500 each)'."""
    if sizes is None:
        return ""
    smallest, largest = sizes
    return f" ({smallest:,} each)" if smallest == largest else f" ({smallest:,}–{largest:,})"


def summary(finished: Finished) -> list[str]:
    """The lines below the table of epochs: results, location, next command."""
    run, record = finished.run, finished.run.record
    first = f"✓ {run.id} completed in {duration(record.seconds)}"
    if record.best_epoch is not None:
        first += f" · best epoch {record.best_epoch} by {record.monitor}"
    lines = [first]
    if record.best_epoch == 1 and (record.epochs or 0) >= 3:
        lines.append(
            "the first epoch was the best: the model overfits at once, or the learning rate is too high"
        )
    if finished.evaluations:
        lines += evaluation_lines(_shown(finished.evaluations), record.kind)
    lines.append(" · ".join(_files(run)))
    argument = finished.argument or words_of(record.kind).argument
    lines.append(f"next   bm predict {argument} --run {reference_to(run)}")
    return lines


def _shown(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The evaluation of the test split, or the last one."""
    return next((e for e in evaluations if e.split == "test"), evaluations[-1])


def evaluation_lines(evaluation: Evaluation, kind: str | None) -> list[str]:
    """One split's metrics: the headline with the baseline, the weakest class, the most frequent confusion."""
    head = f"{evaluation.split}, {evaluation.examples:,} {words_of(kind).many}"
    baseline = evaluation.baseline
    beside = f"{one_line(baseline.name)}: {decimals(baseline.value)}" if baseline is not None else ""
    known = evaluation.intervals.get(evaluation.headline)
    why = evaluation.no_interval.get(evaluation.headline)
    if known is not None or why is not None:
        beside = f"{interval(known) if known is not None else why}    {beside}".rstrip()
    rows = [(evaluation.headline, decimals(evaluation.metrics.get(evaluation.headline)), beside)]
    weakest = evaluation.weakest_class
    if weakest is not None:
        few = ": few" if weakest.few else ""
        rows.append(
            (
                "weakest class",
                one_line(weakest.name),
                f"{weakest.metric} {decimals(weakest.value)} (n = {weakest.support:,}{few})",
            )
        )
    width = max(len(value) for _, value, _ in rows)
    lines = [head if known is None else f"{head:<{width + 24}}{INTERVAL}"]
    lines += [f"  {label:<17}  {value:<{width}}   {text}".rstrip() for label, value, text in rows]
    confused = evaluation.most_confused
    if confused is not None:
        pair = f"{one_line(confused.true)} → {one_line(confused.predicted)}"
        times = "once" if confused.count == 1 else f"{confused.count:,} times"
        lines.append(f"  {'most confused':<17}  {pair}, {times}")
    return lines


def _files(run: Run) -> list[str]:
    """The run's path and size, and the files a person opens."""
    parts = [one_line(str(run.path)), size(run.size())]
    if run.exists(layout.REPORT):
        parts.append(layout.REPORT)
    if run.exists(layout.MODEL_ONNX):
        onnx = run.record.onnx or {}
        agrees = agreement(onnx.get("max_difference"), onnx.get("relative"))
        parts.append(f"{layout.MODEL_ONNX} (matches Keras: {agrees})")
    return parts


def profile(parts: Mapping[str, float]) -> list[str]:
    """Phase -> seconds as a table with shares and the sum."""
    total = sum(parts.values())
    width = max(map(len, parts), default=0)
    rows = [*parts.items(), ("all", total)]
    return ["time"] + [
        f"  {name:<{width}}  {seconds:>9,.2f} s  {seconds / max(total, 1e-9):>5.1%}".rstrip()
        for name, seconds in rows
    ]
