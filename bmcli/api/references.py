"""From an id, a name, a tag or a path to the run it means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.api.run import Run
from bmcli.core.errors import UsageError

if TYPE_CHECKING:
    from bmcli.runs.run import Run as StoredRun
    from bmcli.runs.store import RunStore


def load(reference: str | Path, *, runs_dir: str | Path | None = None) -> Run:
    """A run by its id, its name, 'latest', '@tag', or the path of its directory."""
    return Run(find_stored(reference, runs_dir))


def open_store(runs_dir: str | Path | None) -> RunStore:
    from bmcli.runs.store import RunStore

    return RunStore(Path(runs_dir or os.environ.get("BM_RUNS_DIR") or "runs"))


def as_run(run: Run | str | Path, runs_dir: str | Path | None) -> Run:
    return run if isinstance(run, Run) else load(run, runs_dir=runs_dir)


def find_stored(run: object, runs_dir: str | Path | None) -> StoredRun:
    """The stored run that a run, an id, a name, a tag or a directory means; UsageError for anything else."""
    if isinstance(run, Run):
        return run._stored
    if isinstance(run, Path):
        from bmcli.runs.store import open_path

        return open_path(run)
    if not isinstance(run, str):
        raise UsageError(f"expected a run, its id, name or path, got {type(run).__name__}")
    return open_store(runs_dir).find(run)


def find_several(references: Sequence[object], runs_dir: str | Path | None, *, least: int) -> list[StoredRun]:
    """Each run once, in order; of several references, a name means all its completed runs."""
    flat: list[object] = []
    for one in references:
        flat += one if isinstance(one, list | tuple) else [one]
    found: dict[Path, StoredRun] = {}
    for one in flat:
        several = least > 1 or len(flat) > 1
        if several and isinstance(one, str):
            runs = open_store(runs_dir).completed(one)
        else:
            runs = [find_stored(one, runs_dir)]
        found |= {run.path.resolve(): run for run in runs}
    if len(found) < max(least, min(len(flat), 2)):
        raise UsageError("give at least two runs" if least > 1 or len(flat) > 1 else "give a run")
    return list(found.values())
