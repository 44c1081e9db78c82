"""`bm init`: a config to start from."""

from __future__ import annotations

from typing import Annotated

import typer

from bmcli.cli.command import Session, command


@command
def init(
    session: Session,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEMPLATE|PATH]", help="A config that ships with bm, or the path of your own data."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Write NAME.yaml [default: named after the source]."),
    ] = None,
    pretrained: Annotated[
        str | None,
        typer.Option(
            "--pretrained",
            metavar="NAME|PATH",
            help="Start from these weights [default: suitable ones on this machine]; none: from scratch.",
        ),
    ] = None,
) -> None:
    """Write NAME.yaml: a copy of a template, or a draft for your own data.

    The file is written to the current folder; an existing file is never overwritten. Without an argument,
    lists the templates.
    """
    from pathlib import Path

    from bmcli.config import shipped
    from bmcli.config.drafting import init as starting
    from bmcli.core.errors import UsageError

    if source is None:
        if pretrained is not None:
            raise UsageError("--pretrained is for a draft", hint="bm init PATH --pretrained NAME")
        listed = starting.templates()
        width = max((len(one["name"]) for one in listed), default=0)
        lines = [f"{one['name']:{width}}   {one['summary']}" for one in listed]
        session.result({"templates": listed}, "\n".join(lines))
        session.note("\nbm init TEMPLATE copies one here; bm init PATH drafts one for your own data")
        return
    if pretrained is not None and shipped.find(source) is not None:
        raise UsageError(f"--pretrained is for a draft, and {source} is a template")
    from bmcli.cli.pretrained_start import Choice

    written = starting.write(source, name, Path.cwd(), Choice(session, source, pretrained))
    data = {"path": str(written.path), "name": written.name, "seen": list(written.seen)}
    session.result(data, "\n".join([f"wrote {written.path.name}", *(f"  {line}" for line in written.seen)]))
    session.note(f"next   bm check {written.path.name}   bm train {written.path.name}")
