"""Evaluations stored in a run, read back and checked: what somebody else or a newer bm wrote there is
either as docs/evaluation.md has it, or an error that names the file and the key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NotRequired, TypedDict, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bmcli import tasks
from bmcli.config.schema import Named
from bmcli.core.errors import IntegrityError
from bmcli.core.plain import Document
from bmcli.core.sanitize import one_line
from bmcli.metrics.results import FORMAT
from bmcli.runs import layout

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from bmcli.runs.run import Run

CLOSER = ("slices", "corruptions")
"""Slices and corruptions of a split, in `evaluation/<split>-<one of these>.json`."""

_MOST_SHOWN = 60
"""Characters of a key shown in a message: a key in a file may have any length."""

_MOST = 2**53

Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=_MOST)]
Range = Annotated[list[Number], Field(min_length=2, max_length=2)]


class _Part(BaseModel):
    """Keys that are not named here are kept as they are: another version of bm knows them."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Class(_Part):
    name: str
    index: Count
    precision: Number | None
    recall: Number | None
    f1: Number | None
    support: Count
    precision_interval: Range | None = None
    recall_interval: Range | None = None
    f1_interval: Range | None = None


class _Baseline(_Part):
    name: str
    metric: str
    value: Number | None


class _Weakest(_Part):
    name: str
    metric: str
    value: Number
    support: Count


class _Confused(_Part):
    true: str
    predicted: str
    count: Count


class _Bin(_Part):
    low: Number
    high: Number
    count: Count
    confidence: Number
    right: Number


class _Calibration(_Part):
    ece: Number
    bins: list[_Bin]
    temperature: Number | None = None
    ece_with_temperature: Number | None = None


class _Targets(_Part):
    examples: Count
    counts: list[Count] | None = None
    mean: Number | None = None


class _Evaluation(_Part):
    format: Literal[1] = 1
    examples: Count
    task: str
    classes: list[str]
    headline: str
    metrics: dict[str, Number | None]
    lower_is_better: list[str]
    per_class: list[_Class]
    intervals: dict[str, Range | None] = {}
    no_interval: dict[str, str] = {}
    baseline: _Baseline | None = None
    weakest_class: _Weakest | None = None
    most_confused: _Confused | None = None
    confusion_matrix: list[list[object]] | None = None
    calibration: _Calibration | None = None
    training_targets: _Targets | None = None
    examples_sha256: str | None = None


class _Known(_Part):
    """Of a document whose task is not its run's."""

    task: Annotated[str, Named("task")]


class _Slice(_Part):
    by: str
    value: str
    examples: Count
    metric: str
    figure: Number | None
    interval: Range | None
    no_interval: str | None = None
    few: bool


class _Corrupted(_Part):
    corruption: str
    strength: Count
    metric: str
    figure: Number | None
    interval: Range | None
    no_interval: str | None = None


class _Slices(_Part):
    format: Literal[1] = 1
    slices: list[_Slice]


class _Corruptions(_Part):
    format: Literal[1] = 1
    corruptions: list[_Corrupted]


class StoredClass(TypedDict):
    """The metrics of one class, None if undefined; the intervals: low and high, 95 %."""

    name: str
    index: int
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    precision_interval: NotRequired[list[float] | None]
    recall_interval: NotRequired[list[float] | None]
    f1_interval: NotRequired[list[float] | None]


class StoredBaseline(TypedDict):
    """A trivial answer's value of a metric."""

    name: str
    metric: str
    value: float | None


class StoredWeakest(TypedDict):
    """The class with the lowest value of a metric."""

    name: str
    metric: str
    value: float
    support: int


class StoredConfusion(TypedDict):
    """How often examples of one class were predicted as another."""

    true: str
    predicted: str
    count: int


class StoredBin(TypedDict):
    """Predictions of about one probability, and the share of them that is right."""

    low: float
    high: float
    count: int
    confidence: float
    right: float


class StoredCalibration(TypedDict):
    """The expected calibration error, and what it is the mean of."""

    ece: float
    bins: list[StoredBin]
    temperature: NotRequired[float | None]
    ece_with_temperature: NotRequired[float | None]


class StoredTargets(TypedDict):
    """What the training targets are like."""

    examples: int
    counts: NotRequired[list[int] | None]
    mean: NotRequired[float | None]


class StoredEvaluation(TypedDict):
    """The keys of evaluation/<split>.json that docs/evaluation.md has, after `read_evaluation`; it may have
    others."""

    format: NotRequired[int]
    examples: int
    task: str
    classes: list[str]
    headline: str
    metrics: dict[str, float | None]
    lower_is_better: list[str]
    per_class: list[StoredClass]
    intervals: dict[str, list[float] | None]
    no_interval: NotRequired[dict[str, str]]
    baseline: NotRequired[StoredBaseline | None]
    weakest_class: NotRequired[StoredWeakest | None]
    most_confused: NotRequired[StoredConfusion | None]
    confusion_matrix: NotRequired[list[list[int]] | list[list[list[int]]] | None]
    calibration: NotRequired[StoredCalibration | None]
    training_targets: NotRequired[StoredTargets | None]
    examples_sha256: NotRequired[str | None]


class StoredPart(TypedDict):
    """The metric of a part of a split, or of a corrupted copy of it. by, value, examples, few: of a slice;
    corruption, strength: of a copy."""

    metric: str
    figure: float | None
    interval: list[float] | None
    no_interval: NotRequired[str | None]
    by: NotRequired[str]
    value: NotRequired[str]
    examples: NotRequired[int]
    few: NotRequired[bool]
    corruption: NotRequired[str]
    strength: NotRequired[int]


def read_evaluation(run: Run, split: str) -> StoredEvaluation | None:
    """The document of evaluation/<split>.json: what it has of docs/evaluation.md's keys is of their types.

    None if there is none, IntegrityError if it is damaged.
    """
    document = _read(run, split)
    if document is None or ("metrics" not in document and set(CLOSER) & document.keys()):
        return None  # the latter: a closer look at a split, and none of its own
    origin = str(run.path / layout.evaluation_of(split))
    _check(_Evaluation, document, origin)
    if document["task"] != run.record.task:
        _check(_Known, document, origin)
    classes = document["classes"]
    if not _fits(document.get("confusion_matrix"), len(classes), tasks.stored(document["task"]).several):
        raise IntegrityError(f"{origin} is damaged: confusion_matrix is not one of its classes' counts")
    if any(one["index"] >= len(classes) for one in document["per_class"]):
        raise IntegrityError(f"{origin} is damaged: per_class has an index beyond its classes")
    return cast("StoredEvaluation", {"intervals": {}, **document})  # as _Evaluation checked


def read_closer(run: Run, split: str, kind: str) -> list[StoredPart]:
    """The rows of evaluation/<split>-<kind>.json, `kind` one of CLOSER; empty if there is none,
    IntegrityError if it is damaged."""
    name = f"{split}-{kind}"
    document = _read(run, name)
    if document is None:
        return []
    model = _Slices if kind == "slices" else _Corruptions
    _check(model, document, str(run.path / layout.evaluation_of(name)))
    rows: list[StoredPart] = document[kind]
    return rows


def _read(run: Run, stem: str) -> Document | None:
    if stem != Path(stem).name:  # what is evaluated has a plain name
        return None
    path = layout.evaluation_of(stem)
    # A file the manifest names is read even where it is gone: that is a loss to report, not a gap.
    if not run.exists(path) and path not in run.manifest():
        return None
    origin = run.path / path
    try:
        document = json.loads(run.read_text(path), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{origin} is damaged: {error}") from error
    if not isinstance(document, dict):
        raise IntegrityError(f"{origin} is damaged: it is not a map of keys and values")
    return document


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")


def _fits(matrix: list[list[object]] | None, classes: int, multilabel: bool) -> bool:
    """Whether it holds counts for this number of classes: [C][C]; multilabel [C][2][2]."""
    if matrix is None:
        return True
    if multilabel:
        lines = [line for label in matrix for line in label]
        square = all(len(label) == 2 for label in matrix)
    else:
        lines, square = list(matrix), True
    width = 2 if multilabel else classes
    return (
        len(matrix) == classes
        and square
        and all(
            isinstance(line, list)
            and len(line) == width
            and all(type(count) is int and 0 <= count <= _MOST for count in line)
            for line in lines
        )
    )


def _check(model: type[_Part], document: Document, origin: str) -> None:
    found = document.get("format", FORMAT)
    if found != FORMAT and type(found) is int:
        raise IntegrityError(
            f"{origin} has format {str(found)[:_MOST_SHOWN]}; this version of bm reads format {FORMAT}",
            hint="a newer version of bm may read it",
        )
    try:
        model.model_validate(document)
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_input=False)
        more = f" (and {len(others):,} more)" if others else ""
        raise IntegrityError(f"{origin} is damaged: {_described(first)}{more}") from None
    except (OverflowError, RecursionError) as error:
        raise IntegrityError(f"{origin} is damaged: {error}") from None


_KINDS = {
    "missing": "is missing",
    "string_type": "is not text",
    "bool_type": "is not true or false",
    "int_type": "is not a whole number",
    "float_type": "is not a number",
    "finite_number": "is not a finite number",
    "list_type": "is not a list",
    "dict_type": "is not a map",
    "model_type": "is not a map",
    "model_attributes_type": "is not a map",
}


def _described(problem: ErrorDetails) -> str:
    """'metrics.accuracy is not a number'"""
    where = one_line(".".join(str(part) for part in problem["loc"]))
    where = where if len(where) <= _MOST_SHOWN else f"{where[:_MOST_SHOWN]}…"
    return f"{where} {_KINDS.get(problem['type']) or 'is wrong: ' + problem['msg']}"
