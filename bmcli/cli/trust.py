"""Asking before the Python files that came with somebody's run directory are run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bmcli.cli.command import Session
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.run import Run


def open_asking(session: Session, run: Run, trust_code: bool) -> OpenedRun:
    """The run, opened. Where it has Python files and --trust-code is not given, it is asked whether they may
    be executed; UsageError for a no."""
    from bmcli.core.errors import UsageError
    from bmcli.inference.opened import OpenedRun
    from bmcli.runs.trust import Trust

    opened = OpenedRun(run, Trust(trust_code))
    if trust_code or not opened.has_code:
        return opened
    if not session.confirm(f"Run the Python files that {run.id} brings along?", "--trust-code"):
        raise UsageError(f"{run.id} needs its Python files, which were not run")
    return OpenedRun(run, Trust(code=True))


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
