"""Explains a run's predictions, input by input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bmcli import tasks
from bmcli.core.batch import Batch, rows
from bmcli.core.errors import Place, Problem, UsageError, did_you_mean
from bmcli.core.spec import INPUT
from bmcli.explain import attributions
from bmcli.explain.base import About, Explanation, Known, part_of

if TYPE_CHECKING:
    import keras

    from bmcli.core.examples import Examples
    from bmcli.core.spec import DataSpec, InputSpec
    from bmcli.inference.inputs import Inputs
    from bmcli.inference.opened import OpenedRun
    from bmcli.inference.session import Session
    from bmcli.modalities.preprocessing import Preprocessing

ANSWER_NOT_FINITE = "the model's output is not a finite number"


class Explainer:
    """A run, ready to explain its predictions.

    label: the class to explain; None: the predicted one.
    taken: what was read as something that training has, in words -> number of inputs.
    note: shown before the first explanation.

    Raises UsageError for a label that the run does not know, IntegrityError for a damaged run.
    """

    def __init__(self, opened: OpenedRun, *, label: str | None = None) -> None:
        run = opened.run
        self.run = run.id
        self.opened = opened
        self.preprocessing: Preprocessing = opened.preprocessing
        self.spec: DataSpec = opened.spec
        if label is not None and not self.spec.classes:
            raise UsageError(f"{run.id} is a regression: it has no classes to explain")
        if label is not None and label not in self.spec.classes:
            known = did_you_mean(label, self.spec.classes) or f"known: {', '.join(self.spec.classes[:20])}"
            raise UsageError(f"{run.id} has no class '{label}'", hint=known)
        self.wanted = None if label is None else self.spec.classes.index(label)
        self.network: keras.Model = opened.network
        self.session: Session = opened.session
        self.familiarity = opened.familiarity
        self.taken: Counter[str] = Counter()
        self._part = part_of(self.preprocessing.kind)(self)
        self.note = self._part.note

    def explain(
        self, inputs: Inputs, indices: Sequence[int] | None = None
    ) -> Iterator[Explanation | Problem]:
        """An explanation of every input that can be used, in their order, then what is wrong with the
        others; of examples of several parts one for each part. indices: of the class to explain, for each
        input."""
        problems = list(inputs.problems)
        if inputs.names:
            batch, unusable = self.preprocessing.usable(inputs.examples)
            if self.familiarity is None:
                said = self.preprocessing.unfamiliar(inputs.examples)
            else:
                said = self.familiarity.look(self.preprocessing, inputs.examples, batch, unusable)
            self.taken.update(said.taken)
            kept = [i for i in range(len(inputs.names)) if i not in unusable]
            problems[:0] = [Problem(what, Place(inputs.names[i])) for i, what in unusable.items()]
            for row, i in enumerate(kept):
                wanted = self.wanted if indices is None else indices[i]
                some = {name: np.asarray(array) for name, array in rows(batch, slice(row, row + 1)).items()}
                odd = said.odd.get(i, ())
                try:
                    for found in self._one(inputs.names[i], some, inputs.examples.take([i]), wanted):
                        yield replace(found, unfamiliar=odd)
                except FloatingPointError as error:
                    problems.append(Problem(str(error), Place(inputs.names[i])))
        yield from problems

    def _one(self, name: str, compact: Batch, example: Examples, wanted: int | None) -> Iterator[Explanation]:
        """FloatingPointError if the answer or an attribution is not finite."""
        finished = self.preprocessing.finish_batch(compact)
        output = self.session.predict(finished)[0]
        if not np.isfinite(output).all():
            raise FloatingPointError(ANSWER_NOT_FINITE)
        index = wanted if wanted is not None else int(output.argmax())
        label = self.spec.classes[index] if self.spec.classes else None
        about: About = {
            "input": name,
            "run": self.run,
            "label": label,
            "index": index,
            "value": float(output[index]),
            "total": tasks.of(self.spec.task).explained_total,
        }
        yield from self._part.explain_all(about, compact, finished, example)

    @property
    def input(self) -> InputSpec:
        """The only one."""
        return self.spec.input

    @property
    def fixed(self) -> list[np.ndarray]:
        """Other inputs, which stay as they are: none."""
        return []

    def fed(self, given: object, others: Sequence[object]) -> object:
        """What the network is called with."""
        return given

    def integrated(
        self,
        gradient: attributions.Gradient,
        given: list[np.ndarray],
        baseline: list[np.ndarray],
        fixed: list[np.ndarray],
        tolerance: float = attributions.TOLERANCE,
    ) -> tuple[attributions.Integrated, Known]:
        """The attributions, and the fields of an explanation that come with them."""
        found = attributions.integrated_gradients(gradient, given, baseline, fixed, tolerance)
        base = found.base + tasks.of(self.spec.task).score_offset(self.spec.target)
        known: Known = {
            "base": base,
            "difference": found.difference,
            "error": found.error,
            "steps": found.steps,
        }
        return found, known

    def chosen(self, index: int) -> np.ndarray:
        """What makes the score of raw outputs: a class's logit, or the number in the target's own unit."""
        return tasks.of(self.spec.task).score(index, self.spec.target)

    def probability(self, index: int) -> Callable[[np.ndarray], np.ndarray]:
        """Of a class, [b], from the model's input [b, ...]."""
        return lambda batch: self.session.predict({INPUT: np.asarray(batch)})[:, index]
