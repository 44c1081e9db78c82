"""Why a run answered as it did, input by input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli.core.batch import first
from bmcli.core.errors import Place, Problem
from bmcli.core.spec import INPUT
from bmcli.explain import attributions
from bmcli.files import dates
from bmcli.modalities.table.examples import Table
from bmcli.modalities.text.examples import Texts

if TYPE_CHECKING:
    import keras

    from bmcli.core.examples import Examples
    from bmcli.core.spec import DataSpec
    from bmcli.inference.inputs import Inputs
    from bmcli.inference.opened import OpenedRun
    from bmcli.inference.session import Session
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.modalities.table.encoder import Cell, TablePreprocessing

UNKNOWN_TOKEN = 1
TOLERANCE_OF_ROWS = 0.002
"""Of completeness: their sums are shown beside the answer, and steps cost little."""
ANSWER_NOT_FINITE = "the model's answer is not a finite number"


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
    picture: uint8 [height, width, channels] as the model saw it; heat: Grad-CAM, [h, w] from 0 to 1, where
        there is one.
    tokens: of a text.
    features: (column, its cell) of a row.
    unfamiliar: in what the input does not look like the training data.
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
    picture: np.ndarray | None = None
    heat: np.ndarray | None = None
    tokens: tuple[str, ...] = ()
    features: tuple[tuple[str, Cell], ...] = field(default=())
    unfamiliar: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Strict JSON data; an image's attributions are in its PNG."""
        document: dict[str, object] = {
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
        if self.features:
            document["features"] = [
                {"name": name, "value": cell.value, "state": cell.state, "weight": weight}
                for (name, cell), weight in zip(self.features, self.weights.tolist(), strict=True)
            ]
        if self.unfamiliar:
            document["unfamiliar"] = list(self.unfamiliar)
        return document


class Explainer:
    """A run, ready to explain itself.

    label: the class to explain; None: the predicted one.
    taken: what was read as something that training has, in words -> number of inputs.
    note: worth a line before the first explanation.

    Raises UsageError for a label that the run does not know, IntegrityError for a damaged run.
    """

    def __init__(self, opened: OpenedRun, *, label: str | None = None) -> None:
        from bmcli.core.errors import UsageError, did_you_mean

        run = opened.run
        self.run = run.id
        self.preprocessing: Preprocessing = opened.preprocessing
        self.spec: DataSpec = opened.spec
        if label is not None and not self.spec.classes:
            raise UsageError(f"{run.id} predicts numbers: it has no classes to explain")
        if label is not None and label not in self.spec.classes:
            known = did_you_mean(label, self.spec.classes) or f"known: {', '.join(self.spec.classes[:20])}"
            raise UsageError(f"{run.id} knows no class '{label}'", hint=known)
        self.wanted = None if label is None else self.spec.classes.index(label)
        self.network: keras.Model = opened.network
        self.session: Session = opened.session
        self.familiarity = opened.familiarity
        self.taken: Counter[str] = Counter()
        self.note: str | None = None
        if self.preprocessing.kind == "table":
            self._means, self._average, self.note = _average_row(opened)

    def explain(
        self, inputs: Inputs, indices: Sequence[int] | None = None
    ) -> Iterator[Explanation | Problem]:
        """An explanation of every input that can be used, in their order, then what is wrong with the
        others. indices: of the class to explain, for each input."""
        problems = list(inputs.problems)
        if inputs.names:
            batch, unusable = self.preprocessing.usable(inputs.examples)
            compact = first(batch)
            if self.familiarity is None:
                said = self.preprocessing.unfamiliar(inputs.examples)
            else:
                said = self.familiarity.look(self.preprocessing, inputs.examples, compact, unusable)
            self.taken.update(said.taken)
            kept = [i for i in range(len(inputs.names)) if i not in unusable]
            problems[:0] = [Problem(what, Place(inputs.names[i])) for i, what in unusable.items()]
            for row, i in enumerate(kept):
                wanted = self.wanted if indices is None else indices[i]
                some = np.asarray(compact[row : row + 1])
                odd = said.odd.get(i, ())
                try:
                    found = self._one(inputs.names[i], some, inputs.examples.take([i]), wanted)
                    yield replace(found, unfamiliar=odd)
                except FloatingPointError as error:
                    problems.append(Problem(str(error), Place(inputs.names[i])))
        yield from problems

    def _one(self, name: str, compact: np.ndarray, example: Examples, wanted: int | None) -> Explanation:
        """FloatingPointError where the answer or an attribution is not finite."""
        finished = first(self.preprocessing.finish_batch({INPUT: compact}))
        output = self.session.predict({INPUT: finished})[0]
        if not np.isfinite(output).all():
            raise FloatingPointError(ANSWER_NOT_FINITE)
        index = wanted if wanted is not None else int(output.argmax())
        label = self.spec.classes[index] if self.spec.classes else None
        explain = {"image": self._image, "text": self._text, "table": self._row}[self.preprocessing.kind]
        about = {
            "input": name,
            "run": self.run,
            "label": label,
            "index": index,
            "value": float(output[index]),
        }
        return explain(about, compact, finished, example)

    def _integrated(
        self,
        gradient: attributions.Gradient,
        given: list[np.ndarray],
        baseline: list[np.ndarray],
        fixed: list[np.ndarray],
        tolerance: float = attributions.TOLERANCE,
    ) -> tuple[attributions.Integrated, dict[str, Any]]:
        """The attributions, and the fields of an explanation that come with them."""
        found = attributions.integrated_gradients(gradient, given, baseline, fixed, tolerance)
        base = found.base + (self.spec.target_offset if self.spec.task == "regression" else 0.0)
        known = {"base": base, "difference": found.difference, "error": found.error, "steps": found.steps}
        return found, known

    def _chosen(self, index: int) -> np.ndarray:
        """What makes the score of raw outputs: a class's logit, or the number in the target's own unit."""
        if self.spec.task == "regression":
            return np.array([self.spec.target_scale], np.float32)
        if self.spec.task == "binary":
            return np.array([1.0 if index == 1 else -1.0], np.float32)
        return np.eye(len(self.spec.classes), dtype=np.float32)[index]

    @cached_property
    def _gradient(self) -> attributions.Gradient:
        return attributions.gradient_of(
            lambda given, chosen: attributions.scored(self.network(given[0], training=False), chosen)
        )

    @cached_property
    def _cam(self) -> attributions.GradCam:
        return attributions.GradCam(self.network)

    @cached_property
    def _of_text(self) -> tuple[keras.Model, attributions.Gradient]:
        """The embeddings of tokens, and the gradient by them."""
        body, head = attributions.embeddings(self.network)
        return body, attributions.gradient_of(
            lambda given, chosen, tokens: attributions.scored(head([tokens, *given], training=False), chosen)
        )

    def _probability(self, index: int) -> Callable[[np.ndarray], np.ndarray]:
        return lambda batch: self.session.predict({INPUT: np.asarray(batch)})[:, index]

    def _image(
        self, about: dict[str, Any], compact: np.ndarray, finished: np.ndarray, _: Examples
    ) -> Explanation:
        given = finished[0].astype(np.float32)
        # All zeros: the training split's mean colour where images are standardised, else black.
        baseline, chosen = np.zeros_like(given), self._chosen(about["index"])
        found, known = self._integrated(self._gradient, [given], [baseline], [chosen])
        weights = found.attributions[0].sum(axis=-1)
        heat = self._cam.heat(given, chosen) if self._cam.there else None
        dropped = None
        if self.spec.task != "regression":
            dropped = attributions.deletion(self._probability(about["index"]), given, weights, baseline)
        return Explanation(
            **about,
            **known,
            baseline="an image of zeros as the model takes it: the mean colour, or black",
            weights=weights,
            deletion=dropped,
            picture=np.asarray(compact[0], np.uint8),
            heat=heat,
        )

    def _text(
        self, about: dict[str, Any], _: np.ndarray, finished: np.ndarray, example: Examples
    ) -> Explanation:
        from bmcli.modalities.text.encoder import TextPreprocessing

        assert isinstance(self.preprocessing, TextPreprocessing) and isinstance(example, Texts)
        tokens = tuple(token for token, _ in self.preprocessing.tokens(example.texts[0]))
        ids = np.asarray(finished[0][: max(len(tokens), 1)])
        body, gradient = self._of_text
        states = body(ids[None], training=False)
        states = [
            np.asarray(one, np.float32)[0] for one in (states if isinstance(states, list) else [states])
        ]
        nothing = [np.zeros_like(one) for one in states]
        found, known = self._integrated(gradient, states, nothing, [self._chosen(about["index"]), ids])
        weights = np.sum([one.sum(axis=-1) for one in found.attributions], axis=0)
        dropped = None
        if self.spec.task != "regression" and len(tokens) > 1:
            unknown = np.full_like(ids, UNKNOWN_TOKEN)
            probability = self._probability(about["index"])
            dropped = attributions.deletion(probability, ids, weights[: len(ids)], unknown)
        return Explanation(
            **about,
            **known,
            baseline="embeddings of zeros",
            weights=weights[: len(tokens)],
            deletion=dropped,
            tokens=tokens,
        )

    def _row(
        self, about: dict[str, Any], _: np.ndarray, finished: np.ndarray, example: Examples
    ) -> Explanation:
        from bmcli.modalities.table.encoder import TablePreprocessing

        assert isinstance(self.preprocessing, TablePreprocessing) and isinstance(example, Table)
        given = finished[0].astype(np.float32)
        chosen = self._chosen(about["index"])
        found, known = self._integrated(self._gradient, [given], [self._means], [chosen], TOLERANCE_OF_ROWS)
        columns = [column.name for column in self.preprocessing.columns]
        weights = np.zeros(len(columns))
        for feature, weight in zip(self.preprocessing.features, found.attributions[0].tolist(), strict=True):
            weights[columns.index(feature.column)] += weight
        cells = self.preprocessing.cells(example)
        return Explanation(
            **about,
            **known,
            baseline=self._average,
            weights=weights,
            features=tuple((name, cells[name][0]) for name in columns),
        )


def _average_row(opened: OpenedRun) -> tuple[np.ndarray, str, str | None]:
    """What contributions are counted from: float32 [features], in words, and what is to be said of it."""
    from bmcli.evaluation.training_data import training_data
    from bmcli.modalities.table.encoder import TablePreprocessing

    run, preprocessing = opened.run, opened.preprocessing
    assert isinstance(preprocessing, TablePreprocessing)
    means, average = preprocessing.means, "the average training row: of a category its share"
    if means:
        return np.array(means, np.float32), average, None
    bundle = training_data(run, opened.config)
    if isinstance(bundle, str):
        note = (
            f"{run.id} was trained by an older bm and keeps no shares of categories, and its training data "
            f"cannot be used ({bundle}): every category counts as equally frequent"
        )
        return _assumed(preprocessing), "a row in which every category is equally frequent", note
    assert isinstance(bundle.train.examples, Table)
    return np.array(preprocessing.means_of(bundle.train.examples), np.float32), average, None


def _assumed(preprocessing: TablePreprocessing) -> np.ndarray:
    """What is near the mean of each feature, as far as the statistics of an older bm say: float32."""
    from bmcli.modalities.table.encoder import CategoricalColumn

    made: list[float] = []
    for column in preprocessing.columns:
        if isinstance(column, CategoricalColumn):
            known = len(column.categories)
            made += [*([1 / known] * known), 0.0] if known else [1.0]
            continue
        middle = column.offset if column.fill is None else column.fill
        made += [(middle - column.offset) / column.scale, *([0.0] if column.indicator else [])]
        for part in column.parts:
            made += [0.0, 0.0] if column.cyclic else [1 / dates.PERIODS[part]] * dates.PERIODS[part]
    return np.array(made, np.float32)
