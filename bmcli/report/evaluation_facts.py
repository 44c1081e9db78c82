"""What a report says of the evaluations of a run, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from bmcli import tasks
from bmcli.core.number_format import decimals, interval
from bmcli.evaluation import predictions
from bmcli.evaluation.stored_evaluations import CLOSER, StoredCalibration, StoredEvaluation, read_closer
from bmcli.plots.samples import WORST
from bmcli.report.charts import Line, chart
from bmcli.report.images import data_uri
from bmcli.runs import layout
from bmcli.runs.documents import reading

if TYPE_CHECKING:
    from bmcli.runs.run import Run

MOST_CLASSES = 50
MOST_CELLS = 25


def metrics(documents: dict[str, StoredEvaluation]) -> list[dict[str, object]]:
    """A row for each metric, with a cell for each split."""
    names: dict[str, None] = {}
    for document in documents.values():
        names |= dict.fromkeys([document["headline"], *document["metrics"]])
    task = next((document["task"] for document in documents.values()), None)
    rows: list[dict[str, object]] = []
    for name in names:
        cells = []
        for document in documents.values():
            found = document.get("intervals", {}).get(name)
            shown = interval(found) if found else _none(_reason(document, name))
            cells.append({"value": decimals(document["metrics"].get(name)), "interval": shown})
        rows.append({"name": tasks.named(name, task), "cells": cells})
    return rows


def _reason(document: StoredEvaluation, name: str) -> str | None:
    """Why a metric has no interval, if known and other than that the metric itself is undefined."""
    why = document.get("no_interval", {}).get(name)
    return None if why == "undefined" else why


def _none(why: str | None) -> str:
    """The text in place of an interval."""
    return "too few" if (why or "").startswith("too few") else "–"


def reasons(documents: dict[str, StoredEvaluation]) -> list[str]:
    """'test: mse has no interval (too few: 12 examples, 50 are needed)': metrics of one reason together."""
    found: dict[tuple[str, str], list[str]] = {}
    for split, document in documents.items():
        for name in document.get("no_interval", {}):
            if why := _reason(document, name):
                found.setdefault((split, why), []).append(name)
    return [f"{split}: no interval of {', '.join(names)} ({why})" for (split, why), names in found.items()]


def measured(run: Run, split: str, document: StoredEvaluation) -> dict[str, object]:
    """Everything about one split: headline, confusion, classes, calibration, mistakes."""
    headline, baseline = document["headline"], document.get("baseline")
    found = document.get("intervals", {}).get(headline)
    beside = None
    if baseline and baseline.get("value") is not None:
        beside = f"a trivial baseline ({baseline['name']}) has {decimals(baseline['value'])}"
    context: dict[str, object] = {
        "measured": f"{split}, {document['examples']:,} examples",
        "headline": {
            "name": headline,
            "value": decimals(document["metrics"].get(headline)),
            "split": f"{split}, {document['examples']:,} examples",
            "interval": interval(found) if found else None,
            "no_interval": _reason(document, headline),
            "baseline": beside,
        },
    }
    confused = document.get("most_confused")
    if confused:
        times = "once" if confused["count"] == 1 else f"{confused['count']:,} times"
        context["confused"] = (
            f"Most confused: {confused['true']} predicted as {confused['predicted']}, {times}."
        )
    matrix = document.get("confusion_matrix")
    task = tasks.stored(document["task"])
    if matrix and "confusion_matrix" in task.plots:
        if len(matrix) <= MOST_CELLS:
            context["matrix"] = _matrix(cast("list[list[int]]", matrix), document["classes"])
        else:
            context["confusion_image"] = data_uri(run, layout.plot_of(f"confusion_matrix-{split}"))
    context |= _classes(document)
    if calibration := document.get("calibration"):
        context |= _reliability(calibration)
    context |= _mistakes(run, split, document)
    if not (task.plot_repeats_mistakes and context.get("contents")):  # else the table says it better
        context["samples"] = data_uri(run, layout.plot_of(f"{task.shown_plot}-{split}"))
    context["samples_alt"] = task.shown_plot_says
    return context


def closer(run: Run, split: str | None) -> dict[str, list[dict[str, object]]]:
    """Slices and corrupted copies, where they were measured."""
    tables: dict[str, list[dict[str, object]]] = {kind: [] for kind in CLOSER}
    for kind, rows in tables.items():
        for one in read_closer(run, split, kind) if split is not None else []:
            found = one["interval"]
            shown = interval(found) if found else _none(one.get("no_interval"))
            beside = {"value": decimals(one["figure"]), "interval": shown}
            if kind == "slices":
                beside |= {"name": f"{one['by']}: {one['value']}", "examples": f"{one['examples']:,}"}
                rows.append({**beside, "few": one["few"], "metric": one["metric"]})
            else:
                strength = f", strength {one['strength']}" if one["strength"] else ""
                rows.append({**beside, "name": f"{one['corruption']}{strength}", "metric": one["metric"]})
    return tables


def _matrix(matrix: list[list[int]], classes: Sequence[str]) -> dict[str, object]:
    rows = []
    for i, counts in enumerate(matrix):
        total = sum(counts)
        cells = [
            {
                "count": n,
                "kind": "none" if not n else "right" if i == j else "wrong",
                "share": f"{n / total:.3f}" if n else None,
            }
            for j, n in enumerate(counts)
        ]
        rows.append({"name": classes[i], "cells": cells})
    return {"names": list(classes), "rows": rows}


def _classes(document: StoredEvaluation) -> dict[str, object]:
    targets = document.get("training_targets")
    counts = (targets.get("counts") if targets else None) or []
    every = sorted(document["per_class"], key=lambda one: (one["recall"] is None, one["recall"] or 0.0))
    rows = [
        {
            "name": one["name"],
            "precision": decimals(one["precision"]),
            "recall": decimals(one["recall"]),
            "interval": interval(found) if (found := one.get("recall_interval")) else "–",
            "f1": decimals(one["f1"]),
            "support": f"{one['support']:,}",
            "few": 0 < one["support"] < 30,
            "training": f"{counts[one['index']]:,}" if one["index"] < len(counts) else "–",
        }
        for one in every[:MOST_CLASSES]
    ]
    return {"classes": rows, "classes_left": len(every) - len(rows)}


def _reliability(found: StoredCalibration) -> dict[str, object]:
    points = [(one["confidence"], one["right"]) for one in found["bins"]]
    counts = [f"{one['count']:,}" for one in found["bins"]]
    text = f"The expected calibration error is {decimals(found['ece'])}"
    if found.get("ece_with_temperature") is not None:
        text += (
            f"; with the temperature fitted on validation, {decimals(found['temperature'])}, it is "
            f"{decimals(found['ece_with_temperature'])} (bm predict --calibrated)"
        )
    lines = [
        Line("calibrated", [(0, 0), (1, 1)], "guide"),
        Line("share of correct predictions, and their number", points, "line-1", dots=True, labels=counts),
    ]
    drawn = chart(
        lines,
        title="Accuracy by predicted probability",
        x_label="predicted probability",
        x_range=(0, 1),
        y_range=(0, 1),
    )
    return {"reliability": drawn, "reliability_text": text + "."}


def _mistakes(run: Run, split: str, document: StoredEvaluation) -> dict[str, object]:
    """Of the stored predictions, the wrong ones, most confident first; of numbers, the largest errors."""
    task, classes = tasks.stored(document["task"]), document["classes"]
    path = layout.predictions_of(split)
    if not task.mistake_columns or (not run.exists(path) and path not in run.manifest()):
        return {}
    found = predictions.read(run, split, document["task"], classes)
    order = task.worst_first(found.targets, found.outputs)[:WORST].tolist()
    cells = task.mistakes(found.targets, found.outputs, classes, order)
    rows = [[found.ids[i], *row] for i, row in zip(order, cells, strict=False)]
    contents = {}
    if run.exists(layout.worst_of(split)):
        with reading(run, layout.worst_of(split)) as kept:
            contents = {str(name): str(text) for name, text in kept["examples"].items()}
    return {
        "contents": contents,
        "mistakes": rows,
        "mistakes_title": task.mistakes_title,
        "mistake_columns": [{"name": name, "number": is_number} for name, is_number in task.mistake_columns],
    }
