"""bm runs: list and manage runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bmcli.cli.command import RunArgument, Session, TrustCodeOption, YesOption, command
from bmcli.cli.completion import complete_run

if TYPE_CHECKING:
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.run import Run

Status = Literal["running", "completed", "interrupted", "failed", "diverged", "damaged"]

_HEAD = ("run", "status", "created", "time", "model", "data", "best", "test", "tags")
_RIGHT = ("time",)
_MOST_NAMED = 10
"""Largest number of damaged runs described, one line each."""
_LEAST_IMPORTANT = ("tags", "data", "model", "created", "time", "best")
"""Columns dropped on a narrow terminal, in this order."""


@command
def runs(
    session: Session,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Only runs with this name.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only runs with this status.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Only runs with this tag.")] = None,
    sort: Annotated[
        str,
        typer.Option(
            metavar="KEY",
            help="created (newest first), name, status, time, model, data, best, or a metric of the test "
            "split (best first).",
        ),
    ] = "created",
    last: Annotated[
        int | None, typer.Option("--last", "-n", min=1, metavar="N", help="Only the first N runs.")
    ] = None,
) -> None:
    """List runs, newest first."""
    found = session.store.all() if name is None else session.store.named(name)
    rows = [row for run in found if (row := _row(run))]
    rows = [row for row in rows if status in (None, row["status"]) and (tag is None or tag in row["tags"])]
    rows = _sorted(rows, sort)[:last]
    damaged = [row for row in rows if row["status"] == "damaged"]
    for row in damaged[:_MOST_NAMED]:
        session.warn(row["error"])
    if (more := len(damaged) - _MOST_NAMED) > 0:
        session.warn(f"{more:,} more runs are damaged; bm runs verify RUN shows how")
    leftovers = [run.path.name for run in session.store.leftovers() if name in (None, run.name)]
    if leftovers:
        session.note(
            f"killed before the run existed: {_abridged(tuple(leftovers))}; bm runs remove ID deletes it"
        )
    session.result({"runs_dir": str(session.runs_dir), "runs": rows}, lambda: _table(session, rows))


def _row(run: Run) -> dict[str, Any]:
    """A run in the table and in `--json`."""
    from bmcli.core.errors import IntegrityError

    row = {"run": run.path.name, "path": str(run.path), "name": run.name, "version": run.version}
    try:
        record = run.record
        killed = run.killed
    except IntegrityError as error:
        known = dict.fromkeys(("created", "seconds", "model", "data", "task", "monitor", "best_epoch"))
        known |= dict.fromkeys(("best_value", "headline"))
        return {
            **row,
            "status": "damaged",
            "killed": False,
            **known,
            "metrics": {},
            "tags": [],
            "error": error.message,
        }
    return {
        **row,
        "status": "failed" if killed else record.status,
        "killed": killed,
        "created": record.created,
        "seconds": record.seconds,
        "model": record.model,
        "data": record.data,
        "task": record.task,
        "monitor": record.monitor,
        "best_epoch": record.best_epoch,
        "best_value": record.best_value,
        "headline": record.headline,
        "metrics": record.metrics,
        "tags": list(record.tags),
        "error": "its process was killed" if killed else record.error,
    }


def _sorted(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Rows sorted by this key; those without a value last."""
    from bmcli.core.errors import UsageError, did_you_mean

    if key == "created":
        return rows
    fields = {"time": "seconds", "name": "name", "status": "status", "model": "model", "data": "data"}
    metrics = {metric for row in rows for metric in row["metrics"].get("test", {})}
    known = ["created", "best", *fields, *sorted(metrics)]
    if key not in known and rows:
        raise UsageError(
            f"cannot sort by '{key}'", hint=did_you_mean(key, known) or f"known: {', '.join(known)}"
        )

    def value(row: dict[str, Any]) -> Any:
        if key in fields:
            return row[fields[key]]
        figure = row["best_value"] if key == "best" else row["metrics"].get("test", {}).get(key)
        metric = (row["monitor"] or "").removeprefix("val_") if key == "best" else key
        return -figure if figure is not None and _greater_is_better(row["task"], metric) else figure

    valued = [row for row in rows if value(row) is not None]
    return sorted(valued, key=value) + [row for row in rows if value(row) is None]


def _greater_is_better(task: str | None, metric: str) -> bool:
    from bmcli.tasks import TASKS, of

    return task is not None and task in TASKS and of(task).figures.get(metric, True)


def _table(session: Session, rows: list[dict[str, Any]]) -> str | None:
    from bmcli.core import streams
    from bmcli.terminal import render

    if not rows:
        session.note(f"no runs in {session.runs_dir}; bm train CONFIG creates one")
        return None
    shown = len(_HEAD) - (not any(row["tags"] for row in rows))
    cells = [_HEAD[:shown], *(_cells(row)[:shown] for row in rows)]
    lines = render.narrowed(cells, _LEAST_IMPORTANT, streams.out(), right=_RIGHT)
    return render.Painted("\n".join(_painted(lines, rows)))


def _painted(lines: list[str], rows: list[dict[str, Any]]) -> list[str]:
    """A bold header, and each status in its colour."""
    from bmcli.core import streams
    from bmcli.terminal import render

    head, *others = lines
    painted = [render.paint(head, render.STRONG, streams.out())]
    for line, row in zip(others, rows, strict=True):
        status = row["status"]
        after = line.index(f"  {status}", len(render.one_line(row["run"]))) + 2  # in the second column
        word = render.paint(status, _style(status), streams.out())
        painted.append(line[:after] + word + line[after + len(status) :])
    return painted


def _style(status: str) -> str:
    """The colour of a run's status."""
    from bmcli.terminal import render

    styles = {"completed": render.GOOD, "running": render.STRONG, "interrupted": render.WARNING}
    return styles.get(status, render.ERROR)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from bmcli.core.number_format import duration, figure, moment

    best = f"{row['monitor']} {figure(row['best_value'])}" if row["best_value"] is not None else "–"
    headline = row["headline"]
    measured = row["metrics"].get("test", {}).get(headline)
    return (
        row["run"],
        f"{row['status']} (killed)" if row["killed"] else row["status"],
        moment(row["created"]),
        duration(row["seconds"]),
        row["model"] or "–",
        row["data"] or "–",
        best,
        f"{headline} {figure(measured)}" if measured is not None else "–",
        " ".join(row["tags"]),
    )


@command
def show(session: Session, run: RunArgument) -> None:
    """Show a run: status, config, metrics and files."""
    found = session.store.find(run)
    record = found.record
    document = {
        "run": found.id,
        "path": str(found.path),
        "status": found.status,
        "killed": found.killed,
        "size": found.size(),
        "record": record.to_dict(),
    }
    session.result(document, lambda: _details(found))


def _details(run: Run) -> str:
    from bmcli.core import streams
    from bmcli.core.number_format import count, duration, figure, moment, size
    from bmcli.terminal import render

    record = run.record
    took = f", took {duration(record.seconds)}" if record.seconds is not None else ""
    git = record.git or {}
    hardware = record.hardware
    onnx = record.onnx or {}
    epochs = f"{record.epochs} epochs, {record.precision}, seed {record.seed}" if record.epochs else None
    best = f"epoch {record.best_epoch}, {record.monitor} {figure(record.best_value)}"
    lines = [
        ("status", run.status + (" (killed)" if run.killed else "")),
        ("error", record.error),
        ("created", moment(record.created) + took),
        ("tags", " ".join(record.tags)),
        ("command", " ".join(record.command)),
        ("data", record.data),
        ("splits", "  ".join(f"{name} {number:,}" for name, number in record.splits.items())),
        ("classes", _abridged(record.classes)),
        ("model", record.model),
        ("parameters", count(record.parameters) if record.parameters is not None else None),
        ("training", epochs),
        ("best", best if record.best_epoch else None),
        *(
            (split, "  ".join(f"{name} {figure(value)}" for name, value in metrics.items()))
            for split, metrics in record.metrics.items()
        ),
        ("onnx", ("published" if onnx.get("published") else f"none: {onnx.get('reason')}") if onnx else None),
        ("weights", record.weights_sha256),
        ("git", f"{str(git['commit'])[:12]}{', with changes' if git.get('dirty') else ''}" if git else None),
        ("machine", f"{hardware['cpu']}, {hardware['cores']} cores" if "cpu" in hardware else None),
        ("versions", "  ".join(f"{name} {version}" for name, version in record.versions.items())),
        ("notes", "; ".join(record.notes)),
        ("files", f"{run.path}, {size(run.size())}"),
    ]
    title, state, *others = [run.id, *render.columns([(label, str(text)) for label, text in lines if text])]
    label = state[: -len(state.split(maxsplit=1)[1])]
    state = label + render.paint(state.removeprefix(label), _style(run.status), streams.out())
    return render.Painted("\n".join([render.paint(title, render.STRONG, streams.out()), state, *others]))


def _abridged(names: tuple[str, ...], most: int = 12) -> str:
    rest = f" … ({len(names):,})" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


@command
def verify(
    session: Session,
    run: RunArgument,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Do not load the model: faster, and without TensorFlow.")
    ] = False,
    trust_code: TrustCodeOption = False,
) -> None:
    """Check every file of a run against its manifest, load the model and predict the stored samples again.

    Exits with 4 if a file is damaged or missing, or if a prediction differs.
    """
    import os
    from pathlib import Path

    from bmcli.core import streams
    from bmcli.core.errors import IntegrityError
    from bmcli.core.number_format import agreement
    from bmcli.runs.record import ID
    from bmcli.runs.store import open_path
    from bmcli.terminal import render

    if os.sep in run:
        found = open_path(Path(run), verified=False)
    else:
        found = session.store.exact(run) if ID.fullmatch(run) else session.store.find(run)
    result = found.verify()
    if result.problems:
        number = len(result.problems)
        files = "1 file is" if number == 1 else f"{number:,} files are"
        raise IntegrityError(f"{found.path}: {files} damaged, by the manifest", problems=result.problems)
    lines = [f"✓ {found.id}: {result.checked:,} files checked, all intact"]
    repeated: list[dict[str, Any]] = []
    if not files_only:
        from bmcli.inference.opened import OpenedRun
        from bmcli.runs.trust import Trust

        repeated = _repeat(session, OpenedRun(found, Trust(trust_code)))
        for row in repeated:
            how = agreement(row["max_difference"], row["relative"])
            lines.append(f"  {row['form']}: {row['samples']} stored samples predicted again: {how}")
    lines += [f"  unverified, as the manifest does not list it: {name}" for name in result.unverified]
    document = {
        "run": found.id,
        "path": str(found.path),
        "ok": True,
        "checked": result.checked,
        "unverified": list(result.unverified),
        "repeated": repeated,
    }
    session.result(document, lambda: render.painted_marks(lines, streams.out()))


def _repeat(session: Session, opened: OpenedRun) -> list[dict[str, Any]]:
    """The result for each form of the model; IntegrityError if one differs."""
    from bmcli.cli.spinner import Spinner
    from bmcli.core.errors import IntegrityError, Problem
    from bmcli.export.recheck import has_samples, repeat_samples

    run = opened.run
    if not has_samples(run):
        session.note(f"{run.id} has no stored samples: there is no finished model to load")
        return []
    if not opened.trust.code and opened.needs_code:
        session.note(f"{run.id} contains its own code, so the model was not loaded; use --trust-code")
        return []
    with Spinner(session, "predicting the stored samples"):
        repeated = repeat_samples(opened)
    if wrong := [Problem(f"{r.form}: {r.agreement.reason}") for r in repeated if not r.agreement.agrees]:
        raise IntegrityError(f"{run.path}: the model's predictions have changed", problems=wrong)
    return [
        {
            "form": r.form,
            "samples": r.agreement.samples,
            "max_difference": r.agreement.max_difference,
            "relative": r.agreement.relative,
        }
        for r in repeated
    ]


@command
def tag(
    session: Session,
    run: RunArgument,
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="Tags to add.")],
    remove: Annotated[bool, typer.Option("--remove", help="Remove these tags instead.")] = False,
) -> None:
    """Add tags to a run. Other runs keep theirs; to move a tag from run to run, use bm gate --tag."""
    found = session.store.find(run)
    kept = session.store.label(found, **({"remove": tags} if remove else {"add": tags}))
    session.result({"run": found.id, "tags": list(kept)}, f"{found.id}: {' '.join(kept) or 'no tags'}")


@command
def remove(
    session: Session,
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Run ids.", autocompletion=complete_run)
    ],
    yes: YesOption = False,
) -> None:
    """Delete runs permanently. Their numbers are not reused."""
    store = session.store
    found = [store.exact(reference) for reference in dict.fromkeys(runs)]
    for run in found:
        store.check_removable(run)
    _remove(session, found, [], yes=yes, dry_run=False)


@command
def prune(
    session: Session,
    keep: Annotated[int, typer.Option(min=0, metavar="N", help="Number of runs to keep per name.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Only runs with this name.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    yes: YesOption = False,
) -> None:
    """Delete all but the newest N runs of each name, never one that is being trained.

    Also deletes directories of runs that were killed before run.json was written.
    """
    kept: dict[str, list[Run]] = {}
    going = [run for run in session.store.leftovers() if name in (None, run.name)]
    if not dry_run:
        session.store.sweep()
    for run in session.store.all() if name is None else session.store.named(name):
        newest = kept.setdefault(run.name, [])
        if session.store.is_running(run) or len(newest) < keep:
            newest.append(run)
        else:
            going.append(run)
    _remove(session, going, [run for group in kept.values() for run in group], yes=yes, dry_run=dry_run)


@command
def slim(
    session: Session,
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Run ids.", autocompletion=complete_run)
    ],
) -> None:
    """Remove the training states, which only resuming needs, from completed runs.

    The best weights, model files, metrics and plots are kept.
    """
    from bmcli.core.errors import UsageError
    from bmcli.core.number_format import size
    from bmcli.experiments.checkpointing import discard_states

    found = [session.store.find(session.store.exact(one).path.name) for one in dict.fromkeys(runs)]
    for run in found:
        if run.status != "completed":
            raise UsageError(
                f"{run.id} is {run.status}: only a completed run does not need its training states"
            )
    freed = [(run.id, discard_states(run)) for run in found]
    rows = [{"run": run_id, "freed": number} for run_id, number in freed]
    lines = [f"{run_id}: {f'{size(n)} removed' if n else 'nothing to remove'}" for run_id, n in freed]
    session.result({"runs": rows}, "\n".join(lines))


def _remove(session: Session, going: list[Run], kept: list[Run], *, yes: bool, dry_run: bool) -> None:
    from bmcli.core.number_format import size

    ids = [run.path.name for run in going]
    document = {"removed": ids, "kept": [run.path.name for run in kept], "dry_run": dry_run}
    if going and not dry_run:
        total = size(sum(run.size() for run in going))
        if not yes and not session.confirm(f"Delete {_abridged(tuple(ids))} ({total}) permanently?", "--yes"):
            document["removed"] = []
            session.result(document, "nothing removed")
            return
        for run in going:
            session.store.remove(run)
    said = "would remove" if dry_run else "removed"
    session.result(document, f"{said} {', '.join(ids)}" if ids else "nothing to remove")
