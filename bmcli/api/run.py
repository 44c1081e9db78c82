"""A run in Python: its record, its metrics, its model, and what can be done with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from bmcli.api.arguments import Split, in_python, require_device, require_split
from bmcli.api.watching import displaying, noting, observer, progress_of, report_unfamiliar
from bmcli.core.errors import IntegrityError, Problem, UsageError, did_you_mean
from bmcli.core.plain import Document
from bmcli.core.spec import SPLITS, Device
from bmcli.runs import layout
from bmcli.runs.trust import Trust

if TYPE_CHECKING:
    import keras

    from bmcli.core.errors import Problem
    from bmcli.experiments.display import Display
    from bmcli.explain.base import Explanation
    from bmcli.export.formats import Exported
    from bmcli.inference.inputs import Inputs
    from bmcli.inference.opened import OpenedRun
    from bmcli.inference.predictor import Prediction, Predictor
    from bmcli.metrics.predictions import Predictions
    from bmcli.metrics.results import Evaluation
    from bmcli.runs.run import Run as StoredRun
    from bmcli.runs.trust import Trust


class Run:
    """A run, to look at and to use. Made by `train`, `load` and `runs`.

    Its properties are read from its directory each time, so they are current, even during training.
    """

    def __init__(self, stored: StoredRun) -> None:
        self._stored = stored
        self._kept: dict[Trust, OpenedRun] = {}
        self._said: set[str] = set()

    def __repr__(self) -> str:
        return f"<bmcli.Run {self.id}: {self.status}>"

    @property
    def id(self) -> str:
        """`<name>-v<N>`."""
        return self._stored.id

    @property
    def name(self) -> str:
        """The id without its number."""
        return self._stored.name

    @property
    def path(self) -> Path:
        """The run directory."""
        return self._stored.path

    @property
    def status(self) -> str:
        """'completed', 'interrupted', 'failed', 'diverged' or 'running'; 'damaged' where run.json cannot be
        read."""
        from bmcli.runs.listing import status_of

        return status_of(self._stored.reload())

    @property
    def record(self) -> Document:
        """All of run.json, as it is now."""
        document: Document = json.loads(self._stored.reload().record.to_text())
        return document

    @property
    def tags(self) -> tuple[str, ...]:
        """Its labels."""
        return self._stored.reload().record.tags

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of classes or labels in index order; empty for regression."""
        return self._stored.reload().record.classes

    @property
    def config(self) -> Document:
        """The resolved config, every default filled in, as plain data; `bmcli.train(run.config)` trains it
        again where it names no Python files."""
        from bmcli.config.parsing import yaml

        text = self._stored.read_bytes(layout.CONFIG)
        document: Document = yaml.parse(text, layout.CONFIG, str(self.path)).plain()
        return document

    @property
    def metrics(self) -> dict[str, Document]:
        """Split -> metric -> value, of every split that was evaluated."""
        return self._stored.reload().record.metrics

    @property
    def history(self) -> list[Document]:
        """One dict per finished epoch: losses, metrics, learning rate, seconds, examples per second.

        `pandas.DataFrame(run.history)` is a table of it. Empty before the first epoch is over. IntegrityError
        where metrics.jsonl is damaged.
        """
        if not self._stored.exists(layout.METRICS) and layout.METRICS not in self._stored.manifest():
            return []
        whole, _, torn = self._stored.read_text(layout.METRICS).rpartition("\n")
        try:
            records = [json.loads(line) for line in whole.split("\n") if line]
            if torn:  # no newline: whole where a crash took that alone, else being written now
                with suppress(ValueError):
                    records.append(json.loads(torn))
        except ValueError as error:
            raise IntegrityError(f"{self.path / layout.METRICS} is damaged: {error}") from error
        return records

    @property
    def evaluations(self) -> dict[str, Document]:
        """What was measured -> its whole document: metrics, intervals, per class, confusion matrix, as in
        evaluation/<split>.json. The run's own splits first, then files of `evaluate(data=...)`."""
        from bmcli.evaluation.stored_evaluations import read_evaluation

        folder = f"{layout.EVALUATION}/"
        found = [*self._stored.files(), *self._stored.manifest()]
        stems = {Path(name).stem for name in found if name.startswith(folder) and name.endswith(".json")}
        ordered = [*(split for split in SPLITS if split in stems), *sorted(stems - set(SPLITS))]
        documents = {stem: read_evaluation(self._stored, stem) for stem in ordered}
        return {stem: {**document} for stem, document in documents.items() if document is not None}

    def predictions(self, split: str = "test") -> Predictions:
        """Every prediction of a split that was evaluated: `ids`, and the arrays `targets` and `outputs`.

        targets: int64 [N] classes, float32 [N, L] labels or float64 [N] numbers; outputs: float32 [N, C]
        probabilities, or [N, 1] numbers. UsageError if the split was not evaluated.
        """
        from bmcli.evaluation.predictions import read
        from bmcli.evaluation.stored_evaluations import read_evaluation

        document = read_evaluation(self._stored, split)
        if document is None:
            there = list(self.evaluations)
            hint = did_you_mean(split, there) or f"evaluated: {', '.join(there) or 'nothing'}"
            raise UsageError(f"{self.id} was not evaluated on '{split}'", hint=hint)
        return read(self._stored, split, document["task"], document["classes"])

    def predict(
        self,
        inputs: object,
        *,
        top_k: int | None = None,
        text: bool = False,
        lines: bool = False,
        batch_size: int = 256,
        strict: bool = False,
        calibrated: bool = False,
        threshold: float | Literal["best"] | None = None,
        trust_code: bool = False,
        display: Display | Literal["auto"] | None = "auto",
    ) -> list[Prediction]:
        """One prediction per input, in order: the numbers that `bm predict` gives for the same inputs.

        inputs: see docs/python.md for all forms. Images: one or many, as arrays ([height, width(,
        channels)], uint8 or other numbers from 0 to 255), images of Pillow, tensors, paths, folders,
        patterns, files' bytes, and lists of these. Texts: a text or a list or column of them; a `Path` is a
        file. Tables: a frame of pandas or polars, columns by name, records, one record, or a path.
        top_k: classes in `top`, default 5. text: each `str` is the text itself, even if such a file exists;
        lines: paths are files with a text in each line. strict: inputs unlike the training data are refused.
        calibrated: probabilities by the temperature fitted on validation. threshold: the probability from
        which the second of two classes (or a label) is predicted. trust_code: run Python files kept in the
        run, which a run without model.onnx may need. display: as `train` takes it.

        UsageError for what is not an input of this run, or is ambiguous; DataError listing all inputs
        that cannot be used.
        """
        from bmcli.experiments.display import Progress
        from bmcli.inference import predictor as inference

        with in_python():
            opened = self._opened(trust_code)
            predictor = _predictor(opened, calibrated, threshold)
            if strict and predictor.familiarity is None:
                raise UsageError(f"{self.id} has no input statistics, which strict=True needs")
            if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
                raise UsageError(f"top_k={top_k!r}: expected a number of classes of at least 1")
            watching = observer(display, self._said)
            note = noting(watching)
            predictions: list[Prediction] = []
            problems: list[Problem] = []
            kind = predictor.preprocessing.kind
            with progress_of(display, kind) as counting:
                pieces = _given(opened, inputs, text, lines, note, counting.expect)
                for some, unusable in predictor.stream(pieces, top_k=top_k, batch_size=batch_size):
                    predictions += some
                    problems += unusable
                    counting.advance(len(some) + len(unusable))
                    total = max(counting.total, counting.done)
                    watching.handle(Progress("predicting", counting.done, total))
            if strict:
                predictions, refused = inference.refused(predictions)
                problems += refused
            report_unfamiliar(watching, predictor.taken, predictions)
            if problems:
                raise inference.unreadable(problems, len(predictions) + len(problems))
            return predictions

    def explain(
        self,
        inputs: object,
        *,
        label: str | None = None,
        text: bool = False,
        lines: bool = False,
        trust_code: bool = False,
        display: Display | Literal["auto"] | None = "auto",
    ) -> list[Explanation]:
        """Why it answers as it does: an explanation per input, in order. Imports Keras.

        inputs, text, lines, display: as `predict` takes them; label: the class to explain, default the
        predicted one. DataError listing all inputs that cannot be used.
        """
        from bmcli.experiments.display import Progress
        from bmcli.explain.explain import Explainer
        from bmcli.inference.opened import OpenedRun
        from bmcli.inference.predictor import unreadable

        with in_python():
            watching = observer(display, self._said)
            opened = OpenedRun(self._stored, Trust(trust_code))
            note = noting(watching)
            explainer = Explainer(opened, label=label)
            explained: list[Explanation] = []
            problems: list[Problem] = []
            with progress_of(display, explainer.preprocessing.kind, "explaining") as counting:
                pieces = _given(opened, inputs, text, lines, note, counting.expect)
                for piece in pieces:
                    for found in explainer.explain(piece):
                        if isinstance(found, Problem):
                            problems.append(found)
                        else:
                            explained.append(found)
                        counting.advance(1)
                        total = max(counting.total, counting.done)
                        watching.handle(Progress("explaining", counting.done, total))
            if problems:
                raise unreadable(problems, len(explained) + len(problems))
            return explained

    def evaluate(
        self,
        split: Split | None = None,
        *,
        data: str | Path | None = None,
        trust_code: bool = False,
        display: Display | Literal["auto"] | None = "auto",
    ) -> Evaluation:
        """Measure it on one of its splits (default test) or on labelled files, as `bm evaluate` does.

        UsageError for a split it does not have; DataError for data that is missing, unusable or changed.
        """
        from bmcli.evaluation.measure import measure, prepare
        from bmcli.inference.opened import OpenedRun
        from bmcli.report.page import refresh

        require_split(split)
        watching = observer(display, self._said)
        with in_python():
            opened = OpenedRun(self._stored, Trust(trust_code))
            path = Path(data) if data is not None else None
            ready = prepare(opened, split, data=path, note=noting(watching))
            evaluation = measure(ready)
            refresh(self._stored)
        return evaluation

    def resume(
        self,
        *,
        device: Device = "auto",
        display: Display | Literal["auto"] | None = "auto",
        trust_code: bool = False,
        force: bool = False,
    ) -> Run:
        """Resume it exactly where it stopped, if it was interrupted or crashed; the run itself.

        device, display, trust_code: as `train` takes them. force: also where data, code or versions changed;
        the run is then marked as not exact. UsageError if that is refused, or nothing is left to do.
        """
        from bmcli.experiments.resume import resume

        require_device(device)
        with in_python(), displaying(display) as watching:
            resume(self._stored, device=device, display=watching, trust=Trust(trust_code), force=force)
            self._kept.clear()  # its weights are others now
        return self

    def report(
        self, output: str | Path | None = None, *, split: str | None = None, card: bool = False
    ) -> Path:
        """Write a page about it; see `bmcli.report`."""
        from bmcli.api import report

        return report(self, output=output, split=split, card=card)

    def export(self, format: str, output: str | Path | None = None, *, trust_code: bool = False) -> Exported:
        """Its model for other programs; see `bmcli.export`."""
        from bmcli.api import export

        return export(self, format, output, trust_code=trust_code)

    def keras_model(self, *, trust_code: bool = False) -> keras.Model:
        """The model with its best weights, in float32: preprocessed inputs to probabilities or values."""
        from bmcli.inference.opened import OpenedRun

        with in_python():  # the caller's own: they may change it
            return OpenedRun(self._stored, Trust(trust_code)).model

    def _opened(self, trust_code: bool) -> OpenedRun:
        """Opened once, for all predictions."""
        from bmcli.inference.opened import OpenedRun

        return self._kept.setdefault(trust := Trust(trust_code), OpenedRun(self._stored, trust))


def _predictor(opened: OpenedRun, calibrated: bool, threshold: object) -> Predictor:
    """A predictor for this call alone, with its own counts of values read as known ones."""
    from bmcli.inference.predictor import open_predictor

    if threshold is not None and threshold != "best":
        number = threshold if isinstance(threshold, int | float) else -1.0
        if not 0 <= number <= 1:
            raise UsageError(f"threshold={threshold!r}: expected a probability, or 'best'")
    chosen = cast("float | Literal['best'] | None", threshold)
    return open_predictor(opened, calibrated=calibrated, threshold=chosen)


def _given(
    opened: OpenedRun,
    inputs: object,
    text: bool,
    lines: bool,
    note: Callable[[str], object],
    expect: Callable[[int], object],
) -> Iterator[Inputs]:
    """Inputs as Python has them, read for a run."""
    from bmcli.modalities import modality_of, python_inputs

    preprocessing = opened.preprocessing
    modality = modality_of(preprocessing.kind)
    if (text or lines) and not modality.takes_texts:
        option = "text=True" if text else "lines=True"
        raise UsageError(f"{option} is for text runs, but {opened.run.id} takes {preprocessing.kind}s")
    if text and lines:
        raise UsageError("text=True and lines=True cannot be used together")
    reading = opened.reading(texts=text, lines=lines)
    return python_inputs.read(
        inputs, reading, wanted=modality.wanted(preprocessing), note=note, expect=expect
    )
