"""Runs side by side: what differs in how they came about, and in their figures. Reads files, computes nothing
of the models; no NumPy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bmcli.errors import IntegrityError
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.runs.run import Run

SPLITS = ("test", "validation", "train")
_FROM_RECORD = {
    "data": ("data_fingerprint", "splits", "splits_from"),
    "training": ("precision", "best_epoch", "epochs", "stopped", "parameters", "seconds"),
    "code": ("git",),
}


@dataclass(frozen=True)
class Difference:
    """Something the runs do not have in common. section: config, data, code, versions, hardware or training;
    values: one per run, None where a run has no such thing."""

    section: str
    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class MetricRow:
    """One figure of all runs. best: positions of the best values; empty where they cannot be compared, are
    all equal, or fewer than two are known."""

    split: str
    metric: str
    greater_is_better: bool
    values: tuple[float | None, ...]
    best: tuple[int, ...]


@dataclass(frozen=True)
class Comparison:
    """comparable: split -> whether all runs that were measured on it saw the same examples."""

    runs: tuple[dict[str, Any], ...]
    differences: tuple[Difference, ...]
    metrics: tuple[MetricRow, ...]
    comparable: dict[str, bool]

    def to_json(self) -> dict[str, Any]:
        """Strict JSON data."""
        return {
            "format": 1,
            "runs": list(self.runs),
            "differences": [asdict(one) for one in self.differences],
            "metrics": [asdict(one) for one in self.metrics],
            "comparable": self.comparable,
        }


def compare(runs: Sequence[Run]) -> Comparison:
    """Compare at least two runs. IntegrityError where one of them is damaged."""
    evaluations = [_evaluations(run) for run in runs]
    comparable = {}
    rows: list[MetricRow] = []
    for split in SPLITS:
        documents = [found.get(split) for found in evaluations]
        known = [document for document in documents if document is not None]
        if known:
            comparable[split] = len({document.get("examples_sha256") for document in known}) == 1
            rows += _rows(split, documents, comparable[split])
    return Comparison(
        runs=tuple(_described(run) for run in runs),
        differences=tuple(_differences([_facts(run) for run in runs])),
        metrics=tuple(rows),
        comparable=comparable,
    )


def flatten(data: Any, prefix: str = "") -> dict[str, Any]:
    """Nested maps as dotted keys; a list stays a value, unless it holds maps: then its indices are keys."""
    if isinstance(data, Mapping) and data:
        items = [(str(key), value) for key, value in data.items()]
    elif isinstance(data, list) and any(isinstance(item, Mapping) for item in data):
        items = [(str(index), item) for index, item in enumerate(data)]
    else:
        return {prefix: data}
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat


def _described(run: Run) -> dict[str, Any]:
    record = run.record
    return {"id": run.id, "status": run.status, "created": record.created, "tags": list(record.tags)}


def _evaluations(run: Run) -> dict[str, dict[str, Any]]:
    found = {}
    for split in SPLITS:
        path = layout.evaluation_of(split)
        # A file the manifest names is read even where it is gone: that is a loss to report, not a gap.
        if run.exists(path) or path in run.manifest():
            try:
                document = json.loads(run.read_text(path))
                document["metrics"], document["lower_is_better"]
            except (ValueError, KeyError, TypeError) as error:
                raise IntegrityError(f"{run.path / path} is damaged: {error}") from error
            found[split] = document
    return found


def _rows(split: str, documents: Sequence[dict[str, Any] | None], comparable: bool) -> list[MetricRow]:
    names: dict[str, bool] = {}
    for document in documents:
        if document is not None:
            for name in document["metrics"]:
                names.setdefault(name, name not in document["lower_is_better"])
    rows = []
    for name, up in names.items():
        values = tuple(None if d is None else d["metrics"].get(name) for d in documents)
        best = _best(values, up) if comparable else ()
        rows.append(MetricRow(split, name, up, values, best))
    return rows


def _best(values: Sequence[float | None], up: bool) -> tuple[int, ...]:
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(set(known)) == 1:
        return ()
    top = max(known) if up else min(known)
    return tuple(i for i, value in enumerate(values) if value == top)


def _facts(run: Run) -> dict[str, dict[str, Any]]:
    """Section -> key -> value: all that made the run what it is."""
    from bmcli.config import yaml

    config = yaml.parse(run.read_bytes(layout.CONFIG), str(run.path / layout.CONFIG), str(run.path)).plain()
    # Where the files lay says nothing; what is in them stands under 'code'.
    config = {key: value for key, value in config.items() if key != "code"}
    code = {name: sha for name, sha in run.manifest().items() if name.startswith(f"{layout.CODE}/")}
    record = run.record.to_dict()
    facts = {
        "config": flatten(config),
        "data": {},
        "code": code,
        "versions": flatten(record["versions"]) if record["versions"] else {},
        "hardware": flatten(record["hardware"]) if record["hardware"] else {},
        "training": {},
    }
    for section, names in _FROM_RECORD.items():
        for name in names:
            if record[name] not in (None, {}):
                facts[section] |= flatten(record[name], name)
    return facts


def _differences(facts: Sequence[dict[str, dict[str, Any]]]) -> list[Difference]:
    differences = []
    for section in facts[0]:
        keys = dict.fromkeys(key for run in facts for key in run[section])
        for key in keys:
            values = tuple(run[section].get(key) for run in facts)
            if any(value != values[0] or type(value) is not type(values[0]) for value in values[1:]):
                differences.append(Difference(section, key, values))
    return differences
