"""Folders of files into splits as found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bmcli.config.data_facts import folder_rules
from bmcli.config.schema import DataConfig
from bmcli.core.errors import DataError, Place, Problem
from bmcli.core.spec import Kind
from bmcli.data.raw import FORMATS, Found, Raw, others
from bmcli.files import folder_layout, folder_scan
from bmcli.files.patterns import NamePattern
from bmcli.files.suffixes import TABLE_SUFFIXES
from bmcli.modalities.base import modality_of
from bmcli.tasks._truth import Truth


def read_folder(root: Path, config: DataConfig, kind: Kind | None, classes: Iterable[str] | None) -> Found:
    """The splits in a folder. classes: those of the data that this is a part of; None if alone."""
    if kind is not None and not modality_of(kind).file_suffixes:
        tables = sorted(p.name for p in root.iterdir() if p.suffix.lower() in TABLE_SUFFIXES)
        raise DataError(
            f"{root} is a folder, and a {kind} is a file",
            hint=f"name the file: data.path: {root / tables[0]}" if tables else f"data is {FORMATS}",
        )
    rules = folder_rules(config, kind, classes or ())
    layout = folder_layout.layout(root, rules if classes is None else replace(rules, cuts=()))
    scan = folder_scan.scan(layout)
    problems = scan.problems
    notes = list(scan.notes)
    splits: dict[str, Raw] = {}
    for name, files in scan.files.items():
        ids, paths, labels, inner = (
            (tuple(c) for c in zip(*files, strict=True)) if files else ((), (), (), ())
        )
        read = modality_of(layout.kind.name).read_files(paths, ids)
        notes += read.notes
        problems += [Problem(what, Place(ids[i])) for i, what in read.problems.items()]
        origin = f"folder {scan.folders[name]}/" if name in scan.folders else ""
        groups = None
        if name == "train" and classes is None:  # the others are never cut
            groups, said = _groups_by_name(ids, inner, config)
            notes += said
        raw = Raw(layout.kind.name, read.examples, Truth(labels, numbers=False), ids, origin, groups)
        splits[name] = raw.take(others(len(ids), read.problems))
    return Found(splits, problems, "file", "class", tuple(notes))


def _groups_by_name(
    ids: tuple[str, ...], inner: tuple[str, ...], config: DataConfig
) -> tuple[tuple[str, ...] | None, list[str]]:
    """What `data.group` finds in each path inside the class folder, and what there is to say of it; a file
    that it does not match is a group of its own."""
    if config.group is None:
        return None, []
    pattern = NamePattern(str(config.group), "data.group")
    found = [pattern.find(name) for name in inner]
    within = "path below the folder of the split" if config.class_pattern else "path inside the class folder"
    if inner and all(group is None for group in found):
        raise DataError(
            f"data.group {pattern.text!r} matches none of {len(inner):,} file names, such as {inner[0]!r}",
            hint=f"it is searched in the {within}; its first group, or the whole match, is the group",
        )
    alone = [name for name, group in zip(inner, found, strict=True) if group is None]
    count = len({group for group in found if group is not None})
    notes = [f"{count:,} groups by data.group in {len(inner) - len(alone):,} file names"]
    if alone:
        notes[0] += f"; {len(alone):,} others are groups of their own, such as {alone[0]!r}"
    return tuple(f"\0{n}" if group is None else group for n, group in zip(ids, found, strict=True)), notes
