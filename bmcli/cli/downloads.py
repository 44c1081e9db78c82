"""How downloads are shown."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from bmcli.terminal.render import is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from bmcli.cli.command import Session
    from bmcli.core.components import Missing, Progress


class Bar:
    """A progress bar on stderr, if it is a terminal."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.shown: RichProgress | None = None
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Progress | None:
        if self.session.quiet or self.session.json or not is_terminal(sys.stderr):
            return None
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        self.shown = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=self.session.err,
        )
        self.shown.start()
        return self._advance

    def _advance(self, name: str, done: int, total: int) -> None:
        assert self.shown is not None
        if name not in self.tasks:
            self.tasks[name] = self.shown.add_task(name, total=total)
        self.shown.update(self.tasks[name], completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        if self.shown is not None:
            self.shown.stop()


def obtain(session: Session, missing: Missing, download: Callable[[Progress | None], None]) -> None:
    """Download what is missing, and show it."""
    from bmcli.files.download import offline

    if not offline():
        session.note(f"downloading {described(missing)}")
    with Bar(session) as progress:
        download(progress)


def described(missing: Missing) -> str:
    """'hf:ORG/NAME (91 MB) from https://huggingface.co'"""
    from bmcli.core.number_format import size

    how_much = "" if missing.size is None else f" ({size(missing.size)})"
    return f"{missing.name}{how_much} from {missing.source}"
