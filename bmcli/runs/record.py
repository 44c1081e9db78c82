"""run.json: the record of a run, as one frozen value."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Literal, get_args

from bmcli.core.errors import IntegrityError
from bmcli.core.plain import Document
from bmcli.runs.documents import strict

FORMAT = 1

ID = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)-v(?P<version>[1-9][0-9]*)")

Status = Literal["running", "completed", "interrupted", "failed", "diverged"]
STATUSES: tuple[str, ...] = get_args(Status)


def now() -> str:
    """This moment, ISO 8601 in UTC: '2026-01-31T12:34:56.789Z'."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class RunRecord:
    """The content of run.json. Unknown fields are None or empty.

    id, name, version: as created; a copied directory keeps them.
    created, started, finished: ISO 8601, UTC; `started` of the first start, `finished` of the last end.
    seconds: from the start of the command to the end of the run, over all sessions; killed ones do not count.
    resumed: when the run was continued. exact: whether each time as if it had never stopped.
    command: the command line.
    seed: the config's.
    versions, git, hardware, environment: see `environment.py`.
    init_from: {'run': id, 'uuid': its uuid} of the run whose weights it began with.
    finetune: which layers are trained, when and at which rates, in fine-tuning; see `Tuning.document`.
    pretrained: {'name', 'sha256', 'licence', ...} of the weights from elsewhere that it began with.
    model, data: the names in the config (for own data: the file's or folder's), for tables.
    kind, task: of the data.
    data_fingerprint: of the DataBundle, hex.
    splits: split -> number of examples. splits_from: split -> how it came about.
    notes: remarks on the data. skipped: unusable examples that were left out.
    precision: what `auto` became. parameters: number of trained values.
    weights_sha256: over path, shape, dtype and bytes of every variable, hex.
    onnx: {'published': bool, 'reason': str | None, 'max_difference': float | None}.
    monitor, best_epoch, best_value, epochs: the metric that chose, where and how good, epochs done.
    stopped: why training ended.
    metrics: split -> {metric: value}, the headline metrics of each evaluated split.
    headline: the metric that represents the run in tables.
    error: one line, for runs that failed or diverged.
    extra: keys of other versions of bm, kept unchanged.
    """

    id: str
    uuid: str
    name: str
    version: int
    status: Status
    created: str
    tags: tuple[str, ...] = ()
    started: str | None = None
    finished: str | None = None
    seconds: float | None = None
    resumed: tuple[str, ...] = ()
    exact: bool = True
    command: tuple[str, ...] = ()
    seed: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    git: dict[str, object] | None = None
    hardware: Document = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    init_from: Document | None = None
    finetune: Document | None = None
    pretrained: Document | None = None
    model: str | None = None
    data: str | None = None
    kind: str | None = None
    task: str | None = None
    classes: tuple[str, ...] = ()
    data_fingerprint: str | None = None
    splits: dict[str, int] = field(default_factory=dict)
    splits_from: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    precision: str | None = None
    parameters: int | None = None
    weights_sha256: str | None = None
    onnx: Document | None = None
    monitor: str | None = None
    best_epoch: int | None = None
    best_value: float | None = None
    epochs: int | None = None
    stopped: str | None = None
    metrics: dict[str, Document] = field(default_factory=dict)
    headline: str | None = None
    error: str | None = None
    extra: dict[str, object] = field(default_factory=dict)

    def changed(self, **changes: object) -> RunRecord:
        """A copy with these fields changed; TypeError for an unknown field."""
        frozen: Document = {n: tuple(v) if isinstance(v, list) else v for n, v in changes.items()}
        return replace(self, **frozen)

    def to_dict(self) -> dict[str, object]:
        """As strict JSON data."""
        data = asdict(self)
        extra = data.pop("extra")
        return {"format": FORMAT, **data, **extra}

    def to_text(self) -> str:
        """The text of run.json. ValueError for NaN or infinity, which JSON does not have."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


OF_TRAINING = (
    "weights_sha256",
    "onnx",
    "best_epoch",
    "best_value",
    "epochs",
    "stopped",
    "metrics",
    "headline",
)
"""Fields that training fills in."""

EMPTY = RunRecord("", "", "", 0, "running", "")
"""Default values of unknown fields."""

_REQUIRED = ("id", "uuid", "name", "version", "status", "created")

_JSON_TYPES: dict[str, frozenset[type]] = {
    "tuple": frozenset({list}),
    "dict": frozenset({dict}),
    "Document": frozenset({dict}),
    "str": frozenset({str}),
    "Status": frozenset({str}),
    "int": frozenset({int}),
    "bool": frozenset({bool}),
    "float": frozenset({int, float}),
}


def _expected(annotation: str) -> frozenset[type]:
    """The JSON types allowed for a field, from its annotation: 'dict[str, int] | None' -> {dict,
    NoneType}."""
    main, *optional = annotation.split(" | ")
    return _JSON_TYPES[main.partition("[")[0]] | ({type(None)} if optional else set())


def _held(annotation: str) -> type | None:
    """The type of a list's or map's values, from the annotation: 'dict[str, int]' -> int; None for
    anything."""
    inside = annotation.partition(" | ")[0].partition("[")[2].removesuffix("]").removesuffix(", ...")
    held = inside.split(", ", 1)[-1].partition("[")[0]
    return {"str": str, "int": int, "Document": dict}.get(held)


def _holds(value: dict[str, object] | list[object] | None, held: type | None) -> bool:
    if held is None or value is None:
        return True
    return all(type(item) is held for item in (value.values() if isinstance(value, dict) else value))


_NUMBERS: frozenset[type] = frozenset({int, float, type(None)})
_TEXT: frozenset[type] = frozenset({str, type(None)})
_INSIDE: dict[str, dict[str, frozenset[type]]] = {
    "git": {"commit": _TEXT, "dirty": frozenset({bool, type(None)})},
    "hardware": {
        "cpu": _TEXT,
        "cores": _NUMBERS,
        "threads": _NUMBERS,
        "memory": _NUMBERS,
        "gpus": frozenset({list}),
    },
    "init_from": {"run": frozenset({str}), "uuid": frozenset({str})},
    "pretrained": {
        "name": frozenset({str}),
        "revision": _TEXT,
        "sha256": frozenset({str}),
        "licence": _TEXT,
    },
    "onnx": {
        "published": frozenset({bool}),
        "reason": _TEXT,
        "max_difference": _NUMBERS,
        "samples": _NUMBERS,
    },
}
"""The value types of mixed maps."""

_DEFAULTS: dict[str, object] = {f.name: f.default for f in fields(RunRecord) if f.default is not MISSING}
_MAPS = [f.name for f in fields(RunRecord) if f.default_factory is dict and f.name != "extra"]
_FIELDS = {f.name: _expected(str(f.type)) for f in fields(RunRecord) if f.name != "extra"}
_HELD = {f.name: _held(str(f.type)) for f in fields(RunRecord)}


def _odd(known: Document) -> str | None:
    """The first field whose value has the right type but is not one that bm writes."""
    if known["status"] not in STATUSES:
        return "status"
    if not ID.fullmatch(known["id"]):
        return "id"
    if known["version"] < 1:
        return "version"
    for name in ("created", "started", "finished"):
        if (moment := known.get(name)) is not None and not _is_moment(moment):
            return name
    if not all(map(_is_moment, known.get("resumed", ()))):
        return "resumed"
    if (known.get("seconds") or 0) < 0:
        return "seconds"
    for metrics in known.get("metrics", {}).values():
        for name, value in metrics.items():
            if type(value) not in _NUMBERS:
                return f"metrics: {name}"
    for field_, inside in _INSIDE.items():
        for name, value in (known.get(field_) or {}).items():
            if name in inside and type(value) not in inside[name]:
                return f"{field_}: {name}"
    return None


def _is_moment(text: str) -> bool:
    """Whether it is a time as written by `now`, in a year that is valid in all time zones."""
    try:
        return 1900 < datetime.fromisoformat(text).year < 9000
    except ValueError:
        return False


def from_text(text: str | bytes, origin: str) -> RunRecord:
    """The record; IntegrityError if it is damaged or has an unknown format. origin: path, for messages."""
    try:
        data = strict(text)
    except ValueError as error:
        raise IntegrityError(f"{origin} is damaged: {error}") from error
    if not isinstance(data, dict):
        raise IntegrityError(f"{origin} is damaged: it is not a map")
    format_ = data.pop("format", None)
    if format_ != FORMAT:
        raise IntegrityError(
            f"{origin} has format {format_!r}; this version of bm reads format {FORMAT}",
            hint="a newer version of bm may read it",
        )
    missing = [name for name in _REQUIRED if name not in data]
    if missing:
        raise IntegrityError(f"{origin} is damaged: it lacks {', '.join(missing)}")
    # A single pass, because listing a thousand runs depends on its speed.
    known: dict[str, object] = {}
    extra: dict[str, object] = {}
    for name, value in data.items():
        expected = _FIELDS.get(name)
        if expected is None:
            extra[name] = value
        elif type(value) in expected and _holds(value, _HELD[name]):
            known[name] = tuple(value) if type(value) is list else value
        else:
            raise IntegrityError(f"{origin} is damaged: {name} has a value of the wrong type")
    if odd := _odd(known):
        raise IntegrityError(f"{origin} is damaged: {odd} has a value that bm does not write")
    record = object.__new__(RunRecord)
    # What RunRecord(**known, extra=extra) does, without __setattr__ for each of forty frozen fields: saves
    # 20 ms of a table of a thousand runs.
    vars(record).update(_DEFAULTS)
    vars(record).update({name: {} for name in _MAPS if name not in known}, **known, extra=extra)
    return record
