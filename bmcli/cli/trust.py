"""Asking before the Python files that came with somebody's run directory are run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bmcli.cli.command import Session
    from bmcli.runs.run import Run


def ask_to_run_code_of(session: Session, run: Run) -> bool:
    """True where the run's files may be run; False where it has none. UsageError for a no."""
    from bmcli.errors import UsageError
    from bmcli.evaluation.run import has_code

    if not has_code(run):
        return False
    if not session.confirm(f"Run the Python files that {run.id} brings along?", "--trust-code"):
        raise UsageError(f"{run.id} needs its Python files, which were not run")
    return True


def ask_for_kept_code(session: Session, config: str) -> None:
    """The same for a config file, where it lies in a run directory; others may run what they name."""
    from bmcli.runs import layout

    path = Path(config)
    if path.name == layout.CONFIG and (path.parent / layout.RECORD).is_file():
        from bmcli.runs.run import Run

        ask_to_run_code_of(session, Run(path.parent))
