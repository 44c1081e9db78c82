"""From raw examples to model inputs: one small serialisable object, the same in training, evaluation,
prediction and export. NumPy only; no TensorFlow, no Keras.

Three steps, so that the expensive one is done once, and the random one in between:

    encode   raw examples -> a Source of compact arrays (uint8 images, int32 token ids, float32 rows)
    (augment, in training only, on the compact arrays)
    finish   a batch of compact arrays -> the model's input (float32 normalised images; else unchanged)
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from bmcli import tasks
from bmcli.core.errors import ConfigError, IntegrityError
from bmcli.core.spec import DataSpec, Target
from bmcli.modalities.base import is_known, modality_of
from bmcli.modalities.remark import Remark, Unfamiliar
from bmcli.runs.documents import strict
from bmcli.runs.layout import PREPROCESSING, TOKENIZER

if TYPE_CHECKING:
    from bmcli.config.schema import PreprocessingConfig
    from bmcli.core.batch import Batch
    from bmcli.core.examples import Data, Examples
    from bmcli.core.plain import Document
    from bmcli.core.spec import InputSpec, Kind
    from bmcli.modalities.source import NamedSources

FORMAT = 1


class Preprocessing(Protocol):
    """Fitted on the training split only; immutable afterwards."""

    kind: ClassVar[Kind]

    @property
    def by_length(self) -> bool:
        """Whether examples are best predicted beside others of their length: a model takes its time for
        padding too."""
        ...

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What the model takes, in order."""
        ...

    def source(self, examples: Examples) -> NamedSources:
        """Compact arrays of raw examples, by input name. DataError listing all that cannot be read."""
        ...

    def usable(self, examples: Examples) -> tuple[Batch, dict[int, str]]:
        """Compact arrays of those examples that can be used, in their order, and position -> what is wrong
        with each of the others. DataError only where all of them lack something (a column)."""
        ...

    def finish_batch(self, batch: Batch) -> Batch:
        """The model's inputs from a batch of compact arrays."""
        ...

    def finish_tensors(self, batch: dict[str, object]) -> dict[str, object]:
        """The same in keras.ops, for tensors within a compiled step."""
        ...

    def remarks(self, bundle: Data, options: PreprocessingConfig) -> tuple[Remark, ...]:
        """What a user must know of this data, prepared in this way, before the first epoch: what was inferred
        where `options` leave it open, what is converted, cut off or unknown. Each is shown and stored in the
        run's notes. Cheap: reads a sample."""
        ...

    def unfamiliar(self, examples: Examples) -> Unfamiliar:
        """How raw examples differ from training, as far as it is visible before they are encoded; the rest
        is found by `familiarity`."""
        ...

    def to_json(self) -> dict[str, object]:
        """Everything except the tokenizer, as strict JSON data."""
        ...


@dataclass(frozen=True)
class Preparing:
    """What a model's `prepares` receives.

    data: the splits; an encoder is fitted on `data.train.examples`. options: the config's `preprocessing`.
    fit: gives the encoder that bm would fit.
    """

    data: Data
    options: PreprocessingConfig
    fit: Callable[[], Preprocessing]


Prepares = Callable[[Preparing], "Preprocessing | None"]


def fit(
    bundle: Data,
    options: PreprocessingConfig,
    *,
    cache_gib: float = 4.0,
    prepares: Prepares | None = None,
) -> tuple[Preprocessing, DataSpec]:
    """The preprocessing for this data, fitted on `bundle.train`, and the spec models are built from.

    cache_gib: decoded images of all splits together are kept in memory up to this many GiB. prepares: the
    model's; see `bmcli.models.Model.prepares`.
    Raises DataError listing all training examples that cannot be used, ConfigError for a model's
    encoder that the run could not store.
    """
    modality = modality_of(bundle.kind)
    cache_bytes = int(cache_gib * 2**30)

    def fitted() -> Preprocessing:
        return modality.fit(bundle, modality.options(options), cache_bytes=cache_bytes)

    own = None if prepares is None else prepares(Preparing(bundle, options, fitted))
    if own is not None:
        _require_kept(own, bundle.kind)
        own = modality.with_cache(own, bundle, cache_bytes)
    preprocessing = fitted() if own is None else own
    return preprocessing, spec_of(bundle, preprocessing)


def require_own(
    reused: Preprocessing, bundle: Data, options: PreprocessingConfig, prepares: Prepares, reused_from: str
) -> None:
    """ConfigError where a model brings an encoder other than the one whose weights it is to start from: they
    would be given other inputs than they were trained with.

    prepares: of a model that did not prepare `reused`, which stands in for the encoder that bm would fit.
    reused_from: the run.
    """
    own = prepares(Preparing(bundle, options, lambda: reused))
    if own is None or _kept(own) == _kept(reused):
        return
    raise ConfigError(
        f"the model prepares its inputs in its own way, unlike those that {reused_from} was trained with",
        hint="leave init_from out, or choose the model of that run",
    )


def _kept(encoder: Preprocessing) -> tuple[dict[str, object], dict[str, str]]:
    """Everything that a run stores of it."""
    return encoder.to_json(), modality_of(encoder.kind).files_of(encoder)


def _require_kept(encoder: Preprocessing, kind: Kind) -> None:
    """ConfigError for an encoder that cannot be restored from what a run stores: prediction must not need
    the model's code."""
    modality = modality_of(kind)
    try:
        document = json.loads(json.dumps(encoder.to_json(), allow_nan=False))
        again = modality.load(document, modality.files_of(encoder))
        same = type(again) is type(encoder) and again.to_json() == encoder.to_json()
    except Exception as error:  # a user's encoder may raise anything
        raise ConfigError(f"the model's encoder cannot be kept in a run: {error}") from error
    if not same:
        raise ConfigError(
            f"the model's encoder cannot be kept in a run: it comes back as {type(again).__name__}, "
            f"not as the same {type(encoder).__name__}",
            hint=f"an encoder for {modality.words.many} must be one that bm knows",
        )


def with_cache(preprocessing: Preprocessing, bundle: Data, cache_gib: float) -> Preprocessing:
    """A loaded one that keeps this data's decoded images in memory like a fitted one."""
    return modality_of(bundle.kind).with_cache(preprocessing, bundle, int(cache_gib * 2**30))


def spec_of(bundle: Data, preprocessing: Preprocessing) -> DataSpec:
    """What a model needs to know about this data and preprocessing (fitted on it, or by another run)."""
    offset, scale = tasks.of(bundle.task).scaling(bundle.train.targets)
    target = Target(bundle.task, bundle.classes, bundle.target_name, offset, scale)
    return DataSpec(bundle.kind, preprocessing.inputs, target)


def dump(preprocessing: Preprocessing, spec: DataSpec) -> dict[str, str]:
    """File name -> text of the files that hold it: 'preprocessing.json' and, for texts, 'tokenizer.json'.

    preprocessing.json holds the spec (task, classes, ...) too: it is all that a prediction needs.
    """
    document = {
        "format": FORMAT,
        "kind": spec.kind,
        "task": spec.task,
        "classes": list(spec.classes),
        "target_name": spec.target_name,
        **_inputs(spec),
        "target_offset": spec.target_offset,
        "target_scale": spec.target_scale,
        spec.kind: preprocessing.to_json(),
    }
    files = {PREPROCESSING: json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"}
    return files | modality_of(spec.kind).files_of(preprocessing)


def load(files: Mapping[str, str] | Path) -> tuple[Preprocessing, DataSpec]:
    """The inverse of `dump`; IntegrityError if the files are damaged.

    files: name -> text of preprocessing.json, and of texts tokenizer.json; or the folder with them,
    such as an export's.
    """
    if isinstance(files, Path):
        there = [files / name for name in (PREPROCESSING, TOKENIZER) if (files / name).is_file()]
        files = {path.name: path.read_text(encoding="utf-8") for path in there}
    try:
        document = strict(files[PREPROCESSING])
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}, where this bm knows {FORMAT}")
        kind, target = _kind(document), _target(document)
        preprocessing = modality_of(kind).load(document[kind], files)
        spec = DataSpec(kind, preprocessing.inputs, target)
        for name, value in _inputs(spec).items():
            if document[name] != value:
                made = "the tokenizer's" if name == "vocabulary_size" else "what it makes"
                raise ValueError(f"its {name} is not {made}")
    except KeyError as error:
        raise IntegrityError(f"{PREPROCESSING} is damaged: {error} is missing") from error
    except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
        raise IntegrityError(f"{PREPROCESSING} is damaged: {error}") from error
    return preprocessing, spec


def _inputs(spec: DataSpec) -> dict[str, object]:
    """The inputs in preprocessing.json; a single one in the format of all versions."""
    if len(spec.inputs) > 1:
        return {"inputs": {one.name: list(one.shape) for one in spec.inputs}}
    return {
        "input_shape": list(spec.input_shape),
        "vocabulary_size": spec.vocabulary_size,
        "max_length": spec.max_length,
    }


def _kind(document: Document) -> Kind:
    kind: Kind = document["kind"]
    if not is_known(kind):
        raise ValueError(f"kind {kind!r}")
    return kind


def _target(document: Document) -> Target:
    """What is answered, each value checked; KeyError or ValueError if one is not what `dump` writes."""
    if document["task"] not in tasks.TASKS:
        raise ValueError(f"task {document['task']!r}")
    target = Target(
        document["task"],
        tuple(document["classes"]),
        document["target_name"],
        float(document["target_offset"]),
        float(document["target_scale"]),
    )
    if not all(isinstance(name, str) for name in (*target.classes, target.name)):
        raise ValueError("a class name is not text")
    if bool(target.classes) != tasks.of(target.task).has_classes:
        raise ValueError("its classes do not fit its task")
    if not (math.isfinite(target.offset) and math.isfinite(target.scale) and target.scale > 0):
        raise ValueError("target_offset or target_scale")
    return target
