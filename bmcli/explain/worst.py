"""Explanations that a run keeps for its report: what it looked at in its worst answers of a split, and of a
table what each column is worth."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from bmcli.core.errors import Problem, UsageError
from bmcli.evaluation.figures import to_text
from bmcli.explain.overlay import overlay
from bmcli.modalities.table.examples import Table
from bmcli.plots.samples import worst_first
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.evaluation.measure import Prepared
    from bmcli.explain.explain import Explainer

FORMAT = 1
MOST = 6
"""Answers that are explained."""


def explain_worst(ready: Prepared, explainer: Explainer) -> None:
    """Write explanations/<split>.json and its images into the run.

    The predicted class is explained; of several labels, the one that is furthest from the truth. UsageError
    where a table's columns cannot be judged by its rows; see `permutation_importance`.
    """
    from bmcli.explain.importance import permutation_importance
    from bmcli.inference.inputs import Inputs

    run, split, spec = ready.run, ready.split, ready.spec
    chosen = worst_first(spec.task, split.targets, ready.outputs)[:MOST]
    some = split.take(chosen)
    labels = None
    if spec.task == "multilabel":
        labels = np.abs(ready.outputs[chosen] - some.targets).argmax(axis=1).tolist()
    explained = []
    for number, one in enumerate(explainer.explain(Inputs(some.examples, some.ids), labels), 1):
        if isinstance(one, Problem):
            raise UsageError(f"{one.place or ''} cannot be explained: {one.message}".lstrip())
        document = one.to_json()
        document["true"] = _truth(ready, int(chosen[number - 1]))
        if one.picture is not None:
            document["picture"] = layout.explanation_picture(ready.name, number)
            run.write_bytes(document["picture"], overlay(one))
        explained.append(document)
    document = {
        "format": FORMAT,
        "split": ready.name,
        "target": spec.target_name,
        "weights_sha256": run.record.weights_sha256,
        "explanations": explained,
    }
    if isinstance(split.examples, Table):
        found = permutation_importance(ready.session, ready.preprocessing, spec, split)
        document["importance"] = asdict(found)
    run.write_text(layout.explanations_of(ready.name), to_text(document))


def _truth(ready: Prepared, position: int) -> object:
    """A class, labels, or a number."""
    target = ready.split.targets[position]
    if ready.spec.task == "regression":
        return float(target)
    if ready.spec.task == "multilabel":
        return [ready.spec.classes[i] for i in np.flatnonzero(target > 0.5)]
    return ready.spec.classes[int(target)]
