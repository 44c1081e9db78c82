"""Writing a first config: a copy of one that comes with bm, or a draft for the user's own data."""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bmcli.config import shipped
from bmcli.config.drafting.draft import Start, draft
from bmcli.config.drafting.inspect import look
from bmcli.config.parsing.merge import legal_name
from bmcli.core.errors import UsageError, did_you_mean
from bmcli.runs import atomic


@dataclass(frozen=True)
class Written:
    """The new file, the run's name in it, and what was seen in the data."""

    path: Path
    name: str
    seen: tuple[str, ...] = ()


def templates() -> list[dict[str, str]]:
    """Name and one-line summary of every template."""
    found = [(name, shipped.find(name)) for name in shipped.names()]
    return [{"name": name, "summary": shipped.summary(path)} for name, path in found if path is not None]


def write(
    source: str, name: str | None, folder: Path, choose: Callable[[str], Start | None] | None = None
) -> Written:
    """Write `<name>.yaml` into the folder. UsageError if that file exists or the source is unknown.

    choose: from the kind of the data to the pretrained weights that a draft starts from, or to None.
    """
    if name is not None and legal_name(name) != name:
        raise UsageError(f"'{name}' cannot be a run's name", hint=f"for example --name {legal_name(name)}")
    template = shipped.find(source) if os.path.basename(source) == source else None  # noqa: PTH119
    if template is not None:
        text = template.read_text(encoding="utf-8")
        if name is not None:
            text = _renamed(text, name)
        stem = name or template.stem
        return Written(_write(folder / f"{stem}.yaml", _headed(text, folder)), name or legal_name(stem))
    path = (folder / source).expanduser() if not source.startswith("~") else Path(source).expanduser()
    if not path.exists():
        raise UsageError(
            f"'{source}' is neither a template nor a file or folder",
            hint=did_you_mean(source, shipped.names()) or "bm init without an argument lists the templates",
        )
    seen = look(path)
    stem = name or legal_name(path.resolve().stem)
    start = choose(seen.kind) if choose is not None else None
    text = draft(seen, stem, source if source.startswith("~") else _relative(path, folder), start)
    return Written(_write(folder / f"{stem}.yaml", _headed(text, folder)), stem, seen.seen)


SCHEMA_FILE = "bm.schema.json"
"""What `bm schema` is saved as, for editors."""


def _headed(text: str, folder: Path) -> str:
    """The config with the line by which editors find its schema, where that was saved beside it."""
    if not (folder / SCHEMA_FILE).is_file():
        return text
    return f"# yaml-language-server: $schema={SCHEMA_FILE}\n{text}"


def _relative(path: Path, folder: Path) -> str:
    """As a person would write it: relative if below the current folder, else unchanged."""
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return str(path) if path.is_absolute() else path.as_posix()


def _renamed(text: str, name: str) -> str:
    """The config with another run name; the line is added where there is none."""
    changed, count = re.subn(r"(?m)^name:.*$", f"name: {name}", text, count=1)
    if count:
        return changed
    lines = text.splitlines(keepends=True)
    at = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    return "".join([*lines[:at], f"name: {name}\n", *lines[at:]])


def _write(path: Path, text: str) -> Path:
    with atomic.resources(f"write {path}"):
        try:
            file = path.open("x", encoding="utf-8", newline="\n")
        except FileExistsError:
            raise UsageError(f"{path.name} exists already", hint="choose another name with --name") from None
        try:
            with file:
                file.write(text)
        except OSError:
            path.unlink(missing_ok=True)  # half a config would be in the way of the next attempt
            raise
    return path
