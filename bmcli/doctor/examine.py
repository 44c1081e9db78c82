"""Gathers all findings about a config's data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bmcli import data, tasks
from bmcli.core.errors import DataError
from bmcli.core.spec import SPLITS
from bmcli.doctor.balance import of_balance
from bmcli.doctor.features import neighbours_of
from bmcli.doctor.findings import MOST_EXAMPLES, Check, Example, Finding, Gathered, examiner_of
from bmcli.doctor.folds import out_of_fold
from bmcli.doctor.labels import by_run, of_labels, require_classes
from bmcli.experiments import display
from bmcli.experiments.prepare import prepare
from bmcli.modalities.base import modality_of
from bmcli.training.steps.threads import suiting

if TYPE_CHECKING:
    from bmcli.config.schema import DataConfig, ExperimentConfig
    from bmcli.data.bundle import DataBundle
    from bmcli.experiments.prepare import Experiment
    from bmcli.inference.opened import OpenedRun

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Examined:
    """What was found in all splits.

    findings: the worst first. checks: all that was looked for.
    shown: what the examples look like, one split after the other: thumbnails uint8 [N, 32, 32, C], texts, or
        None for tables.
    """

    bundle: DataBundle
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    shown: np.ndarray | tuple[str, ...] | None = field(repr=False, default=None)

    @property
    def sizes(self) -> dict[str, int]:
        """Split -> its number of examples."""
        return {name: len(split) for name in SPLITS if (split := self.bundle.split(name)) is not None}

    def to_json(self) -> dict[str, object]:
        """Strict JSON data."""
        return {
            "kind": self.bundle.kind,
            "task": self.bundle.task,
            "splits": self.sizes,
            "checks": [asdict(one) for one in self.checks],
            "findings": [one.to_json() for one in self.findings],
        }


def examine(
    config: ExperimentConfig,
    *,
    opened: OpenedRun | None = None,
    folds: int | None = None,
    progress: Progress | None = None,
    alone: bool = False,
) -> Examined:
    """Read the data and run all checks on it.

    Doubtful labels are found by the run `opened`, which was trained on the data, or by `folds` trainings of
    the config's own model on parts of it. If the run's model is pretrained, near copies are looked for by its
    features too. alone: as `bmcli.experiments.start.start` takes it.

    Raises DataError if it cannot be read at all, UsageError if the run is of other classes.
    """
    # What cannot be used is a finding here, and no reason to stop.
    lenient = config.data.model_copy(update={"skip_unusable": True})
    experiment = None
    if folds is not None:
        experiment = _prepared(config, lenient, progress, alone)
        bundle = experiment.bundle
    else:
        try:
            bundle = data.load(lenient, progress=progress)
        except DataError:
            # Perhaps because of what cannot be used: then reading strictly names all of it.
            data.load(config.data.model_copy(update={"skip_unusable": False}), progress=progress)
            raise
    every = Gathered(bundle)
    findings = [*_unusable(bundle), *of_balance(bundle)]
    findings += [Finding("reading", "note", note, 0) for note in bundle.notes]
    if opened is not None:
        require_classes(bundle)
        every.neighbours = neighbours_of(every, opened, progress)
    tell = None if progress is None else lambda done, whole: progress("comparing", done, whole)
    examiner = examiner_of(bundle.kind)
    shown = examiner.shown(every, config)
    findings += examiner.findings(every, config, shown, tell)
    if opened is not None or folds is not None:
        require_classes(bundle)
    if opened is not None:
        findings += of_labels(every, by_run(every, opened, progress), opened.run)
    elif experiment is not None and folds is not None:
        findings += of_labels(every, np.concatenate(out_of_fold(experiment, folds, progress)), None)
    order = {"problem": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda one: order[one.severity])
    checks = _checks(every, findings, labels=opened is not None or folds is not None)
    return Examined(bundle, tuple(findings), checks, shown)


def _checks(every: Gathered, findings: list[Finding], *, labels: bool) -> tuple[Check, ...]:
    """All checks, with or without findings."""
    bundle, count = every.bundle, len(every.ids)
    examiner, unit = examiner_of(bundle.kind), modality_of(bundle.kind).words.many
    found: dict[str, int] = {}
    for one in findings:
        found[one.check] = found.get(one.check, 0) + examiner.counted(one)
    made = [("unusable", unit, count + len(bundle.skipped))]
    made += [(name, unit, count) for name in ("duplicates across splits", "contradictions", "duplicates")]
    made += [(name, of or unit, of_all) for name, of, of_all in examiner.checks(every)]
    if tasks.of(bundle.task).has_classes:
        made += [("balance", "classes", len(bundle.classes)), ("few", "classes", len(bundle.classes))]
    if labels and not any(one.judge is not None and not one.judge["judged"] for one in findings):
        made.append(("labels", unit, count))
    return tuple(Check(name, of, of_all, found.get(name, 0)) for name, of, of_all in made)


def _unusable(bundle: DataBundle) -> list[Finding]:
    if not bundle.skipped:
        return []
    found = tuple(Example((name,), (), "cannot be used", ()) for name in bundle.skipped[:MOST_EXAMPLES])
    count = len(bundle.skipped)
    return [Finding("unusable", "problem", _cannot_be_used(bundle, count), count, found)]


def _cannot_be_used(bundle: DataBundle, count: int) -> str:
    unit = modality_of(bundle.kind).words.unit
    return f"{count:,} {unit}{'' if count == 1 else 's'} cannot be used"


def _prepared(
    config: ExperimentConfig, data: DataConfig, progress: Progress | None, alone: bool
) -> Experiment:
    class Watcher:
        def handle(self, event: display.Event) -> None:
            if progress is not None and isinstance(event, display.Progress):
                progress(event.what, event.done, event.total)

    threads = suiting(config.model, config.training) if alone else None
    return prepare(config.model_copy(update={"data": data}), threads=threads, display=Watcher())
