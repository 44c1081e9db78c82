"""Which columns of a table a model needs: how much worse its answers are when a column's values are shuffled
(permutation importance; Breiman, 2001; Fisher, Rudin and Dominici, 2019)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli import tasks
from bmcli.core.errors import DataError, UsageError
from bmcli.evaluation.measure import predict_all
from bmcli.modalities.base import modality_of

if TYPE_CHECKING:
    from bmcli.core.examples import Examples
    from bmcli.core.spec import DataSpec
    from bmcli.data.bundle import Split
    from bmcli.inference.session import Session
    from bmcli.modalities.preprocessing import Preprocessing

REPEATS = 10


@dataclass(frozen=True)
class Importance:
    """drop: how much worse `metric` is, the mean over the shuffles; deviation: their standard deviation."""

    column: str
    drop: float
    deviation: float


@dataclass(frozen=True)
class Importances:
    """Of all columns, the most important first. metric: the headline metric; value: of the rows as they
    are."""

    metric: str
    value: float
    rows: int
    columns: tuple[Importance, ...]


def permutation_importance(
    session: Session,
    preprocessing: Preprocessing,
    spec: DataSpec,
    split: Split,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> Importances:
    """Of labelled rows. UsageError if they are not a table, or the metric is undefined on them, DataError
    where an answer is not finite."""
    examples: Any = split.examples
    columns = modality_of(examples.kind).columns_of(examples)
    if not columns:
        raise UsageError("importance is only defined for the columns of a table")
    task = tasks.of(spec.task)
    metric = task.headline
    sign = 1.0 if task.metrics[metric] else -1.0
    rng = np.random.default_rng(0)

    def measured(table: Examples) -> float:
        outputs = predict_all(session, preprocessing, table, 256)
        bad = int((~np.isfinite(outputs)).any(axis=1).sum())
        if bad:
            raise DataError(f"the model's output is not a finite number for {bad:,} of {len(outputs):,} rows")
        value = task.measure(split.targets, outputs, spec.classes)[metric]
        if value is None:
            raise UsageError(f"{metric} is undefined on these {len(split.targets):,} rows")
        return value

    whole = measured(examples)
    found = []
    known = {column.name for column in getattr(preprocessing, "columns", ())}
    for done, (name, values) in enumerate(columns.items(), 1):
        if name not in known:
            continue
        if progress is not None:
            progress("shuffling columns", done, len(columns))
        drops = []
        for _ in range(REPEATS):
            shuffled = {**columns, name: values[rng.permutation(len(values))]}
            drops.append(sign * (whole - measured(replace(examples, columns=shuffled))))
        found.append(Importance(name, float(np.mean(drops)), float(np.std(drops))))
    found.sort(key=lambda one: -one.drop)
    return Importances(metric, whole, len(split.targets), tuple(found))
