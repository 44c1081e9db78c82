"""Load everything that a config names: data, preprocessing, the network, a trainer at step 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from bmcli import data, tasks
from bmcli.config import checks
from bmcli.config.data_facts import Facts
from bmcli.config.problems import config_error
from bmcli.core import backend
from bmcli.core.batch import first
from bmcli.core.errors import ConfigError, Problem
from bmcli.core.plain import Document
from bmcli.core.spec import SPLITS
from bmcli.core.stopwatch import phase
from bmcli.evaluation.measure import Prepared
from bmcli.evaluation.metrics import summarize
from bmcli.experiments.display import Display, Note, Progress, Silent, Stage, Warned
from bmcli.experiments.finetuning import feature_cache, tuned
from bmcli.inference.weights import best_of
from bmcli.modalities import preprocessing
from bmcli.modalities.parts import augmented
from bmcli.models import Model
from bmcli.models._head import finished
from bmcli.training import device as devices
from bmcli.training import precision
from bmcli.training.feed import LENGTHS, MANY_LENGTHS, Feed
from bmcli.training.initialise import freeze
from bmcli.training.initialise import initialise as initialise_weights
from bmcli.training.precision import policy
from bmcli.training.steps import select
from bmcli.training.targets import dense_targets, example_weights
from bmcli.training.trainer import Trainer
from bmcli.training.validation import Validation
from bmcli.training.watch import Watch

if TYPE_CHECKING:
    import keras

    from bmcli.config.schema import ExperimentConfig
    from bmcli.core.spec import DataSpec
    from bmcli.data.bundle import DataBundle, Split
    from bmcli.evaluation.measure import Prepared
    from bmcli.inference.session import Session
    from bmcli.modalities.preprocessing import Preprocessing
    from bmcli.modalities.remark import Remark
    from bmcli.models import Model
    from bmcli.runs.run import Run
    from bmcli.training.trainer import Trainer

SAMPLE = 5_000
"""Number of training examples, evenly spaced, passed to `Model.initialise`."""


@dataclass(frozen=True)
class Experiment:
    """A config with everything it names loaded, ready to be built and trained.

    notes: lines for the run's record, about the data and how it was prepared.
    """

    config: ExperimentConfig
    bundle: DataBundle
    preprocessing: Preprocessing
    spec: DataSpec
    gpu: bool
    precision: str
    notes: tuple[str, ...] = ()


def measurable(experiment: Experiment, run: Run, session: Session, name: str, split: Split) -> Prepared:
    """One of its splits, or a part of it, ready to be measured with the run's published model."""
    spec, config = experiment.spec, experiment.config
    training = summarize(spec.task, spec.classes, experiment.bundle.train.targets)
    return Prepared(run, name, split, spec, experiment.preprocessing, session, config.evaluation, training)


def prepare(
    config: ExperimentConfig,
    *,
    device: str = "auto",
    threads: int | None = None,
    reused: Preprocessing | None = None,
    reused_from: Run | None = None,
    examples: int | None = None,
    display: Display,
) -> Experiment:
    """Load the data, fit the preprocessing, choose device and precision.

    threads: number of threads per TensorFlow operation on a CPU; None: unchanged.
    reused: preprocessing to take instead of fitting one: a resumed run's, or that of `reused_from`, the run
    in `init_from`. A model that prepares its inputs takes over what the same model has prepared there.
    examples: largest number per split, synthesised if the data is missing; None: all examples.
    Raises DataError, ConfigError (a model that does not fit the data), ResourceError.
    """
    with phase("reading data"):
        bundle = data.load(
            config.data,
            progress=lambda what, done, total: display.handle(Progress(what, done, total)),
            synthesize=examples is not None,
            examples=examples,
            preprocessing=config.preprocessing,
        )
    joined = _joined_columns(config)
    for note in (*bundle.notes, *joined):
        display.handle(Note(note))
    if reused is None:
        with phase("preprocessing"):
            fitted, spec = _fitted(config, bundle)
    else:
        if reused.kind != bundle.kind:
            raise ConfigError(f"the other run's data is {reused.kind}, but this config's is {bundle.kind}")
        if reused_from is not None and reused_from.record.model != config.model.registry_name:
            prepares = cast("Model", config.model).prepares
            preprocessing.require_own(reused, bundle, config.preprocessing, prepares, reused_from.id)
        fitted = preprocessing.with_cache(reused, bundle, config.data.cache_gib)
        spec = preprocessing.spec_of(bundle, fitted)
    _require_computable(bundle)
    remarks: tuple[Remark, ...] = ()
    if examples is None:  # a few, perhaps made up, say nothing
        with phase("preprocessing"):
            remarks = fitted.remarks(bundle, config.preprocessing)
    for remark in remarks:
        display.handle(Warned(remark.text) if remark.warning else Note(remark.text))
    _check_config(config, bundle, spec, display)
    left_alone = _not_augmented(config, fitted)
    for note in left_alone:
        display.handle(Note(note))

    display.handle(Stage(f"loading {backend.title()}"))
    with phase(f"importing {backend.title()}"):
        gpu = devices.select(device, threads)
    xla = config.training.xla
    chosen = precision.resolve(config.training.precision, gpu=gpu, xla=xla)
    notes = (*bundle.notes, *joined, *(remark.text for remark in remarks), *left_alone)
    return Experiment(config, bundle, fitted, spec, gpu, chosen, notes)


def refitted(experiment: Experiment, train: Split) -> Experiment:
    """The same experiment with these training examples alone: no validation split, and preprocessing and spec
    fitted on them, so that nothing is known of any other example.

    Raises DataError listing all training examples that cannot be used.
    """
    config, bundle = experiment.config, replace(experiment.bundle, train=train, validation=None)
    with phase("preprocessing"):
        fitted, spec = _fitted(config, bundle)
    return replace(experiment, bundle=bundle, preprocessing=fitted, spec=spec)


def _fitted(config: ExperimentConfig, bundle: DataBundle) -> tuple[Preprocessing, DataSpec]:
    """The config's preprocessing for this data, or the model's own; see `bmcli.models.Model.prepares`."""
    model = cast("Model", config.model)
    cache = config.data.cache_gib
    # A model for another kind of data is refused afterwards; its encoder would only fail in its own words.
    prepares = model.prepares if not model.kinds or bundle.kind in model.kinds else None
    return preprocessing.fit(bundle, config.preprocessing, cache_gib=cache, prepares=prepares)


def described(
    bundle: DataBundle, spec: DataSpec, parameters: int, frozen: tuple[int, int] | None = None
) -> Document:
    """What training begins with, as plain JSON data: docs/json.md has it under `bm check`.

    frozen: numbers of parameters that are trained, and that are frozen; None if none are frozen.
    """
    splits = {name: bundle.split(name) for name in SPLITS}
    by_name = {one.name: list(one.shape) for one in spec.inputs}
    shapes: object = list(spec.input_shape) if len(by_name) == 1 else by_name
    return {
        "kind": bundle.kind,
        "task": bundle.task,
        "classes": list(bundle.classes),
        "examples": {name: len(split) for name, split in splits.items() if split is not None},
        "input_shape": shapes,
        "parameters": parameters,
        **({} if frozen is None else dict(zip(("trained", "frozen"), frozen, strict=True))),
        **({"columns": [one.to_json() for one in bundle.columns]} if bundle.columns else {}),
    }


def _require_computable(bundle: DataBundle) -> None:
    """DataError for targets that no loss can be computed from: training would seem to diverge."""
    task = tasks.of(bundle.task)
    for split in (bundle.train, bundle.validation, bundle.test):
        if split is not None:
            task.check_range(split.targets, bundle.target_name)


def _check_config(config: ExperimentConfig, bundle: DataBundle, spec: DataSpec, display: Display) -> None:
    """What is known only with the data at hand; the rest `config` has checked."""
    facts = Facts(
        kind=spec.kind,
        task=spec.task,
        classes=spec.classes,
        read=True,
        input_shape=spec.input_shape if len(spec.inputs) == 1 else None,
        text=bundle.text_column,
    )
    if found := checks.against(config, facts):
        problems = [Problem(f"{'.'.join(map(str, one.path))}: {one.message}", hint=one.hint) for one in found]
        raise config_error(problems)
    weights = config.training.class_weights
    if isinstance(weights, dict) and (others := [name for name in spec.classes if name not in weights]):
        listed = ", ".join(others[:10]) + (", ..." if len(others) > 10 else "")
        display.handle(Note(f"training.class_weights: classes without a weight get 1: {listed}"))


def _joined_columns(config: ExperimentConfig) -> tuple[str, ...]:
    """That two columns of texts become one text, where the model could read a pair and the config leaves it
    open."""
    text = config.data.text
    if not (config.model.takes_pairs and isinstance(text, list) and len(text) == 2):
        return ()
    if config.data.pair is not None:
        return ()
    first, second = text
    return (
        f"data.text: '{first}' and '{second}' are joined to one text; data.pair: true reads them as a pair, "
        "false as now",
    )


def _not_augmented(config: ExperimentConfig, fitted: Preprocessing) -> tuple[str, ...]:
    """What data.augment leaves unchanged, in a line. ConfigError if it changes nothing, or would blend one
    part of examples and not the others."""
    changed = augmented(fitted)
    alone = [one.name for one in fitted.inputs if one.name not in changed]
    if not config.data.augment or len(fitted.inputs) == 1 or not alone:
        return ()
    listed = ", ".join(alone)
    if not changed:
        raise ConfigError(f"data.augment: augmentation is for images, but the inputs are {listed}")
    blending = [one.registry_name for one in config.data.augment if one.blends]
    if blending:
        raise ConfigError(
            f"data.augment: {blending[0]} blends whole examples, but {listed} cannot be blended",
            hint="leave it out: other augmentations change one input alone",
        )
    return (f"data.augment changes {', '.join(changed)}; unchanged: {listed}",)


@phase("building the model")
def build(
    experiment: Experiment, *, precision: str | None = None, views: str = "none"
) -> tuple[keras.Model, keras.Model]:
    """The network (raw outputs) and the finished model on the same weights, freshly initialised.

    Everything random about it comes from the config's seed. views: as `bmcli.models._head.finished` takes it.
    """
    import keras

    keras.utils.set_random_seed(experiment.config.seed)
    with policy(precision or experiment.precision):
        network = experiment.config.model.build(experiment.spec)
    return network, finished(network, experiment.spec, views)


def initialise(experiment: Experiment, network: keras.Model) -> None:
    """Initialise the model from the training data, before the first step."""
    import numpy as np

    model = experiment.config.model
    own: object = type(model).initialise
    if own is Model.initialise:
        return
    if not model.takes_sample:
        model.initialise(network, None)
        return
    source = experiment.preprocessing.source(experiment.bundle.train.examples)
    spread = np.linspace(0, len(source) - 1, min(len(source), SAMPLE)).astype(np.int64)
    sample = experiment.preprocessing.finish_batch(source[spread])
    model.initialise(network, first(sample) if len(sample) == 1 else sample)


@phase("preprocessing")
def make_trainer(
    experiment: Experiment, network: keras.Model, complete: keras.Model, display: Display | None = None
) -> Trainer:
    """A trainer at step 0. network: with the weights to start from, where these are to be fine-tuned."""
    config, bundle, spec = experiment.config, experiment.bundle, experiment.spec
    task, training = tasks.of(spec.task), config.training
    preprocessing = experiment.preprocessing
    source = preprocessing.source(bundle.train.examples)
    feed = Feed(
        source=source,
        targets=dense_targets(spec, bundle.train.targets, label_smoothing=training.label_smoothing),
        weights=example_weights(spec, bundle.train.targets, training.class_weights),
        augmentations=config.data.augment,
        augmented=augmented(preprocessing),
        batch_size=training.batch_size,
        seed=config.seed,
        lengths=source.used_lengths(spec.inputs) if training.batch_by_length else {},
        padded=frozenset(one.name for one in spec.inputs if one.padding is not None),
        padded_lengths=MANY_LENGTHS if config.model.fuses else LENGTHS,
    )
    validation = None
    extra = config.evaluation.metrics
    if (held_out := bundle.validation) is not None:
        source = preprocessing.source(held_out.examples)
        validation = Validation(
            source=source,
            targets=held_out.targets,
            meter=lambda: task.epoch_meter(spec.target, len(held_out), extra),
            batch_size=config.evaluation.batch_size,
            lengths=source.used_lengths(spec.inputs),
        )
    stopping = training.early_stopping
    metric = training.monitor.removeprefix("val_")
    watch = Watch(
        training.monitor if validation is not None else "loss",
        greater_is_better=validation is not None and task.monitorable(extra)[metric],
        patience=stopping.patience if stopping else None,
        min_delta=stopping.min_delta if stopping else 0.0,
        keep_last=validation is None,
    )
    finish = preprocessing.finish_tensors
    with phase("building the model"):
        parts = select.parts(config.model, training, gpu=experiment.gpu)
        tuning = tuned(experiment, network)
        cached = tuning is not None and not config.data.augment
        cache = feature_cache(experiment, parts, display or Silent()) if cached else None
        fused = config.model.fuses and not experiment.gpu and not training.xla
        return Trainer(
            network, complete, spec, training, feed, finish, validation, watch, parts, tuning, cache, fused
        )


def initialise_from(experiment: Experiment, network: keras.Model, other: Run, display: Display) -> None:
    """Take over the other run's best weights and freeze what `init_from.freeze` names."""
    assert experiment.config.init_from is not None
    spec = experiment.spec
    alike = other.record.task == spec.task and tuple(other.record.classes) == spec.classes
    taken = initialise_weights(
        network,
        best_of(other, name=other.id),
        same_targets=alike and tasks.of(spec.task).has_classes,
        frozen=experiment.config.init_from.freeze,
    )
    text = f"{taken.taken} weights from {other.id}"
    if taken.new:
        text += ", a new head"
    if taken.frozen:
        text += f", frozen: {', '.join(taken.frozen)}"
    display.handle(Note(text))


def freeze_again(experiment: Experiment, network: keras.Model) -> None:
    """The same freezing for a run that is resumed: its weights come from the checkpoint."""
    assert experiment.config.init_from is not None
    freeze(network, experiment.config.init_from.freeze)
