"""Why a run answered as it did, input by input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli.errors import Place, Problem
from bmcli.explain import attributions
from bmcli.inference.predict import load_preprocessing

if TYPE_CHECKING:
    import keras

    from bmcli.data.bundle import DataSpec
    from bmcli.data.inputs import Inputs
    from bmcli.inference.session import Session
    from bmcli.preprocessing import Preprocessing
    from bmcli.runs.run import Run

UNKNOWN_TOKEN = 1


@dataclass(frozen=True)
class Explanation:
    """Of one input.

    label, index: the class that is explained (None, 0 for regression); value: its probability, or the number
    predicted. difference: of the score (a logit, or the number itself) from the baseline's, which the
    attributions sum to but for `error`, as a share of it. deletion: how much the probability drops without
    the most important fifth, and without a random fifth; None for numbers and tables. weights:
    attributions: [height, width] of a picture; [tokens]; [features] of a table. picture: uint8 [height,
    width, channels] as the model saw it; heat: Grad-CAM, [h, w] from 0 to 1, where there is one; tokens: of
    a text; features: (column, number or category) of a row.
    """

    input: str
    run: str
    label: str | None
    index: int
    value: float
    difference: float
    error: float
    steps: int
    weights: np.ndarray
    deletion: tuple[float, float] | None = None
    picture: np.ndarray | None = None
    heat: np.ndarray | None = None
    tokens: tuple[str, ...] = ()
    features: tuple[tuple[str, float | str], ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Strict JSON data; a picture's attributions are in its PNG."""
        document: dict[str, Any] = {
            "input": self.input,
            "run": self.run,
            "label": self.label,
            "index": self.index,
            "value": self.value,
            "method": "integrated gradients",
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
                {"name": name, "value": value, "weight": weight}
                for (name, value), weight in zip(self.features, self.weights.tolist(), strict=True)
            ]
        return document


class Explainer:
    """A run, ready to explain itself. label: the class to explain; None: the predicted one.

    trust_code: whether Python files kept in the run may run. Raises UsageError for a label that the run
    does not know, IntegrityError for a damaged run.
    """

    def __init__(self, run: Run, *, label: str | None = None, trust_code: bool = False) -> None:
        from bmcli.errors import UsageError, did_you_mean
        from bmcli.inference.keras_model import rebuild_network
        from bmcli.inference.session import open_session

        self.run = run.id
        self.preprocessing: Preprocessing
        self.spec: DataSpec
        self.preprocessing, self.spec = load_preprocessing(run)
        if label is not None and not self.spec.classes:
            raise UsageError(f"{run.id} predicts numbers: it has no classes to explain")
        if label is not None and label not in self.spec.classes:
            known = did_you_mean(label, self.spec.classes) or f"known: {', '.join(self.spec.classes[:20])}"
            raise UsageError(f"{run.id} knows no class '{label}'", hint=known)
        self.wanted = None if label is None else self.spec.classes.index(label)
        self.network: keras.Model = rebuild_network(run, trust_code=trust_code)
        self.session: Session = open_session(run, self.spec, trust_code=trust_code)

    def explain(
        self, inputs: Inputs, indices: Sequence[int] | None = None
    ) -> Iterator[Explanation | Problem]:
        """An explanation of every input that can be used, in their order, then what is wrong with the
        others. indices: of the class to explain, for each input."""
        if inputs.names:
            compact, unusable = self.preprocessing.encode_usable(inputs.examples)
            texts = getattr(inputs.examples, "texts", None)
            kept = [i for i in range(len(inputs.names)) if i not in unusable]
            for row, i in enumerate(kept):
                wanted = self.wanted if indices is None else indices[i]
                text = None if texts is None else texts[i]
                yield self._one(inputs.names[i], np.asarray(compact[row : row + 1]), text, wanted)
            yield from (Problem(what, Place(inputs.names[i])) for i, what in unusable.items())
        yield from inputs.problems

    def _one(self, name: str, compact: np.ndarray, text: str | None, wanted: int | None) -> Explanation:
        finished = self.preprocessing.finish(compact)
        output = self.session.predict(finished)[0]
        index = wanted if wanted is not None else int(output.argmax())
        label = self.spec.classes[index] if self.spec.classes else None
        explain = {"image": self._picture, "text": self._text, "table": self._row}[self.preprocessing.kind]
        about = {"input": name, "run": self.run, "label": label, "index": index}
        return explain(about, compact, finished, index, float(output[index]), text)

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
        return lambda batch: self.session.predict(np.asarray(batch))[:, index]

    def _picture(
        self,
        about: dict[str, Any],
        compact: np.ndarray,
        finished: np.ndarray,
        index: int,
        value: float,
        _: Any,
    ) -> Explanation:
        given = finished[0].astype(np.float32)
        # All zeros: the training split's mean colour where pictures are standardised, else black.
        baseline, chosen = np.zeros_like(given), self._chosen(index)
        found = attributions.integrated_gradients(self._gradient, [given], [baseline], [chosen])
        weights = found.attributions[0].sum(axis=-1)
        heat = self._cam.heat(given, chosen) if self._cam.there else None
        dropped = None
        if self.spec.task != "regression":
            dropped = attributions.deletion(self._probability(index), given, weights, baseline)
        return Explanation(
            **about,
            value=value,
            difference=found.difference,
            error=found.error,
            steps=found.steps,
            weights=weights,
            deletion=dropped,
            picture=np.asarray(compact[0], np.uint8),
            heat=heat,
        )

    def _text(
        self, about: dict[str, Any], _: Any, finished: np.ndarray, index: int, value: float, text: str | None
    ) -> Explanation:
        from bmcli.preprocessing.text import TextPreprocessing

        assert isinstance(self.preprocessing, TextPreprocessing) and text is not None
        tokens = tuple(token for token, _ in self.preprocessing.tokens(text))
        ids = np.asarray(finished[0][: max(len(tokens), 1)])
        body, gradient = self._of_text
        states = body(ids[None], training=False)
        states = [
            np.asarray(one, np.float32)[0] for one in (states if isinstance(states, list) else [states])
        ]
        nothing = [np.zeros_like(one) for one in states]
        found = attributions.integrated_gradients(gradient, states, nothing, [self._chosen(index), ids])
        weights = np.sum([one.sum(axis=-1) for one in found.attributions], axis=0)
        dropped = None
        if self.spec.task != "regression" and len(tokens) > 1:
            unknown = np.full_like(ids, UNKNOWN_TOKEN)
            dropped = attributions.deletion(self._probability(index), ids, weights[: len(ids)], unknown)
        return Explanation(
            **about,
            value=value,
            difference=found.difference,
            error=found.error,
            steps=found.steps,
            weights=weights[: len(tokens)],
            deletion=dropped,
            tokens=tokens,
        )

    def _row(
        self, about: dict[str, Any], _: Any, finished: np.ndarray, index: int, value: float, __: Any
    ) -> Explanation:
        from bmcli.preprocessing.table import TablePreprocessing

        assert isinstance(self.preprocessing, TablePreprocessing)
        given = finished[0].astype(np.float32)
        # The mean row where columns are standardised; of a category: none of them.
        nothing = np.zeros_like(given)
        found = attributions.integrated_gradients(self._gradient, [given], [nothing], [self._chosen(index)])
        features = self.preprocessing.features
        columns = list(dict.fromkeys(feature.column for feature in features))
        weights = np.zeros(len(columns))
        for feature, weight in zip(features, found.attributions[0].tolist(), strict=True):
            weights[columns.index(feature.column)] += weight
        shown: list[tuple[str, float | str]] = []
        for column in columns:
            numbers = [
                (f, float(v)) for f, v in zip(features, given.tolist(), strict=True) if f.column == column
            ]
            whole = next(((f, v) for f, v in numbers if f.of == "value"), None)
            if whole is not None:
                raw = whole[1] * whole[0].scale + whole[0].offset
                # It was rounded to float32 on the way: what is left of a zero is none of the table's.
                near_zero = abs(raw) < 1e-6 * max(whole[0].scale, abs(whole[0].offset))
                written = self.preprocessing.raw(column, raw)
                if not isinstance(written, str):
                    written = 0.0 if near_zero else float(f"{raw:.6g}")
                shown.append((column, written))
            else:
                chosen = next((f.category or "(other)" for f, v in numbers if v), "(other)")
                shown.append((column, chosen))
        return Explanation(
            **about,
            value=value,
            difference=found.difference,
            error=found.error,
            steps=found.steps,
            weights=weights,
            features=tuple(shown),
        )
