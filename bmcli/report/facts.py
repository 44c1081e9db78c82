"""Everything that a report contains, as text, read from the run's own files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from bmcli.core.number_format import count, duration, moment, size
from bmcli.evaluation.stored_evaluations import StoredEvaluation, read_evaluation
from bmcli.report import evaluation_facts
from bmcli.report.charts import Line, chart
from bmcli.report.explanation_section import explained
from bmcli.runs import layout
from bmcli.runs.documents import epochs, reading

if TYPE_CHECKING:
    from bmcli.runs.run import Run

SPLITS = ("test", "validation", "train")
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
        "metrics": evaluation_facts.metrics(documents),
        "reasons": evaluation_facts.reasons(documents),
        "curves": _curves(run),
        "data": _data(run),
        "columns": _columns(run),
        "notes": [*record.notes, *(f"left out: {name}" for name in record.skipped[:20])],
        "environment": _environment(run),
        "config": run.read_text(layout.CONFIG),
    }
    if document is not None and shown is not None:
        context |= evaluation_facts.measured(run, shown, document)
    context |= evaluation_facts.closer(run, shown)
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
