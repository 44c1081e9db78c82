"""The section of a report with a run's stored explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.number_format import decimals
from bmcli.core.plain import Document
from bmcli.report.explanations import steps, trust, words
from bmcli.report.images import data_uri
from bmcli.runs import layout
from bmcli.runs.documents import reading

if TYPE_CHECKING:
    from bmcli.runs.run import Run

MOST_FEATURES = 8
"""Of one row, the strongest."""


def explained(run: Run, split: str | None) -> dict[str, object]:
    """`explanations`, `importance` and `coefficients` of run.html.j2, empty if the run has none."""
    context: dict[str, object] = {"explanations": [], "importance": None, "coefficients": _coefficients(run)}
    if split is None or not run.exists(layout.explanations_of(split)):
        return context
    with reading(run, layout.explanations_of(split)) as kept:
        if kept["weights_sha256"] != run.record.weights_sha256:  # of weights that the run no longer has
            return context
        target = kept.get("target") or "value"
        context["explanations"] = [_one(run, document, target) for document in kept["explanations"]]
        if found := kept.get("importance"):
            top = max((abs(one["drop"]) for one in found["columns"]), default=0.0) or 1.0
            rows = [
                {
                    "name": one["column"],
                    "drop": decimals(one["drop"]),
                    "deviation": decimals(one["deviation"]),
                    "share": f"{max(one['drop'], 0.0) / top:.3f}",
                }
                for one in found["columns"]
            ]
            context["importance"] = {
                "metric": found["metric"],
                "value": decimals(found["value"]),
                "rows": f"{found['rows']:,}",
                "columns": rows,
            }
    return context


def _one(run: Run, document: Document, target: str) -> dict[str, object]:
    said, true = document["label"] or target, document["true"]
    if isinstance(true, list):
        true = ", ".join(true) or "none"
    answer = (
        f"{said}: {decimals(document['value'])}; true: {true if isinstance(true, str) else decimals(true)}"
    )
    deletion = document["deletion"]
    shown: dict[str, object] = {
        "input": " · ".join(filter(None, (document["input"], document.get("part")))),
        "answer": answer,
        "trust": trust(
            document["completeness_error"], deletion and (deletion["most_important"], deletion["random"])
        ),
    }
    if document.get("picture"):
        shown["image"] = data_uri(run, document["picture"])
    if tokens := document.get("tokens"):
        weights = np.array([one["weight"] for one in tokens], np.float64)
        columns = [one["column"] for one in tokens if "column" in one]
        shown["words"] = words([one["token"] for one in tokens], weights, columns)
    if document.get("features"):
        shown["features"] = [
            {"name": one.name, "value": one.value, "weight": one.amount}
            for one in steps(document, MOST_FEATURES)
        ]
    return shown


def _coefficients(run: Run) -> dict[str, object] | None:
    """Of a model solved in closed form."""
    if not run.exists(layout.COEFFICIENTS):
        return None
    with reading(run, layout.COEFFICIENTS) as kept:
        rows = [
            {"name": one["feature"], "value": f"{one['coefficient']:+.4g}"} for one in kept["coefficients"]
        ]
        return {"target": kept["target"], "intercept": f"{kept['intercept']:.4g}", "rows": rows}
