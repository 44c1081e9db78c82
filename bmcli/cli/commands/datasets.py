"""bm datasets: list named datasets, show one, download one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bmcli.cli.command import Session, command
from bmcli.terminal.render import Verbatim

if TYPE_CHECKING:
    from bmcli.core.plain import Document
    from bmcli.data.named import Dataset


def _complete(incomplete: str) -> list[str]:
    from bmcli.data.named import DATASETS

    return [name for name in DATASETS.names() if name.startswith(incomplete)]


NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A dataset.", autocompletion=_complete)]


@command
def datasets(
    session: Session,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="One dataset, in detail.", autocompletion=_complete),
    ] = None,
) -> None:
    """List the named datasets, or show one in detail."""
    from bmcli.data.named import DATASETS
    from bmcli.files.download import data_home

    home = data_home()
    if name is not None:
        found = _details(DATASETS.get(name).model_construct(), home)
        session.result(found, lambda: _page(found, home))
        return
    # model_construct takes every default without validation, so no validator has to be built.
    listed = [_summary(DATASETS.get(each).model_construct(), home) for each in DATASETS.names()]
    session.result({"home": str(home), "datasets": listed}, lambda: _table(listed))


@command
def get(session: Session, name: NameArgument) -> None:
    """Download a dataset into the data home."""
    from bmcli.cli.downloads import Bar
    from bmcli.data.named import DATASETS
    from bmcli.files.download import data_home, fetch

    dataset, home = DATASETS.get(name)(), data_home()
    there = dataset.available(home)
    if there:
        why = f"is already in {home}" if dataset.files else "needs no download"
        session.note(f"{name} {why}")
        fetched = []
    else:
        with Bar(session) as progress:
            fetched = [(file, fetch(file, home, progress)) for file in dataset.files]
    session.result(
        {
            "name": name,
            "home": str(home),
            "available": True,
            "downloaded": [
                {"path": str(path), "bytes": file.size, "sha256": file.sha256} for file, path in fetched
            ],
        },
        Verbatim("\n".join(str(path) for _, path in fetched)) or None,
    )


def _summary(dataset: Dataset, home: Path) -> dict[str, object]:
    return {
        "name": dataset.registry_name,
        "summary": dataset.summary(),
        "kind": dataset.kind,
        "task": dataset.task,
        "classes": len(dataset.classes),
        "shape": None if dataset.shape is None else list(dataset.shape),
        "examples": dict(dataset.sizes),
        "licence": dataset.licence,
        "available": dataset.available(home),
    }


def _details(dataset: Dataset, home: Path) -> dict[str, object]:
    from bmcli.files.download import address

    return {
        **_summary(dataset, home),
        "class_names": list(dataset.classes),
        "options": _options(dataset),
        "homepage": dataset.homepage,
        "citation": dataset.source,
        "home": str(home),
        "looked_for": list(dataset.forms),
        "files": [
            {"path": file.path, "url": address(file), "bytes": file.size, "sha256": file.sha256}
            for file in dataset.files
        ],
    }


def _options(dataset: Dataset) -> list[dict[str, object]]:
    from bmcli.config.reference.field_schema import properties

    return [
        {
            "name": option,
            "type": " | ".join(schema["enum"]) if "enum" in schema else schema.get("type", "any"),
            "default": schema.get("default"),
            "description": schema.get("description", ""),
        }
        for option, schema in properties(type(dataset))[0].items()
    ]


def _table(listed: list[Document]) -> str:
    from bmcli.core import streams
    from bmcli.terminal.render import heading, narrowed

    rows = [("name", "kind", "task", "classes", "examples", "licence", "here")]
    for each in listed:
        rows.append(
            (
                each["name"],
                each["kind"],
                each["task"],
                str(each["classes"] or "–"),
                " + ".join(f"{n:,}" for n in each["examples"].values()),
                each["licence"],
                "yes" if each["available"] else "no",
            )
        )
    lines = narrowed(
        rows, ("licence", "classes", "kind", "here"), streams.out(), right=("classes", "examples")
    )
    return heading(lines, streams.out())


def _page(found: Document, home: Path) -> str:
    from bmcli.terminal.render import columns

    shape = "" if found["shape"] is None else " × ".join(map(str, found["shape"]))
    rows = [
        ("kind", f"{found['kind']} {shape}".rstrip()),
        ("task", found["task"]),
        ("examples", ", ".join(f"{split} {n:,}" for split, n in found["examples"].items())),
        ("classes", _classes(found["class_names"])),
        ("licence", found["licence"]),
        ("homepage", found["homepage"]),
        ("citation", found["citation"]),
        ("here", "yes" if found["available"] else f"no: bm datasets get {found['name']}"),
        ("looked for", f"in {home}:" if found["files"] else found["looked_for"][0]),
    ]
    rows = [row for row in rows if row[1]]
    if found["files"]:
        rows += [("", form) for form in found["looked_for"]]
    for option in found["options"]:
        rows.append(("option", f"{option['name']}: {option['type']} = {_yaml(option['default'])}"))
        rows.append(("", option["description"]))
    for file in found["files"]:
        rows.append(("download", f"{file['url']} ({file['bytes'] / 1e6:,.1f} MB)"))
        rows.append(("", f"SHA-256 {file['sha256']}"))
    return "\n".join([f"{found['name']}: {found['summary']}", "", *columns(rows)])


def _classes(names: list[str]) -> str:
    shown = ", ".join(names[:12])
    return f"{len(names)}: {shown}" + (", …" if len(names) > 12 else "") if names else ""


def _yaml(value: object) -> str:
    words: dict[object, str] = {True: "true", False: "false", None: "null"}
    return words.get(value, str(value))
