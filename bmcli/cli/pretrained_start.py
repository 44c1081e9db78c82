"""Whether `bm init` drafts a config that starts from pretrained weights, and from which."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.core.errors import UsageError

if TYPE_CHECKING:
    from bmcli.cli.command import Session
    from bmcli.config.drafting.draft import Start
    from bmcli.pretrained.catalogue import Entry

KINDS = ("text", "image")
"""Kinds of data that there are pretrained models for."""
NONE = "none"


class Choice:
    """From the kind of the data to the weights of a draft, said once on stderr.

    source: the data, as it was given. wanted: a name, a path, 'none', or None: those on this machine, if any.
    """

    def __init__(self, session: Session, source: str, wanted: str | None) -> None:
        self._session, self._source, self._wanted = session, source, wanted

    def __call__(self, kind: str) -> Start | None:
        """UsageError for weights that are unknown, or not for this kind of data."""
        if self._wanted == NONE or (kind not in KINDS and self._wanted is None):
            return None
        if kind not in KINDS:
            raise UsageError(f"there are no pretrained weights for {kind} data")
        from bmcli.pretrained import choice

        if self._wanted is not None:
            return _start(choice.named(self._wanted, kind, Path.cwd()))
        found = choice.here(kind)
        if found is not None:
            scratch = f"bm init {shlex.quote(self._source)} --pretrained {NONE} drafts one from scratch"
            self._session.note(f"starts from {found.weights}, which is on this machine; {scratch}")
            return _start(found)
        usual = choice.usual(kind)
        if usual is not None:
            self._suggest(usual)
        return None

    def _suggest(self, entry: Entry) -> None:
        from bmcli.core.number_format import size

        command = f"bm init {shlex.quote(self._source)} --pretrained {entry.name}"
        to_download = f"({size(entry.size)} to download)"
        self._session.note(f"trains from scratch; to start from pretrained weights {to_download}: {command}")


def _start(entry: Entry) -> Start:
    from bmcli.config.drafting.draft import Start
    from bmcli.core.number_format import size

    why = [entry.about] if entry.about else []
    if entry.path is not None:
        why.append("on this machine")
    else:
        why.append(f"training downloads {size(entry.size)}" if entry.size else "training downloads it")
    return Start(entry.options, "; ".join(why))
