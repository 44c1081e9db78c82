"""Compare runs: what differs in their making and in their metrics, and how certain that is. Reads
files alone: neither data nor models are needed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TypedDict

from bmcli import tasks
from bmcli.core.errors import DataError, IntegrityError
from bmcli.evaluation import predictions
from bmcli.evaluation.stored_evaluations import StoredEvaluation, read_evaluation
from bmcli.runs import layout
from bmcli.runs.store import reference_to

if TYPE_CHECKING:
    from bmcli.metrics.paired import Difference as MetricDifference
    from bmcli.metrics.paired import Disagreements, Side
    from bmcli.runs.run import Run

SPLITS = ("test", "validation", "train")
_FROM_RECORD = {
    "data": ("data_fingerprint", "splits", "splits_from"),
    "training": ("precision", "threads", "best_epoch", "epochs", "stopped", "parameters", "seconds"),
    "code": ("git",),
}


@dataclass(frozen=True)
class Difference:
    """Something the runs do not have in common. section: config, data, code, versions, hardware or training;
    values: one per run, None if a run has no such thing."""

    section: str
    key: str
    values: tuple[object, ...]


@dataclass(frozen=True)
class MetricRow:
    """One metric of all runs. best: positions of the best values; empty if they cannot be compared, are
    all equal, or fewer than two are known."""

    split: str
    metric: str
    greater_is_better: bool
    values: tuple[float | None, ...]
    best: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone. label: an id, or the name and how many seeds; runs: positions;
    counted: those of them that count, one per seed."""

    label: str
    runs: tuple[int, ...]
    counted: tuple[int, ...]


@dataclass(frozen=True)
class Paired:
    """One group against the baseline's, which is the first, on the same examples.

    first, second: positions of groups.
    metrics: the difference of each metric, second minus first.
    seeds_measured: whether the intervals include training noise.
    also_differ: what differs besides config and data, and may be the reason.
    """

    split: str
    examples: int
    first: int
    second: int
    figures: tuple[MetricDifference, ...]
    disagreements: Disagreements | None
    seeds_measured: bool
    also_differ: tuple[str, ...]


class ComparedRun(TypedDict):
    """What a comparison says of one run, as JSON data."""

    id: str
    status: str
    created: str
    tags: list[str]


@dataclass(frozen=True)
class Comparison:
    """comparable: split -> whether all runs that were measured on it saw the same examples; paired: empty
    if there is only one group, no common split with the same examples, or predictions are missing."""

    runs: tuple[ComparedRun, ...]
    groups: tuple[Group, ...]
    differences: tuple[Difference, ...]
    metrics: tuple[MetricRow, ...]
    comparable: dict[str, bool]
    paired: tuple[Paired, ...]

    def to_json(self) -> dict[str, object]:
        """Strict JSON data."""
        return {
            "format": 1,
            "runs": list(self.runs),
            "groups": [asdict(one) for one in self.groups],
            "differences": [asdict(one) for one in self.differences],
            "metrics": [asdict(one) for one in self.metrics],
            "comparable": self.comparable,
            "paired": [asdict(one) for one in self.paired],
        }


def compare(runs: Sequence[Run], *, baseline: Run | None = None, unpaired: bool = False) -> Comparison:
    """Compare at least two runs, each group of them with the first.

    baseline: whose group comes first instead; one of the runs, or another one. unpaired: only side by side,
    even if measured on different examples. IntegrityError if one is damaged, DataError if their test
    examples differ.
    """
    if baseline is not None:
        others = [run for run in runs if run.path.resolve() != baseline.path.resolve()]
        runs = [baseline, *others]
    evaluations = [_evaluations(run) for run in runs]
    comparable = {}
    rows: list[MetricRow] = []
    for split in SPLITS:
        documents = [found.get(split) for found in evaluations]
        known = [document for document in documents if document is not None]
        if known:
            comparable[split] = _same_examples(known)
            rows += _rows(split, documents, comparable[split])
    if comparable.get("test") is False and not unpaired:
        raise DataError(
            "these runs used different test examples, so their metrics cannot be compared",
            hint="--unpaired shows them side by side anyway",
        )
    facts = [_facts(run) for run in runs]
    differences = _differences(facts)
    groups = _groups(runs, facts)
    common = [
        s for s in ("test", "validation") if comparable.get(s) and all(s in found for found in evaluations)
    ]
    paired: list[Paired] = []
    if common and len(groups) > 1 and not unpaired:
        paired = _paired(common[0], runs, groups, [found[common[0]] for found in evaluations], differences)
    return Comparison(
        runs=tuple(_described(run) for run in runs),
        groups=tuple(groups),
        differences=tuple(differences),
        metrics=tuple(rows),
        comparable=comparable,
        paired=tuple(paired),
    )


def pair(run: Run, baseline: Run, split: str) -> list[MetricDifference]:
    """The run's metrics of that split less the baseline's, on the same examples.

    DataError if they were measured on different ones, or one was not measured on it; IntegrityError for a
    damaged run.
    """
    from bmcli.metrics.paired import differences

    documents = []
    for one in (baseline, run):
        document = read_evaluation(one, split)
        if document is None:
            hint = f"bm evaluate {reference_to(one)}"
            hint += f" --split {split}" if split in SPLITS else " --data PATH, of the same file"
            raise DataError(f"{one.id} was not evaluated on {split}", hint=hint)
        documents.append(document)
    if not _same_examples(documents):
        raise DataError(f"{run.id} and {baseline.id} were evaluated on different {split} examples")
    first, second = (_side(split, [one], [d]) for one, d in zip((baseline, run), documents, strict=True))
    return differences(first, second)


def _side(split: str, runs: Sequence[Run], documents: Sequence[StoredEvaluation]) -> Side:
    from bmcli.metrics import paired

    task, classes = documents[0]["task"], documents[0]["classes"]
    read = []
    for run, document in zip(runs, documents, strict=True):
        found = predictions.read(run, split, task, classes)
        if not predictions.fit(found, task, len(classes), document["examples"]):
            name = run.path / layout.predictions_of(split)
            raise IntegrityError(f"{name} is damaged: it does not fit {layout.evaluation_of(split)}")
        read.append(found)
    return paired.Side(tasks.stored(task), [document["metrics"] for document in documents], read)


def _groups(runs: Sequence[Run], facts: Sequence[dict[str, dict[str, object]]]) -> list[Group]:
    """In the order of their first runs."""
    found: dict[str, list[int]] = {}
    for i, one in enumerate(facts):
        config = {key: value for key, value in one["config"].items() if key not in ("seed", "name")}
        made = {key: one["training"].get(key) for key in ("precision", "parameters")}
        # A commit covers the whole folder; the code that ran is stored in the run.
        code = {key: value for key, value in one["code"].items() if not key.startswith("git.")}
        hardware = {**one["hardware"], "memory": _gibibytes(one["hardware"].get("memory"))}
        same = [config, one["data"], code, one["versions"], hardware, made]
        found.setdefault(json.dumps(same, sort_keys=True, default=str), []).append(i)
    groups = []
    for positions in found.values():
        by_seed: dict[object, int] = {}
        for i in positions:
            by_seed.setdefault(runs[i].record.seed, i)
        label = runs[positions[0]].id
        if len(positions) > 1:
            names = list(dict.fromkeys(runs[i].name for i in positions))
            label = f"{names[0]} ({len(by_seed)} seed{'s' if len(by_seed) > 1 else ''})"
        groups.append(Group(label, tuple(positions), tuple(by_seed.values())))
    return groups


_OTHER_CAUSES = ("precision", "git")


def _paired(
    split: str,
    runs: Sequence[Run],
    groups: Sequence[Group],
    documents: Sequence[StoredEvaluation],
    differences: Sequence[Difference],
) -> list[Paired]:
    from bmcli.metrics import paired

    for run in runs:
        if (
            not run.exists(layout.predictions_of(split))
            and layout.predictions_of(split) not in run.manifest()
        ):
            return []
    sides = [_side(split, [runs[i] for i in g.counted], [documents[i] for i in g.counted]) for g in groups]
    each = [paired.differences(sides[0], side) for side in sides[1:]]
    corrected: dict[str, list[float | None]] = {}
    for metric in {one.metric for some in each for one in some}:
        values = [next((one.p for one in some if one.metric == metric), None) for some in each]
        corrected[metric] = paired.holm(values)
    found = []
    for number, (side, some) in enumerate(zip(sides[1:], each, strict=True)):
        first, second = groups[0].counted[0], groups[number + 1].counted[0]
        others = dict.fromkeys(
            "code" if one.key.startswith("git") else one.key if one.section == "training" else one.section
            for one in differences
            if (one.section in ("code", "versions", "hardware") or one.key.split(".")[0] in _OTHER_CAUSES)
            and one.values[first] != one.values[second]
        )
        found.append(
            Paired(
                split=split,
                examples=documents[0]["examples"],
                first=0,
                second=number + 1,
                figures=tuple(replace(one, p_holm=corrected[one.metric][number]) for one in some),
                disagreements=paired.disagreements(sides[0], side, documents[0]["classes"]),
                seeds_measured=len(sides[0]) + len(side) > 2,
                also_differ=tuple(others),
            )
        )
    return found


def flatten(data: object, prefix: str = "") -> dict[str, object]:
    """Nested maps as dotted keys; a list stays a value, unless it holds maps: then its indices are keys."""
    if isinstance(data, Mapping) and data:
        items = [(str(key), value) for key, value in data.items()]
    elif isinstance(data, list) and any(isinstance(item, Mapping) for item in data):
        items = [(str(index), item) for index, item in enumerate(data)]
    else:
        return {prefix: data}
    flat: dict[str, object] = {}
    for key, value in items:
        flat |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat


def _described(run: Run) -> ComparedRun:
    record = run.record
    return {"id": run.id, "status": run.status, "created": record.created, "tags": list(record.tags)}


def _same_examples(documents: Sequence[StoredEvaluation]) -> bool:
    """Whether those evaluations are of the same examples, and ask the same of them."""
    first = documents[0]
    return all(
        document is first
        or (
            # Where it is not known what was seen, it need not be the same.
            document.get("examples_sha256") is not None
            and all(document.get(key) == first.get(key) for key in ("examples_sha256", "task", "classes"))
        )
        for document in documents
    )


def _evaluations(run: Run) -> dict[str, StoredEvaluation]:
    found = {split: read_evaluation(run, split) for split in SPLITS}
    return {split: document for split, document in found.items() if document is not None}


def _rows(split: str, documents: Sequence[StoredEvaluation | None], comparable: bool) -> list[MetricRow]:
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


def _facts(run: Run) -> dict[str, dict[str, object]]:
    """Section -> key -> value: all that made the run what it is."""
    from bmcli.config.parsing import yaml

    config = yaml.parse(run.read_bytes(layout.CONFIG), str(run.path / layout.CONFIG), str(run.path)).plain()
    # Where the files lay says nothing; what is in them stands under 'code'.
    config = {key: value for key, value in config.items() if key != "code"}
    code: dict[str, object] = {
        name: sha for name, sha in run.manifest().items() if name.startswith(f"{layout.CODE}/")
    }
    record = run.record.to_dict()
    hardware = flatten(record["hardware"]) if record["hardware"] else {}
    # How many threads an operation has follows from the model, and from what else the machine does.
    record["threads"] = hardware.pop("threads", None)
    facts: dict[str, dict[str, object]] = {
        "config": flatten(config),
        "data": {},
        "code": code,
        "versions": flatten(record["versions"]) if record["versions"] else {},
        "hardware": hardware,
        "training": {},
    }
    for section, names in _FROM_RECORD.items():
        for name in names:
            if record[name] not in (None, {}):
                facts[section] |= flatten(record[name], name)
    return facts


def _same(section: str, key: str, one: object, other: object) -> bool:
    if (section, key) == ("hardware", "memory"):
        one, other = _gibibytes(one), _gibibytes(other)
    return type(one) is type(other) and bool(one == other)


def _gibibytes(size: object) -> object:
    """Memory, rounded: a kernel or a virtual machine keeps some of it to itself, now more and now less."""
    return (size + 2**29) >> 30 if type(size) is int else size


def _differences(facts: Sequence[dict[str, dict[str, object]]]) -> list[Difference]:
    differences = []
    for section in facts[0]:
        keys = dict.fromkeys(key for run in facts for key in run[section])
        for key in keys:
            values = tuple(run[section].get(key) for run in facts)
            if any(not _same(section, key, value, values[0]) for value in values[1:]):
                differences.append(Difference(section, key, values))
    return differences
