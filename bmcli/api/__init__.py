"""The Python API: what the command line does, from Python. Reached as `bmcli.train` and so on.

Every function raises the errors of the command line (`bmcli.BmError`), whose text is what that shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

from bmcli.api.arguments import Split, in_python, read_bound, require_device, resolve_config
from bmcli.api.references import as_run, find_several, find_stored, load, open_store
from bmcli.api.run import Run
from bmcli.api.watching import displaying
from bmcli.core.errors import UsageError, did_you_mean
from bmcli.core.plain import Document
from bmcli.core.spec import Device
from bmcli.runs.trust import Trust

if TYPE_CHECKING:
    from bmcli.core.spec import DataSpec
    from bmcli.doctor.examine import Examined
    from bmcli.doctor.machine import Finding
    from bmcli.evaluation.compare import Comparison
    from bmcli.evaluation.gate import Verdict
    from bmcli.experiments.display import Display
    from bmcli.explain.base import Explanation
    from bmcli.export.formats import Exported
    from bmcli.inference.predictor import Prediction
    from bmcli.metrics.results import Evaluation
    from bmcli.modalities.preprocessing import Preprocessing

__all__ = [
    "Checked",
    "Run",
    "Split",
    "check",
    "compare",
    "doctor",
    "evaluate",
    "explain",
    "export",
    "gate",
    "load",
    "load_preprocessing",
    "predict",
    "report",
    "runs",
    "train",
]


@dataclass(frozen=True)
class Checked:
    """What `check` found. config: resolved, every default filled in, as plain data; built: with `build`, what
    training begins with: kind, task, classes, examples by split, input_shape, parameters, columns."""

    config: Document
    built: Document | None = None


def train(
    config: str | Path | Document,
    overrides: str | Sequence[str] | Mapping[str, object] = (),
    *,
    name: str | None = None,
    tags: str | Sequence[str] = (),
    device: Device = "auto",
    runs_dir: str | Path | None = None,
    display: Display | Literal["auto"] | None = "auto",
    trust_code: bool = False,
) -> Run:
    """Train, evaluate and keep a new run.

    config: a file, the name of one that comes with bm, or the same as a dict. overrides: 'KEY=VALUE', several
    of these, or a dict {'training.epochs': 3}. name: the run's, default the config's.
    display: 'auto' shows progress: on a terminal and in a notebook a table of epochs with a line that is
    rewritten, else a plain line per epoch on stderr; None is silent; or an object of your own
    (`bmcli.experiments.display.Display`).
    trust_code: whether `code` files stored in a run directory may run; UsageError otherwise.

    ConfigError with all mistakes; DataError; DivergedError; ResourceError. Ctrl-C raises InterruptedRunError:
    the state is saved, and `Run.resume` continues from it.
    """
    from bmcli.experiments.train import train
    from bmcli.runs.tags import validate_label

    require_device(device)
    tags = (tags,) if isinstance(tags, str) else tuple(tags)
    for tag in tags:  # now, and not when the data is loaded
        if not isinstance(tag, str):
            raise UsageError(f"expected texts as tags, got {type(tag).__name__}")
        validate_label(tag)
    with in_python(), displaying(display) as watching:
        resolved = resolve_config(config, overrides, name=name, trust_code=trust_code, display=watching)
        stored = train(resolved, open_store(runs_dir), tags=tags, device=device, display=watching)
    return Run(stored)


def runs(
    name: str | None = None,
    *,
    status: str | None = None,
    tag: str | None = None,
    runs_dir: str | Path | None = None,
) -> list[Run]:
    """All runs, newest first; only those of a name, in a state, with a label. Damaged ones come last."""
    from bmcli.runs.listing import status_of

    store = open_store(runs_dir)
    states = ("running", "completed", "interrupted", "failed", "diverged", "damaged")
    if status is not None and status not in states:
        hint = did_you_mean(status, states) or f"known: {', '.join(states)}"
        raise UsageError(f"unknown status '{status}'", hint=hint)
    found = store.all() if name is None else store.named(name)
    kept = [run for run in found if status in (None, status_of(run))]
    if tag is not None:
        kept = [run for run in kept if status_of(run) != "damaged" and tag in run.record.tags]
    return [Run(run) for run in kept]


def load_preprocessing(folder: str | Path) -> tuple[Preprocessing, DataSpec]:
    """What prepares inputs, as a run or an export keeps it, and what its model takes; see docs/export.md.

    folder: holds preprocessing.json, and of texts tokenizer.json. IntegrityError if they are damaged.
    """
    from bmcli.modalities.preprocessing import load

    return load(Path(folder))


def predict(run: Run | str | Path, inputs: object, **options: Any) -> list[Prediction]:
    """Predict with a run, given as `load` takes it; inputs and options as `Run.predict` takes them."""
    return (run if isinstance(run, Run) else load(run)).predict(inputs, **options)


def explain(run: Run | str | Path, inputs: object, **options: Any) -> list[Explanation]:
    """Explain a run's answers; inputs and options as `Run.explain` takes them."""
    return (run if isinstance(run, Run) else load(run)).explain(inputs, **options)


def evaluate(
    run: Run | str | Path,
    split: Split | None = None,
    *,
    data: str | Path | None = None,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
) -> Evaluation:
    """Measure a run, given as `load` takes it, on one of its splits (default test) or on labelled files."""
    return as_run(run, runs_dir).evaluate(split, data=data, trust_code=trust_code)


def compare(
    *references: Run | str | Path | Sequence[Run | str | Path],
    unpaired: bool = False,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
) -> Comparison:
    """Compare at least two runs: what differs, and the differences of their metrics with 95 % intervals.

    references: runs, one by one or in a list; a name means all its completed runs. unpaired: only side by
    side, even if measured on different examples. trust_code: run Python files kept in runs, which a task of
    one's own needs. DataError if their test examples differ.
    """
    from bmcli.evaluation.compare import compare as compare_stored
    from bmcli.inference.opened import load_tasks
    from bmcli.runs.trust import Trust

    with in_python():
        found = find_several(references, runs_dir, least=2)
        load_tasks(found, Trust(trust_code))
        return compare_stored(found, unpaired=unpaired)


def gate(
    run: Run | str | Path,
    *,
    min: Mapping[str, float] | None = None,
    max: Mapping[str, float] | None = None,
    baseline: Run | str | Path | None = None,
    max_drop: float | Mapping[str, float] | None = None,
    lower_bound: bool = False,
    split: str = "test",
    tag: str | None = None,
    runs_dir: str | Path | None = None,
) -> Verdict:
    """Whether a run is good enough: `verdict.holds`, and each check with its reason.

    min, max: bounds of metrics, as {'accuracy': 0.97} or {'per_class.daisy.recall': 0.9}. max_drop: how much
    worse than `baseline` it may be, of the headline metric or by metric. lower_bound: the worse end of the
    95 % interval must hold. tag: a label that is moved to the run if all holds. UsageError if nothing is
    asked.
    """
    from bmcli.evaluation.gate import Bound, judge
    from bmcli.runs.tags import validate_tag

    drops = max_drop if isinstance(max_drop, Mapping) else {None: max_drop} if max_drop is not None else {}
    asked = (("min", min or {}), ("max", max or {}), ("drop", drops))
    bounds = [
        Bound(kind, metric, read_bound(kind, metric, v)) for kind, some in asked for metric, v in some.items()
    ]
    if not bounds:
        raise UsageError("no condition given", hint="for example min={'accuracy': 0.97}")
    if bool(drops) != (baseline is not None):
        raise UsageError("baseline and max_drop need each other")
    if tag is not None:
        validate_tag(tag)
    stored = find_stored(run, runs_dir)
    against = find_stored(baseline, runs_dir) if baseline is not None else None
    verdict = judge(stored, bounds, split=split, baseline=against, lower_bound=lower_bound)
    if tag is not None and verdict.holds:
        from bmcli.runs.store import RunStore

        RunStore(stored.path.parent).tags.move(tag, stored)
    return verdict


def report(
    *references: Run | str | Path | Sequence[Run | str | Path],
    output: str | Path | None = None,
    split: str | None = None,
    card: bool = False,
    unpaired: bool = False,
    runs_dir: str | Path | None = None,
) -> Path:
    """Write one HTML file about a run, or a comparison of several; returns its path.

    output: default report.html in the run, of several comparison.html here; card: a model card in Markdown
    instead, model_card.md here. split: whose mistakes it shows. UsageError if a card would be overwritten.
    """
    from bmcli.evaluation.compare import compare as compare_stored
    from bmcli.evaluation.stored_evaluations import read_evaluation
    from bmcli.report import page
    from bmcli.runs import atomic, layout

    target = Path(output) if output is not None else None
    if target is not None and (target.is_dir() or not target.absolute().parent.is_dir()):
        what = "is a folder" if target.is_dir() else f"there is no folder {target.absolute().parent}"
        raise UsageError(f"output={str(target)!r}: {what}", hint="output= is the file of the page")
    with in_python():
        found = find_several(references, runs_dir, least=1)
        if len(found) > 1:
            if card or split:
                raise UsageError("card and split are for a single run")
            text = page.comparison_report(compare_stored(found, unpaired=unpaired))
            target = target or Path("comparison.html")
        else:
            (run,) = found
            if split is not None and read_evaluation(run, split) is None:
                known = list(Run(run).evaluations)
                hint = did_you_mean(split, known) or f"evaluated: {', '.join(known) or 'nothing'}"
                raise UsageError(f"{run.id} was not evaluated on '{split}'", hint=hint)
            if target is None and not card:
                run.write_text(layout.REPORT, page.report(run, split))
                return run.path / layout.REPORT
            target = target or Path(page.CARD)
            if card and target.exists():
                raise UsageError(
                    f"{target} exists, and may have been edited", hint="choose another with output="
                )
            text = page.model_card(run) if card else page.report(run, split)
        with atomic.resources(f"write {target}"):
            atomic.write_bytes(target, text.encode("utf-8"))
    return target


def export(
    run: Run | str | Path,
    format: str,
    output: str | Path | None = None,
    *,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
) -> Exported:
    """A run's model for other programs, in a folder with all that its inputs and answers need.

    format: 'onnx', 'saved_model', 'litert' (extra) or, of an encoder, 'hf'; output: the folder to make,
    default in the run. The model is reloaded in a new process and must repeat stored samples: IntegrityError
    if it does not.
    """
    from bmcli.export.engines import Format
    from bmcli.export.formats import export as export_stored
    from bmcli.inference.opened import OpenedRun

    formats = get_args(Format)
    if format not in formats:
        hint = did_you_mean(format, formats) or f"known: {', '.join(formats)}"
        raise UsageError(f"unknown format '{format}'", hint=hint)
    target = Path(output) if output is not None else None
    with in_python():
        opened = OpenedRun(find_stored(run, runs_dir), Trust(trust_code))
        return export_stored(opened, format, target)  # type: ignore[arg-type]


def check(
    config: str | Path | Document,
    overrides: str | Sequence[str] | Mapping[str, object] = (),
    *,
    build: bool = False,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
    display: Display | Literal["auto"] | None = "auto",
) -> Checked:
    """All that can be known of a config without training; config and overrides as `train` takes them.

    build: also read the data and build the model, all that training does before its first step. ConfigError
    with all mistakes at once; with `build` whatever training would raise.
    """
    with in_python(), displaying(display) as watching:
        shown = watching if build else None
        resolved = resolve_config(config, overrides, trust_code=trust_code, display=shown)
        if not build:
            return Checked(resolved.to_dict())
        from bmcli.experiments.prepare import described
        from bmcli.experiments.start import start

        started = start(resolved, open_store(runs_dir), display=watching)
        experiment = started.experiment
        built = described(experiment.bundle, experiment.spec, started.parameters)
        return Checked(resolved.to_dict(), built)


@overload
def doctor(
    config: None = None,
    overrides: str | Sequence[str] | Mapping[str, object] = (),
    *,
    run: None = None,
    folds: None = None,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
) -> list[Finding]: ...


@overload
def doctor(
    config: str | Path | Document,
    overrides: str | Sequence[str] | Mapping[str, object] = (),
    *,
    run: Run | str | Path | None = None,
    folds: int | None = None,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
) -> Examined: ...


def doctor(
    config: str | Path | Document | None = None,
    overrides: str | Sequence[str] | Mapping[str, object] = (),
    *,
    run: Run | str | Path | None = None,
    folds: int | None = None,
    trust_code: bool = False,
    runs_dir: str | Path | None = None,
) -> Examined | list[Finding]:
    """What is wrong with a config's data (`.findings`, the worst first); without a config, with this machine.

    run: a run trained on the data says which labels are doubtful; folds: models trained on so many parts of
    it do. DataError if it cannot be read at all.
    """
    if run is not None and folds is not None:
        raise UsageError("run and folds cannot be used together")
    if config is None:
        if run is not None or folds is not None:
            raise UsageError("run and folds need a config")
        from bmcli.doctor import machine
        from bmcli.files.download import data_home

        return machine.examine(open_store(runs_dir).root, data_home())
    from bmcli.doctor.examine import examine
    from bmcli.inference.opened import OpenedRun

    with in_python():
        resolved = resolve_config(config, overrides, trust_code=trust_code)
        opened = OpenedRun(find_stored(run, runs_dir), Trust(trust_code)) if run is not None else None
        return examine(resolved, opened=opened, folds=folds)
