"""Measure a run: the one way, after training and at any time later, so that the figures are equal.

Everything comes from the run directory but the data itself, so a run can be moved or copied.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bmcli.errors import DataError, UsageError
from bmcli.evaluation.evaluate import Evaluation, TargetSummary, evaluate, summarize, to_text
from bmcli.runs import layout

if TYPE_CHECKING:
    import numpy as np

    from bmcli.config.schema import EvaluationConfig, ExperimentConfig
    from bmcli.data.bundle import DataBundle, DataSpec, Examples, Split
    from bmcli.inference.session import Session
    from bmcli.preprocessing import Preprocessing
    from bmcli.runs.run import Run

SPLITS = ("train", "validation", "test")
AHEAD = 4
"""Batches that are decoded together."""


def evaluate_split(
    run: Run,
    name: str,
    split: Split,
    *,
    session: Session,
    preprocessing: Preprocessing,
    spec: DataSpec,
    options: EvaluationConfig,
    training_targets: TargetSummary | None = None,
    pictures: bool = True,
) -> Evaluation:
    """Measure one split and write all of it into the run: figures, predictions, pictures.

    name: 'train', 'validation' or 'test', whose figures join the run's record; anything else is the stem of
    the files of a scored file. session: the run's published model.

    Raises DataError for an empty split or an example that cannot be read, DivergedError for outputs that are
    not finite.
    """
    if not len(split):
        raise DataError(f"{name} holds no examples")
    from bmcli.data.fingerprint import fingerprint

    outputs = predict_all(session, preprocessing, split.examples, options.batch_size)
    evaluation = evaluate(
        spec.task,
        spec.classes,
        split.targets,
        outputs,
        split=name,
        top_k=options.top_k,
        extra_metrics=options.metrics,  # type: ignore[arg-type]  # the schema looks no further than Component
        training_targets=training_targets,
        examples_sha256=fingerprint({"examples": split}, spec.classes),
    )
    _write(run, evaluation, split, outputs, spec, pictures)
    if name in SPLITS:
        metrics = {**run.reload().record.metrics, name: dict(evaluation.metrics)}
        run.update(metrics=metrics, headline=evaluation.headline)
    return evaluation


def evaluate_run(
    run: Run,
    split: Literal["train", "validation", "test"] | None = None,
    *,
    data: Path | None = None,
    trust_code: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Measure a run on one of its own splits (default test), or on labelled files of the user's.

    split: needs the data as it was in training. data: a file or folder in the form of the run's data; its
    figures go to evaluation/<file stem>-<hash8>.json. trust_code: whether the Python files kept in the run
    may run. note: told what is worth a line.

    Raises UsageError for both or a split the data does not have, or code that is not trusted; DataError for
    data that is missing, unusable or no longer what the run was trained on; IntegrityError for a damaged run.
    """
    from bmcli import preprocessing as preprocessings
    from bmcli.config import resolve
    from bmcli.inference.session import open_session

    if split is not None and data is not None:
        raise UsageError("--split and --data exclude each other", hint="--data scores the whole file")
    if has_code(run) and not trust_code:
        raise UsageError(
            f"{run.id} keeps Python files of its own, which evaluating it would run",
            hint="--trust-code runs them",
        )
    config = resolve.load(run.verified(layout.CONFIG), run_code=trust_code)
    names = (layout.PREPROCESSING, layout.TOKENIZER)
    preprocessing, spec = preprocessings.load({n: run.read_text(n) for n in names if run.exists(n)})
    training: TargetSummary | None
    if data is None:
        name: str = split or "test"
        bundle = _same_data(run, config, name, progress)
        chosen = bundle.split(split or "test")
        assert chosen is not None
        training = summarize(bundle.task, bundle.classes, bundle.train.targets)
    else:
        chosen = _labelled(data, config, spec, preprocessing)
        name = f"{data.resolve().stem}-{_hash8(chosen, spec)}"
        training = _recorded_targets(run)
    session = open_session(run)
    if session.engine == "keras":
        note("predictions go through Keras: the run has no model.onnx")
    return evaluate_split(
        run,
        name,
        chosen,
        session=session,
        preprocessing=preprocessing,
        spec=spec,
        options=config.evaluation,
        training_targets=training,
    )


def predict_all(
    session: Session, preprocessing: Preprocessing, examples: Examples, batch_size: int
) -> np.ndarray:
    """The finished model's outputs for all examples, float32 [N, C]; decodes a few batches at a time."""
    import numpy as np

    source = preprocessing.encode(examples)
    step = batch_size * AHEAD
    return np.concatenate(
        [
            session.predict(
                preprocessing.finish(source[np.arange(start, min(start + step, len(source)))]), batch_size
            )
            for start in range(0, len(source), step)
        ]
    )


def draw_learning_curves(run: Run) -> None:
    """Draw plots/learning_curves.png from the run's metrics.jsonl; nothing where no epoch was finished."""
    from bmcli.evaluation import plots
    from bmcli.training.losses import RUNNING_METRIC

    records = learning_records(run)
    record = run.record
    if records and record.task:
        picture = plots.learning_curves(records, RUNNING_METRIC[record.task], record.best_epoch)
        run.write_bytes(layout.plot_of("learning_curves"), picture)


def learning_records(run: Run) -> list[Mapping[str, Any]]:
    """The epochs of metrics.jsonl."""
    if not run.exists(layout.METRICS):
        return []
    return [json.loads(line) for line in run.read_text(layout.METRICS).splitlines()]


def has_code(run: Run) -> bool:
    """Whether using the run's config would run Python files: kept in its code/, or named in its config."""
    from bmcli.config import yaml

    config = yaml.parse(run.read_bytes(layout.CONFIG), layout.CONFIG, str(run.path))
    return bool(config.plain().get("code")) or (run.path / layout.CODE).is_dir()


def _same_data(
    run: Run,
    config: ExperimentConfig,
    name: str,
    progress: Callable[[str, int, int], None] | None,
) -> DataBundle:
    """The run's data, if it still is what the run was trained on."""
    from bmcli import data as datasets

    bundle = datasets.load(config.data, progress=progress)
    recorded = run.record.data_fingerprint
    if recorded and bundle.fingerprint != recorded:
        # Cut anew, examples of training could now stand in the test split: the figure would flatter.
        raise DataError(
            f"the data of {run.id} has changed since training "
            f"(fingerprint {bundle.fingerprint[:8]}, was {recorded[:8]})",
            hint=f"bm evaluate {run.id} --data PATH scores labelled files as they are now",
        )
    if bundle.split(name) is None:  # type: ignore[arg-type]
        there = [split for split in SPLITS if bundle.split(split) is not None]  # type: ignore[arg-type]
        raise UsageError(f"{run.id} has no {name} split", hint=f"it has: {', '.join(there)}")
    return bundle


def _labelled(path: Path, config: ExperimentConfig, spec: DataSpec, preprocessing: Preprocessing) -> Split:
    from bmcli import data as datasets
    from bmcli.preprocessing.table import NumericColumn, TablePreprocessing

    if not path.exists():
        raise DataError(f"{path} does not exist")
    if not isinstance(preprocessing, TablePreprocessing):
        return datasets.read_labelled(path, config.data, spec)
    columns: dict[str, Literal["numeric", "categorical"]] = {
        column.name: "numeric" if isinstance(column, NumericColumn) else "categorical"
        for column in preprocessing.columns
    }
    return datasets.read_labelled(path, config.data, spec, columns)


def _hash8(split: Split, spec: DataSpec) -> str:
    from bmcli.data.fingerprint import fingerprint

    return fingerprint({"examples": split}, spec.classes)[:8]


def _recorded_targets(run: Run) -> TargetSummary | None:
    """What an earlier evaluation noted of the training targets: the data need not be there any more."""
    for name in reversed(SPLITS):
        path = layout.evaluation_of(name)
        if run.exists(path) and (noted := json.loads(run.read_text(path)).get("training_targets")):
            return TargetSummary(noted["examples"], noted["counts"] and tuple(noted["counts"]), noted["mean"])
    return None


def _write(
    run: Run, evaluation: Evaluation, split: Split, outputs: np.ndarray, spec: DataSpec, pictures: bool
) -> None:
    """Predictions and pictures first, the figures last: who finds the figures finds the rest too."""
    from bmcli.evaluation.predictions import to_csv

    stem = evaluation.split
    text, arrays = to_csv(spec.task, spec.classes, split.ids, split.targets, outputs)
    run.write_text(layout.predictions_of(stem), text)
    if arrays is not None:
        run.write_bytes(layout.predictions_of(stem).removesuffix(".csv") + ".npz", arrays)
    if pictures:
        for name, picture in _pictures(evaluation, split, outputs, spec).items():
            run.write_bytes(layout.plot_of(f"{name}-{stem}"), picture)
    run.write_text(layout.evaluation_of(stem), to_text(evaluation.to_json()))


def _pictures(evaluation: Evaluation, split: Split, outputs: np.ndarray, spec: DataSpec) -> dict[str, bytes]:
    from bmcli.evaluation import plots
    from bmcli.evaluation.samples import sample_predictions

    if spec.task == "regression":
        return {"regression": plots.regression(evaluation, split.targets, outputs, spec.target_name)}
    draw = plots.class_figures if spec.task == "multilabel" else plots.confusion_matrix
    drawn = {draw.__name__: draw(evaluation)}
    drawn["sample_predictions"] = sample_predictions(
        spec.task, spec.classes, split.examples, split.targets, outputs, split.ids, evaluation.split
    )
    return drawn
