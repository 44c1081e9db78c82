"""The Python API: what the command line does, from Python. Reached as `bmcli.train` and so on.

Every function raises the errors of the command line (`bmcli.BmError`), whose text is what that shows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, overload

from bmcli.core.errors import BmError, ConfigError, IntegrityError, UsageError, did_you_mean
from bmcli.core.plain import Document

if TYPE_CHECKING:
    from collections import Counter

    import keras

    from bmcli.config.schema import ExperimentConfig
    from bmcli.core.spec import DataSpec, Kind
    from bmcli.doctor.examine import Examined
    from bmcli.doctor.machine import Finding
    from bmcli.evaluation.compare import Comparison
    from bmcli.evaluation.gate import Verdict
    from bmcli.experiments.display import Display
    from bmcli.explain.explain import Explanation
    from bmcli.export.formats import Exported
    from bmcli.inference.inputs import Inputs
    from bmcli.inference.opened import OpenedRun
    from bmcli.inference.predictor import Prediction, Predictor
    from bmcli.metrics.predictions import Predictions
    from bmcli.metrics.results import Evaluation
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.runs.run import Run as StoredRun
    from bmcli.runs.store import RunStore
    from bmcli.runs.trust import Trust
    from bmcli.terminal.screen import Counting

Split = Literal["train", "validation", "test"]
_DEVICES = ("auto", "cpu", "gpu")
_IN_PYTHON = {
    "--trust-code": "trust_code=True",
    "--threshold": "threshold",
    "--device cpu": "device='cpu'",
    "--device gpu": "device='gpu'",
    "--calibrated": "calibrated=True",
    "--unpaired": "unpaired=True",
    "--strict": "strict=True",
    "--split": "split",
    "--data": "data",
    "--runs-dir": "runs_dir",
    "--output": "output",
    "--force": "force=True",
    "--text": "text=True",
}
"""How an option of the command line is written here, for the hints of errors."""


class Run:
    """A run, to look at and to use. Made by `train`, `load` and `runs`.

    What it tells is read from its directory each time, so it is as it stands now, and while it trains.
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
        from bmcli.runs.store import status_of

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
        from bmcli.runs import layout

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
        from bmcli.runs import layout

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
        """What was measured -> its whole document: figures, intervals, per class, confusion matrix, as in
        evaluation/<split>.json. The run's own splits first, then files of `evaluate(data=...)`."""
        from bmcli.core.spec import SPLITS
        from bmcli.evaluation.compare import read_evaluation
        from bmcli.runs import layout

        folder = f"{layout.EVALUATION}/"
        found = [*self._stored.files(), *self._stored.manifest()]
        stems = {Path(name).stem for name in found if name.startswith(folder) and name.endswith(".json")}
        ordered = [*(split for split in SPLITS if split in stems), *sorted(stems - set(SPLITS))]
        documents = {stem: read_evaluation(self._stored, stem) for stem in ordered}
        return {stem: document for stem, document in documents.items() if document is not None}

    def predictions(self, split: str = "test") -> Predictions:
        """Every prediction of a split that was evaluated: `ids`, and the arrays `targets` and `outputs`.

        targets: int64 [N] classes, float32 [N, L] labels or float64 [N] numbers; outputs: float32 [N, C]
        probabilities, or [N, 1] numbers. UsageError where the split was not evaluated.
        """
        from bmcli.evaluation.compare import read_evaluation
        from bmcli.evaluation.predictions import read

        document = read_evaluation(self._stored, split)
        if document is None:
            there = list(self.evaluations)
            hint = did_you_mean(split, there) or f"evaluated: {', '.join(there) or 'nothing'}"
            raise UsageError(f"{self.id} was not evaluated on '{split}'", hint=hint)
        return read(self._stored, split, document["task"], document["classes"])

    def predict(
        self,
        inputs: Any,
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
        top_k: classes in `top`, default 5. text: each `str` is the text itself, whatever file there is;
        lines: paths are files with a text in each line. strict: inputs unlike the training data are refused.
        calibrated: probabilities by the temperature fitted on validation. threshold: the probability from
        which the second of two classes (or a label) is predicted. trust_code: run Python files kept in the
        run, which a run without model.onnx may need. display: as `train` takes it.

        UsageError for what is no input of this run, or could mean two things; DataError listing all inputs
        that cannot be used.
        """
        from bmcli.experiments.display import Progress
        from bmcli.inference import predictor as inference

        with _in_python():
            opened = self._opened(trust_code)
            predictor = _predictor(opened, calibrated, threshold)
            if strict and predictor.familiarity is None:
                raise UsageError(f"{self.id} has no input statistics, which strict=True needs")
            if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
                raise UsageError(f"top_k={top_k!r}: expected a number of classes of at least 1")
            watching = _watching(display, self._said)
            note = _noting(watching)
            predictions: list[Prediction] = []
            problems: list[Any] = []
            kind = predictor.preprocessing.kind
            with _counting(display, kind) as counting:
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
            _tell_unfamiliar(watching, predictor.taken, predictions)
            if problems:
                raise inference.unreadable(problems, len(predictions) + len(problems))
            return predictions

    def explain(
        self,
        inputs: Any,
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
        from bmcli.core.errors import Problem
        from bmcli.experiments.display import Progress
        from bmcli.explain.explain import Explainer
        from bmcli.inference.opened import OpenedRun
        from bmcli.inference.predictor import unreadable
        from bmcli.runs.trust import Trust

        with _in_python():
            watching = _watching(display, self._said)
            opened = OpenedRun(self._stored, Trust(trust_code))
            note = _noting(watching)
            explainer = Explainer(opened, label=label)
            explained: list[Explanation] = []
            problems: list[Problem] = []
            with _counting(display, explainer.preprocessing.kind, "explaining") as counting:
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
        from bmcli.runs.trust import Trust

        _require_split(split)
        watching = _watching(display, self._said)
        with _in_python():
            opened = OpenedRun(self._stored, Trust(trust_code))
            path = Path(data) if data is not None else None
            ready = prepare(opened, split, data=path, note=_noting(watching))
            evaluation = measure(ready)
            refresh(self._stored)
        return evaluation

    def resume(
        self,
        *,
        device: Literal["auto", "cpu", "gpu"] = "auto",
        display: Display | Literal["auto"] | None = "auto",
        trust_code: bool = False,
        force: bool = False,
    ) -> Run:
        """Resume it exactly where it stopped, if it was interrupted or crashed; the run itself.

        device, display, trust_code: as `train` takes them. force: also where data, code or versions changed;
        the run is then marked as not exact. UsageError where that is refused, or nothing is left to do.
        """
        from bmcli.experiments.resume import resume
        from bmcli.runs.trust import Trust

        _require_device(device)
        with _in_python(), _shown(display) as watching:
            resume(self._stored, device=device, display=watching, trust=Trust(trust_code), force=force)
            self._kept.clear()  # its weights are others now
        return self

    def report(
        self, output: str | Path | None = None, *, split: str | None = None, card: bool = False
    ) -> Path:
        """Write a page about it; see `bmcli.report`."""
        return report(self, output=output, split=split, card=card)

    def export(self, format: str, output: str | Path | None = None, *, trust_code: bool = False) -> Exported:
        """Its model for other programs; see `bmcli.export`."""
        return export(self, format, output, trust_code=trust_code)

    def keras_model(self, *, trust_code: bool = False) -> keras.Model:
        """The model with its best weights, in float32: preprocessed inputs to probabilities or values."""
        from bmcli.inference.opened import OpenedRun
        from bmcli.runs.trust import Trust

        with _in_python():  # the caller's own: they may change it
            return OpenedRun(self._stored, Trust(trust_code)).model

    def _opened(self, trust_code: bool) -> OpenedRun:
        """Opened once, for all predictions."""
        from bmcli.inference.opened import OpenedRun
        from bmcli.runs.trust import Trust

        return self._kept.setdefault(trust := Trust(trust_code), OpenedRun(self._stored, trust))


@dataclass(frozen=True)
class Checked:
    """What `check` found. config: resolved, every default filled in, as plain data; built: with `build`, what
    training begins with: kind, task, classes, examples by split, input_shape, parameters, columns."""

    config: Document
    built: Document | None = None


def train(
    config: str | Path | Document,
    overrides: str | Sequence[str] | Mapping[str, Any] = (),
    *,
    name: str | None = None,
    tags: str | Sequence[str] = (),
    device: Literal["auto", "cpu", "gpu"] = "auto",
    runs_dir: str | Path | None = None,
    display: Display | Literal["auto"] | None = "auto",
    trust_code: bool = False,
) -> Run:
    """Train, evaluate and keep a new run.

    config: a file, the name of one that comes with bm, or the same as a dict. overrides: 'KEY=VALUE', several
    of these, or a dict {'training.epochs': 3}. name: the run's, default the config's.
    display: 'auto' shows progress: on a terminal and in a notebook a table of epochs with a line that is
    rewritten, else a plain line per epoch on stderr; None is silent; or an object of your own
    (`bmcli.experiments.display.Display`).
    trust_code: whether `code` files that lie in a run directory may run; UsageError where they may not.

    ConfigError with all mistakes; DataError; DivergedError; ResourceError. Ctrl-C raises InterruptedRunError:
    the state is saved, and `Run.resume` goes on with it.
    """
    from bmcli.experiments.train import train
    from bmcli.runs.store import validate_label

    _require_device(device)
    tags = (tags,) if isinstance(tags, str) else tuple(tags)
    for tag in tags:  # now, and not when the data is loaded
        if not isinstance(tag, str):
            raise UsageError(f"expected texts as tags, got {type(tag).__name__}")
        validate_label(tag)
    with _in_python(), _shown(display) as watching:
        resolved = _resolved(config, overrides, name=name, trust_code=trust_code)
        stored = train(resolved, _store(runs_dir), tags=tags, device=device, display=watching)
    return Run(stored)


def load(reference: str | Path, *, runs_dir: str | Path | None = None) -> Run:
    """A run by its id, its name, 'latest', '@tag', or the path of its directory."""
    return Run(_stored(reference, runs_dir))


def runs(
    name: str | None = None,
    *,
    status: str | None = None,
    tag: str | None = None,
    runs_dir: str | Path | None = None,
) -> list[Run]:
    """All runs, newest first; only those of a name, in a state, with a label. Damaged ones come last."""
    from bmcli.runs.store import status_of

    store = _store(runs_dir)
    states = ("running", "completed", "interrupted", "failed", "diverged", "damaged")
    if status is not None and status not in states:
        hint = did_you_mean(status, states) or f"known: {', '.join(states)}"
        raise UsageError(f"unknown status '{status}'", hint=hint)
    found = store.all() if name is None else store.named(name)
    kept = [run for run in found if status in (None, status_of(run))]
    if tag is not None:
        kept = [run for run in kept if status_of(run) != "damaged" and tag in run.record.tags]
    return [Run(run) for run in kept]


def load_preprocessing(folder: str | Path) -> tuple[Preprocessing, DataSpec]:
    """What prepares inputs, as a run or an export keeps it, and what its model takes; see docs/export.md.

    folder: holds preprocessing.json, and of texts tokenizer.json. IntegrityError where they are damaged.
    """
    from bmcli.modalities.preprocessing import load

    return load(Path(folder))


def predict(run: Run | str | Path, inputs: Any, **options: Any) -> list[Prediction]:
    """Predict with a run, given as `load` takes it; inputs and options as `Run.predict` takes them."""
    return (run if isinstance(run, Run) else load(run)).predict(inputs, **options)


def explain(run: Run | str | Path, inputs: Any, **options: Any) -> list[Explanation]:
    """Explain a run's answers; inputs and options as `Run.explain` takes them."""
    return (run if isinstance(run, Run) else load(run)).explain(inputs, **options)


def evaluate(
    run: Run | str | Path,
    split: Split | None = None,
    *,
    data: str | Path | None = None,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
) -> Evaluation:
    """Measure a run, given as `load` takes it, on one of its splits (default test) or on labelled files."""
    return _run(run, runs_dir).evaluate(split, data=data, trust_code=trust_code)


def compare(
    *references: Run | str | Path | Sequence[Run | str | Path],
    unpaired: bool = False,
    runs_dir: str | Path | None = None,
) -> Comparison:
    """Compare at least two runs: what differs, and the differences of their figures with 95 % intervals.

    references: runs, one by one or in a list; a name means all its completed runs. unpaired: only side by
    side, whatever they were measured on. DataError where their test examples differ.
    """
    from bmcli.evaluation.compare import compare as compare_stored

    with _in_python():
        return compare_stored(_several(references, runs_dir, least=2), unpaired=unpaired)


def gate(
    run: Run | str | Path,
    *,
    min: Mapping[str, float] | None = None,
    max: Mapping[str, float] | None = None,
    baseline: Run | str | Path | None = None,
    max_drop: float | Mapping[str, float] | None = None,
    lower_bound: bool = False,
    split: str = "test",
    tag: str | None = None,
    runs_dir: str | Path | None = None,
) -> Verdict:
    """Whether a run is good enough: `verdict.holds`, and each check with its reason.

    min, max: bounds of figures, as {'accuracy': 0.97} or {'per_class.daisy.recall': 0.9}. max_drop: how much
    worse than `baseline` it may be, of the headline figure or by figure. lower_bound: the worse end of the
    95 % interval must hold. tag: a label that is moved to the run if all holds. UsageError where nothing is
    asked.
    """
    from bmcli.evaluation.gate import Bound, judge
    from bmcli.runs.store import validate_tag

    drops = max_drop if isinstance(max_drop, Mapping) else {None: max_drop} if max_drop is not None else {}
    asked = (("min", min or {}), ("max", max or {}), ("drop", drops))
    bounds = [
        Bound(kind, figure, _bound(kind, figure, v)) for kind, some in asked for figure, v in some.items()
    ]
    if not bounds:
        raise UsageError("no condition given", hint="for example min={'accuracy': 0.97}")
    if bool(drops) != (baseline is not None):
        raise UsageError("baseline and max_drop need each other")
    if tag is not None:
        validate_tag(tag)
    stored = _stored(run, runs_dir)
    against = _stored(baseline, runs_dir) if baseline is not None else None
    verdict = judge(stored, bounds, split=split, baseline=against, lower_bound=lower_bound)
    if tag is not None and verdict.holds:
        from bmcli.runs.store import RunStore

        RunStore(stored.path.parent).move_tag(tag, stored)
    return verdict


def report(
    *references: Run | str | Path | Sequence[Run | str | Path],
    output: str | Path | None = None,
    split: str | None = None,
    card: bool = False,
    unpaired: bool = False,
    runs_dir: str | Path | None = None,
) -> Path:
    """Write one HTML file about a run, or a comparison of several; returns its path.

    output: default report.html in the run, of several comparison.html here; card: a model card in Markdown
    instead, model_card.md here. split: whose mistakes it shows. UsageError where a card would be overwritten.
    """
    from bmcli.evaluation.compare import compare as compare_stored
    from bmcli.evaluation.compare import read_evaluation
    from bmcli.report import page
    from bmcli.runs import atomic, layout

    target = Path(output) if output is not None else None
    if target is not None and (target.is_dir() or not target.absolute().parent.is_dir()):
        what = "is a folder" if target.is_dir() else f"there is no folder {target.absolute().parent}"
        raise UsageError(f"output={str(target)!r}: {what}", hint="output= is the file of the page")
    with _in_python():
        found = _several(references, runs_dir, least=1)
        if len(found) > 1:
            if card or split:
                raise UsageError("card and split are for a single run")
            text = page.comparison_report(compare_stored(found, unpaired=unpaired))
            target = target or Path("comparison.html")
        else:
            (run,) = found
            if split is not None and read_evaluation(run, split) is None:
                known = list(Run(run).evaluations)
                hint = did_you_mean(split, known) or f"evaluated: {', '.join(known) or 'nothing'}"
                raise UsageError(f"{run.id} was not evaluated on '{split}'", hint=hint)
            if target is None and not card:
                run.write_text(layout.REPORT, page.report(run, split))
                return run.path / layout.REPORT
            target = target or Path(page.CARD)
            if card and target.exists():
                raise UsageError(
                    f"{target} exists, and may have been edited", hint="choose another with output="
                )
            text = page.model_card(run) if card else page.report(run, split)
        with atomic.resources(f"write {target}"):
            atomic.write_bytes(target, text.encode("utf-8"))
    return target


def export(
    run: Run | str | Path,
    format: str,
    output: str | Path | None = None,
    *,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
) -> Exported:
    """A run's model for other programs, in a folder with all that its inputs and answers need.

    format: 'onnx', 'saved_model' or 'litert' (extra); output: the folder to make, default in the run. The
    model is reloaded in a new process and must repeat stored samples: IntegrityError where it does not.
    """
    from bmcli.export.engines import Format
    from bmcli.export.formats import export as export_stored
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.trust import Trust

    formats = get_args(Format)
    if format not in formats:
        hint = did_you_mean(format, formats) or f"known: {', '.join(formats)}"
        raise UsageError(f"unknown format '{format}'", hint=hint)
    target = Path(output) if output is not None else None
    with _in_python():
        opened = OpenedRun(_stored(run, runs_dir), Trust(trust_code))
        return export_stored(opened, format, target)  # type: ignore[arg-type]


def check(
    config: str | Path | Document,
    overrides: str | Sequence[str] | Mapping[str, Any] = (),
    *,
    build: bool = False,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
    display: Display | Literal["auto"] | None = "auto",
) -> Checked:
    """All that can be known of a config without training; config and overrides as `train` takes them.

    build: also read the data and build the model, all that training does before its first step. ConfigError
    with all mistakes at once; with `build` whatever training would raise.
    """
    with _in_python(), _shown(display) as watching:
        resolved = _resolved(config, overrides, trust_code=trust_code)
        if not build:
            return Checked(resolved.to_dict())
        from bmcli.experiments.prepare import described
        from bmcli.experiments.start import start

        started = start(resolved, _store(runs_dir), display=watching)
        experiment = started.experiment
        built = described(experiment.bundle, experiment.spec, started.record["parameters"])
        return Checked(resolved.to_dict(), built)


@overload
def doctor(
    config: None = None,
    overrides: str | Sequence[str] | Mapping[str, Any] = (),
    *,
    run: None = None,
    folds: None = None,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
) -> list[Finding]: ...


@overload
def doctor(
    config: str | Path | Document,
    overrides: str | Sequence[str] | Mapping[str, Any] = (),
    *,
    run: Run | str | Path | None = None,
    folds: int | None = None,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
) -> Examined: ...


def doctor(
    config: str | Path | Document | None = None,
    overrides: str | Sequence[str] | Mapping[str, Any] = (),
    *,
    run: Run | str | Path | None = None,
    folds: int | None = None,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
) -> Examined | list[Finding]:
    """What is wrong with a config's data (`.findings`, the worst first); without a config, with this machine.

    run: a run trained on the data says which labels are doubtful; folds: models trained on so many parts of
    it do. DataError where it cannot be read at all.
    """
    if run is not None and folds is not None:
        raise UsageError("run and folds cannot be used together")
    if config is None:
        if run is not None or folds is not None:
            raise UsageError("run and folds need a config")
        from bmcli.doctor import machine
        from bmcli.files.download import data_home

        return machine.examine(_store(runs_dir).root, data_home())
    from bmcli.doctor.examine import examine
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.trust import Trust

    with _in_python():
        resolved = _resolved(config, overrides, trust_code=trust_code)
        opened = OpenedRun(_stored(run, runs_dir), Trust(trust_code)) if run is not None else None
        return examine(resolved, opened=opened, folds=folds)


# === parts ===


def _store(runs_dir: str | Path | None) -> RunStore:
    from bmcli.runs.store import RunStore

    return RunStore(Path(runs_dir or os.environ.get("BM_RUNS_DIR") or "runs"))


def _run(run: Run | str | Path, runs_dir: str | Path | None) -> Run:
    return run if isinstance(run, Run) else load(run, runs_dir=runs_dir)


def _stored(run: Run | str | Path, runs_dir: str | Path | None) -> StoredRun:
    """The stored run that a run, an id, a name, a tag or a directory means."""
    if isinstance(run, Run):
        return run._stored
    if isinstance(run, Path):
        from bmcli.runs.store import open_path

        return open_path(run)
    if not isinstance(run, str):
        raise UsageError(f"expected a run, its id, name or path, got {type(run).__name__}")
    return _store(runs_dir).find(run)


def _several(references: Sequence[Any], runs_dir: str | Path | None, *, least: int) -> list[StoredRun]:
    """Each run once, in order; of several references, a name means all its completed runs."""
    flat: list[Run | str | Path] = []
    for one in references:
        flat += one if isinstance(one, list | tuple) else [one]
    found: dict[Path, StoredRun] = {}
    for one in flat:
        several = isinstance(one, str) and (least > 1 or len(flat) > 1)
        runs = _store(runs_dir).completed(cast("str", one)) if several else [_stored(one, runs_dir)]
        found |= {run.path.resolve(): run for run in runs}
    if len(found) < max(least, min(len(flat), 2)):
        raise UsageError("give at least two runs" if least > 1 or len(flat) > 1 else "give a run")
    return list(found.values())


def _resolved(
    config: str | Path | Document,
    overrides: str | Sequence[str] | Mapping[str, Any],
    *,
    name: str | None = None,
    trust_code: bool,
) -> ExperimentConfig:
    from bmcli.config import resolve
    from bmcli.core import quiet
    from bmcli.runs.run import came_with_a_run

    if not isinstance(config, str | os.PathLike | dict):
        raise UsageError(f"expected a config's path or name, or a dict, got {type(config).__name__}")
    quiet.prepare()

    def refuse_foreign(files: Sequence[str]) -> None:
        foreign = [file for file in files if not trust_code and came_with_a_run(file)]
        if foreign:
            raise UsageError(
                f"{foreign[0]} is stored in a run, and would be executed",
                hint="allow it with trust_code=True",
            )

    if isinstance(overrides, Mapping):
        try:
            changes = [f"{key}={json.dumps(value)}" for key, value in overrides.items()]
        except TypeError as error:
            raise ConfigError(f"an override is not plain data: {error}") from error
    else:
        changes = [overrides] if isinstance(overrides, str) else list(overrides)
    if name is not None:
        changes.append(f"name={name}")
    return resolve.load(config, changes, run_code=True, before_code=refuse_foreign)


def _require_device(device: str) -> None:
    if device not in _DEVICES:
        hint = did_you_mean(device, _DEVICES) or f"known: {', '.join(_DEVICES)}"
        if device.lower().startswith(("cuda", "rocm", "nvidia")):
            hint = "did you mean gpu?"
        raise UsageError(f"unknown device '{device}'", hint=hint)


def _require_split(split: str | None) -> None:
    from bmcli.core.spec import SPLITS

    if split is not None and split not in SPLITS:
        hint = did_you_mean(split, SPLITS) or f"known: {', '.join(SPLITS)}"
        raise UsageError(f"unknown split '{split}'", hint=hint)


def _bound(kind: str, figure: str | None, value: object) -> float:
    from math import isfinite

    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return float(value)
    what = {"min": "min", "max": "max", "drop": "max_drop"}[kind]
    raise UsageError(
        f"{what}={{{figure!r}: {value!r}}}: expected a number", hint=f"{what}={{'accuracy': 0.97}}"
    )


def _predictor(opened: OpenedRun, calibrated: bool, threshold: object) -> Predictor:
    """A predictor of this call alone: what was taken for something known is counted for each."""
    from bmcli.inference.predictor import open_predictor

    if threshold is not None and threshold != "best":
        number = threshold if isinstance(threshold, int | float) else -1.0
        if not 0 <= number <= 1:
            raise UsageError(f"threshold={threshold!r}: expected a probability, or 'best'")
    chosen = cast("float | Literal['best'] | None", threshold)
    return open_predictor(opened, calibrated=calibrated, threshold=chosen)


def _given(
    opened: OpenedRun,
    inputs: Any,
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


@contextmanager
def _in_python() -> Iterator[None]:
    """Errors that name options of the command line name them as they are written here."""
    try:
        yield
    except BmError as error:
        error.message, error.hint = _translated(error.message) or "", _translated(error.hint)
        error.problems = tuple(replace(one, hint=_translated(one.hint)) for one in error.problems)
        raise


def _translated(text: str | None) -> str | None:
    """The options in it as arguments; commands stay what they are, but for the one that resumes."""
    if text and text.startswith("bm train --resume "):
        import shlex

        *_, reference = shlex.split(text.removesuffix(" restarts it"))
        return f"bmcli.load({reference!r}).resume()"
    if not text or "bm " in text:
        return text
    for option, argument in _IN_PYTHON.items():
        text = text.replace(option, argument)
    return text


@contextmanager
def _shown(display: Display | Literal["auto"] | None) -> Iterator[Display]:
    """Whoever watches a training: the usual display for 'auto', nobody for None."""
    from bmcli.experiments.display import Silent

    if display is None:
        yield Silent()
    elif display == "auto":
        from bmcli.terminal.progress import TrainingDisplay, python_screen

        with TrainingDisplay(_Loud(), python_screen()) as shown:
            yield shown
    elif isinstance(display, str):
        raise UsageError(f"display={display!r}: expected 'auto', None or a bmcli.experiments.display.Display")
    else:
        yield display


class _Loud:
    """Not quiet."""

    quiet = False


def _watching(display: Display | Literal["auto"] | None, said: set[str]) -> Display:
    """Who is told the notes and warnings of a prediction. said: by 'auto' already, which says each once."""
    from bmcli.experiments.display import Silent

    if display == "auto":
        from bmcli.terminal.progress import SayingOnce

        return SayingOnce(said)
    if isinstance(display, str):
        raise UsageError(f"display={display!r}: expected 'auto', None or a bmcli.experiments.display.Display")
    return display or Silent()


def _noting(display: Display) -> Callable[[str], None]:
    """Hands a note to a display."""
    from bmcli.experiments.display import Note

    return lambda text: display.handle(Note(text))


def _tell_unfamiliar(display: Display, taken: Counter[str], predictions: Sequence[Prediction]) -> None:
    """What inputs were taken for, and which of them are unlike the training data."""
    from bmcli.experiments.display import Warned
    from bmcli.modalities.remark import Unfamiliar

    note = _noting(display)
    for text in Unfamiliar(taken=taken).notes("inputs"):
        note(text)
    odd = {i: one.unfamiliar for i, one in enumerate(predictions) if one.unfamiliar}
    for text in Unfamiliar(odd).notes("inputs"):
        display.handle(Warned(text))


def _counting(display: Display | Literal["auto"] | None, kind: Kind, what: str = "predicting") -> Counting:
    from bmcli.modalities import words_of
    from bmcli.terminal.progress import python_screen
    from bmcli.terminal.screen import Counting

    return Counting(python_screen() if display == "auto" else None, what, words_of(kind).rate)
