"""Evaluate a run, in the same way after training and at any later time, so that the metrics are equal.

Everything comes from the run directory but the data itself, so a run can be moved or copied.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli import data as datasets
from bmcli import tasks
from bmcli.core.errors import DataError, Place, Problem, UsageError
from bmcli.core.spec import SPLITS
from bmcli.core.stopwatch import phase
from bmcli.data.fingerprint import fingerprint
from bmcli.evaluation import overlap as seen
from bmcli.evaluation.metrics import evaluate, summarize, to_text
from bmcli.evaluation.predictions import to_csv
from bmcli.inference import calibration
from bmcli.inference.opened import OpenedRun
from bmcli.metrics.results import Evaluation, TargetSummary
from bmcli.modalities.base import modality_of
from bmcli.plots import evaluation as plots
from bmcli.plots.samples import sample_predictions, worst_contents
from bmcli.runs import layout
from bmcli.runs.store import reference_to

if TYPE_CHECKING:
    import numpy as np

    from bmcli.config.schema import EvaluationConfig, ExperimentConfig
    from bmcli.core.examples import Examples
    from bmcli.core.spec import DataSpec, SplitName
    from bmcli.data.bundle import DataBundle, Split
    from bmcli.inference.session import Session
    from bmcli.metrics.results import Seen
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.runs.run import Run

AHEAD = 4
"""Batches that are decoded together."""


@dataclass(frozen=True)
class Prepared:
    """A run and labelled examples, ready to be measured.

    name: 'train', 'validation' or 'test', or the stem under which metrics of other data are kept. session:
    the run's published model. training: of the training split's targets, for the trivial answer. data, seen:
    of other data where it is, and what of it the run was trained on.
    """

    run: Run
    name: str
    split: Split
    spec: DataSpec
    preprocessing: Preprocessing
    session: Session
    options: EvaluationConfig
    training: TargetSummary | None
    data: Path | None = None
    seen: Seen | None = None

    def predict(self, examples: Examples) -> np.ndarray:
        """See `predict_all`."""
        return predict_all(self.session, self.preprocessing, examples, self.options.batch_size)

    @cached_property
    def outputs(self) -> np.ndarray:
        """Of the split itself, predicted once."""
        return self.predict(self.split.examples)


def prepare(
    opened: OpenedRun,
    split: SplitName | None = None,
    *,
    data: Path | None = None,
    unseen_only: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Prepared:
    """A run with one of its splits (default test) or with data of the user's.

    split: needs the data as it was in training. data: a file or folder in the form of the run's data; its
    metrics go to evaluation/<file stem>-<hash8>.json. unseen_only: without those of `data` that training or
    validation had. note: called with messages for the user.

    Raises UsageError for both or a split the data does not have, or code that is not trusted; DataError for
    data that is missing, unusable or no longer what the run was trained on, or of which nothing is unseen or
    that cannot be known; IntegrityError for a damaged run.
    """
    if split is not None and data is not None:
        raise UsageError("--split and --data cannot be used together", hint="--data evaluates the whole file")
    if unseen_only and data is None:
        raise UsageError("--unseen-only needs --data")
    found: Seen | None = None
    run = opened.run
    _refuse_untrusted(opened)
    config, preprocessing, spec, session = opened.config, opened.preprocessing, opened.spec, opened.session
    if session.engine == "keras":
        note("predicting with Keras, because the run has no model.onnx")
    if data is None:
        name: str = split or "test"
        bundle = _same_data(run, config, name, progress)
        chosen = bundle.split(name)  # type: ignore[arg-type]
        assert chosen is not None
        training: TargetSummary | None = summarize(spec.task, spec.classes, bundle.train.targets)
    else:
        if not data.exists():
            raise DataError(f"{data} does not exist")
        # Numbers that a window scales are not bytes, however small they are.
        windowed = getattr(getattr(preprocessing, "manner", None), "window", None) is not None
        chosen = datasets.read_labelled(
            data, config.data, spec, note, unscaled=windowed, encoder=preprocessing
        )
        chosen = _usable(chosen, preprocessing, data, config.data.skip_unusable, note)
        found, was_seen = seen.look(run, config, preprocessing, chosen, data, progress)
        if unseen_only:
            chosen, found = _unseen(chosen, found, was_seen, data)
        for text in _unfamiliar(opened, chosen.examples, data.name):
            note(text)
        name = f"{data.resolve().stem}-{_examples_sha256(chosen, spec)[:8]}"
        training = _recorded_targets(run)
    return Prepared(run, name, chosen, spec, preprocessing, session, config.evaluation, training, data, found)


def _unseen(split: Split, seen: Seen, which: np.ndarray, path: Path) -> tuple[Split, Seen]:
    """Without the examples that the run has seen."""
    import numpy as np

    if seen.unknown is not None:
        raise DataError(f"it is unknown which examples of {path} are unseen: {seen.unknown}")
    if which.all():
        raise DataError(f"all {len(split):,} examples in {path} were seen in training or validation")
    return split.take(np.flatnonzero(~which)), replace(seen, left_out=int(which.sum()))


def _unfamiliar(opened: OpenedRun, examples: Examples, name: str) -> list[str]:
    """Differences from the run's training data, in sentences."""
    known = opened.familiarity
    if known is None:
        return opened.preprocessing.unfamiliar(examples).notes(name)
    return known.notes(opened.preprocessing, examples, name)


def _usable(
    split: Split, preprocessing: Preprocessing, path: Path, skip: bool, note: Callable[[str], None]
) -> Split:
    """The rows whose cells can be read as in training; DataError with the others, unless they are skipped."""
    import numpy as np

    bad = modality_of(preprocessing.kind).unusable(preprocessing, split.examples)
    if not bad:
        return split
    if not skip or len(bad) == len(split):
        problems = [Problem(what, Place(split.ids[i])) for i, what in bad.items()]
        count = f"{len(bad):,} row{'s' if len(bad) > 1 else ''}"
        raise DataError(f"{count} cannot be used in {path}", hint="fix or remove them", problems=problems)
    note(f"{len(bad):,} rows left out as unusable in {path.name}: {next(iter(bad.values()))}")
    return split.take(np.array([i for i in range(len(split)) if i not in bad], np.int64))


def measure(ready: Prepared) -> Evaluation:
    """Measure, and write all of it into the run: metrics, predictions, plots; those of a split of its own
    also into its record.

    Raises DataError for an empty split or an example that cannot be read, DivergedError for outputs that are
    not finite, UsageError if a user's metric fails.
    """
    run, name, split, spec, options = ready.run, ready.name, ready.split, ready.spec, ready.options
    if not len(split):
        raise DataError(f"{name} contains no examples")
    digest = _examples_sha256(split, spec)
    fitted = calibration.load(run) if name != calibration.FITTED_ON else None
    evaluation = evaluate(
        spec.task,
        spec.classes,
        split.targets,
        ready.outputs,
        split=name,
        top_k=options.top_k,
        extra_metrics=options.metrics,
        training_targets=ready.training,
        examples_sha256=digest,
        temperature=fitted.temperature if fitted is not None and fitted.examples_sha256 != digest else None,
    )
    if name == calibration.FITTED_ON:
        found = calibration.fit(spec.task, split.targets, ready.outputs, examples_sha256=digest)
        if found is not None:
            run.write_text(layout.CALIBRATION, to_text(found.to_json()))
    evaluation = replace(evaluation, seen=ready.seen)
    _write(run, evaluation, split, ready.outputs, spec, ready.preprocessing)
    if name in SPLITS:
        metrics = {**run.reload().record.metrics, name: dict(evaluation.metrics)}
        run.update(metrics=metrics, headline=evaluation.headline)
    return evaluation


def _refuse_untrusted(opened: OpenedRun) -> None:
    """UsageError if its config would execute Python files that are not trusted."""
    if opened.has_code and not opened.trust.code:
        raise UsageError(
            f"{opened.run.id} contains Python files, which evaluating it would run",
            hint="use --trust-code to allow it",
        )


def predict_all(
    session: Session, preprocessing: Preprocessing, examples: Examples, batch_size: int
) -> np.ndarray:
    """The finished model's outputs for all examples, float32 [N, C]; decodes a few batches at a time."""
    import numpy as np

    source = preprocessing.source(examples)
    order = np.arange(len(source))
    if lengths := source.used_lengths(preprocessing.inputs):  # the model then sees hardly any padding
        order = np.argsort(next(iter(lengths.values())), kind="stable")
    step = batch_size * AHEAD
    found = np.concatenate(
        [
            session.predict(preprocessing.finish_batch(source[order[start : start + step]]), batch_size)
            for start in range(0, len(order), step)
        ]
    )
    outputs = np.empty_like(found)
    outputs[order] = found
    return outputs


def _same_data(
    run: Run,
    config: ExperimentConfig,
    name: str,
    progress: Callable[[str, int, int], None] | None,
) -> DataBundle:
    """The run's data, if it still is what the run was trained on."""
    bundle = datasets.load(config.data, progress=progress)
    recorded = run.record.data_fingerprint
    if recorded and bundle.fingerprint != recorded:
        # A new split could put training examples into the test split, and the metrics would be too good.
        raise DataError(
            f"the data of {run.id} has changed since training "
            f"(fingerprint {bundle.fingerprint[:8]}, was {recorded[:8]})",
            hint=f"bm evaluate {reference_to(run)} --data PATH evaluates labelled files as they are now",
        )
    if bundle.split(name) is None:  # type: ignore[arg-type]
        there = [split for split in SPLITS if bundle.split(split) is not None]
        raise UsageError(f"{run.id} has no {name} split", hint=f"it has: {', '.join(there)}")
    return bundle


def _examples_sha256(split: Split, spec: DataSpec) -> str:
    """Over ids, targets, contents and class names: equal metrics' examples are equal."""
    return fingerprint({"examples": split}, spec.classes)


def _recorded_targets(run: Run) -> TargetSummary | None:
    """The summary of the training targets in an earlier evaluation: the data may be gone."""
    for name in reversed(SPLITS):
        path = layout.evaluation_of(name)
        if run.exists(path) and (noted := json.loads(run.read_text(path)).get("training_targets")):
            return TargetSummary(noted["examples"], noted["counts"] and tuple(noted["counts"]), noted["mean"])
    return None


def _write(
    run: Run,
    evaluation: Evaluation,
    split: Split,
    outputs: np.ndarray,
    spec: DataSpec,
    preprocessing: Preprocessing,
) -> None:
    """Predictions and plots first, the metrics last: if the metrics are there, so is the rest."""
    stem = evaluation.split
    text, arrays = to_csv(spec.task, spec.classes, split.ids, split.targets, outputs)
    files = {layout.predictions_of(stem): text.encode("utf-8")}
    if arrays is not None:
        files[layout.predictions_of(stem).removesuffix(".csv") + ".npz"] = arrays
    if contents := worst_contents(spec.task, split, outputs):
        files[layout.worst_of(stem)] = to_text({"format": 1, "examples": contents}).encode("utf-8")
    window = getattr(getattr(preprocessing, "manner", None), "window", None)
    for name, png in _plots(evaluation, split, outputs, spec, window).items():
        files[layout.plot_of(f"{name}-{stem}")] = png
    files[layout.evaluation_of(stem)] = to_text(evaluation.to_json()).encode("utf-8")
    run.write_files(files)


@phase("plots")
def _plots(
    evaluation: Evaluation,
    split: Split,
    outputs: np.ndarray,
    spec: DataSpec,
    window: tuple[float, float] | None,
) -> dict[str, bytes]:
    drawings: dict[str, Callable[[], bytes]] = {
        "regression": lambda: plots.regression(evaluation, split.targets, outputs, spec.target_name),
        "confusion_matrix": lambda: plots.confusion_matrix(evaluation),
        "class_figures": lambda: plots.class_figures(evaluation),
        "calibration": lambda: plots.calibration(evaluation),
        "sample_predictions": lambda: sample_predictions(
            spec.task,
            spec.classes,
            split.examples,
            split.targets,
            outputs,
            split.ids,
            evaluation.split,
            window,
        ),
    }
    return {name: drawings[name]() for name in tasks.of(spec.task).plots}
