"""Everything that a report contains, as text, read from the run's own files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from markupsafe import Markup

from bmcli import tasks
from bmcli.core.number_format import (
    count,
    decimals,
    duration,
    interval,
    moment,
    size,
)
from bmcli.evaluation import predictions
from bmcli.evaluation.stored_evaluations import (
    CLOSER,
    StoredCalibration,
    StoredEvaluation,
    read_closer,
    read_evaluation,
)
from bmcli.plots.samples import WORST
from bmcli.report.charts import Line, chart
from bmcli.report.explanation_section import explained
from bmcli.report.images import data_uri
from bmcli.runs import layout
from bmcli.runs.documents import epochs, reading

if TYPE_CHECKING:
    from bmcli.runs.run import Run

SPLITS = ("test", "validation", "train")
MOST_CLASSES = 50
MOST_CELLS = 25
MOST_COLUMNS = 200


def of_run(run: Run, split: str | None = None) -> dict[str, object]:
    """The context of run.html.j2 and card.md.j2. What an older run lacks is left out.

    split: whose mistakes are shown; default: test, else what there is. IntegrityError if a file is
    damaged.
    """
    record = run.record
    documents = {name: found for name in SPLITS if (found := read_evaluation(run, name)) is not None}
    if split is not None and split not in documents and (found := read_evaluation(run, split)) is not None:
        documents[split] = found
    shown = split if split in documents else next(iter(documents), None)
    document = documents.get(shown) if shown is not None else None
    context: dict[str, object] = {
        "title": run.id,
        "made_from": run.id,
        "lead": _lead(run),
        "summary": _summary(run),
        "warnings": _warnings(run, document),
        "splits": [{"name": name, "examples": f"{d['examples']:,}"} for name, d in documents.items()],
        "metrics": _metrics(documents),
        "reasons": _reasons(documents),
        "curves": _curves(run),
        "data": _data(run),
        "columns": _columns(run),
        "notes": [*record.notes, *(f"left out: {name}" for name in record.skipped[:20])],
        "environment": _environment(run),
        "config": run.read_text(layout.CONFIG),
    }
    if document is not None and shown is not None:
        context |= _measured(run, shown, document)
    context |= _closer(run, shown)
    context |= explained(run, shown)
    there = {
        "Summary": True,
        "Metrics": context["metrics"],
        "Training": context["curves"],
        "Confusion": context.get("matrix") or context.get("confusion_image"),
        "Classes": context.get("classes"),
        "Calibration": context.get("reliability"),
        "Slices": context["slices"],
        "Corruptions": context["corruptions"],
        "Predictions": context.get("samples") or context.get("mistakes"),
        "Explanations": context["explanations"] or context["importance"] or context["coefficients"],
        "Data": True,
        "Columns": context["columns"],
        "Environment": True,
    }
    context["sections"] = [name for name, something in there.items() if something]
    return context


def _lead(run: Run) -> str:
    record = run.record
    parts = [f"Model {record.model}" if record.model else "A model"]  # no article fits every name
    if record.task:
        parts.append(f"for {record.task}")
    if record.data:
        parts[-1] += ","
        parts.append(f"trained on {record.data}")
    if record.finished:
        parts.append(f"({moment(record.finished)})")
    return " ".join(parts) + "."


def _summary(run: Run) -> list[tuple[str, str]]:
    record = run.record
    best = f"{record.best_epoch} by {record.monitor}" if record.best_epoch is not None else None
    rows = [
        ("run", run.id),
        ("status", run.status),
        ("tags", " ".join(record.tags)),
        ("model", record.model),
        ("parameters", count(record.parameters) if record.parameters else None),
        ("precision", record.precision),
        ("seed", None if record.seed is None else str(record.seed)),
        ("epochs", None if record.epochs is None else str(record.epochs)),
        ("best epoch", best),
        ("stopped", record.stopped),
        ("time", duration(record.seconds) if record.seconds else None),
        ("weights, SHA-256", record.weights_sha256),
    ]
    return [(name, text) for name, text in rows if text]


def _warnings(run: Run, document: StoredEvaluation | None) -> list[str]:
    record, found = run.record, []
    if record.status != "completed":
        found.append(f"This run is {run.status}: {record.error or 'its training is not finished'}.")
    if not record.exact:
        found.append("The run was resumed, but not exactly as if it had never been interrupted.")
    if record.onnx and not record.onnx.get("published", True):
        found.append(f"There is no model.onnx: {record.onnx.get('reason') or 'it was not exported'}.")
    if document is None:
        found.append("No split was evaluated.")
    elif document["examples"] < 200:
        found.append(f"Only {document['examples']:,} examples were evaluated: the metrics are uncertain.")
    return found


def _metrics(documents: dict[str, StoredEvaluation]) -> list[dict[str, object]]:
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


def _reasons(documents: dict[str, StoredEvaluation]) -> list[str]:
    """'test: mse has no interval (too few: 12 examples, 50 are needed)': metrics of one reason together."""
    found: dict[tuple[str, str], list[str]] = {}
    for split, document in documents.items():
        for name in document.get("no_interval", {}):
            if why := _reason(document, name):
                found.setdefault((split, why), []).append(name)
    return [f"{split}: no interval of {', '.join(names)} ({why})" for (split, why), names in found.items()]


def _curves(run: Run) -> list[Markup]:
    records = epochs(run)
    if len(records) < 2:  # solved in closed form: a single point is not a curve
        return []
    monitor = (run.record.monitor or "").removeprefix("val_")
    wanted = ["loss", next((m for m in ("accuracy", monitor) if m in records[0] and m != "loss"), monitor)]
    best = run.record.best_epoch
    charts = []
    for name in dict.fromkeys(name for name in wanted if name):
        lines = [
            Line(label, [(one["epoch"], one.get(key)) for one in records], style)
            for label, key, style in (("training", name, "line-1"), ("validation", f"val_{name}", "line-2"))
            if any(one.get(key) is not None for one in records)
        ]
        drawn = chart(lines, title=name, x_label="epoch", mark=best, mark_label="best epoch")
        if drawn:
            charts.append(drawn)
    return charts


def _measured(run: Run, split: str, document: StoredEvaluation) -> dict[str, object]:
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


def _closer(run: Run, split: str | None) -> dict[str, list[dict[str, object]]]:
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


def _data(run: Run) -> list[tuple[str, str]]:
    record = run.record
    rows = [("data", record.data or ""), ("kind", record.kind or ""), ("task", record.task or "")]
    if record.classes:
        shown = ", ".join(record.classes[:50]) + (", …" if len(record.classes) > 50 else "")
        rows.append((f"{len(record.classes)} classes", shown))
    for name, number in record.splits.items():
        rows.append((name, f"{number:,} examples · {record.splits_from.get(name, '')}".rstrip(" ·")))
    rows.append(("fingerprint", record.data_fingerprint or ""))
    return [(name, text) for name, text in rows if text]


def _columns(run: Run) -> dict[str, object] | None:
    """How each column of a table is used."""
    if not run.exists(layout.COLUMNS) and layout.COLUMNS not in run.manifest():
        return None
    rows = []
    with reading(run, layout.COLUMNS) as document:
        every = document["columns"]
        for one in every[:MOST_COLUMNS]:
            odd = f"{one['unfit']:,} cells do not fit, such as {one['examples'][0]!r}" if one["unfit"] else ""
            rows.append(
                {
                    "name": one["name"],
                    "type": one["type"],
                    "role": one["role"],
                    "filled": f"{one['filled']:,}",
                    "missing": f"{one['missing']:,}",
                    "different": f"{one['different']:,}",
                    "reason": "; ".join(filter(None, (one["reason"], odd, one.get("warning")))),
                }
            )
        return {"rows": rows, "left": len(every) - len(rows)}


def _environment(run: Run) -> list[tuple[str, str]]:
    record = run.record
    rows = [("command", " ".join(record.command)), ("created", moment(record.created))]
    rows += [(name, str(value)) for name, value in record.versions.items()]
    for name, value in record.hardware.items():
        is_bytes = isinstance(value, int) and value > 10**6
        rows.append((name, size(value) if is_bytes else str(value)))
    if record.git:
        rows += [(f"git {name}", str(value)) for name, value in record.git.items()]
    return [(name, text) for name, text in rows if text and text != "[]"]
