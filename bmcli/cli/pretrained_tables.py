"""Pretrained weights as `bm models --pretrained` and `bm models get` show them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bmcli.core.plain import Document
    from bmcli.pretrained.catalogue import Entry


def document(model: str | None) -> Document:
    """All pretrained weights, of one model or of both; docs/json.md has it."""
    from bmcli.files.download import data_home
    from bmcli.pretrained import catalogue
    from bmcli.pretrained.backbones import KERAS, TIMM
    from bmcli.pretrained.families import known
    from bmcli.pretrained.hub import places

    shown = [one for one in catalogue.entries() if model in (None, one.model)]
    families = {catalogue.ENCODER: known(), catalogue.BACKBONE: [*TIMM, *KERAS]}
    return {
        "home": str(data_home()),
        "cache": str(places.cache()),
        "families": {name: found for name, found in families.items() if model in (None, name)},
        "pretrained": [_plain(one) for one in shown],
    }


def _plain(entry: Entry) -> Document:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "summary": entry.about,
        "model": entry.options,
        "family": entry.family,
        "parameters": entry.parameters,
        "bytes": entry.size,
        "licence": entry.licence,
        "source": entry.source,
        "available": entry.path is not None,
        "path": None if entry.path is None else str(entry.path),
    }


def table(found: Document) -> str:
    """A row for each, and the families that weights of other names may be of."""
    from bmcli.core import streams
    from bmcli.core.number_format import count, size
    from bmcli.terminal.render import heading, narrowed

    rows = [("weights", "data", "family", "parameters", "size", "licence", "here", "")]
    for one in found["pretrained"]:
        rows.append(
            (
                one["name"],
                one["kind"],
                one["family"],
                count(one["parameters"]) if one["parameters"] else "–",
                size(one["bytes"]),
                one["licence"] or "–",
                "yes" if one["available"] else "no",
                one["summary"],
            )
        )
    last = ("", "family", "licence", "data")
    lines = narrowed(rows, last, streams.out(), right=("parameters", "size"))
    for model, families in found["families"].items():
        lines += ["", f"{model} reads: {', '.join(families)}"]
    return heading(lines, streams.out())


def fetched(name: str, path: Path) -> Document:
    """What was downloaded, or was here."""
    from bmcli.files.download import data_home
    from bmcli.pretrained import tensors
    from bmcli.pretrained.folder import licence_of

    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    return {
        "name": name,
        "home": str(data_home()),
        "path": str(path),
        "revision": None if path.is_file() else path.name,
        "licence": None if path.is_file() else licence_of(path),
        "files": [
            {"path": str(one), "bytes": one.stat().st_size, "sha256": tensors.sha256_of(one)} for one in files
        ],
    }
