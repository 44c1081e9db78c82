"""bm runs: list and manage runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bmcli.cli.command import Session, command
from bmcli.cli.completion import complete_run
from bmcli.cli.options import RunArgument, TrustCodeOption, YesOption
from bmcli.cli.run_tables import MOST_NAMED, abridged, details_of, row_of, sorted_rows, table_of

if TYPE_CHECKING:
    from bmcli.export.recheck import Repeated
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.run import Run


Status = Literal["running", "completed", "interrupted", "failed", "diverged", "damaged"]


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
    rows = [row for run in found if (row := row_of(run))]
    rows = [row for row in rows if status in (None, row["status"]) and (tag is None or tag in row["tags"])]
    rows = sorted_rows(rows, sort)[:last]
    damaged = [row for row in rows if row["status"] == "damaged"]
    for row in damaged[:MOST_NAMED]:
        session.warn(row["error"] or "")
    if (more := len(damaged) - MOST_NAMED) > 0:
        session.warn(f"{more:,} more runs are damaged; bm runs verify RUN shows how")
    leftovers = [run.path.name for run in session.store.leftovers() if name in (None, run.name)]
    if leftovers:
        session.note(
            f"killed before the run existed: {abridged(tuple(leftovers))}; bm runs remove ID deletes it"
        )
    session.result({"runs_dir": str(session.runs_dir), "runs": rows}, lambda: table_of(session, rows))


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
    session.result(document, lambda: details_of(found))


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

    The exit code is 4 if a file is damaged or missing, or if a prediction differs.
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
        message = f"{found.path}: {files} damaged, according to the manifest"
        raise IntegrityError(message, problems=result.problems)
    lines = [f"✓ {found.id}: {result.checked:,} files checked, all intact"]
    repeated: list[Repeated] = []
    if not files_only:
        from bmcli.inference.opened import OpenedRun
        from bmcli.runs.trust import Trust

        repeated = _repeat(session, OpenedRun(found, Trust(trust_code)))
        for one in repeated:
            how = agreement(one.agreement.max_difference, one.agreement.relative)
            lines.append(f"  {one.form}: {one.agreement.samples} stored samples predicted again: {how}")
    lines += [f"  unverified, as the manifest does not list it: {name}" for name in result.unverified]
    document = {
        "run": found.id,
        "path": str(found.path),
        "ok": True,
        "checked": result.checked,
        "unverified": list(result.unverified),
        "repeated": [
            {
                "form": one.form,
                "samples": one.agreement.samples,
                "max_difference": one.agreement.max_difference,
                "relative": one.agreement.relative,
            }
            for one in repeated
        ],
    }
    session.result(document, lambda: render.painted_marks(lines, streams.out()))


def _repeat(session: Session, opened: OpenedRun) -> list[Repeated]:
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
    return repeated


@command
def tag(
    session: Session,
    run: RunArgument,
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="Tags to add.")],
    remove: Annotated[bool, typer.Option("--remove", help="Remove these tags instead.")] = False,
) -> None:
    """Add tags to a run. Other runs keep theirs; to move a tag from run to run, use bm gate --tag."""
    from bmcli.runs.tags import label

    found = session.store.find(run)
    kept = label(found, **({"remove": tags} if remove else {"add": tags}))
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
    from bmcli.experiments.checkpointing import discard

    found = [session.store.find(session.store.exact(one).path.name) for one in dict.fromkeys(runs)]
    for run in found:
        if run.status != "completed":
            raise UsageError(
                f"{run.id} is {run.status}: only a completed run does not need its training states"
            )
    freed = [(run.id, discard(run)) for run in found]
    rows = [{"run": run_id, "freed": number} for run_id, number in freed]
    lines = [f"{run_id}: {f'{size(n)} removed' if n else 'nothing to remove'}" for run_id, n in freed]
    session.result({"runs": rows}, "\n".join(lines))


def _remove(session: Session, going: list[Run], kept: list[Run], *, yes: bool, dry_run: bool) -> None:
    from bmcli.core.number_format import size

    ids = [run.path.name for run in going]
    document = {"removed": ids, "kept": [run.path.name for run in kept], "dry_run": dry_run}
    if going and not dry_run:
        total = size(sum(run.size() for run in going))
        if not yes and not session.confirm(f"Delete {abridged(tuple(ids))} ({total}) permanently?", "--yes"):
            document["removed"] = []
            session.result(document, "nothing removed")
            return
        for run in going:
            session.store.remove(run)
    said = "would remove" if dry_run else "removed"
    session.result(document, f"{said} {', '.join(ids)}" if ids else "nothing to remove")
