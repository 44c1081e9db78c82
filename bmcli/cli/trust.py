"""Asking before the Python files that came with somebody's run directory are run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bmcli.cli.command import Session
    from bmcli.runs.run import Run


def ask_to_run_code_of(session: Session, run: Run) -> bool:
    """True where the run's files may be run; False where it has none. UsageError for a no."""
    from bmcli.core.errors import UsageError
    from bmcli.evaluation.measure import has_code

    if not has_code(run):
        return False
    if not session.confirm(f"Run the Python files that {run.id} brings along?", "--trust-code"):
        raise UsageError(f"{run.id} needs its Python files, which were not run")
    return True


def asking(session: Session, trust_code: bool) -> Callable[[Sequence[str]], None]:
    """For the files a config names, before they run: unless trusted, those that lie in a run directory are
    asked for (UsageError for a no); others may run."""

    def ask(files: Sequence[str]) -> None:
        from bmcli.core.errors import UsageError
        from bmcli.runs.run import came_with_a_run

        for file in files:
            if trust_code or not came_with_a_run(file):
                continue
            if not session.confirm(f"Run {file}, which came with a run?", "--trust-code"):
                raise UsageError(f"{file} came with a run and was not run")

    return ask
