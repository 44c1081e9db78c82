"""Explanations stored for a run's report: what its worst predictions of a split depend on, and of a
table what each column is worth."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from bmcli import tasks
from bmcli.core.errors import Problem, UsageError
from bmcli.evaluation.metrics import to_text
from bmcli.explain.importance import permutation_importance
from bmcli.explain.overlay import overlay
from bmcli.inference.inputs import Inputs
from bmcli.modalities.base import modality_of
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
    run, split, spec = ready.run, ready.split, ready.spec
    task = tasks.of(spec.task)
    chosen = task.worst_first(split.targets, ready.outputs)[:MOST]
    some = split.take(chosen)
    labels = task.explained(some.targets, ready.outputs[chosen])
    explained = []
    for number, one in enumerate(explainer.explain(Inputs(some.examples, some.ids), labels), 1):
        if isinstance(one, Problem):
            raise UsageError(f"{one.place or ''} cannot be explained: {one.message}".lstrip())
        document = one.to_json()
        document["true"] = task.truth(some.targets[some.ids.index(one.input)], spec.classes)
        if one.image is not None:
            document["picture"] = layout.explanation_image(ready.name, number)
            run.write_bytes(document["picture"], overlay(one))
        explained.append(document)
    document = {
        "format": FORMAT,
        "split": ready.name,
        "target": spec.target_name,
        "weights_sha256": run.record.weights_sha256,
        "explanations": explained,
    }
    if modality_of(split.examples.kind).columns_of(split.examples):
        found = permutation_importance(ready.session, ready.preprocessing, spec, split)
        document["importance"] = asdict(found)
    run.write_text(layout.explanations_of(ready.name), to_text(document))
