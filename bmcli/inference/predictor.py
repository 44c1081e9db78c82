"""From raw examples to predictions: the run's preprocessing, its model, and the names of the classes.

Through ONNX Runtime; neither TensorFlow nor Keras is imported unless the run has no model.onnx.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Literal

import numpy as np

from bmcli import tasks
from bmcli.core.batch import Batch, rows
from bmcli.core.errors import DataError, IntegrityError, Place, Problem, UsageError
from bmcli.inference import calibration
from bmcli.inference.inputs import Inputs
from bmcli.modalities.base import modality_of
from bmcli.modalities.remark import joined
from bmcli.tasks._answers import Classes, Labels, Value

if TYPE_CHECKING:
    from bmcli.core.examples import Examples
    from bmcli.core.spec import DataSpec, Kind
    from bmcli.inference.inputs import Inputs
    from bmcli.inference.opened import OpenedRun
    from bmcli.inference.session import Session
    from bmcli.modalities.familiarity import Familiarity
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.runs.run import Run
    from bmcli.runs.store import RunStore
    from bmcli.tasks._answers import Answer, Choice


@dataclass(frozen=True)
class Prediction:
    """A run's prediction for one input.

    unfamiliar: in what the input does not look like the training data. kept: columns of the input's row that
    are carried along.
    """

    input: str
    run: str
    answer: Answer
    unfamiliar: tuple[str, ...] = ()
    kept: Mapping[str, object] | None = None

    @property
    def top(self) -> tuple[Choice, ...]:
        """The most probable classes or labels, best first; empty for other tasks."""
        return self.answer.top if isinstance(self.answer, Classes | Labels) else ()

    @property
    def labels(self) -> tuple[Choice, ...] | None:
        """The labels that hold; None if an example does not have several."""
        return self.answer.labels if isinstance(self.answer, Labels) else None

    @property
    def value(self) -> float | None:
        """In the target's own unit, of a number; else None."""
        return self.answer.value if isinstance(self.answer, Value) else None

    @property
    def _class(self) -> Choice | None:
        return self.answer.top[0] if isinstance(self.answer, Classes) else None

    @property
    def label(self) -> str | None:
        """The predicted class; None if there is not exactly one."""
        return self._class.label if self._class else None

    @property
    def index(self) -> int | None:
        """The predicted class's index; None if there is not exactly one."""
        return self._class.index if self._class else None

    @property
    def probability(self) -> float | None:
        """Of the predicted class; None if there is not exactly one."""
        return self._class.probability if self._class else None

    def to_json(self) -> dict[str, object]:
        """Strict JSON data, without `format`; see docs/predict.md."""
        head: dict[str, object] = {"input": self.input, "run": self.run}
        if self.unfamiliar:
            head["unfamiliar"] = list(self.unfamiliar)
        if self.kept is not None:
            head["columns"] = dict(self.kept)
        return {**head, **self.answer.to_json()}


@dataclass(frozen=True)
class _Encoded:
    """Compact arrays of the usable inputs, their names, and the problems of the others.

    odd, taken: as in Unfamiliar, of the usable inputs; beside: the rows that are carried along.
    """

    compact: Batch
    names: list[str]
    problems: list[Problem]
    odd: list[tuple[str, ...]]
    taken: Mapping[str, int]
    beside: list[dict[str, object]] | None


@dataclass(frozen=True)
class Predictor:
    """A run, ready to predict.

    run: its id. temperature: what all logits are divided by. threshold: from which probability on the second
    of two classes is predicted, and a label of a multilabel model holds; None: the most probable one, and
    0.5. familiarity: statistics of the training data, to find unfamiliar inputs. taken: what was read
    as something that training has, so far, as in Unfamiliar.
    """

    run: str
    preprocessing: Preprocessing
    spec: DataSpec
    session: Session
    temperature: float = 1.0
    threshold: float | None = None
    familiarity: Familiarity | None = None
    taken: Counter[str] = field(default_factory=Counter)

    def predict(
        self, inputs: Inputs, *, top_k: int | None = None, batch_size: int = 256
    ) -> tuple[list[Prediction], list[Problem]]:
        """The predictions of those inputs that can be used, in order, and what is wrong with the others.

        top_k: how many classes `top` holds; default 5, for multilabel all labels.
        """
        encoded = self._encoded(inputs)
        return self._answers(encoded, top_k, batch_size), encoded.problems

    def stream(
        self, pieces: Iterable[Inputs], *, top_k: int | None = None, batch_size: int = 256
    ) -> Iterator[tuple[list[Prediction], list[Problem]]]:
        """The same for many pieces; the next one is read and decoded while the model looks at this one."""
        pieces = iter(pieces)
        wanted: SimpleQueue[bool] = SimpleQueue()
        made: SimpleQueue[_Encoded | BaseException | None] = SimpleQueue()

        def prepare() -> None:
            while wanted.get():
                try:
                    piece = next(pieces, None)
                    made.put(None if piece is None else self._encoded(piece))
                except BaseException as error:  # raised again where the piece is awaited
                    made.put(error)

        # Nobody waits for this thread at the end, as an executor's: Ctrl-C would not end what reads from
        # stdin, or decodes large files.
        Thread(target=prepare, name="bm-inputs", daemon=True).start()
        wanted.put(True)
        try:
            while (prepared := made.get()) is not None:
                if isinstance(prepared, BaseException):
                    raise prepared
                wanted.put(True)
                yield self._answers(prepared, top_k, batch_size), prepared.problems
        finally:
            wanted.put(False)

    def _encoded(self, inputs: Inputs) -> _Encoded:
        if not inputs.names:
            return _Encoded({}, [], list(inputs.problems), [], {}, None)
        compact, unusable = self.preprocessing.usable(inputs.examples)
        problems = [Problem(message, Place(inputs.names[i])) for i, message in unusable.items()]
        good = [i for i in range(len(inputs.names)) if i not in unusable]
        if self.familiarity is None:
            said = self.preprocessing.unfamiliar(inputs.examples)
        else:
            said = self.familiarity.look(self.preprocessing, inputs.examples, compact, unusable)
        odd = [said.odd.get(i, ()) for i in good]
        beside = None if inputs.beside is None else inputs.beside[good].rows(named=True)
        names = [inputs.names[i] for i in good]
        return _Encoded(compact, names, [*inputs.problems, *problems], odd, said.taken, beside)

    def _answers(self, encoded: _Encoded, top_k: int | None, batch_size: int) -> list[Prediction]:
        """The predictions; inputs without a finite answer join the problems."""
        compact, names, problems = encoded.compact, encoded.names, encoded.problems
        self.taken.update(encoded.taken)
        task, predictions = tasks.of(self.spec.task), []
        if not names:
            return []
        outputs = task.temper(self._outputs(compact, len(names), batch_size), self.temperature)
        finite = np.isfinite(outputs).all(axis=1)
        answers = task.answer(self.spec.target, outputs, top_k, self.threshold)
        for i, (name, answer) in enumerate(zip(names, answers, strict=True)):
            if finite[i]:
                kept = None if encoded.beside is None else encoded.beside[i]
                predictions.append(Prediction(name, self.run, answer, encoded.odd[i], kept))
            else:
                problems.append(Problem("the model's output is not a finite number", Place(name)))
        return predictions

    def _outputs(self, compact: Batch, count: int, batch_size: int) -> np.ndarray:
        """The model's outputs [count, C], in order; computed by length where padding is dear."""
        order = None
        if self.preprocessing.by_length:
            padded = next(one for one in self.preprocessing.inputs if one.padding is not None)
            order = np.argsort(
                np.count_nonzero(compact[padded.name] != padded.padding, axis=1), kind="stable"
            )
        found = []
        for some in (slice(start, start + batch_size) for start in range(0, count, batch_size)):
            batch = self.preprocessing.finish_batch(rows(compact, some if order is None else order[some]))
            found.append(self.session.predict(batch, batch_size))
        if order is None:
            return np.concatenate(found)
        outputs = np.empty((count, found[0].shape[1]), found[0].dtype)
        outputs[order] = np.concatenate(found)
        return outputs


def open_predictor(
    opened: OpenedRun, *, calibrated: bool = False, threshold: float | Literal["best"] | None = None
) -> Predictor:
    """The run, ready to predict; one for each of several threads, as each counts what was `taken`.

    calibrated: with the temperature that was fitted on validation; threshold: see Predictor, 'best' for what
    was chosen there, which is of uncalibrated probabilities.
    Raises IntegrityError if a file is missing or damaged, UsageError if code is not trusted that a run
    without model.onnx needs.
    """
    run, spec = opened.run, opened.spec
    temperature = calibration.required(run).temperature if calibrated else 1.0
    task = tasks.of(spec.task)
    if threshold is not None and not task.takes_threshold:
        raise UsageError(f"--threshold is for two classes or for labels, but {run.id} is {spec.task}")
    if threshold == "best":
        chosen = calibration.required(run).threshold
        if chosen is None:
            raise UsageError(f"{run.id} has no fitted threshold: {task.no_threshold}", hint="--threshold 0.4")
        # A temperature moves a probability, and the threshold with it.
        half = np.array([[1 - chosen.value, chosen.value]], np.float32)
        threshold = float(task.temper(half, temperature)[0, 1])
    session, known = opened.session, opened.familiarity
    return Predictor(run.id, opened.preprocessing, spec, session, temperature, threshold, known)


def predict(opened: OpenedRun, examples: Examples, top_k: int | None = None) -> list[Prediction]:
    """The predictions of raw examples, in order; `input` is the position as text.

    Raises DataError listing all examples that cannot be used.
    """
    names = tuple(str(i) for i in range(len(examples)))
    predictions, problems = open_predictor(opened).predict(Inputs(examples, names), top_k=top_k)
    if problems:
        raise unreadable(problems, len(examples))
    return predictions


def refused(predictions: Sequence[Prediction]) -> tuple[list[Prediction], list[Problem]]:
    """Those of inputs that look like the training data, and why the others do not."""
    problems = [
        Problem(f"does not look like the training data: {joined(one.unfamiliar)}", Place(one.input))
        for one in predictions
        if one.unfamiliar
    ]
    return [one for one in predictions if not one.unfamiliar], problems


def unreadable(problems: Sequence[Problem], count: int) -> DataError:
    """The error that lists inputs that cannot be used. count: of all inputs."""
    of_all = f"{len(problems):,} of {count:,}" if count > len(problems) else f"{len(problems):,}"
    return DataError(f"{of_all} input{'s' if count != 1 else ''} cannot be used", problems=problems)


def choose_run(store: RunStore, kinds: Sequence[Kind]) -> tuple[Run, tuple[str, ...]]:
    """The newest completed run that takes one of these kinds, and the names all such runs bear.

    UsageError if there is none.
    """
    candidates = [
        run
        for run in store.all()
        if _readable(run) and run.record.kind in kinds and run.record.status == "completed"
    ]
    if not candidates:
        what = " or ".join(modality_of(kind).words.runs for kind in kinds)
        raise UsageError(
            f"no completed run in {store.root}/ takes {what}",
            hint="bm runs lists all runs; choose one with --run, or another folder with --runs-dir",
        )
    return candidates[0], tuple(dict.fromkeys(run.name for run in candidates))


def _readable(run: Run) -> bool:
    """Whether its record is; a damaged run is never chosen automatically, and `bm runs` shows it."""
    try:
        return run.record is not None
    except IntegrityError:
        return False
