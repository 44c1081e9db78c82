"""Asks before Python files from a run directory are executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bmcli.cli.command import Session
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.run import Run


def open_asking(session: Session, run: Run, trust_code: bool) -> OpenedRun:
    """Open the run. If it has Python files and --trust-code is not given, ask whether they may be executed;
    UsageError if not."""
    from bmcli.core.errors import UsageError
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.trust import Trust

    opened = OpenedRun(run, Trust(trust_code))
    if trust_code or not opened.has_code:
        return opened
    if not session.confirm(f"Run the Python files stored in {run.id}?", "--trust-code"):
        raise UsageError(f"{run.id} needs its Python files, which were not executed")
    return OpenedRun(run, Trust(code=True))


def asking(session: Session, trust_code: bool) -> Callable[[Sequence[str]], None]:
    """Call before running the files that a config lists: unless trusted, ask about those in a run directory
    (UsageError if refused); others may run."""

    def ask(files: Sequence[str]) -> None:
        from bmcli.core.errors import UsageError
        from bmcli.runs.trust import came_with_a_run

        for file in files:
            if trust_code or not came_with_a_run(file):
                continue
            if not session.confirm(f"Run {file}, which is stored in a run?", "--trust-code"):
                raise UsageError(f"{file} is stored in a run and was not executed")

    return ask
