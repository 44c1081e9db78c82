"""manifest.json: the SHA-256 of every finished file of a run.

Files and manifest change in an order that survives an interruption at any point: first the manifest announces
the new hash (`pending`), then the file is put in place, then the announced hash becomes the valid one. In
between, a file may have its old content or the announced one; both are valid.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from bmcli.core.errors import IntegrityError
from bmcli.runs import atomic
from bmcli.runs.documents import strict
from bmcli.runs.layout import MANIFEST, RECORD

FORMAT = 1

LARGEST = 64 << 20
"""Largest size of a manifest in bytes; enough for half a million files."""


@dataclass(frozen=True)
class Manifest:
    """files: relative path (with '/') -> SHA-256, hex. pending: the same, of files about to be replaced."""

    files: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)

    def names(self, path: str) -> bool:
        """Whether it lists this file."""
        return path in self.files or path in self.pending

    def accepts(self, path: str, sha256: str) -> bool:
        """Whether this hash of the file is valid."""
        return sha256 in (self.files.get(path), self.pending.get(path))

    def announce(self, path: str, sha256: str) -> Manifest:
        """Announce the new content of a file."""
        return replace(self, pending={**self.pending, path: sha256})

    def settle(self, path: str, sha256: str) -> Manifest:
        """Record that the file has this content."""
        pending = {name: value for name, value in self.pending.items() if name != path}
        return Manifest({**self.files, path: sha256}, pending)

    def without(self, *paths: str) -> Manifest:
        """Drop these files, and everything in these folders."""

        def kept(name: str) -> bool:
            return not any(name == path or name.startswith(f"{path}/") for path in paths)

        return Manifest(
            {name: value for name, value in self.files.items() if kept(name)},
            {name: value for name, value in self.pending.items() if kept(name)},
        )


def read(folder: Path) -> Manifest:
    """The run's manifest; empty for a run that has just been created; IntegrityError if it is damaged or
    lost."""
    path = folder / MANIFEST
    try:
        with atomic.read_regular(path) as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise IntegrityError(f"{path} is damaged: it has more than {LARGEST:,} bytes")
        data = strict(text)
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(folder / RECORD):
            return Manifest()
        raise IntegrityError(f"{folder} has lost its {MANIFEST}: its files cannot be verified") from None
    except ValueError as error:
        raise IntegrityError(f"{path} is damaged: {error}") from error
    if not isinstance(data, dict):
        raise IntegrityError(f"{path} is damaged: it is not a map")
    if data.get("format") != FORMAT:
        raise IntegrityError(
            f"{path} has a format that this version of bm does not know",
            hint="a newer version of bm may read it",
        )
    files, pending = data.get("files"), data.get("pending", {})
    for part in (files, pending):
        if not isinstance(part, dict) or not all(map(_is_sha256, part.values())):
            raise IntegrityError(f"{path} is damaged: it does not map files to hashes")
        if odd := [name for name in part if PurePosixPath(name).is_absolute() or ".." in name.split("/")]:
            raise IntegrityError(f"{path} is damaged: it names a file outside the run, {odd[0]!r}")
    return Manifest(dict(files or {}), dict(pending))


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64


def write(folder: Path, manifest: Manifest) -> None:
    """Put the manifest in place, atomically."""
    data: dict[str, object] = {"format": FORMAT, "files": dict(sorted(manifest.files.items()))}
    if manifest.pending:
        data["pending"] = dict(sorted(manifest.pending.items()))
    atomic.write_bytes(folder / MANIFEST, (json.dumps(data, indent=2) + "\n").encode())
