"""What the shell offers on TAB, beyond options: run ids."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def complete_run(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids, names, tags and `latest` of the runs in the runs folder; never fails, as nobody would see why."""
    from bmcli.errors import BmError
    from bmcli.runs.store import RunStore, status_of

    given = ctx.params.get("runs_dir") or ctx.find_root().params.get("runs_dir")
    store = RunStore(Path(given or os.environ.get("BM_RUNS_DIR") or "runs"))
    try:
        runs = store.all()
    except (BmError, OSError):
        return []
    offers: dict[str, str] = {run.path.name: status_of(run) for run in runs}
    offers |= {run.name: "its newest completed run" for run in runs}
    tags = {tag for run in runs if offers[run.path.name] == "completed" for tag in run.record.tags}
    offers |= {f"@{tag}": "the newest completed run with this tag" for tag in sorted(tags)}
    if runs:
        offers["latest"] = "the newest completed run"
    return [(name, text) for name, text in offers.items() if name.startswith(incomplete)]


def complete_kind(incomplete: str) -> list[tuple[str, str]]:
    """What `bm list` lists."""
    from bmcli.config.catalogue import KINDS

    return [(kind.plural, kind.summary) for kind in KINDS if kind.plural.startswith(incomplete)]


def complete_entry(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the kind that was given before."""
    from bmcli.config.catalogue import kind_of, names
    from bmcli.errors import UsageError

    try:
        known = names(kind_of(ctx.params.get("kind") or ""))
    except UsageError:
        return []
    return [name for name in known if name.startswith(incomplete)]
