"""Explanations, and the base class that explains predictions for examples of one modality.

`explain/<modality>.py` holds a class `Part` for each that comes with bm; one of a plugin brings its own
(`Modality.explainer`), or is explained by the `Part` here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from bmcli.core.batch import Batch, first
from bmcli.core.plugin_calls import comes_with_bm
from bmcli.explain import attributions
from bmcli.modalities.base import modality_of

if TYPE_CHECKING:
    from bmcli.core.examples import Examples
    from bmcli.core.plain import Document
    from bmcli.explain.explain import Explainer
    from bmcli.explain.mixed import OnePart
    from bmcli.modalities.table.cells import Cell


@dataclass(frozen=True)
class Explanation:
    """Of one input.

    label, index: the class that is explained (None, 0 for regression).
    value: its probability, or the number predicted.
    base: the score of the baseline. The score is a class's logit, or the number predicted in its own unit.
    difference: of the input's score from `base`, which the attributions sum to.
    error: how far their sum is from it, as a share of it.
    baseline: what the baseline is, in words.
    weights: the attributions: [height, width] of an image; [tokens]; [features] of a table.
    deletion: how much the probability drops without the most important fifth, and without a random fifth;
        None for numbers and tables.
    image: uint8 [height, width, channels] as the model saw it; heat: Grad-CAM, [h, w] from 0 to 1, if
        there is one.
    tokens: of a text; where the model brought its own tokenizer, the words that its tokens make up. columns:
        of a pair of texts, the column that each is from; else empty. special: what the special tokens around
        words add; None where there are none.
    features: (column, its cell) of a row.
    unfamiliar: in what the input does not look like the training data.
    part: of an example of several parts, the one that is explained.
    total: what base and attributions add up to, where the score is the task's own; see Task.explained_total.
    """

    input: str
    run: str
    label: str | None
    index: int
    value: float
    base: float
    difference: float
    error: float
    steps: int
    baseline: str
    weights: np.ndarray
    deletion: tuple[float, float] | None = None
    image: np.ndarray | None = None
    heat: np.ndarray | None = None
    tokens: tuple[str, ...] = ()
    columns: tuple[str | None, ...] = ()
    special: float | None = None
    features: tuple[tuple[str, Cell], ...] = field(default=())
    unfamiliar: tuple[str, ...] = ()
    part: str | None = None
    total: str | None = None

    def to_json(self) -> Document:
        """Strict JSON data; an image's attributions are in its PNG."""
        document: Document = {
            "input": self.input,
            "run": self.run,
            "label": self.label,
            "index": self.index,
            "value": self.value,
            "method": "integrated gradients",
            "baseline": self.baseline,
            "base": self.base,
            "difference": self.difference,
            "completeness_error": self.error,
            "steps": self.steps,
            "deletion": self.deletion and {"most_important": self.deletion[0], "random": self.deletion[1]},
        }
        if self.tokens:
            pairs = zip(self.tokens, self.weights.tolist(), strict=True)
            document["tokens"] = [{"token": token, "weight": weight} for token, weight in pairs]
            for said, column in zip(document["tokens"], self.columns, strict=False):
                said["column"] = column
        if self.special is not None:
            document["special_tokens"] = self.special
        if self.features:
            document["features"] = [
                {"name": name, "value": cell.value, "state": cell.state, "weight": weight}
                for (name, cell), weight in zip(self.features, self.weights.tolist(), strict=True)
            ]
        if self.unfamiliar:
            document["unfamiliar"] = list(self.unfamiliar)
        if self.total is not None:
            document["total"] = self.total
        if self.part is not None:
            document["part"] = self.part
        return document


class About(TypedDict):
    """The fields of an explanation that say what is explained."""

    input: str
    run: str
    label: str | None
    index: int
    value: float
    total: str | None


class Known(TypedDict):
    """The fields of an explanation that come with its attributions."""

    base: float
    difference: float
    error: float
    steps: int


class Part:
    """Explains single answers: integrated gradients from a baseline of zeros. note: worth a line before the
    first explanation."""

    note: str | None = None
    baseline = "an input of zeros"

    def __init__(self, explainer: Explainer | OnePart) -> None:
        self.explainer = explainer

    def explain_all(
        self, about: About, compact: Batch, finished: Batch, example: Examples
    ) -> Iterator[Explanation]:
        """All explanations of one example, by the names of the model's inputs: one of an example that has one
        part. FloatingPointError as `explain` raises it."""
        yield self.explain(about, first(compact), first(finished), example)

    def explain(
        self, about: About, compact: np.ndarray, finished: np.ndarray, example: Examples
    ) -> Explanation:
        """compact, finished: the one example, encoded and as the model takes it, [1, ...]. FloatingPointError
        where an attribution is not finite."""
        given = finished[0].astype(np.float32)
        nothing, chosen = np.zeros_like(given), self.explainer.chosen(about["index"])
        found, known = self.explainer.integrated(self.gradient, [given], [nothing], [chosen])
        weights = self.weights(found.attributions[0])
        dropped = self.deletion(about["index"], given, weights, nothing)
        return Explanation(**about, **known, baseline=self.baseline, weights=weights, deletion=dropped)

    def deletion(
        self,
        index: int,
        given: np.ndarray,
        weights: np.ndarray,
        replacement: np.ndarray,
        inputs: Callable[[np.ndarray], np.ndarray] = lambda units: units,
    ) -> tuple[float, float] | None:
        """See `attributions.deletion`; None if no probability is predicted. inputs: of the model, from units
        [b, ...]."""
        if not self.explainer.spec.classes:
            return None
        predict = self.explainer.probability(index)
        return attributions.deletion(lambda units: predict(inputs(units)), given, weights, replacement)

    def weights(self, attributed: np.ndarray) -> np.ndarray:
        """One attribution per displayed unit, from those of all numbers of an input."""
        return attributed

    @cached_property
    def gradient(self) -> attributions.Gradient:
        """Of the score by the network's input."""
        network, fed = self.explainer.network, self.explainer.fed
        return attributions.gradient_of(
            lambda given, chosen, *others: attributions.scored(
                network(fed(given[0], others), training=False), chosen
            )
        )


def part_of(kind: str) -> type[Part]:
    """What explains examples of that modality."""
    modality = modality_of(kind)
    own: type[Part] | None = modality.explainer()
    if own is not None or not comes_with_bm(type(modality)):
        return own or Part
    found: type[Part] = importlib.import_module(f"bmcli.explain.{kind}").Part
    return found
