"""Which pretrained weights a first config starts from."""

from __future__ import annotations

import re
from pathlib import Path

from bmcli.core.errors import ConfigError, UsageError
from bmcli.pretrained.catalogue import BACKBONE, ENCODER, Entry, entries, examined
from bmcli.pretrained.hub import places
from bmcli.pretrained.hub.names import PREFIX, parse
from bmcli.pretrained.hub.weights import folder_of, missing


def usual(kind: str) -> Entry | None:
    """The weights for this kind of data that are recommended to begin with; None if there are none for it."""
    return next((one for one in entries() if one.kind == kind), None)


def here(kind: str) -> Entry | None:
    """The first weights for this kind of data that are on this machine."""
    return next((one for one in entries() if one.kind == kind and one.path is not None), None)


def named(text: str, kind: str, folder: Path) -> Entry:
    """The weights that a name or a path means. UsageError for what is none, or is for other data, ConfigError
    or IntegrityError for a folder that cannot be read.

    text: 'hf:ORG/NAME[@REVISION]', an architecture of keras.applications, or a path, relative to `folder`.
    """
    found = next((one for one in entries() if text in (one.name, one.weights)), None)
    if found is None:
        found = _of_hub(text, kind) if text.startswith(PREFIX) else _of_path(text, folder)
    if found.kind != kind:
        raise UsageError(f"{text} is for {found.kind} data, and this is {kind} data")
    return found


def _of_hub(text: str, kind: str) -> Entry:
    from bmcli.pretrained.backbones import TIMM

    name = parse(text)
    if missing(text) is None:
        folder = folder_of(text)
        model, family = examined(folder)
        return _entry(text, model, family, folder)
    if kind == "text":
        return _entry(text, ENCODER, "")
    called = name.repository.partition("/")[2].partition(".")[0]
    architecture = next((key for key, entry in TIMM.items() if re.fullmatch(entry.names, called)), None)
    if architecture is None:
        raise UsageError(
            f"{text}: {called} is not an architecture that bm knows", hint=f"known: {', '.join(TIMM)}"
        )
    return _entry(text, BACKBONE, architecture)


def _of_path(text: str, folder: Path) -> Entry:
    path = folder / Path(text).expanduser()
    if not path.is_dir():
        raise UsageError(
            f"'{text}' is neither {PREFIX}ORG/NAME, an architecture of keras.applications, nor a folder",
            hint="bm models --pretrained lists what is known",
        )
    if not (path / places.CONFIG).is_file():
        raise ConfigError(f"{path} has no {places.CONFIG}, which says what the weights are")
    model, family = examined(path)
    return _entry(text, model, family, path)


def _entry(text: str, model: str, family: str, path: Path | None = None) -> Entry:
    return Entry(text, model, family, text, None, 0, None, "folder" if path else "hub", "", path)
