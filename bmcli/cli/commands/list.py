"""`bm list`: everything that a config chooses by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bmcli.cli.command import Session, command
from bmcli.cli.completion import complete_entry, complete_kind

if TYPE_CHECKING:
    from bmcli.core.plain import Document


@command
def list(
    session: Session,
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help="models, datasets, optimizers, schedules, augmentations, metrics, ...",
            autocompletion=complete_kind,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="One of them, in full.", autocompletion=complete_entry),
    ] = None,
    code: Annotated[
        Path | None,
        typer.Option("--code", metavar="FILE", help="Also list components that this Python file registers."),
    ] = None,
) -> None:
    """List what a config can choose from: models, optimizers, schedules, augmentations, metrics, ...

    Shows each with its options, defaults and descriptions. `bm optimizers` is short for `bm list optimizers`,
    and so on.
    """
    from bmcli.cli import component_tables as shown
    from bmcli.config.reference import catalogue

    if code is not None:
        from bmcli.config.code import load_code

        load_code([code])
    if kind is None:
        kinds = [
            {
                "kind": one.plural,
                "taken_by": one.place,
                "summary": one.summary,
                "names": catalogue.names(one),
            }
            for one in catalogue.KINDS
        ]
        session.result({"kinds": kinds}, lambda: _table(kinds))
        session.note("\nbm list KIND lists one of them with its options; bm runs lists the runs")
        return
    wanted = catalogue.kind_of(kind)
    if name is not None:
        found = catalogue.one(wanted, name)
        session.result({"kind": wanted.plural, **found}, lambda: "\n".join(shown.entry_lines(found)))
        return
    every = catalogue.entries(wanted)
    session.result(
        {"kind": wanted.plural, "taken_by": wanted.place, "entries": every},
        lambda: "\n".join(shown.list_lines(every)),
    )
    if any(each.get("options") for each in every):
        session.note(f"\nbm list {wanted.plural} NAME also shows the range of every option")


def _table(kinds: Sequence[Document]) -> str:
    from bmcli.core import streams
    from bmcli.terminal.render import columns, heading

    rows = [("kind", "taken by", "there are")]
    for one in kinds:
        names = one["names"]
        more = f", ... ({len(names)})" if len(names) > _MOST_NAMES else ""
        rows.append((one["kind"], one["taken_by"], ", ".join(names[:_MOST_NAMES]) + more))
    return heading(columns(rows), streams.out())


_MOST_NAMES = 8
"""Names on one line."""
