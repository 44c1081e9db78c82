"""The report of a run or of a comparison as one HTML page, and the model card.

The page contains its styles and images, loads nothing and runs no script: its content security policy forbids
both. Every text that comes from outside is escaped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bmcli.report.comparison import cells, paired_lines, paired_rows, shown_values
from bmcli.report.html import rendered
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.evaluation.compare import Comparison
    from bmcli.runs.run import Run

CARD = "model_card.md"


def report(run: Run, split: str | None = None) -> str:
    """The page of one run, from its own files. split: whose mistakes it shows; default: test, else any.

    IntegrityError if one of the files is damaged.
    """
    return rendered("run.html.j2", _facts(run, split))


def model_card(run: Run) -> str:
    """Markdown with the usual sections (Mitchell et al., 2019), a person's parts marked TODO."""
    # Markdown takes a line right below a list or table for a part of it, so the template is generous.
    return re.sub(r"\n{3,}", "\n\n", rendered("card.md.j2", _facts(run)))


def _facts(run: Run, split: str | None = None) -> dict[str, object]:
    from bmcli.report.facts import of_run  # brings Polars, which an evaluation without a report does not need

    return of_run(run, split)


def write_report(run: Run) -> None:
    """Put report.html into the run."""
    run.write_text(layout.REPORT, report(run))


def refresh(run: Run) -> None:
    """Update an existing report with what was measured since."""
    if run.exists(layout.REPORT):
        write_report(run)


def comparison_report(comparison: Comparison) -> str:
    """The page of a comparison."""
    ids = [run["id"] for run in comparison.runs]
    labels = [group.label for group in comparison.groups]
    unlike = [split for split, same in comparison.comparable.items() if not same]
    paired = [
        {
            "title": f"{labels[one.second]} − {labels[one.first]}",
            "rows": paired_rows(one),
            "lines": paired_lines(comparison, one),
        }
        for one in comparison.paired
    ]
    differing = [[f"{one.section}: {one.key}", *shown_values(one)] for one in comparison.differences]
    sections = ["Metrics", *(["Differences"] if paired else []), *(["Settings"] if differing else [])]
    context = {
        "title": " and ".join(labels) if len(labels) < 4 else f"{len(labels)} groups of runs",
        "made_from": ", ".join(ids),
        "count": len(ids),
        "lead": f"{len(ids)} runs: {', '.join(ids)}.",
        "labels": labels,
        "metrics": [
            {"name": f"{row.split} {row.metric}", "cells": [c.strip() for c in cells(comparison, row)]}
            for row in comparison.metrics
        ],
        "paired": paired,
        "ids": ids,
        "differing": differing,
        "warnings": [
            f"These runs used different {split} examples, so their metrics cannot be compared."
            for split in unlike
        ],
        "sections": sections,
    }
    return rendered("compare.html.j2", context)
