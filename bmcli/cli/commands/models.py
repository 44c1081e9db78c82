"""bm models: list the models, and all options of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bmcli.cli.command import Session, command

if TYPE_CHECKING:
    from bmcli.core.plain import Document
    from bmcli.models import Model


def _complete(incomplete: str) -> list[str]:
    from bmcli.models import MODELS

    return [name for name in MODELS.names() if name.startswith(incomplete)]


def _complete_weights(incomplete: str) -> list[str]:
    from bmcli.pretrained import catalogue

    return [one.name for one in catalogue.entries() if one.name.startswith(incomplete)]


@command
def models(
    session: Session,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Show all options of this model.", autocompletion=_complete),
    ] = None,
    code: Annotated[
        list[Path] | None,
        typer.Option("--code", metavar="FILE", help="Also list models that this Python file registers."),
    ] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="List pretrained weights, and which of them are here.")
    ] = False,
) -> None:
    """List the models, or show the options of one."""
    from bmcli.models import MODELS

    if pretrained:
        _pretrained(session, name)
        return

    if code:
        from bmcli.config.code import load_code

        load_code(code)
    if name is not None:
        from bmcli.config.reference import catalogue

        catalogue.one(catalogue.kind_of("model"), name)  # a name from another library is answered with bm's
        found = _details(MODELS.get(name))
        session.result(found, lambda: _page(found))
        return
    listed = [_summary(MODELS.get(each)) for each in MODELS]
    session.result({"models": listed}, lambda: _table(listed))


@command
def get(
    session: Session,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="hf:ORG/NAME[@REVISION], or an architecture of keras.applications.",
            autocompletion=_complete_weights,
        ),
    ],
) -> None:
    """Download pretrained weights, of a hub or of keras.applications."""
    from bmcli.cli import pretrained_tables as tables
    from bmcli.cli.downloads import Bar
    from bmcli.pretrained import catalogue

    with Bar(session) as progress:
        path = catalogue.get(name, progress)
    session.result(tables.fetched(name, path), str(path))


def _pretrained(session: Session, name: str | None) -> None:
    from bmcli.cli import pretrained_tables as tables
    from bmcli.core.errors import UsageError

    if name not in (None, "encoder", "backbone"):
        raise UsageError(f"{name} has no pretrained weights", hint="bm models --pretrained lists them")
    document = tables.document(name)
    session.result(document, lambda: tables.table(document))
    session.note("\nbm models get NAME downloads one; training downloads what its config names")


def _summary(model: type[Model]) -> dict[str, object]:
    from bmcli.config.reference.catalogue import tasks_of

    return {
        "name": model.registry_name,
        "summary": model.summary(),
        "kinds": list(model.kinds),
        "tasks": tasks_of(model),
    }


def _details(model: type[Model]) -> dict[str, object]:
    from bmcli.config.reference.catalogue import options_of

    return {**_summary(model), "options": options_of(model), "source": model.source}


def _table(listed: list[Document]) -> str:
    from bmcli.core import streams
    from bmcli.terminal.render import columns, heading

    rows = [("model", "data", "tasks", "")]
    rows += [(each["name"], ", ".join(each["kinds"]), _tasks(each), each["summary"]) for each in listed]
    return heading([*columns(rows), "", "bm models NAME shows the options of one."], streams.out())


def _tasks(model: Document) -> str:
    from bmcli.config.reference.catalogue import tasks_of
    from bmcli.models import Model

    return "all" if set(model["tasks"]) >= set(tasks_of(Model)) else ", ".join(model["tasks"])


def _page(model: Document) -> str:
    from bmcli.cli.component_tables import option_lines
    from bmcli.terminal.render import columns

    head = [(model["name"], model["summary"]), ("data", ", ".join(model["kinds"])), ("tasks", _tasks(model))]
    if model["source"]:
        head.append(("source", model["source"]))
    lines = columns(head)
    if not model["options"]:
        return "\n".join([*lines, "", "no options"])
    return "\n".join([*lines, "", *option_lines(model["options"])])
