"""Columns of a table that are useless or leak the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from bmcli import tasks
from bmcli.doctor.findings import Finding
from bmcli.modalities.table.examples import Table

if TYPE_CHECKING:
    from bmcli.core.spec import Task
    from bmcli.data.bundle import DataBundle

OF_COLUMNS = ("gives the target away", "mostly missing", "one value per row", "constant")
"""Findings about columns of a table."""
SUSPICIOUS = 0.995
"""Score (accuracy, or R²) from which a column that predicts the target alone was probably made from it."""
FEWEST = 50
"""Rows below which a column may do so by chance."""
PARTS = 5


@dataclass(frozen=True)
class OddColumn:
    """what: 'constant', 'mostly missing', 'one value per row' or 'gives the target away'; share: of missing
    cells, of distinct values, or the cross-validated score."""

    column: str
    what: str
    share: float


def of_columns(bundle: DataBundle) -> list[Finding]:
    """Of the training split. Columns that reading left out are not included: a note reports them."""
    said = {
        "constant": ("note", "has only one value"),
        "mostly missing": ("warning", "is missing in {share:.0%} of the rows"),
        "one value per row": ("warning", "has {share:.0%} distinct values: an identifier?"),
        "gives the target away": (
            "problem",
            "predicts the target on its own ({share:.3f}): is it known before the target is?",
        ),
    }
    found = []
    for odd in odd_columns(cast("Table", bundle.train.examples), bundle.train.targets, bundle.task):
        severity, text = said[odd.what]
        message = f"column '{odd.column}' {text.format(share=odd.share)}"
        found.append(Finding(odd.what, severity, message, len(bundle.train)))
    return found


def odd_columns(table: Table, targets: np.ndarray, task: Task) -> list[OddColumn]:
    """Of the training split."""
    found = []
    for name, values in table.columns.items():
        missing = _missing(values)
        present = values[~missing]
        distinct = len(set(present.tolist()))
        if missing.mean() > 0.5:
            found.append(OddColumn(name, "mostly missing", float(missing.mean())))
        if distinct <= 1:
            found.append(OddColumn(name, "constant", 1.0))
            continue
        if values.dtype == object and len(values) >= FEWEST and distinct > 0.9 * len(present):
            found.append(OddColumn(name, "one value per row", distinct / len(values)))
            continue
        if len(values) >= FEWEST and not tasks.of(task).several:
            score = _alone(values, missing, targets, task)
            if score >= SUSPICIOUS:
                found.append(OddColumn(name, "gives the target away", score))
    return found


def _missing(values: np.ndarray) -> np.ndarray:
    if values.dtype == object:
        return np.array([value is None for value in values.tolist()], bool)
    missing: np.ndarray = np.isnan(values)
    return missing


def _alone(values: np.ndarray, missing: np.ndarray, targets: np.ndarray, task: Task) -> float:
    """How well a small tree predicts the target from this column, cross-validated; 0 if that is no better
    than always the most frequent class."""
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if values.dtype == object:
        codes = {value: i for i, value in enumerate(dict.fromkeys(values.tolist()))}
        column = np.array([codes[value] for value in values.tolist()], np.float64)
    else:
        column = np.where(missing, np.nanmin(values) - 1, values)
    column = np.clip(column, -1e30, 1e30).reshape(-1, 1)
    regression = not tasks.of(task).has_classes
    made = DecisionTreeRegressor if regression else DecisionTreeClassifier
    tree = made(max_leaf_nodes=64, min_samples_leaf=2, random_state=0)
    order = np.random.default_rng(0).permutation(len(targets))
    if regression:
        scores = cross_val_score(tree, column[order], targets[order], cv=PARTS, scoring="r2")
        return float(scores.mean())
    if np.bincount(targets).max() >= len(targets) * SUSPICIOUS or min(np.bincount(targets)) < PARTS:
        return 0.0
    scores = cross_val_score(tree, column[order], targets[order], cv=PARTS, scoring="balanced_accuracy")
    return float(scores.mean())
