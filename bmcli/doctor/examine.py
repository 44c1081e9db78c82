"""Everything that is wrong with a config's data, gathered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bmcli.data.bundle import Images, Table, Texts
from bmcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from bmcli.config.schema import DataConfig, ExperimentConfig
    from bmcli.data.bundle import DataBundle
    from bmcli.experiment import Experiment
    from bmcli.runs.run import Run

SPLITS = ("train", "validation", "test")
MOST_EXAMPLES = 10_000
"""Of a finding, so many examples are kept."""
UNBALANCED = 10
"""So many times as frequent is the largest class as the smallest, from where it is said."""
FEW = 10
"""Training examples of a class, below which it is said."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Example:
    """One or two examples that a finding is about. positions: into `Examined.shown`; detail: what of them."""

    ids: tuple[str, ...]
    splits: tuple[str, ...]
    detail: str
    positions: tuple[int, ...]


@dataclass(frozen=True)
class Finding:
    """severity: 'problem' (figures will mislead), 'warning' (look at it) or 'note'. count: of all examples
    it is about, of which `examples` are the first."""

    check: str
    severity: str
    message: str
    count: int
    examples: tuple[Example, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Strict JSON data."""
        examples = [{"ids": list(e.ids), "splits": list(e.splits), "detail": e.detail} for e in self.examples]
        return {
            "check": self.check,
            "severity": self.severity,
            "message": self.message,
            "count": self.count,
            "examples": examples,
        }


@dataclass(frozen=True)
class Examined:
    """findings: the worst first. shown: what the examples look like: thumbnails uint8 [N, 32, 32, C],
    texts, or None for tables; over all splits, one after the other."""

    bundle: DataBundle
    findings: tuple[Finding, ...]
    shown: np.ndarray | tuple[str, ...] | None = field(repr=False, default=None)

    def to_json(self) -> dict[str, Any]:
        """Strict JSON data."""
        sizes = {name: len(split) for name in SPLITS if (split := self.bundle.split(name)) is not None}  # type: ignore[arg-type]
        return {
            "kind": self.bundle.kind,
            "task": self.bundle.task,
            "splits": sizes,
            "findings": [one.to_json() for one in self.findings],
        }


def examine(
    config: ExperimentConfig,
    *,
    run: Run | None = None,
    folds: int | None = None,
    progress: Progress | None = None,
) -> Examined:
    """Read the data and look at all of it.

    Doubtful labels are found by `run`, which was trained on the data, or by `folds` trainings of the
    config's own model on parts of it.

    Raises DataError where it cannot be read at all, UsageError where the run is of other classes.
    """
    from bmcli import data

    # What cannot be used is a finding here, and no reason to stop.
    lenient = config.data.model_copy(update={"skip_unusable": True})
    experiment = None
    if folds is not None:
        experiment = _prepared(config, lenient, progress)
        bundle = experiment.bundle
    else:
        try:
            bundle = data.load(lenient, progress=progress)
        except DataError:
            # Perhaps because of what cannot be used: then reading strictly names all of it.
            data.load(config.data.model_copy(update={"skip_unusable": False}), progress=progress)
            raise
    every = _All(bundle)
    findings = [*_unusable(bundle), *_balance(bundle)]
    findings += [Finding("reading", "note", note, 0) for note in bundle.notes]
    shown: np.ndarray | tuple[str, ...] | None = None
    tell = None if progress is None else lambda done, whole: progress("comparing", done, whole)
    if bundle.kind == "image":
        shown = _thumbnails(every)
        findings += _pictures(every, shown, tell)
    elif bundle.kind == "text":
        shown = tuple(text for e in every.examples if isinstance(e, Texts) for text in e.texts)
        findings += _texts(every, shown, config.preprocessing.text.max_length)
    else:
        findings += _tables(every, bundle)
    if run is not None or folds is not None:
        _require_classes(bundle)
    if run is not None:
        findings += _labels(every, bundle, _by_run(every, bundle, run), run.id)
    elif experiment is not None and folds is not None:
        from bmcli.doctor.folds import out_of_fold

        findings += _labels(every, bundle, np.concatenate(out_of_fold(experiment, folds, progress)), None)
    order = {"problem": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda one: order[one.severity])
    return Examined(bundle, tuple(findings), shown)


class _All:
    """Every split's examples one after the other, with where each is from."""

    def __init__(self, bundle: DataBundle) -> None:
        there = [(name, split) for name in SPLITS if (split := bundle.split(name)) is not None]  # type: ignore[arg-type]
        self.splits = there
        self.examples = [split.examples for _, split in there]
        self.ids = tuple(name for _, split in there for name in split.ids)
        self.split_of = [name for name, split in there for _ in split.ids]
        self.targets = np.concatenate([split.targets for _, split in there])

    def example(self, positions: Sequence[int], detail: str) -> Example:
        return Example(
            tuple(self.ids[i] for i in positions),
            tuple(self.split_of[i] for i in positions),
            detail,
            tuple(positions),
        )


def _unusable(bundle: DataBundle) -> list[Finding]:
    if not bundle.skipped:
        return []
    found = tuple(Example((name,), (), "cannot be used", ()) for name in bundle.skipped[:MOST_EXAMPLES])
    count = len(bundle.skipped)
    return [Finding("unusable", "problem", f"{count:,} files or rows cannot be used", count, found)]


def _balance(bundle: DataBundle) -> list[Finding]:
    if bundle.task == "regression":
        return []
    targets = bundle.train.targets
    if bundle.task == "multilabel":
        counts = np.asarray(targets.sum(axis=0), int)
    else:
        counts = np.bincount(targets, minlength=len(bundle.classes))
    most, least = int(counts.argmax()), int(counts.argmin())
    found = []
    if counts[most] >= UNBALANCED * max(int(counts[least]), 1):
        message = (
            f"'{bundle.classes[most]}' has {counts[most]:,} training examples, '{bundle.classes[least]}' "
            f"{counts[least]:,}: look at recall per class, not at accuracy"
        )
        found.append(Finding("balance", "warning", message, int(counts[least])))
    rare = [f"'{bundle.classes[i]}' ({counts[i]})" for i in np.flatnonzero(counts < FEW)]
    if rare:
        shown = ", ".join(rare[:10]) + (", …" if len(rare) > 10 else "")
        message = f"fewer than {FEW} training examples: {shown}"
        found.append(Finding("few", "warning", message, len(rare)))
    return found


def _pairs(every: _All, found_pairs: Sequence[Any], unit: str) -> list[Finding]:
    """Findings about equal examples: across splits, with different labels, and the rest."""
    across, contradicting, within = [], [], []
    for pair in found_pairs:
        how = "equal" if pair.exact else pair.how
        first, second = pair.first, pair.second
        same = bool(np.all(every.targets[first] == every.targets[second]))
        labels = "" if same else ", labelled differently"
        example = every.example((first, second), how + labels)
        if every.split_of[first] != every.split_of[second]:
            across.append((pair.exact, example))
        elif not same:
            contradicting.append((pair.exact, example))
        else:
            within.append((pair.exact, example))
    found = []
    for check, severity, what, listed in (
        ("duplicates across splits", "problem", "in two splits: figures will flatter", across),
        ("contradictions", "problem", "in one split, labelled differently", contradicting),
        ("duplicates", "note", "in one split", within),
    ):
        if listed:
            exact = sum(is_exact for is_exact, _ in listed)
            listed.sort(key=lambda entry: not entry[0])
            pairs_of = f"{len(listed):,} pair{'s' if len(listed) > 1 else ''} of {unit}"
            message = f"{pairs_of} {what} ({exact:,} equal, {len(listed) - exact:,} nearly)"
            examples = tuple(example for _, example in listed[:MOST_EXAMPLES])
            found.append(Finding(check, severity, message, len(listed), examples))
    return found


def _thumbnails(every: _All) -> np.ndarray:
    """uint8 [N, SIDE, SIDE, 1 or 3]: all pictures, grey where all of them are."""
    from PIL import Image

    from bmcli.data.readers.images import decode_into, eight_bits, pool
    from bmcli.doctor.pictures import SIDE

    parts = []
    for examples in every.examples:
        assert isinstance(examples, Images)
        if examples.arrays is None:
            made = np.zeros((len(examples), SIDE, SIDE, 3), np.uint8)
            decode_into(made, examples.paths or (), np.arange(len(examples)))
            parts.append(made)
            continue
        if examples.arrays.shape[1:3] == (SIDE, SIDE):
            parts.append(examples.arrays)
            continue

        def small(array: np.ndarray) -> np.ndarray:
            image = eight_bits(Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array))
            made = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
            return made if made.ndim == 3 else made[:, :, None]

        parts.append(np.stack(list(pool().map(small, examples.arrays))))
    widest = max(part.shape[3] for part in parts)
    return np.concatenate([np.repeat(p, widest // p.shape[3], axis=3) for p in parts])


def _pictures(every: _All, shown: np.ndarray, progress: Callable[[int, int], None] | None) -> list[Finding]:
    from bmcli.doctor.pictures import blank, same_pictures

    empty = blank(shown)
    where = np.flatnonzero(~empty)
    pairs = [
        type(pair)(int(where[pair.first]), int(where[pair.second]), pair.exact, pair.how, pair.correlation)
        for pair in same_pictures(shown[where], progress)
    ]
    found = _pairs(every, pairs, "pictures")
    if empty.any():
        positions = np.flatnonzero(empty).tolist()
        examples = tuple(every.example((i,), "of one colour") for i in positions[:MOST_EXAMPLES])
        count = len(positions)
        found.append(Finding("blank", "warning", f"{count:,} pictures are of one colour", count, examples))
    return found + _sizes(every)


def _sizes(every: _All) -> list[Finding]:
    """Pictures whose proportions are far from the others'."""
    sizes = [e.sizes for e in every.examples if isinstance(e, Images) and e.sizes is not None]
    if len(sizes) != len(every.examples):
        return []
    ratio = np.concatenate(sizes).astype(float)
    proportion = np.log(ratio[:, 1] / np.maximum(ratio[:, 0], 1))
    far = np.flatnonzero(np.abs(proportion - np.median(proportion)) > np.log(4))
    if not len(far):
        return []
    examples = tuple(
        every.example((int(i),), f"{int(ratio[i, 1])} × {int(ratio[i, 0])}") for i in far[:MOST_EXAMPLES]
    )
    message = f"{len(far):,} pictures have proportions four times those of the others: they will be distorted"
    return [Finding("proportions", "warning", message, len(far), examples)]


def _texts(every: _All, texts: Sequence[str], max_length: int) -> list[Finding]:
    from bmcli.doctor.texts import same_texts

    found = _pairs(every, same_texts(texts), "texts")
    words = np.array([len(text.split()) for text in texts])
    longer = int((words > max_length).sum())
    if longer:
        share = longer / len(words)
        message = (
            f"{share:.0%} of the texts have more words than the model reads (preprocessing.text.max_length: "
            f"{max_length}); the longest has {words.max():,}"
        )
        found.append(Finding("length", "warning" if share > 0.1 else "note", message, longer))
    short = np.flatnonzero(words < 3)
    if len(short):
        examples = tuple(every.example((int(i),), "short") for i in short[:MOST_EXAMPLES])
        message = f"{len(short):,} texts have fewer than 3 words"
        found.append(Finding("short", "note", message, len(short), examples))
    return found


def _tables(every: _All, bundle: DataBundle) -> list[Finding]:
    from bmcli.doctor.columns import odd_columns

    assert isinstance(bundle.train.examples, Table)
    said = {
        "constant": ("note", "has one value only"),
        "mostly missing": ("warning", "is missing in {share:.0%} of the rows"),
        "one value per row": ("warning", "has {share:.0%} distinct values: an identifier?"),
        "gives the target away": (
            "problem",
            "predicts the target all by itself ({share:.3f}): is it known before the answer is?",
        ),
    }
    found = []
    for odd in odd_columns(bundle.train.examples, bundle.train.targets, bundle.task):
        severity, text = said[odd.what]
        message = f"column '{odd.column}' {text.format(share=odd.share)}"
        found.append(Finding(odd.what, severity, message, len(bundle.train)))
    return found + _pairs(every, _equal_rows(every), "rows")


@dataclass(frozen=True)
class _Equal:
    first: int
    second: int
    exact: bool = True
    how: str = "same"


def _equal_rows(every: _All) -> list[_Equal]:
    seen: dict[tuple[Any, ...], int] = {}
    found = []
    start = 0
    for examples in every.examples:
        assert isinstance(examples, Table)
        columns = [values.tolist() for values in examples.columns.values()]
        for i, row in enumerate(zip(*columns, strict=True), start):
            key = tuple(None if value != value else value for value in row)  # NaN equals nothing
            if key in seen:
                found.append(_Equal(seen[key], i))
            else:
                seen[key] = i
        start += len(examples)
    return found


def _require_classes(bundle: DataBundle) -> None:
    if bundle.task not in ("binary", "multiclass"):
        raise UsageError(f"doubtful labels are found where each example has one class, not in {bundle.task}")


def _prepared(config: ExperimentConfig, data: DataConfig, progress: Progress | None) -> Experiment:
    from bmcli.display import Silent
    from bmcli.experiment import prepare

    class Watcher(Silent):
        def progress(self, what: str, done: int, total: int) -> None:
            if progress is not None:
                progress(what, done, total)

    return prepare(config.model_copy(update={"data": data}), display=Watcher())


def _by_run(every: _All, bundle: DataBundle, run: Run) -> np.ndarray:
    """The run's outputs for all examples."""
    from bmcli.evaluation.run import predict_all
    from bmcli.inference.predict import load_preprocessing
    from bmcli.inference.session import open_session

    preprocessing, spec = load_preprocessing(run)
    if spec.classes != bundle.classes:
        raise UsageError(f"{run.id} knows other classes than the data has")
    session = open_session(run, spec)
    return np.concatenate([predict_all(session, preprocessing, e, 256) for e in every.examples])


def _labels(every: _All, bundle: DataBundle, outputs: np.ndarray, run: str | None) -> list[Finding]:
    """run: that has seen the training split; None where no example was seen by the model that judges it."""
    from bmcli.doctor.labels import doubtful

    doubts = doubtful(every.targets, outputs)
    if not doubts:
        return []
    examples = tuple(
        every.example(
            (one.position,),
            f"labelled '{bundle.classes[one.label]}', looks like '{bundle.classes[one.likely]}' "
            f"({one.margin:.2f})",
        )
        for one in doubts[:MOST_EXAMPLES]
    )
    seen = sum(every.split_of[one.position] == "train" for one in doubts) if run else 0
    message = f"{len(doubts):,} labels are doubtful, the likeliest mistakes first"
    if seen:
        message += f"; {run} has seen {seen:,} of them in training, and may have learned some by heart"
    return [Finding("labels", "warning", message, len(doubts), examples)]
