"""`bm check`: check a config without training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bmcli.cli.command import Session, command
from bmcli.cli.options import ConfigArgument, OverridesArgument, TrustCodeOption
from bmcli.cli.spinner import phases
from bmcli.cli.trust import asking

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig
    from bmcli.core.plain import Document
    from bmcli.experiments.forecast import Cost


@command
def check(
    session: Session,
    config: ConfigArgument,
    overrides: OverridesArgument = None,
    build: Annotated[
        bool,
        typer.Option(
            "--build",
            help="Also do everything before the first training step: read the data, build the model.",
        ),
    ] = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Also train for some seconds, and forecast time, memory and disk space."
        ),
    ] = False,
    trust_code: TrustCodeOption = False,
) -> None:
    """Check a config, and show what it resolves to.

    All errors are reported together, each with its location. Python files listed under `code` are run, as in
    training.
    """
    from bmcli.config.resolve import load

    experiment = load(
        config,
        overrides or (),
        run_code=True,
        before_code=asking(session, trust_code),
        obtaining=session.obtain if build or measure else None,
    )
    _refuse(experiment, session)
    _note_missing(experiment, session)
    document: dict[str, object] = {"ok": True, "config": experiment.to_dict()}
    more = _folder(experiment, session, quiet=build or measure)
    cost = _measure(experiment, session) if measure else None
    examples: int | None = None
    if build or cost is not None:
        from bmcli.experiments.prepare import described

        built = (
            _build(experiment, session)
            if cost is None
            else described(cost.experiment.bundle, cost.experiment.spec, cost.parameters, cost.frozen)
        )
        document["build"] = built
        examples = built["examples"]["train"]
        more += _built_lines(built)
    if cost is not None:
        document["measure"] = _measured(cost)
        more += _measured_lines(cost)
    session.result(document, lambda: _shown([*summary(experiment, examples), *more]))


def _shown(lines: list[str]) -> str:
    """'ok' and the details; the column table gets the same header as other tables."""
    from bmcli.core import sanitize, streams
    from bmcli.terminal import render

    safe = [sanitize.safe(line) for line in lines]
    if "" in safe:
        safe[safe.index("") + 1 :] = [render.heading(safe[safe.index("") + 1 :], streams.out())]
    return render.Painted("\n".join([render.paint("ok", render.GOOD, streams.out()), *safe]))


def _refuse(config: ExperimentConfig, session: Session) -> None:
    """Raise what training would refuse before its start, if names alone show it: a missing extra or run."""
    if set(config.trackers) - {"tensorboard"}:
        from bmcli.experiments.trackers import require

        require(config.trackers)
    if config.init_from is not None:
        session.store.find(config.init_from.run)


def _note_missing(config: ExperimentConfig, session: Session) -> None:
    """What training would download, or cannot without a connection."""
    missing = config.model.missing()
    if missing is None:
        return
    from bmcli.cli.downloads import described
    from bmcli.files.download import offline

    if offline():
        session.warn(f"{missing.name} is not on this machine, and BM_OFFLINE prevents its download")
        session.note(missing.by_hand)
    else:
        session.note(f"training downloads {described(missing)}")


def summary(config: ExperimentConfig, examples: int | None = None) -> list[str]:
    """A few lines on model, data and training.

    examples: size of the training split, if known; it turns `epochs: auto` into a number.
    """
    return [
        f"name      {config.name} · seed {config.seed}",
        f"data      {_data(config)}",
        f"model     {_component(config.model.to_config())}",
        f"training  {_training(config, examples)}",
    ]


def _data(config: ExperimentConfig) -> str:
    from bmcli.config.data_facts import facts_of

    data = config.data
    parts = [_component(data.name.to_config()) if data.name is not None else str(data.path)]
    if data.target is not None:
        target = ", ".join(map(str, data.target)) if isinstance(data.target, list) else data.target
        parts.append(f"target {target}")
    facts = facts_of(data)
    if data.split is not None:
        parts.append(f"splits by column {data.split}")
    for name, brought in (("test", facts.brings_test), ("validation", facts.brings_validation)):
        value = getattr(data, name)
        if brought and not isinstance(value, str):
            continue  # the data's own split is used
        if data.split is not None and not isinstance(value, str):
            continue  # split off only if the column has no such rows, which only the data shows
        parts.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
    if data.augment:
        parts.append("augment " + ", ".join(one.registry_name for one in data.augment))
    return " · ".join(parts)


_MOST_COLUMNS = 60
"""Largest number of table columns listed."""
_MOST_NAMES = 10_000
"""Largest number of file names that a check without --build reads."""


def _folder(config: ExperimentConfig, session: Session, *, quiet: bool) -> list[str]:
    """The splits and classes of a folder, by names only; DataError if training would raise it.

    quiet: skip notes, as reading the data repeats them.
    """
    import os

    data = config.data
    if data.path is None or not os.path.isdir(data.path):  # noqa: PTH112
        return []
    from pathlib import Path

    from bmcli.config.data_facts import folder_rules
    from bmcli.files.folder_layout import layout
    from bmcli.files.folder_scan import scan
    from bmcli.modalities.base import modality_of

    if data.kind is not None and not modality_of(data.kind).file_suffixes:
        return []
    found = layout(Path(data.path), folder_rules(data))
    seen = scan(found, _MOST_NAMES)
    for note in () if quiet else seen.notes:
        session.note(note)
    if seen.problems and not quiet:
        first = seen.problems[0]
        what = "will be left out" if data.skip_unusable else "cannot be used"
        count = f"{len(seen.problems):,} file{'s' * (len(seen.problems) > 1)} or folders"
        session.note(f"{count} {what} ({first.place}: {first.message}); --build lists them")
    parts = [f"{split} {name}/" for split, name in found.names.items()]
    if found.classes:
        shown = ", ".join(found.classes[:8]) + (", ..." if len(found.classes) > 8 else "")
        parts.append(f"{len(found.classes):,} class folder{'s' * (len(found.classes) > 1)}: {shown}")
    else:
        parts.append("classes by data.class_pattern")
    return [f"folder    {' · '.join(parts)}"]


def _epochs(config: ExperimentConfig, examples: int | None) -> str:
    training = config.training
    if training.epochs != "auto":
        return f"{training.epochs} epoch{'s' * (training.epochs != 1)}"
    if examples is None:
        first, _, (least, most) = training.auto_epochs
        return f"{first + least} to {first + most} epochs (auto)"
    epochs = training.epochs_of(max(1, math.ceil(examples / training.batch_size)))
    return f"{epochs} epochs (auto: {examples:,} examples)"


def _training(config: ExperimentConfig, examples: int | None) -> str:
    training = config.training
    parts = [
        f"{_epochs(config, examples)}, batches of {training.batch_size}",
        _component(training.optimizer.to_config(), most=1),
        _component(training.schedule.to_config(), most=0),
        f"precision {training.precision}",
        f"best by {training.monitor}",
    ]
    if training.early_stopping is not None:
        parts.append(f"stops after {training.early_stopping.patience} epochs without improvement")
    return " · ".join(parts)


def _component(config: dict[str, object], most: int = 12) -> str:
    from bmcli.config.parsing.messages import as_written

    options = [
        f"{key} {as_written(value)}"
        for key, value in config.items()
        if key != "name" and value is not None and not isinstance(value, dict)
    ]
    return f"{config['name']} ({', '.join(options[:most])})" if options[:most] else str(config["name"])


def _build(config: ExperimentConfig, session: Session) -> Document:
    """Do everything that training does before its first step; returns the result as plain data."""
    from bmcli.core import stopwatch
    from bmcli.experiments.prepare import described
    from bmcli.experiments.start import start
    from bmcli.terminal.progress import NotesOnly

    with stopwatch.running() as watch, phases(session, watch):
        started = start(config, session.store, display=NotesOnly(session))
    experiment = started.experiment
    return described(experiment.bundle, experiment.spec, started.parameters, started.frozen)


def _built_lines(built: Document) -> list[str]:
    from bmcli.modalities.base import modality_of

    examples = " · ".join(f"{name} {count:,}" for name, count in built["examples"].items())
    shapes = built["input_shape"]
    if isinstance(shapes, dict):
        shape = ", ".join(f"{name} {_sizes(sizes)}" for name, sizes in shapes.items())
    else:
        shape = _sizes(shapes)
    inputs = modality_of(built["kind"]).described(shape)
    lines = [f"examples  {examples}", f"inputs    {inputs}"]
    if classes := built["classes"]:
        shown = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
        lines.append(f"classes   {len(classes)}: {shown}")
    parts = f" ({built['trained']:,} trained, {built['frozen']:,} frozen)" if "frozen" in built else ""
    lines.append(f"built     {built['parameters']:,} parameters{parts} · {built['task']}")
    return lines + _column_lines(built.get("columns", []))


def _column_lines(columns: Sequence[Document]) -> list[str]:
    """The type and use of each column of a table."""
    from bmcli.terminal.render import columns as aligned

    if not columns:
        return []
    rows = [["column", "means", "used as", "filled", "missing", "different", "why"]]
    for one in columns[:_MOST_COLUMNS]:
        odd = f"; {one['unfit']:,} do not fit, such as {one['examples'][0]!r}" if one["unfit"] else ""
        counts = [f"{one[key]:,}" for key in ("filled", "missing", "different")]
        rows.append([one["name"], one["type"], one["role"], *counts, one["reason"] + odd])
    lines = ["", *aligned(rows, right=(3, 4, 5))]
    if len(columns) > _MOST_COLUMNS:
        lines.append(f"and {len(columns) - _MOST_COLUMNS:,} more columns; --json lists them all")
    return lines


def _measure(config: ExperimentConfig, session: Session) -> Cost:
    """Train for a while in a temporary folder."""
    import tempfile
    from pathlib import Path

    from bmcli.core import stopwatch

    with tempfile.TemporaryDirectory(prefix="bm-measure-") as folder, stopwatch.running() as watch:
        watch.add("starting bm", stopwatch.age())
        with phases(session, watch):
            from bmcli.experiments.forecast import measure

            return measure(config, Path(folder), runs=session.store, watch=watch, note=session.note)


def _measured(cost: Cost) -> dict[str, object]:
    return {
        "seconds": round(cost.seconds, 3),
        "upper_bound": cost.upper_bound,
        "parts": {name: round(seconds, 3) for name, seconds in cost.parts.items()},
        "peak_memory_bytes": cost.peak_memory,
        "disk_bytes": cost.disk,
        "examples_per_second": None if cost.rate is None else round(cost.rate, 1),
    }


def _measured_lines(cost: Cost) -> list[str]:
    from bmcli.core.number_format import duration, size
    from bmcli.modalities.base import words_of

    largest = sorted(cost.parts.items(), key=lambda part: -part[1])[:5]
    time = f"about {duration(cost.seconds)}" + (" at most (early stopping may shorten it)" * cost.upper_bound)
    lines = [f"time      {time}: {', '.join(f'{name} {duration(s)}' for name, s in largest if s >= 1)}"]
    if cost.rate is not None:
        lines.append(f"speed     {cost.rate:,.0f} {words_of(cost.experiment.bundle.kind).rate}")
    lines.append(f"memory    {size(cost.peak_memory)} · disk {size(cost.disk)}")
    return lines


def _sizes(sizes: list[int | None]) -> str:
    return " × ".join("any" if size is None else str(size) for size in sizes)
