"""The contents of a runs folder: its run directories, newest first, and leftovers of killed processes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from bmcli.core.errors import IntegrityError, ResourceError, UsageError
from bmcli.runs import layout
from bmcli.runs import manifest as manifests
from bmcli.runs.lock import exclusive
from bmcli.runs.record import ID
from bmcli.runs.run import Run


def ids(root: Path) -> list[re.Match[str]]:
    """The parsed names of directories that look like runs."""
    try:
        with os.scandir(root) as entries:
            names = [entry.name for entry in entries]
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        raise UsageError(f"{root} is not a folder", hint="--runs-dir sets the folder of the runs") from None
    return [found for name in names if (found := ID.fullmatch(name))]


def all_runs(root: Path) -> list[Run]:
    """Every run of the folder, newest first; damaged ones last, whose `record` raises IntegrityError."""
    runs = runs_of(root, (found.group() for found in ids(root)))
    return sorted(runs, key=lambda run: (created(run), run.version), reverse=True)


def runs_of(root: Path, run_ids: Iterable[str]) -> list[Run]:
    """The runs among the directories with these ids, damaged ones included."""
    runs = []
    for run_id in run_ids:
        run = Run(root / run_id)
        try:
            run.record  # noqa: B018 (reads it)
        except IntegrityError:
            if not is_run(run.path):
                continue  # being created, or not a run
        runs.append(run)
    return runs


def leftovers(root: Path) -> list[Run]:
    """Directories whose process was killed before run.json was written. They are not runs, and contain at
    most a config. Sorted by id."""
    if not root.is_dir():
        return []
    suspects = [Run(root / found.group()) for found in ids(root)]
    suspects = [run for run in suspects if _is_leftover(run)]
    if suspects:
        # While no process holds this lock, no run is between creating its directory and taking its own
        # lock.
        try:
            with exclusive(root / layout.NUMBERS_LOCK):
                suspects = [run for run in suspects if _is_leftover(run)]
        except ResourceError:  # a read-only folder
            return []
    return sorted(suspects, key=lambda run: (run.name, run.version))


def _is_leftover(run: Run) -> bool:
    """Whether the directory contains only files written before run.json, and no process holds it."""
    before = {layout.CONFIG, layout.CODE, layout.MANIFEST, layout.LOCK, layout.MANIFEST_LOCK}
    try:
        if run.path.is_symlink() or not run.path.is_dir() or is_run(run.path):
            return False
        names = os.listdir(run.path)  # noqa: PTH208 (a set of names)
        return all(n in before or n.startswith(layout.TEMPORARY) for n in names) and not run.held
    except (OSError, IntegrityError):  # not created by bm
        return False


def is_run(path: Path) -> bool:
    """Whether it has a run.json, or once had one, by its manifest."""
    try:
        if path.is_dir() and os.path.lexists(path / layout.RECORD):
            return True
    except OSError:  # for example, a name too long for the system
        return False
    try:
        return layout.RECORD in manifests.read(path).files
    except IntegrityError:
        return True


def status_of(run: Run) -> str:
    """The run's status, or 'damaged' if run.json cannot be read."""
    try:
        return run.status
    except IntegrityError:
        return "damaged"


def created(run: Run) -> str:
    """When it was created; empty for a damaged run."""
    try:
        return run.record.created
    except IntegrityError:
        return ""
