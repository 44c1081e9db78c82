"""From raw examples to model inputs: one small serialisable object, the same in training, evaluation,
prediction and export. NumPy only; no TensorFlow, no Keras.

Three steps, so that the dear one is done once and the random one in the middle:

    encode   raw examples -> a Source of compact arrays (uint8 pictures, int32 token ids, float32 rows)
    (augment, in training only, on the compact arrays)
    finish   a batch of compact arrays -> the model's input (float32 normalised pictures; else unchanged)
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from bmcli import tasks
from bmcli.core.errors import IntegrityError
from bmcli.modalities.base import is_known, modality_of
from bmcli.modalities.remark import Remark, Unfamiliar
from bmcli.runs.documents import strict
from bmcli.runs.layout import PREPROCESSING, TOKENIZER

if TYPE_CHECKING:
    import numpy as np

    from bmcli.config.schema import PreprocessingConfig
    from bmcli.core.examples import Data, Examples
    from bmcli.core.spec import DataSpec, Kind

FORMAT = 1


class Source(Protocol):
    """Compact arrays, indexable by an array of positions; may decode files while doing so.

    Safe to call from several threads.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, indices: np.ndarray, /) -> np.ndarray:
        """The rows at `indices` (int64 [n]) in that order: uint8 [n, h, w, c], int32 [n, max_length] (0 is
        padding) or float32 [n, features]."""
        ...


def in_batches(source: Source, batches: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """`source[batch]` of each, in order; a source that decodes files may begin several at once."""
    ahead = getattr(source, "in_batches", None)
    yield from ahead(batches) if ahead is not None else (source[batch] for batch in batches)


class Preprocessing(Protocol):
    """Fitted on the training split only; a value after that."""

    kind: ClassVar[Kind]

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """See DataSpec.input_shape."""
        ...

    def encode(self, examples: Examples) -> Source:
        """Compact arrays of raw examples. DataError listing all that cannot be read."""
        ...

    def encode_usable(self, examples: Examples) -> tuple[np.ndarray, dict[int, str]]:
        """Compact arrays of those examples that can be used, in their order, and position -> what is wrong
        with each of the others. DataError only where all of them lack something (a column)."""
        ...

    def finish(self, batch: np.ndarray) -> np.ndarray:
        """The model's input from a batch of compact arrays."""
        ...

    def finish_tensor(self, batch: Any) -> Any:
        """The same in keras.ops, for a tensor within a compiled step."""
        ...

    def remarks(self, bundle: Data, options: PreprocessingConfig) -> tuple[Remark, ...]:
        """What a user must know of this data, prepared in this way, before the first epoch: what was inferred
        where `options` leave it open, what is converted, cut off or unknown. Each is said on screen and kept
        in the run's notes. Cheap: looks at a sample."""
        ...

    def unfamiliar(self, examples: Examples) -> Unfamiliar:
        """What in raw examples is not as in training, as far as it is to be seen before they are encoded;
        what is seen after that, `familiarity` says."""
        ...

    def to_json(self) -> dict[str, Any]:
        """All of it but the tokenizer, as strict JSON data."""
        ...


def fit(
    bundle: Data, options: PreprocessingConfig, *, cache_gib: float = 4.0
) -> tuple[Preprocessing, DataSpec]:
    """The preprocessing for this data, fitted on `bundle.train`, and the spec models are built from.

    cache_gib: decoded pictures of all splits together are kept in memory up to this many GiB.
    Raises DataError listing all training examples that cannot be used.
    """
    modality = modality_of(bundle.kind)
    cache_bytes = int(cache_gib * 2**30)
    preprocessing = modality.fit(bundle, modality.options(options), cache_bytes=cache_bytes)
    return preprocessing, spec_of(bundle, preprocessing)


def with_cache(preprocessing: Preprocessing, bundle: Data, cache_gib: float) -> Preprocessing:
    """One that was loaded, made to keep this data's decoded pictures in memory as a fitted one does."""
    return modality_of(bundle.kind).with_cache(preprocessing, bundle, int(cache_gib * 2**30))


def spec_of(bundle: Data, preprocessing: Preprocessing) -> DataSpec:
    """What a model needs to know of this data, prepared in this way (fitted on it, or on another run's)."""
    from bmcli.core.spec import DataSpec

    offset, scale = tasks.of(bundle.task).scaling(bundle.train.targets)
    return DataSpec(
        kind=bundle.kind,
        task=bundle.task,
        input_shape=preprocessing.input_shape,
        classes=bundle.classes,
        target_name=bundle.target_name,
        vocabulary_size=getattr(preprocessing, "vocabulary_size", None),
        max_length=getattr(preprocessing, "max_length", None),
        target_offset=offset,
        target_scale=scale,
    )


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
        "input_shape": list(spec.input_shape),
        "vocabulary_size": spec.vocabulary_size,
        "max_length": spec.max_length,
        "target_offset": spec.target_offset,
        "target_scale": spec.target_scale,
        spec.kind: preprocessing.to_json(),
    }
    files = {PREPROCESSING: json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"}
    return files | modality_of(spec.kind).files_of(preprocessing)


def load(files: Mapping[str, str] | Path) -> tuple[Preprocessing, DataSpec]:
    """The inverse of `dump`; IntegrityError where the files are damaged.

    files: name -> text of preprocessing.json, and of texts tokenizer.json; or the folder they lie in,
    such as an export's.
    """
    if isinstance(files, Path):
        there = [files / name for name in (PREPROCESSING, TOKENIZER) if (files / name).is_file()]
        files = {path.name: path.read_text(encoding="utf-8") for path in there}
    try:
        document = strict(files[PREPROCESSING])
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}, where this bm knows {FORMAT}")
        spec = _spec(document)
        modality = modality_of(spec.kind)
        preprocessing = modality.load(document[spec.kind], files)
        if tuple(preprocessing.input_shape) != spec.input_shape:
            raise ValueError("its input_shape is not what it makes")
        modality.check_spec(preprocessing, spec)
    except KeyError as error:
        raise IntegrityError(f"{PREPROCESSING} is damaged: {error} is missing") from error
    except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
        raise IntegrityError(f"{PREPROCESSING} is damaged: {error}") from error
    return preprocessing, spec


def _spec(document: dict[str, Any]) -> DataSpec:
    """The spec, each value checked; KeyError or ValueError where one is not what `dump` writes."""
    from bmcli.core.spec import DataSpec

    if not is_known(document["kind"]):
        raise ValueError(f"kind {document['kind']!r}")
    if document["task"] not in tasks.TASKS:
        raise ValueError(f"task {document['task']!r}")
    spec = DataSpec(
        kind=document["kind"],
        task=document["task"],
        input_shape=tuple(document["input_shape"]),
        classes=tuple(document["classes"]),
        target_name=document["target_name"],
        vocabulary_size=document["vocabulary_size"],
        max_length=document["max_length"],
        target_offset=float(document["target_offset"]),
        target_scale=float(document["target_scale"]),
    )
    if not all(isinstance(name, str) for name in (*spec.classes, spec.target_name)):
        raise ValueError("a class's name is no text")
    if bool(spec.classes) != tasks.of(spec.task).has_classes:
        raise ValueError("its classes do not fit its task")
    if not (math.isfinite(spec.target_offset) and math.isfinite(spec.target_scale) and spec.target_scale > 0):
        raise ValueError("target_offset or target_scale")
    return spec
