"""bm runs: the table of runs, and what can be done with them."""

from __future__ import annotations

from bmcli.cli.command import RunArgument, Session, command


@command
def runs(session: Session) -> None:
    """Show the table of runs."""
    session.result({"runs": []}, "no runs")


@command
def show(session: Session, run: RunArgument) -> None:
    """Show what is known of a run."""
    session.result({"run": run}, run)
